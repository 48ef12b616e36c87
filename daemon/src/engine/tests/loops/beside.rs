//! Iterations that run beside each other.

use crate::engine::fact::Fact;
use crate::engine::scenario::{Run, check, check_after, check_end, plan};

const PARALLEL: &str = "
    s: list {\"of\": [1, 2, 3, 4]}
    each: loop {} {\"concurrency\": 2}
    a: job {\"v\": \"{{ item }}\"}
    b: all
    s -> each
    each.loop -> a
    a -> each
    each.done -> b
    ";

#[test]
fn iterations_run_beside_each_other_and_what_came_of_them_stands_in_their_order() {
    let script = "
        begin
        ok a[1]#0 [\"two\"]
        ok a[2]#0 [\"three\"]
        recover
        answer a[0] done
        answer a[3] done
        ";
    insta::assert_snapshot!(check(PARALLEL, script), @r#"
    > begin
      began
      s started 1 items
      s#0 done {"output":[1,2,3,4]}
      s Success output:4
      each started
      each goes in
      loop each began
      loop each iteration 0
      loop each iteration 1
      a[0] started 1 items
      a[0]#0 attempt 1
      a[1] started 1 items
      a[1]#0 attempt 1
    ! start a[0]#0 {"v":1} {"input":[1]}
    ! start a[1]#0 {"v":2} {"input":[2]}
    > ok a[1]#0 ["two"]
      a[1]#0 attempt 1 ended ok
      a[1]#0 done {"output":["two"]}
      a[1] Success output:1
      loop each iteration 1 over back:1
      loop each iteration 2
      a[2] started 1 items
      a[2]#0 attempt 1
    ! start a[2]#0 {"v":3} {"input":[3]}
    > ok a[2]#0 ["three"]
      a[2]#0 attempt 1 ended ok
      a[2]#0 done {"output":["three"]}
      a[2] Success output:1
      loop each iteration 2 over back:1
      loop each iteration 1 put away
      loop each iteration 3
      a[3] started 1 items
      a[3]#0 attempt 1
    ! start a[3]#0 {"v":4} {"input":[4]}
    > recover
      running, 0 so far
      a[0]#0 attempt 1 ended IN_DOUBT lost
      a[0]#0 in doubt
      a[3]#0 attempt 1 ended IN_DOUBT lost
      a[3]#0 in doubt
      paused InDoubt after 0
    > answer a[0] done
      a[0]#0 done {"output":[{"said":true}]}
      a[0] Success output:1
      loop each iteration 0 over back:1
      loop each iteration 0 put away
    > answer a[3] done
      a[3]#0 done {"output":[{"said":true}]}
      a[3] Success output:1
      loop each iteration 3 over back:1
      loop each iteration 2 put away
      loop each over
      each done {}
      each Success done:4
      b started
      b done {"output":[{"said":true},"two","three",{"said":true}]}
      b Success output:4
      ended Success
    ! ended Success
    Success s=Success each=Success a[3]=Success b=Success
    {"b":{"output":[{"said":true},"two","three",{"said":true}]}}
    "#);
}

#[test]
fn the_first_failure_ends_the_other_iterations() {
    insta::assert_snapshot!(check_after(PARALLEL, "begin", "fail a[1]#0 EXIT\nfail a[0]#0 CANCELLED"), @r#"
    > fail a[1]#0 EXIT
      a[1]#0 attempt 1 ended EXIT
      a[1]#0 failed: failed with EXIT
      a[1] Failed
      ending: a failed
      each cancelled
      each Cancelled
    ! stop a[0]#0
    > fail a[0]#0 CANCELLED
      a[0]#0 attempt 1 ended CANCELLED
      a[0]#0 cancelled
      a[0] Cancelled
      loop each closing
      loop each over
      b skipped
      ended Failed
    ! ended Failed
    Failed s=Success each=Cancelled a[0]=Cancelled a[1]=Failed b=Skipped
    node `a` failed in iteration 1: failed with EXIT
    {}
    "#);
    let branches = format!("{PARALLEL}z: job\nsettings {{\"onFailure\": \"FINISH_BRANCHES\"}}");
    let script = "begin\nfail a[1]#0 EXIT\nfail a[0]#0 CANCELLED\nok z#0";
    insta::assert_snapshot!(check_end(&branches, script), @r#"
    Failed s=Success each=Cancelled a[1]=Failed b=Skipped z=Success
    node `a` failed in iteration 1: failed with EXIT
    {"z":{"output":[{"ran":"z#0"}]}}
    "#);
}

#[test]
fn a_cancel_and_a_pause_reach_into_loops() {
    insta::assert_snapshot!(check_end(PARALLEL, "begin\ncancel\nfail a[0]#0 CANCELLED\nfail a[1]#0 CANCELLED"), @"
    Cancelled s=Success each=Cancelled a[0]=Cancelled a[1]=Cancelled b=Skipped
    cancelled by anna
    {}
    ");
    let script = "begin\npause\nok a[0]#0\nok a[1]#0\nresume\nok a[2]#0\nok a[3]#0";
    insta::assert_snapshot!(check_end(PARALLEL, script), @r#"
    Success s=Success each=Success a[3]=Success b=Success
    {"b":{"output":[{"ran":"a[0]#0"},{"ran":"a[1]#0"},{"ran":"a[2]#0"},{"ran":"a[3]#0"}]}}
    "#);
}

/// What happened: an iteration that failed after a later one had ended was put away while the step had
/// still to look at its nodes; not in the state any more, they were taken for such as had not begun, and
/// a node that had failed was told of as cancelled.
#[test]
fn what_was_put_away_is_not_ended_a_second_time() {
    let text = format!("{PARALLEL}settings {{\"onFailure\": \"FINISH_BRANCHES\"}}");
    let plan = plan(&text);
    let mut run = Run::new(&plan);
    run.play("begin\nok a[1]#0\nfail a[0]#0 EXIT\nfail a[2]#0 CANCELLED");
    let ends = run.facts.iter().filter(|fact| match fact {
        Fact::NodeEnded { node, .. } => node.node == "a" && node.iteration == "0",
        _ => false,
    });
    assert_eq!(ends.count(), 1, "{}", run.journal);
    assert!(run.outcome().starts_with("Failed s=Success each=Cancelled"), "{}", run.outcome());
}
