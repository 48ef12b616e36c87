//! Failures, retries, time-outs, in doubt.

use crate::engine::scenario::{check, check_end};

#[test]
fn a_failure_cancels_other_branches() {
    insta::assert_snapshot!(check(
        "
        a: job
        b: job
        c: all
        d: all
        a -> c
        b -> d
        ",
        "
        begin
        fail a#0 EXIT 2
        fail b#0 CANCELLED
        ",
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
      b started 1 items
      b#0 attempt 1
    ! start a#0 {} {"input":[{"x":1}]}
    ! start b#0 {} {"input":[{"x":1}]}
    > fail a#0 EXIT 2
      a#0 attempt 1 ended EXIT
      a#0 failed: failed with EXIT 2
      a Failed
      ending: a failed
    ! stop b#0
    > fail b#0 CANCELLED
      b#0 attempt 1 ended CANCELLED
      b#0 cancelled
      b Cancelled
      c skipped
      d skipped
      ended Failed
    ! ended Failed
    Failed a=Failed b=Cancelled c=Skipped d=Skipped
    node `a` failed: failed with EXIT 2
    {}
    "#);
}

#[test]
fn other_branches_finish_where_the_settings_say_so() {
    insta::assert_snapshot!(check_end(
        r#"
        a: job
        b: job
        c: all {} {"runOnEmpty": true}
        d: all
        a -> c
        b -> d
        settings {"onFailure": "FINISH_BRANCHES"}
        "#,
        "
        begin
        fail a#0 EXIT 2
        ok b#0
        ",
    ), @r#"
    Failed a=Failed b=Success c=Skipped d=Success
    node `a` failed: failed with EXIT 2
    {"d":{"output":[{"ran":"b#0"}]}}
    "#);
}

#[test]
fn an_attempt_that_is_to_start_in_the_step_that_fails_is_not_started() {
    insta::assert_snapshot!(check(
        r#"
        a: job
        b: bad {"kind": "IO"}
        "#,
        "begin",
    ), @"
    > begin
      began
      a started 1 items
      a#0 attempt 1
      b started 1 items
      b#0 attempt 1
      b#0 attempt 1 ended IO
      b#0 failed: it went wrong
      b Failed
      ending: b failed
      a#0 attempt 1 ended CANCELLED
      a#0 cancelled
      a Cancelled
      ended Failed
    ! ended Failed
    Failed a=Cancelled b=Failed
    node `b` failed: it went wrong
    {}
    ");
}

#[test]
fn a_known_failure_is_tried_again_by_the_nodes_own_retry() {
    insta::assert_snapshot!(check(
        r#"a: job {} {"retry": {"maxRetries": 2, "retryDelay": 1000, "backoffType": "EXPONENTIAL"}}"#,
        "
        begin
        fail a#0 EXIT 1
        tick 1100
        fail a#0 EXIT 1
        tick 2200
        fail a#0 EXIT 1
        ",
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
    ! start a#0 {} {"input":[{"x":1}]}
    > fail a#0 EXIT 1
      a#0 attempt 1 ended EXIT
      a#0 again at 1055
    ! timer retry a#0 1055
    > tick 1100
      a#0 ready
      a#0 attempt 2
    ! start a#0 {} {"input":[{"x":1}]}
    > fail a#0 EXIT 1
      a#0 attempt 2 ended EXIT
      a#0 again at 3211
    ! timer retry a#0 3211
    > tick 2200
      a#0 ready
      a#0 attempt 3
    ! start a#0 {} {"input":[{"x":1}]}
    > fail a#0 EXIT 1
      a#0 attempt 3 ended EXIT
      a#0 failed: failed with EXIT 1
      a Failed
      ending: a failed
      ended Failed
    ! ended Failed
    Failed a=Failed
    node `a` failed: failed with EXIT 1
    {}
    "#);
}

#[test]
fn the_workflows_retry_policy_is_not_for_once() {
    let policy = r#"settings {"retryPolicy": {"maxRetries": 1, "retryDelay": 10}}"#;
    insta::assert_snapshot!(
        check_end(&format!("a: job\n{policy}"), "begin\nfail a#0 EXIT 1"), @"
    Failed a=Failed
    node `a` failed: failed with EXIT 1
    {}
    ");
    insta::assert_snapshot!(
        check_end(&format!("a: get\n{policy}"), "begin\nfail a#0 EXIT 1\ntick 20\nok a#0"), @r#"
    Success a=Success
    {"a":{"output":[{"ran":"a#0"}]}}
    "#);
}

#[test]
fn a_panic_ends_the_attempt() {
    insta::assert_snapshot!(check_end(r#"a: bad {"kind": "PANIC"}"#, "begin"), @"
    Failed a=Failed
    node `a` failed: the node definition panicked
    {}
    ");
}

#[test]
fn an_execution_that_runs_too_long_fails() {
    insta::assert_snapshot!(check(
        "
        a: job
        settings {\"timeout\": 5000}
        ",
        "
        begin
        tick 5000
        fail a#0 CANCELLED
        ",
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
    ! timer timeout 5000
    ! start a#0 {} {"input":[{"x":1}]}
    > tick 5000
      ending: timed out after 5000
    ! stop a#0
    > fail a#0 CANCELLED
      a#0 attempt 1 ended CANCELLED
      a#0 cancelled
      a Cancelled
      ended Failed
    ! clear timeout
    ! ended Failed
    Failed a=Cancelled
    ran longer than settings.timeout (5000 ms)
    {}
    "#);
}

#[test]
fn a_request_sent_without_an_answer_is_in_doubt_where_it_is_once() {
    insta::assert_snapshot!(check("a: job\nb: all\na -> b", "begin\ndoubt a#0\nanswer a done"), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
    ! start a#0 {} {"input":[{"x":1}]}
    > doubt a#0
      a#0 attempt 1 ended TIMEOUT lost
      a#0 in doubt
      paused InDoubt after 0
    > answer a done
      a#0 done {"output":[{"said":true}]}
      a Success output:1
      b started
      b done {"output":[{"said":true}]}
      b Success output:1
      ended Success
    ! ended Success
    Success a=Success b=Success
    {"b":{"output":[{"said":true}]}}
    "#);
    insta::assert_snapshot!(check_end("a: job", "begin\ndoubt a#0\nanswer a failed"), @"
    Failed a=Failed
    node `a` failed: a person said that it failed
    {}
    ");
    insta::assert_snapshot!(
        check_end(r#"a: job {} {"inDoubt": "FAIL"}"#, "begin\ndoubt a#0"), @"
    Failed a=Failed
    node `a` failed: sent
    {}
    ");
    insta::assert_snapshot!(check_end(
        r#"a: job {} {"inDoubt": "RETRY", "retry": {"maxRetries": 1, "retryDelay": 1}}"#,
        "begin\ndoubt a#0\ntick 2\ndoubt a#0",
    ), @"
    Failed a=Failed
    node `a` failed: sent
    {}
    ");
    insta::assert_snapshot!(check_end("a: get", "begin\ndoubt a#0"), @"
    Failed a=Failed
    node `a` failed: sent
    {}
    ");
}

#[test]
fn a_retryable_request_without_an_answer_is_tried_again() {
    insta::assert_snapshot!(check_end(
        r#"a: get {} {"retry": {"maxRetries": 1, "retryDelay": 1}}"#,
        "begin\ndoubt a#0\ntick 2\nok a#0",
    ), @r#"
    Success a=Success
    {"a":{"output":[{"ran":"a#0"}]}}
    "#);
}

#[test]
fn late_and_doubled_inputs_make_no_difference() {
    insta::assert_snapshot!(check(
        "a: job\nb: job\na -> b",
        "
        begin
        begin
        answer a done
        resume
        continue
        progress a#0 40
        ok a#0
        ok b#0
        cancel
        ",
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
    ! start a#0 {} {"input":[{"x":1}]}
    > begin
    > answer a done
    > resume
    > continue
    > progress a#0 40
      a at 40 %
    > ok a#0
      a#0 attempt 1 ended ok
      a#0 done {"output":[{"ran":"a#0"}]}
      a Success output:1
      b started 1 items
      b#0 attempt 1
    ! start b#0 {} {"input":[{"ran":"a#0"}]}
    > ok b#0
      b#0 attempt 1 ended ok
      b#0 done {"output":[{"ran":"b#0"}]}
      b Success output:1
      ended Success
    ! ended Success
    > cancel
    Success a=Success b=Success
    {"b":{"output":[{"ran":"b#0"}]}}
    "#);
}

#[test]
fn where_there_is_little_room_the_highest_priority_begins_first() {
    let workflow = r#"
        low: job {} {"priority": -1}
        first: job
        high: job {} {"priority": 5}
        after: job {} {"priority": 9}
        high -> after
        "#;
    let plan = crate::engine::scenario::plan(workflow);
    let mut run = crate::engine::scenario::Run::new(&plan);
    run.limits.parallel = 1;
    run.play("begin\nok high#0\nok after#0\nok first#0\nok low#0");
    assert!(run.journal.ends_with("! ended Success\n"), "{}", run.journal);
}
