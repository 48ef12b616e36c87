//! What a node asks of the rest of the daemon, and what comes of the answer.

use crate::engine::input::Input;
use crate::engine::kind::Outcome;
use crate::engine::request::Reply;
use crate::engine::scenario::{Run, check, check_after, check_end, plan};
use crate::engine::view;

#[test]
fn a_request_is_an_attempt_that_ends_with_the_reply() {
    insta::assert_snapshot!(check("a: ask\nb: all\na -> b", "begin\nreply a#0"), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
      a#0 asks: shared `k`
    ! ask a#0 1: shared `k`
    > reply a#0
      a#0 attempt 1 ended ok
      a#0 done {"output":[{"told":"a#0"}]}
      a Success output:1
      b started
      b done {"output":[{"told":"a#0"}]}
      b Success output:1
      ended Success
    ! ended Success
    Success a=Success b=Success
    {"b":{"output":[{"told":"a#0"}]}}
    "#);
}

#[test]
fn one_that_is_refused_is_tried_again_like_any_attempt() {
    insta::assert_snapshot!(check_after(
        r#"a: ask {} {"retry": {"maxRetries": 1, "retryDelay": 0}}"#,
        "begin",
        "refuse a#0 LIMIT\ntick 0\nrefuse a#0 LIMIT",
    ), @"
    > refuse a#0 LIMIT
      a#0 attempt 1 ended LIMIT
      a#0 again at 0
    ! timer retry a#0 0
    > tick 0
      a#0 ready
      a#0 attempt 2
      a#0 asks: shared `k`
    ! ask a#0 2: shared `k`
    > refuse a#0 LIMIT
      a#0 attempt 2 ended LIMIT
      a#0 failed: refused with LIMIT
      a Failed
      ending: a failed
      ended Failed
    ! ended Failed
    Failed a=Failed
    node `a` failed: refused with LIMIT
    {}
    ");
}

#[test]
fn a_start_of_the_daemon_asks_again_under_the_same_attempt() {
    insta::assert_snapshot!(check_after("a: ask", "begin", "recover\nreply a#0"), @r#"
    > recover
      running, 0 so far
    ! ask a#0 1: shared `k`
    > reply a#0
      a#0 attempt 1 ended ok
      a#0 done {"output":[{"told":"a#0"}]}
      a Success output:1
      ended Success
    ! ended Success
    Success a=Success
    {"a":{"output":[{"told":"a#0"}]}}
    "#);
}

#[test]
fn the_time_out_of_the_node_ends_it_without_an_answer() {
    insta::assert_snapshot!(check(
        r#"a: ask {} {"timeout": 500, "onError": "CONTINUE"}"#,
        "begin\nrecover\ntick 499\ntick 1",
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
      a#0 asks: shared `k`
    ! ask a#0 1: shared `k`
    ! timer request a#0 500
    > recover
      running, 0 so far
    ! ask a#0 1: shared `k`
    ! timer request a#0 500
    > tick 499
    > tick 1
      a#0 attempt 1 ended TIMEOUT
      a#0 failed: no answer came within 500 ms
      a Success output:1
      ended Success
    ! withdraw a#0 1
    ! ended Success
    Success a=Success
    {"a":{"output":[{"error":{"kind":"TIMEOUT","message":"no answer came within 500 ms","code":null,"nodeId":"a","attempt":1},"input":{"x":1}}]}}
    "#);
}

#[test]
fn cancel_takes_it_back() {
    insta::assert_snapshot!(check_after(
        r#"a: ask {} {"timeout": 500}"#, "begin", "cancel"), @"
    > cancel
      ending: cancelled
      a#0 attempt 1 ended CANCELLED
      a#0 cancelled
      a Cancelled
      ended Cancelled
    ! clear request a#0
    ! withdraw a#0 1
    ! ended Cancelled
    Cancelled a=Cancelled
    cancelled by anna
    {}
    ");
}

#[test]
fn one_of_the_very_step_that_ends_the_execution_is_never_made() {
    insta::assert_snapshot!(check("a: ask\nb: bad", "begin"), @"
    > begin
      began
      a started 1 items
      a#0 attempt 1
      a#0 asks: shared `k`
      b started 1 items
      b#0 attempt 1
      b#0 attempt 1 ended EXIT
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
fn items_ask_as_many_at_once_as_the_node_may() {
    insta::assert_snapshot!(check(
        "a: list {\"of\": [1, 2, 3]}\nb: ask {} {\"concurrency\": 2}\na -> b",
        "begin\nreply b#1\nreply b#0\nreply b#2",
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 done {"output":[1,2,3]}
      a Success output:3
      b started 3 items
      b#0 attempt 1
      b#0 asks: shared `k`
      b#1 attempt 1
      b#1 asks: shared `k`
    ! ask b#0 1: shared `k`
    ! ask b#1 1: shared `k`
    > reply b#1
      b#1 attempt 1 ended ok
      b#1 done {"output":[{"told":"b#1"}]}
      b#2 attempt 1
      b#2 asks: shared `k`
    ! ask b#2 1: shared `k`
    > reply b#0
      b#0 attempt 1 ended ok
      b#0 done {"output":[{"told":"b#0"}]}
    > reply b#2
      b#2 attempt 1 ended ok
      b#2 done {"output":[{"told":"b#2"}]}
      b Success output:3
      ended Success
    ! ended Success
    Success a=Success b=Success
    {"b":{"output":[{"told":"b#0"},{"told":"b#1"},{"told":"b#2"}]}}
    "#);
}

#[test]
fn an_item_that_fails_lets_those_that_are_answered_end_and_asks_no_more() {
    insta::assert_snapshot!(check_end(
        "a: list {\"of\": [1, 2, 3]}\nb: ask {} {\"concurrency\": 2}\na -> b",
        "begin\nrefuse b#1 LIMIT\nreply b#0",
    ), @"
    Failed a=Success b=Failed
    node `b` failed: refused with LIMIT
    {}
    ");
}

#[test]
fn a_pause_waits_for_the_answer_and_starts_nothing_after_it() {
    insta::assert_snapshot!(check_end("a: ask\nb: all\na -> b", "begin\npause"), @"
    Running a=Running b=-
    {}
    ");
    insta::assert_snapshot!(check_end("a: ask\nb: all\na -> b", "begin\npause\nreply a#0"), @"
    Paused User a=Success b=-
    {}
    ");
}

#[test]
fn late_and_doubled_answers_change_nothing() {
    let plan = plan(r#"a: ask {} {"retry": {"maxRetries": 1, "retryDelay": 0}}"#);
    let mut run = Run::new(&plan);
    run.play("begin");
    let (unit, n) = run.requests["a#0"].clone();
    let answer = |n| Input::Replied {
        unit: unit.clone(),
        n,
        reply: Box::new(Reply::Ok(Outcome::Items(Default::default()))),
    };
    assert!(run.tell(answer(n + 1)).facts.is_empty(), "of an attempt that never was");
    run.play("refuse a#0 LIMIT\ntick 0");
    assert!(run.tell(answer(1)).facts.is_empty(), "of the attempt before");
    assert!(!run.tell(answer(2)).facts.is_empty());
    assert!(run.tell(answer(2)).facts.is_empty(), "twice");
    let row = view::node_states(&plan, &run.state, true).remove(0);
    assert_eq!((row.retry_count, row.units[0].attempts.len()), (1, 2));
}

#[test]
fn a_definition_may_not_answer_a_request_with_another() {
    let plan = plan("a: ask");
    let mut run = Run::new(&plan);
    run.play("begin");
    let (unit, n) = run.requests["a#0"].clone();
    let request = run.state.requests().next().unwrap().3.clone();
    let reply = Box::new(Reply::Ok(Outcome::Request(Box::new(request))));
    run.tell(Input::Replied { unit, n, reply });
    assert!(run.outcome().contains("where it may not"), "{}", run.outcome());
}

#[test]
fn a_lock_is_held_from_the_answer_to_its_release() {
    insta::assert_snapshot!(check(
        "a: lock\nb: job\nc: free\nd: job\na -> b\nb -> c\nc -> d",
        "begin\nreply a [1]\nok b#0\nrecover",
    ), @r#"
    > begin
      began
      a started
      a attempt 1
      a asks: 1 of lock `l`
      paused Waiting after 0
    ! ask a 1: 1 of lock `l`
    > reply a [1]
      a attempt 1 ended ok
      a holds 1 of `l`
      a done {"output":[1]}
      a Success output:1
      b started 1 items
      b#0 attempt 1
      running, 0 so far
    ! start b#0 {} {"input":[1]}
    > ok b#0
      b#0 attempt 1 ended ok
      b#0 done {"output":[{"ran":"b#0"}]}
      b Success output:1
      c started
      `l` is free
      c done {"output":[{"ran":"b#0"}]}
      c Success output:1
      d started 1 items
      d#0 attempt 1
    ! release `l`
    ! start d#0 {} {"input":[{"ran":"b#0"}]}
    > recover
      running, 0 so far
      d#0 attempt 1 ended IN_DOUBT lost
      d#0 in doubt
      paused InDoubt after 0
    Paused InDoubt a=Success b=Success c=Success d=Running
    {}
    "#);
}

#[test]
fn who_waits_for_a_lock_is_paused_and_says_so() {
    let plan = plan(r#"a: lock {} {"timeout": 500}"#);
    let mut run = Run::new(&plan);
    run.play("begin");
    let row = view::node_states(&plan, &run.state, false).remove(0);
    let waiting = row.waiting.unwrap();
    assert_eq!(waiting.kind, a2n_proto::execution::WaitingKind::Limit);
    assert_eq!(waiting.until.unwrap().as_unix_ms(), 500);
    assert_eq!(waiting.detail.as_deref(), Some("mutex `l`"));
    run.play("tick 500");
    assert!(run.outcome().contains("no answer came within 500 ms"), "{}", run.outcome());
    assert!(run.state.held().is_empty());
}

#[test]
fn a_retry_after_a_lock_that_was_held_to_the_end_is_refused() {
    use crate::engine::retry::{Error, Given, RetryFrom, again};
    use crate::engine::scenario::start;
    let again = |script: &str, workflow: &str, from: &RetryFrom| {
        let plan = plan(workflow);
        let mut run = Run::new(&plan);
        run.play(script);
        again(&plan, &plan, &run.state, from, &Given::new(), start())
            .map(|again| again.start.carried.len())
    };
    let held = "a: lock\nb: job\na -> b";
    let script = "begin\nreply a\nfail b#0 EXIT 1";
    assert_eq!(again(script, held, &RetryFrom::FailedNode), Err(Error::Locked("a".into())));
    assert_eq!(again(script, held, &RetryFrom::Node("a".into())), Ok(0));
    let released = "a: lock\nb: free\nc: job\na -> b\nb -> c";
    let script = "begin\nreply a\nfail c#0 EXIT 1";
    assert_eq!(again(script, released, &RetryFrom::FailedNode), Ok(2));
}

#[test]
fn of_those_that_wait_to_be_last_one_goes_on_by_itself() {
    insta::assert_snapshot!(check("a: calm", "begin\ntick 99\ntick 1"), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
      a#0 asks: debounce `k`
      paused Waiting after 0
    ! ask a#0 1: debounce `k`
    ! timer request a#0 100
    > tick 99
    > tick 1
      a#0 attempt 1 ended ok
      a#0 done {"output":[{"x":1}]}
      a Success output:1
      ended Success
    ! withdraw a#0 1
    ! ended Success
    Success a=Success
    {"a":{"output":[{"x":1}]}}
    "#);
}

/// What happened: what a child gave was never counted, so the state of who called it could outgrow the
/// largest row of the store.
#[test]
fn an_answer_counts_towards_what_the_results_may_come_to() {
    let plan = crate::engine::scenario::plan("a: call");
    let mut run = crate::engine::scenario::Run::new(&plan);
    run.limits.result_bytes = 10;
    run.play("begin\nreply a#0 [\"0123456789\"]");
    insta::assert_snapshot!(run.outcome(), @r#"
    Failed a=Failed
    node `a` failed: with 12 bytes from node `a` the results of this execution would come to 12 bytes; 10 are allowed (engine.maxResultBytes): pass on less, or files
    {}
    "#);
}

/// A wait that is looked for keeps what was seen under the same attempt, and asks on; others may not
/// answer so.
#[test]
fn what_is_looked_for_may_go_on_in_other_words() {
    use crate::engine::input::Input;
    use crate::engine::kind::Outcome;
    use crate::engine::request::Request;
    use crate::engine::request::look::{LookRequest, Target};
    let plan = crate::engine::scenario::plan("a: look\nb: job\na -> b");
    let mut run = crate::engine::scenario::Run::new(&plan);
    run.play("begin");
    let (unit, n) = run.requests["a#0"].clone();
    let look = LookRequest {
        at: Target::Port { host: "db".into(), port: 1 },
        every: std::time::Duration::from_secs(1),
        until: None,
        said: Some("refused".into()),
        items: Vec::new(),
    };
    let reply = Box::new(Ok(Outcome::Request(Box::new(Request::Look(Box::new(look))))));
    run.tell(Input::Replied { unit, n, reply });
    run.play("recover\nreply a#0\nok b#0");
    insta::assert_snapshot!(run.journal, @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
      a#0 asks: an answer of port db:1
      paused Waiting after 0
    ! ask a#0 1: an answer of port db:1
      a#0 asks: an answer of port db:1 (last: refused)
    ! ask a#0 1: an answer of port db:1 (last: refused)
    > recover
    ! ask a#0 1: an answer of port db:1 (last: refused)
    > reply a#0
      a#0 attempt 1 ended ok
      a#0 done {"output":[{"told":"a#0"}]}
      a Success output:1
      b started 1 items
      b#0 attempt 1
      running, 0 so far
    ! start b#0 {} {"input":[{"told":"a#0"}]}
    > ok b#0
      b#0 attempt 1 ended ok
      b#0 done {"output":[{"ran":"b#0"}]}
      b Success output:1
      ended Success
    ! ended Success
    "#);
}
