//! Running an ended execution again: what is taken over, what runs, and what is refused.

use a2n_proto::Json;
use serde_json::{Value, json};

use crate::engine::execution::{NodeKey, State};
use crate::engine::retry::{self, Again, Given, RetryFrom};
use crate::engine::scenario::{Run, plan, start};
use crate::engine::view;

const CHAIN: &str = r#"
    a: job
    b: set {"b": "{{ nodes['a'].item.ran }}"}
    c: job {"given": "{{ item.b }}"}
    d: all
    a -> b
    b -> c
    c -> d
"#;

fn again(old: &str, new: &str, script: &str, from: &RetryFrom, then: &str) -> String {
    again_with(old, new, script, from, &json!({}), then)
}

/// The same with given results.
fn again_with(
    old: &str,
    new: &str,
    script: &str,
    from: &RetryFrom,
    given: &Value,
    then: &str,
) -> String {
    let (old_plan, new_plan) = (plan(old), plan(new));
    let mut first = Run::new(&old_plan);
    first.play(script);
    let given = Json::of(given).to().unwrap();
    match retry::again(&new_plan, &old_plan, &first.state, from, &given, start()) {
        Ok(Again { start, finished, taken }) => {
            let mut second = Run::from(&new_plan, State::taking_over(start, finished));
            second.play(then);
            let items: Vec<String> =
                taken.items.iter().map(|(node, n)| format!("{n} items of {node}\n")).collect();
            let notes = taken.notes.join("\n") + "\n";
            items.concat() + &notes + &second.journal + &second.outcome()
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn retry_from_the_failed_node_takes_over_what_came_before() {
    let script = "begin\nok a#0\nfail c#0 EXIT 1";
    insta::assert_snapshot!(
        again(CHAIN, CHAIN, script, &RetryFrom::FailedNode, "begin\nok c#0"), @r#"

    > begin
      began
      c started 1 items
      c#0 attempt 1
    ! start c#0 {"given":"a#0"} {"input":[{"ran":"a#0","b":"a#0"}]}
    > ok c#0
      c#0 attempt 1 ended ok
      c#0 done {"output":[{"ran":"c#0"}]}
      c Success output:1
      d started
      d done {"output":[{"ran":"c#0"}]}
      d Success output:1
      ended Success
    ! ended Success
    Success a=Success b=Success c=Success d=Success
    {"d":{"output":[{"ran":"c#0"}]}}
    "#);
    insta::assert_snapshot!(
        again(CHAIN, CHAIN, "begin\nok a#0\nok c#0", &RetryFrom::FailedNode, ""), @"no node failed or was cancelled; run it again from START or from a node");
}

#[test]
fn retry_on_a_changed_version_says_what_did_not_fit() {
    let script = "begin\nok a#0\nfail c#0 EXIT 1";
    let changed = CHAIN.replace(r#"b: set {"b""#, r#"b: set {"more": 1, "b""#);
    insta::assert_snapshot!(
        again(CHAIN, &changed, script, &RetryFrom::FailedNode, "begin"), @r#"
    node `b` runs again: its configuration changed
    > begin
      began
      b started 1 items
      b#0 done {"output":[{"ran":"a#0","more":1,"b":"a#0"}]}
      b Success output:1
      c started 1 items
      c#0 attempt 1
    ! start c#0 {"given":"a#0"} {"input":[{"ran":"a#0","more":1,"b":"a#0"}]}
    Running a=Success b=Success c=Running d=-
    {}
    "#);
    insta::assert_snapshot!(
        again(CHAIN, &changed, script, &RetryFrom::Node("x".into()), "begin"), @"there is no node `x` in the version that would run");
}

#[test]
fn retry_from_a_node_runs_it_and_all_after_it() {
    let script = "begin\nok a#0\nok c#0";
    insta::assert_snapshot!(
        again(CHAIN, CHAIN, script, &RetryFrom::Node("b".into()), "begin"), @r#"

    > begin
      began
      b started 1 items
      b#0 done {"output":[{"ran":"a#0","b":"a#0"}]}
      b Success output:1
      c started 1 items
      c#0 attempt 1
    ! start c#0 {"given":"a#0"} {"input":[{"ran":"a#0","b":"a#0"}]}
    Running a=Success b=Success c=Running d=-
    {}
    "#);
    insta::assert_snapshot!(again(CHAIN, CHAIN, script, &RetryFrom::Start, "begin"), @r#"

    > begin
      began
      a started 1 items
      a#0 attempt 1
    ! start a#0 {} {"input":[{"x":1}]}
    Running a=Running b=- c=- d=-
    {}
    "#);
}

#[test]
fn retry_runs_again_what_followed_a_skip_that_may_not_come_again() {
    let text = r#"
        a: job
        b: all
        d: job
        c: all
        a -> b
        b -> c
        d -> c
        settings {"onFailure": "FINISH_BRANCHES"}
    "#;
    let script = "begin\nfail a#0 EXIT 1\nok d#0";
    insta::assert_snapshot!(
        again(text, text, script, &RetryFrom::FailedNode, "begin\nok a#0"), @r#"

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
      c started
      c done {"output":[{"ran":"a#0"},{"ran":"d#0"}]}
      c Success output:2
      ended Success
    ! ended Success
    Success a=Success b=Success d=Success c=Success
    {"c":{"output":[{"ran":"a#0"},{"ran":"d#0"}]}}
    "#);
}

#[test]
fn retry_is_refused_where_a_result_was_cut() {
    let plan = plan(CHAIN);
    let mut run = Run::new(&plan);
    run.play("begin\nok a#0\nfail c#0 EXIT 1");
    assert!(!run.state.cut(1_000));
    assert!(run.state.cut(3));
    let shown = |node: &str| view::node_state(&plan, &run.state, &NodeKey::outside_loops(node));
    let (a, b) = (shown("a").unwrap(), shown("b").unwrap());
    assert_eq!(a.output_data.as_str(), r#"{"cut":true,"bytes":13}"#);
    assert_eq!(
        b.input_data.as_str(),
        r#"{"cut":true,"bytes":13}"#,
        "an empty input would be a lie"
    );
    let none = Given::new();
    let error = retry::again(&plan, &plan, &run.state, &RetryFrom::FailedNode, &none, start());
    insta::assert_snapshot!(error.unwrap_err().to_string(), @"the result of node `a` was cut away after the end; run it again from START");
    assert!(retry::again(&plan, &plan, &run.state, &RetryFrom::Start, &none, start()).is_ok());
}

const ITEMS: &str = r#"
    many: list {"of": [{"i": 1}, {"i": 2}, {"i": 2}, {"i": 3}]}
    each: job {} {"concurrency": 4}
    after: job
    many -> each
    each -> after
"#;

/// A failed item used to throw the results of the good ones away.
#[test]
fn only_failed_items_run_again_in_their_order() {
    let script = "
        begin
        ok each#0
        ok each#1
        ok each#3
        fail each#2 EXIT 1
    ";
    insta::assert_snapshot!(
        again(ITEMS, ITEMS, script, &RetryFrom::FailedItems, "begin\nok each#2"), @r#"
    3 items of each

    > begin
      began
      each started 4 items
      each#0 taken over
      each#1 taken over
      each#3 taken over
      each#2 attempt 1
    ! start each#2 {} {"input":[{"i":2}]}
    > ok each#2
      each#2 attempt 1 ended ok
      each#2 done {"output":[{"ran":"each#2"}]}
      each Success output:4
      after started 4 items
      after#0 attempt 1
    ! start after#0 {} {"input":[{"ran":"each#0"}]}
    Running many=Success each=Success after=Running
    {}
    "#);
}

#[test]
fn what_came_of_failed_items_runs_again_and_nothing_else_of_it() {
    let text = ITEMS
        .replace(r#""concurrency": 4"#, r#""concurrency": 4, "onError": "BRANCH""#)
        .replace(r#"after: job"#, r#"after: job {} {"concurrency": 4}"#);
    let script = "
        begin
        ok each#0
        fail each#1 EXIT 1
        ok each#2
        ok each#3
        ok after#0
        ok after#1
        ok after#2
    ";
    let then = "begin\nok each#1\nok after#1";
    insta::assert_snapshot!(again(&text, &text, script, &RetryFrom::FailedItems, then), @r#"
    3 items of after
    3 items of each

    > begin
      began
      each started 4 items
      each#0 taken over
      each#2 taken over
      each#3 taken over
      each#1 attempt 1
    ! start each#1 {} {"input":[{"i":2}]}
    > ok each#1
      each#1 attempt 1 ended ok
      each#1 done {"output":[{"ran":"each#1"}]}
      each Success output:4
      after started 4 items
      after#0 taken over
      after#2 taken over
      after#3 taken over
      after#1 attempt 1
    ! start after#1 {} {"input":[{"ran":"each#1"}]}
    > ok after#1
      after#1 attempt 1 ended ok
      after#1 done {"output":[{"ran":"after#1"}]}
      after Success output:4
      ended Success
    ! ended Success
    Success many=Success each=Success after=Success
    {"after":{"output":[{"ran":"after#0"},{"ran":"after#1"},{"ran":"after#1"},{"ran":"after#2"}]}}
    "#);
}

#[test]
fn without_a_failed_item_there_is_nothing_to_run_again() {
    let script = "begin\nok each#0\nok each#1\nok each#2\nok each#3\nok after#0\nok after#1\nok after#2\nok after#3";
    let text = ITEMS.replace("after: job", r#"after: job {} {"concurrency": 4}"#);
    insta::assert_snapshot!(again(&text, &text, script, &RetryFrom::FailedItems, ""), @"no item failed or was cancelled; run it again from START or from a node");
}

#[test]
fn results_can_be_given_instead_of_what_a_node_sent() {
    let script = "begin\nok a#0\nfail c#0 EXIT 1";
    let given = json!({"a": {"output": [{"ran": "by hand"}]}});
    let run = |from: &RetryFrom, given: &Value, then: &str| {
        again_with(CHAIN, CHAIN, script, from, given, then)
    };
    insta::assert_snapshot!(run(&RetryFrom::FailedNode, &given, "begin\nok c#0"), @r#"

    > begin
      began
      b started 1 items
      b#0 done {"output":[{"ran":"by hand","b":"by hand"}]}
      b Success output:1
      c started 1 items
      c#0 attempt 1
    ! start c#0 {"given":"by hand"} {"input":[{"ran":"by hand","b":"by hand"}]}
    > ok c#0
      c#0 attempt 1 ended ok
      c#0 done {"output":[{"ran":"c#0"}]}
      c Success output:1
      d started
      d done {"output":[{"ran":"c#0"}]}
      d Success output:1
      ended Success
    ! ended Success
    Success a=Success b=Success c=Success d=Success
    {"d":{"output":[{"ran":"c#0"}]}}
    "#);
    let wrong = json!({"a": {"out": []}});
    insta::assert_snapshot!(run(&RetryFrom::FailedNode, &wrong, ""), @"node `a` has no output `out`; it has output");
    insta::assert_snapshot!(run(&RetryFrom::Node("a".into()), &given, ""), @"node `a` is given a result, so it can't be the one to run again from");
    insta::assert_snapshot!(run(&RetryFrom::Start, &json!({"z": {}}), ""), @"there is no node `z` in the version that would run");
}

#[test]
fn an_edited_item_runs_again_and_the_others_do_not() {
    let script = "begin\nok each#0\nok each#1\nok each#3\nfail each#2 EXIT 1";
    let given = json!({"many": {"output": [{"i": 1}, {"i": 2}, {"i": 7}, {"i": 3}]}});
    let then = "begin\nok each#2";
    insta::assert_snapshot!(
        again_with(ITEMS, ITEMS, script, &RetryFrom::FailedItems, &given, then), @r#"
    3 items of each

    > begin
      began
      each started 4 items
      each#0 taken over
      each#1 taken over
      each#3 taken over
      each#2 attempt 1
    ! start each#2 {} {"input":[{"i":7}]}
    > ok each#2
      each#2 attempt 1 ended ok
      each#2 done {"output":[{"ran":"each#2"}]}
      each Success output:4
      after started 4 items
      after#0 attempt 1
    ! start after#0 {} {"input":[{"ran":"each#0"}]}
    Running many=Success each=Success after=Running
    {}
    "#);
}

/// It used to be taken over as done, and the run went on past its own stop.
#[test]
fn a_node_that_stopped_the_execution_runs_again() {
    let text = r#"
        a: job
        b: stop {"status": "FAILED", "message": "no"}
        a -> b
    "#;
    insta::assert_snapshot!(
        again(text, text, "begin\nok a#0", &RetryFrom::FailedNode, "begin"), @r#"

    > begin
      began
      b started
      b done {}
      ending: b stopped it Failed
      b Success
      ended Failed
    ! ended Failed
    Failed a=Success b=Success
    no
    {"b":{}}
    "#);
}

/// A loop that is over, and what comes after it fails.
const AFTER_A_LOOP: &str = r#"
    a: list {"of": [1, 2]}
    l: loop
    in: job
    c: job
    a -> l
    l.loop -> in
    in -> l
    l.done -> c
"#;

/// What happened: a loop of a thousand steps ran again because a step after it had failed, and nothing
/// said so.
#[test]
fn a_loop_that_is_over_is_taken_over_whole() {
    let script = "begin\nok in[0]#0\nok in[1]#0\nok c#0\nfail c#1 EXIT 1";
    insta::assert_snapshot!(
        again(AFTER_A_LOOP, AFTER_A_LOOP, script, &RetryFrom::FailedNode, "recover\nbegin\nok c#0\nok c#1"), @r#"

    > recover
      began
      c started 2 items
      c#0 attempt 1
    ! start c#0 {} {"input":[{"ran":"in[0]#0"}]}
    > begin
    > ok c#0
      c#0 attempt 1 ended ok
      c#0 done {"output":[{"ran":"c#0"}]}
      c#1 attempt 1
    ! start c#1 {} {"input":[{"ran":"in[1]#0"}]}
    > ok c#1
      c#1 attempt 1 ended ok
      c#1 done {"output":[{"ran":"c#1"}]}
      c Success output:2
      ended Success
    ! ended Success
    Success a=Success l=Success in[1]=Success c=Success
    {"c":{"output":[{"ran":"c#0"},{"ran":"c#1"}]}}
    "#);
}

#[test]
fn a_loop_in_which_a_step_failed_runs_again_from_its_beginning_and_that_is_said() {
    let script = "begin\nok in[0]#0\nfail in[1]#0 EXIT 1";
    let told =
        again(AFTER_A_LOOP, AFTER_A_LOOP, script, &RetryFrom::FailedNode, "begin\nok in[0]#0");
    let (notes, rest) = told.split_once("\n> begin\n").unwrap();
    assert_eq!(notes, "the loop of node `l` runs again from its beginning: node `in` is in it");
    assert!(rest.contains("! start in[0]#0") && rest.contains("! start in[1]#0"), "{rest}");
    // The same where a step of it is chosen.
    let done = "begin\nok in[0]#0\nok in[1]#0\nok c#0\nok c#1";
    let told = again(AFTER_A_LOOP, AFTER_A_LOOP, done, &RetryFrom::Node("in".into()), "begin");
    assert!(told.starts_with("the loop of node `l` runs again from its beginning"), "{told}");
    assert!(told.contains("! start in[0]#0"), "{told}");
}

#[test]
fn a_loop_by_a_connection_back_is_taken_over_with_what_left_it() {
    let text = r#"
        a: job
        b: if {"where": "{{ item.ran == 'a#0' and loop.index < 1 }}"}
        c: job
        d: job {"seen": "{{ nodes['b'].items | length }}"}
        a -> b
        b.true -> c
        c -> b
        b.false -> d
        "#;
    let script = "begin\nok a#0\nok c[0]#0\nfail d#0 EXIT 1";
    let told = again(text, text, script, &RetryFrom::FailedNode, "begin\nok d#0");
    assert!(told.contains("! start d#0"), "{told}");
    for gone in ["! start a", "! start c", "b started", "loop b began"] {
        assert!(!told.contains(gone), "{gone}: {told}");
    }
    assert!(told.contains("! ended Success"), "{told}");
}

const CAUGHT: &str = r#"
    t: try
    a: job
    b: job
    c: job
    t.try -> a
    t.catch -> b
    b -> c
"#;

/// What was caught was dealt with: it is no reason to do it again.
#[test]
fn what_a_try_caught_is_taken_over_with_what_came_of_it() {
    let script = "begin\nfail a#0 EXIT 1\nok b#0\nfail c#0 EXIT 1";
    let told = again(CAUGHT, CAUGHT, script, &RetryFrom::FailedNode, "begin\nok c#0");
    assert!(told.contains("! start c#0") && told.contains("! ended Success"), "{told}");
    assert!(!told.contains("! start a#0") && !told.contains("! start b#0"), "{told}");
    // Chosen, it runs again whole.
    let told = again(CAUGHT, CAUGHT, script, &RetryFrom::Node("a".into()), "begin\nok a#0");
    assert!(told.starts_with("what `t` watches over runs again from its beginning"), "{told}");
    assert!(told.contains("! start a#0"), "{told}");
}

#[test]
fn a_loop_that_was_changed_or_stands_after_what_runs_again_runs_again() {
    let script = "begin\nok in[0]#0\nok in[1]#0\nok c#0\nfail c#1 EXIT 1";
    let changed = AFTER_A_LOOP.replace("in: job", "in: job {\"v\": 2}");
    let told = again(AFTER_A_LOOP, &changed, script, &RetryFrom::FailedNode, "begin");
    let note = "the loop of node `l` runs again: its configuration changed (node `in`)";
    assert!(told.starts_with(note), "{told}");
    let more = format!("{AFTER_A_LOOP}\n    more: job\n    in -> more\n    more -> l");
    let told = again(AFTER_A_LOOP, &more, script, &RetryFrom::FailedNode, "begin");
    assert!(
        told.starts_with("the loop of node `l` runs again: other nodes belong to it"),
        "{told}"
    );
    let told = again(AFTER_A_LOOP, AFTER_A_LOOP, script, &RetryFrom::Node("a".into()), "begin");
    assert!(told.contains("! start in[0]#0"), "{told}");
}

#[test]
fn a_loop_that_was_passed_by_is_again() {
    let text = r#"
        a: if {"where": true}
        l: loop
        in: job
        c: job
        d: all {} {"runOnEmpty": true}
        a.false -> l
        l.loop -> in
        l.done -> d
        a.true -> c
        "#;
    let told = again(text, text, "begin\nfail c#0 EXIT 1", &RetryFrom::FailedNode, "begin\nok c#0");
    assert!(!told.contains("! start in") && told.contains("! ended Success"), "{told}");
}
