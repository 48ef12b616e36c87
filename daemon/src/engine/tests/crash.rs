//! What a crash means.

use crate::engine::scenario::{check, check_end};

#[test]
fn a_once_step_whose_end_nobody_saw_is_in_doubt() {
    insta::assert_snapshot!(check(
        "a: job\nb: all\na -> b",
        "
        begin
        recover
        answer a again
        ok a#0
        ",
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
    ! start a#0 {} {"input":[{"x":1}]}
    > recover
      running, 0 so far
      a#0 attempt 1 ended IN_DOUBT lost
      a#0 in doubt
      paused InDoubt after 0
    > answer a again
      a#0 ready
      a#0 attempt 2
      running, 0 so far
    ! start a#0 {} {"input":[{"x":1}]}
    > ok a#0
      a#0 attempt 2 ended ok
      a#0 done {"output":[{"ran":"a#0"}]}
      a Success output:1
      b started
      b done {"output":[{"ran":"a#0"}]}
      b Success output:1
      ended Success
    ! ended Success
    Success a=Success b=Success
    {"b":{"output":[{"ran":"a#0"}]}}
    "#);
    insta::assert_snapshot!(
        check_end(r#"a: job {} {"inDoubt": "FAIL"}"#, "begin\nrecover"), @"
    Failed a=Failed
    node `a` failed: the daemon ended while this attempt ran; its outcome is not known
    {}
    ");
    insta::assert_snapshot!(
        check_end(r#"a: job {} {"inDoubt": "RETRY"}"#, "begin\nrecover\nok a#0"), @r#"
    Success a=Success
    {"a":{"output":[{"ran":"a#0"}]}}
    "#);
}

#[test]
fn a_retryable_step_is_started_again_and_finished_ones_are_not() {
    insta::assert_snapshot!(check(
        "a: job\nb: get\na -> b",
        "
        begin
        ok a#0
        recover
        ok b#0
        ",
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
    ! start a#0 {} {"input":[{"x":1}]}
    > ok a#0
      a#0 attempt 1 ended ok
      a#0 done {"output":[{"ran":"a#0"}]}
      a Success output:1
      b started 1 items
      b#0 attempt 1
    ! start b#0 {} {"input":[{"ran":"a#0"}]}
    > recover
      running, 0 so far
      b#0 attempt 1 ended IN_DOUBT lost
      b#0 ready
      b#0 attempt 2
    ! start b#0 {} {"input":[{"ran":"a#0"}]}
    > ok b#0
      b#0 attempt 2 ended ok
      b#0 done {"output":[{"ran":"b#0"}]}
      b Success output:1
      ended Success
    ! ended Success
    Success a=Success b=Success
    {"b":{"output":[{"ran":"b#0"}]}}
    "#);
}

#[test]
fn timers_and_waits_are_set_again() {
    insta::assert_snapshot!(check(
        r#"
        a: wait {"ms": 1000}
        b: job {} {"retry": {"retryDelay": 500, "backoffType": "FIXED"}}
        settings {"timeout": 9000}
        "#,
        "
        begin
        fail b#0 EXIT 1
        tick 100
        recover
        tick 900
        ok b#0
        ",
    ), @r#"
    > begin
      began
      a started
      a waits until 1000
      b started 1 items
      b#0 attempt 1
    ! timer timeout 9000
    ! timer wait a 1000
    ! start b#0 {} {"input":[{"x":1}]}
    > fail b#0 EXIT 1
      b#0 attempt 1 ended EXIT
      b#0 again at 539
    ! timer retry b#0 539
    > tick 100
    > recover
      running, 100 so far
    ! timer timeout 9000
    ! timer wait a 1000
    ! timer retry b#0 539
    > tick 900
      b#0 ready
      b#0 attempt 2
    ! start b#0 {} {"input":[{"x":1}]}
      a done {"output":[{"x":1}]}
      a Success output:1
    > ok b#0
      b#0 attempt 2 ended ok
      b#0 done {"output":[{"ran":"b#0"}]}
      b Success output:1
      ended Success
    ! clear timeout
    ! ended Success
    Success a=Success b=Success
    {"a":{"output":[{"x":1}]},"b":{"output":[{"ran":"b#0"}]}}
    "#);
}

#[test]
fn a_cancel_that_was_under_way_ends() {
    insta::assert_snapshot!(check("a: job", "begin\ncancel\nrecover"), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
    ! start a#0 {} {"input":[{"x":1}]}
    > cancel
      ending: cancelled
    ! stop a#0
    > recover
      running, 0 so far
      a#0 attempt 1 ended IN_DOUBT lost
      a#0 cancelled
      a Cancelled
      ended Cancelled
    ! ended Cancelled
    Cancelled a=Cancelled
    cancelled by anna
    {}
    "#);
}
