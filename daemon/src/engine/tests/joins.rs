//! `join: ANY`: the first connection that brings items, once.

use crate::engine::scenario::{check, check_end};

const ANY: &str = "
    a: job
    b: job
    c: all {} {\"join\": \"ANY\"}
    a -> c
    b -> c
    ";

#[test]
fn the_first_that_brings_items_is_taken_and_what_comes_later_is_not_used() {
    insta::assert_snapshot!(check(ANY, "begin\nok b#0\nok a#0"), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
      b started 1 items
      b#0 attempt 1
    ! start a#0 {} {"input":[{"x":1}]}
    ! start b#0 {} {"input":[{"x":1}]}
    > ok b#0
      b#0 attempt 1 ended ok
      b#0 done {"output":[{"ran":"b#0"}]}
      b Success output:1
      c started
      c done {"output":[{"ran":"b#0"}]}
      c Success output:1
    > ok a#0
      a#0 attempt 1 ended ok
      a#0 done {"output":[{"ran":"a#0"}]}
      a Success output:1
      ended Success
    ! ended Success
    Success a=Success b=Success c=Success
    {"c":{"output":[{"ran":"b#0"}]}}
    "#);
}

#[test]
fn one_that_brings_nothing_is_not_waited_for_and_not_taken() {
    insta::assert_snapshot!(check_end(ANY, "begin\nok a#0 []\nok b#0"), @r#"
    Success a=Success b=Success c=Success
    {"a":{},"c":{"output":[{"ran":"b#0"}]}}
    "#);
    // Neither the failure of the other nor its silence matters.
    let branch = "
        a: job {} {\"onError\": \"BRANCH\"}
        b: job
        c: all {} {\"join\": \"ANY\"}
        a -> c
        b -> c
        ";
    insta::assert_snapshot!(check_end(branch, "begin\nfail a#0 EXIT\nok b#0"), @r#"
    Success a=Success b=Success c=Success
    {"a":{"error":[{"error":{"kind":"EXIT","message":"failed with EXIT","code":null,"nodeId":"a","attempt":1},"input":{"x":1}}]},"c":{"output":[{"ran":"b#0"}]}}
    "#);
}

#[test]
fn where_all_settle_empty_it_is_skipped_unless_it_runs_on_nothing() {
    insta::assert_snapshot!(check_end(ANY, "begin\nok a#0 []\nok b#0 []"), @r#"
    Success a=Success b=Success c=Skipped
    {"a":{},"b":{}}
    "#);
    let anyway = ANY.replace("\"ANY\"", "\"ANY\", \"runOnEmpty\": true");
    insta::assert_snapshot!(check_end(&anyway, "begin\nok a#0 []\nok b#0 []"), @r#"
    Success a=Success b=Success c=Success
    {"a":{},"b":{},"c":{}}
    "#);
}

#[test]
fn what_it_took_is_known_after_a_crash() {
    let each = "
        a: job
        b: job
        c: job {\"v\": \"{{ item.ran }}\"} {\"join\": \"ANY\", \"retry\": {\"maxRetries\": 1, \"retryDelay\": 0}}
        a -> c
        b -> c
        ";
    let script = "begin\nok b#0\nfail c#0 EXIT\nok a#0\nrecover\ntick 9\nok c#0";
    insta::assert_snapshot!(check(each, script), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
      b started 1 items
      b#0 attempt 1
    ! start a#0 {} {"input":[{"x":1}]}
    ! start b#0 {} {"input":[{"x":1}]}
    > ok b#0
      b#0 attempt 1 ended ok
      b#0 done {"output":[{"ran":"b#0"}]}
      b Success output:1
      c started 1 items
      c#0 attempt 1
    ! start c#0 {"v":"b#0"} {"input":[{"ran":"b#0"}]}
    > fail c#0 EXIT
      c#0 attempt 1 ended EXIT
      c#0 again at 0
    ! timer retry c#0 0
    > ok a#0
      a#0 attempt 1 ended ok
      a#0 done {"output":[{"ran":"a#0"}]}
      a Success output:1
    > recover
      running, 0 so far
    ! timer retry c#0 0
    > tick 9
      c#0 ready
      c#0 attempt 2
    ! start c#0 {"v":"b#0"} {"input":[{"ran":"b#0"}]}
    > ok c#0
      c#0 attempt 2 ended ok
      c#0 done {"output":[{"ran":"c#0"}]}
      c Success output:1
      ended Success
    ! ended Success
    Success a=Success b=Success c=Success
    {"c":{"output":[{"ran":"c#0"}]}}
    "#);
}
