//! `finally: true`: what runs at the end, whatever happened.

use a2n_proto::execution::ExecutionStatus;

use crate::engine::scenario::{Run, check, check_after, check_end, plan};

const CLEAN: &str = "
    a: job
    b: all
    f: job {\"was\": \"{{ execution.status }}\", \"why\": \"{{ execution.error.kind if execution.error else 'nothing' }}\"} {\"finally\": true}
    a -> b
    ";

#[test]
fn it_runs_after_all_else_and_sees_how_that_ended() {
    insta::assert_snapshot!(check(CLEAN, "begin\nok a#0\nok f#0"), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
    ! start a#0 {} {"input":[{"x":1}]}
    > ok a#0
      a#0 attempt 1 ended ok
      a#0 done {"output":[{"ran":"a#0"}]}
      a Success output:1
      b started
      b done {"output":[{"ran":"a#0"}]}
      b Success output:1
      came to Success, now what runs at the end
      f started 1 items
      f#0 attempt 1
    ! start f#0 {"was":"SUCCESS","why":"nothing"} {"input":[{"x":1}]}
    > ok f#0
      f#0 attempt 1 ended ok
      f#0 done {"output":[{"ran":"f#0"}]}
      f Success output:1
      ended Success
    ! ended Success
    Success a=Success b=Success f=Success
    {"b":{"output":[{"ran":"a#0"}]},"f":{"output":[{"ran":"f#0"}]}}
    "#);
    insta::assert_snapshot!(check_after(CLEAN, "begin", "fail a#0 EXIT\nok f#0"), @r#"
    > fail a#0 EXIT
      a#0 attempt 1 ended EXIT
      a#0 failed: failed with EXIT
      a Failed
      ending: a failed
      b skipped
      came to Failed, now what runs at the end
      f started 1 items
      f#0 attempt 1
    ! start f#0 {"was":"FAILED","why":"EXIT"} {"input":[{"x":1}]}
    > ok f#0
      f#0 attempt 1 ended ok
      f#0 done {"output":[{"ran":"f#0"}]}
      f Success output:1
      ended Failed
    ! ended Failed
    Failed a=Failed b=Skipped f=Success
    node `a` failed: failed with EXIT
    {"f":{"output":[{"ran":"f#0"}]}}
    "#);
}

#[test]
fn it_runs_after_a_cancel_and_a_second_cancel_ends_it() {
    let script = "cancel\nfail a#0 CANCELLED\nok f#0";
    insta::assert_snapshot!(check_after(CLEAN, "begin", script), @r#"
    > cancel
      ending: cancelled
    ! stop a#0
    > fail a#0 CANCELLED
      a#0 attempt 1 ended CANCELLED
      a#0 cancelled
      a Cancelled
      b skipped
      came to Cancelled, now what runs at the end
      f started 1 items
      f#0 attempt 1
    ! start f#0 {"was":"CANCELLED","why":"CANCELLED"} {"input":[{"x":1}]}
    > ok f#0
      f#0 attempt 1 ended ok
      f#0 done {"output":[{"ran":"f#0"}]}
      f Success output:1
      ended Cancelled
    ! ended Cancelled
    Cancelled a=Cancelled b=Skipped f=Success
    cancelled by anna
    {"f":{"output":[{"ran":"f#0"}]}}
    "#);
    let script = "begin\ncancel\nfail a#0 CANCELLED\ncancel\nfail f#0 CANCELLED";
    insta::assert_snapshot!(check_end(CLEAN, script), @"
    Cancelled a=Cancelled b=Skipped f=Cancelled
    cancelled by anna
    {}
    ");
    // A pause that was asked for is not in its way.
    let script = "begin\npause\ncancel\nfail a#0 CANCELLED\nok f#0";
    insta::assert_snapshot!(check_end(CLEAN, script), @r#"
    Cancelled a=Cancelled b=Skipped f=Success
    cancelled by anna
    {"f":{"output":[{"ran":"f#0"}]}}
    "#);
    // What was cancelled only at the end was not a success.
    insta::assert_snapshot!(check_end(CLEAN, "begin\nok a#0\ncancel\nfail f#0 CANCELLED"), @r#"
    Cancelled a=Success b=Success f=Cancelled
    cancelled by anna
    {"b":{"output":[{"ran":"a#0"}]}}
    "#);
}

#[test]
fn it_runs_after_the_time_out_of_the_execution_and_is_not_bound_by_it() {
    let limited = format!("{CLEAN}settings {{\"timeout\": 500}}");
    let script = "tick 500\nfail a#0 CANCELLED\ntick 9000\nok f#0";
    insta::assert_snapshot!(check_after(&limited, "begin", script), @r#"
    > tick 500
      ending: timed out after 500
    ! stop a#0
    > fail a#0 CANCELLED
      a#0 attempt 1 ended CANCELLED
      a#0 cancelled
      a Cancelled
      b skipped
      came to Failed, now what runs at the end
      f started 1 items
      f#0 attempt 1
    ! clear timeout
    ! start f#0 {"was":"FAILED","why":"TIMEOUT"} {"input":[{"x":1}]}
    > tick 9000
    > ok f#0
      f#0 attempt 1 ended ok
      f#0 done {"output":[{"ran":"f#0"}]}
      f Success output:1
      ended Failed
    ! ended Failed
    Failed a=Cancelled b=Skipped f=Success
    ran longer than settings.timeout (500 ms)
    {"f":{"output":[{"ran":"f#0"}]}}
    "#);
}

#[test]
fn its_failure_makes_a_success_a_failure_and_leaves_a_failure_as_it_was() {
    insta::assert_snapshot!(check_end(CLEAN, "begin\nok a#0\nfail f#0 EXIT 3"), @r#"
    Failed a=Success b=Success f=Failed
    node `f` failed: failed with EXIT 3
    {"b":{"output":[{"ran":"a#0"}]}}
    "#);
    insta::assert_snapshot!(check_end(CLEAN, "begin\nfail a#0 TIMEOUT\nfail f#0 EXIT 3"), @"
    Failed a=Failed b=Skipped f=Failed
    node `a` failed: failed with TIMEOUT
    {}
    ");
}

#[test]
fn one_that_fails_does_not_keep_the_others_from_running() {
    let two = "
        a: all
        f: job {} {\"finally\": true}
        g: job {} {\"finally\": true}
        h: job {} {\"finally\": true}
        g -> h
        ";
    insta::assert_snapshot!(check_end(two, "begin\nfail f#0 EXIT\nok g#0\nok h#0"), @r#"
    Failed a=Success f=Failed g=Success h=Success
    node `f` failed: failed with EXIT
    {"a":{"output":[{"x":1}]},"h":{"output":[{"ran":"h#0"}]}}
    "#);
    insta::assert_snapshot!(check_end(two, "begin\nok f#0\nfail g#0 EXIT"), @r#"
    Failed a=Success f=Success g=Failed h=Skipped
    node `g` failed: failed with EXIT
    {"a":{"output":[{"x":1}]},"f":{"output":[{"ran":"f#0"}]}}
    "#);
}

#[test]
fn a_connection_into_it_brings_items_and_is_not_needed() {
    let after = "
        a: job
        f: bulk {} {\"finally\": true}
        a -> f
        ";
    insta::assert_snapshot!(check_after(after, "begin", "ok a#0\nok f"), @r#"
    > ok a#0
      a#0 attempt 1 ended ok
      a#0 done {"output":[{"ran":"a#0"}]}
      a Success output:1
      came to Success, now what runs at the end
      f started
      f attempt 1
    ! start f {} {"input":[{"ran":"a#0"}]}
    > ok f
      f attempt 1 ended ok
      f done {"output":[{"ran":"f"}]}
      f Success output:1
      ended Success
    ! ended Success
    Success a=Success f=Success
    {"f":{"output":[{"ran":"f"}]}}
    "#);
    insta::assert_snapshot!(check_after(after, "begin", "fail a#0 EXIT\nok f"), @r#"
    > fail a#0 EXIT
      a#0 attempt 1 ended EXIT
      a#0 failed: failed with EXIT
      a Failed
      ending: a failed
      came to Failed, now what runs at the end
      f started
      f attempt 1
    ! start f {} {"input":[]}
    > ok f
      f attempt 1 ended ok
      f done {"output":[{"ran":"f"}]}
      f Success output:1
      ended Failed
    ! ended Failed
    Failed a=Failed f=Success
    node `a` failed: failed with EXIT
    {"f":{"output":[{"ran":"f"}]}}
    "#);
}

#[test]
fn it_goes_on_after_a_crash() {
    insta::assert_snapshot!(check_end(CLEAN, "begin\nok a#0\nrecover\nanswer f done"), @r#"
    Success a=Success b=Success f=Success
    {"b":{"output":[{"ran":"a#0"}]},"f":{"output":[{"said":true}]}}
    "#);
}

/// What happened: an execution that waited for its turn and was cancelled there never ended.
#[test]
fn what_never_began_ends_at_once_and_without_them() {
    let plan = plan("a: all\nf: job {} {\"finally\": true}");
    let mut run = Run::new(&plan);
    run.play("pause");
    run.play("cancel");
    assert_eq!(run.state.status(), ExecutionStatus::Cancelled);
    assert!(run.jobs.is_empty(), "{}", run.outcome());
}
