//! Items: each and all, errors in their places, order, lineage.

use crate::engine::scenario::{Run, check, check_end, plan};

const THREE: &str = r#"
    a: list {"of": [{"n": 1}, {"n": 2}, {"n": 3}]}
    b: job {"n": "{{ item.n }}"} MORE
    c: set {"from": "{{ nodes['a'].item.n }}", "nth": "{{ index }}"}
    a -> b
    b -> c
"#;

#[test]
fn items_run_as_many_at_once_as_asked_and_join_in_their_order() {
    insta::assert_snapshot!(check(
        &THREE.replace("MORE", r#"{"concurrency": 2}"#),
        r#"
        begin
        ok b#1 [{"r": 2}]
        ok b#2 [{"r": 31}, {"r": 32}]
        ok b#0 [{"r": 1}]
        "#,
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 done {"output":[{"n":1},{"n":2},{"n":3}]}
      a Success output:3
      b started 3 items
      b#0 attempt 1
      b#1 attempt 1
    ! start b#0 {"n":1} {"input":[{"n":1}]}
    ! start b#1 {"n":2} {"input":[{"n":2}]}
    > ok b#1 [{"r": 2}]
      b#1 attempt 1 ended ok
      b#1 done {"output":[{"r":2}]}
      b#2 attempt 1
    ! start b#2 {"n":3} {"input":[{"n":3}]}
    > ok b#2 [{"r": 31}, {"r": 32}]
      b#2 attempt 1 ended ok
      b#2 done {"output":[{"r":31},{"r":32}]}
    > ok b#0 [{"r": 1}]
      b#0 attempt 1 ended ok
      b#0 done {"output":[{"r":1}]}
      b Success output:4
      c started 4 items
      c#0 done {"output":[{"r":1,"from":1,"nth":0}]}
      c#1 done {"output":[{"r":2,"from":2,"nth":1}]}
      c#2 done {"output":[{"r":31,"from":3,"nth":2}]}
      c#3 done {"output":[{"r":32,"from":3,"nth":3}]}
      c Success output:4
      ended Success
    ! ended Success
    Success a=Success b=Success c=Success
    {"c":{"output":[{"r":1,"from":1,"nth":0},{"r":2,"from":2,"nth":1},{"r":31,"from":3,"nth":2},{"r":32,"from":3,"nth":3}]}}
    "#);
}

#[test]
fn stop_lets_running_items_end_and_starts_no_more() {
    insta::assert_snapshot!(check(
        &THREE.replace("MORE", r#"{"concurrency": 2}"#),
        "
        begin
        fail b#0 EXIT 1
        ok b#1
        ",
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 done {"output":[{"n":1},{"n":2},{"n":3}]}
      a Success output:3
      b started 3 items
      b#0 attempt 1
      b#1 attempt 1
    ! start b#0 {"n":1} {"input":[{"n":1}]}
    ! start b#1 {"n":2} {"input":[{"n":2}]}
    > fail b#0 EXIT 1
      b#0 attempt 1 ended EXIT
      b#0 failed: failed with EXIT 1
      b#2 cancelled
    > ok b#1
      b#1 attempt 1 ended ok
      b#1 done {"output":[{"ran":"b#1"}]}
      b Failed
      ending: b failed
      c skipped
      ended Failed
    ! ended Failed
    Failed a=Success b=Failed c=Skipped
    node `b` failed: failed with EXIT 1
    {}
    "#);
}

#[test]
fn continue_puts_the_error_in_the_items_place() {
    insta::assert_snapshot!(check_end(
        &THREE.replace("MORE", r#"{"concurrency": 3, "onError": "CONTINUE"}"#),
        "
        begin
        ok b#2
        fail b#1 EXIT 7
        ok b#0
        ",
    ), @r#"
    Success a=Success b=Success c=Success
    {"c":{"output":[{"ran":"b#0","from":1,"nth":0},{"error":{"kind":"EXIT","message":"failed with EXIT 7","code":7,"nodeId":"b","attempt":1},"input":{"n":2},"from":2,"nth":1},{"ran":"b#2","from":3,"nth":2}]}}
    "#);
}

#[test]
fn branch_sends_errors_to_their_own_handle() {
    insta::assert_snapshot!(check_end(
        &(THREE.replace("MORE", r#"{"concurrency": 3, "onError": "BRANCH"}"#)
            + "d: all\nb.error -> d"),
        "
        begin
        fail b#0 EXIT 7
        ok b#1
        fail b#2 EXIT 8
        ",
    ), @r#"
    Success a=Success b=Success c=Success d=Success
    {"c":{"output":[{"ran":"b#1","from":2,"nth":0}]},"d":{"output":[{"error":{"kind":"EXIT","message":"failed with EXIT 7","code":7,"nodeId":"b","attempt":1},"input":{"n":1}},{"error":{"kind":"EXIT","message":"failed with EXIT 8","code":8,"nodeId":"b","attempt":1},"input":{"n":3}}]}}
    "#);
}

#[test]
fn run_once_works_on_everything() {
    insta::assert_snapshot!(check(
        &THREE
            .replace("MORE", r#"{"runOnce": true}"#)
            .replace("{{ item.n }}", "{{ items | length }}")
            .replace("nodes['a'].item.n", "nodes['a'].last.n"),
        "
        begin
        ok b
        ",
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 done {"output":[{"n":1},{"n":2},{"n":3}]}
      a Success output:3
      b started
      b attempt 1
    ! start b {"n":3} {"input":[{"n":1},{"n":2},{"n":3}]}
    > ok b
      b attempt 1 ended ok
      b done {"output":[{"ran":"b"}]}
      b Success output:1
      c started 1 items
      c#0 done {"output":[{"ran":"b","from":3,"nth":0}]}
      c Success output:1
      ended Success
    ! ended Success
    Success a=Success b=Success c=Success
    {"c":{"output":[{"ran":"b","from":3,"nth":0}]}}
    "#);
}

#[test]
fn several_connections_into_one_handle_come_in_the_documents_order() {
    insta::assert_snapshot!(check_end(
        r#"
        a: job
        b: job
        c: all
        b -> c
        a -> c
        "#,
        r#"
        begin
        ok a#0 ["a"]
        ok b#0 ["b1", "b2"]
        "#,
    ), @r#"
    Success a=Success b=Success c=Success
    {"c":{"output":["b1","b2","a"]}}
    "#);
}

#[test]
fn lineage_is_lost_through_all_nodes_and_an_expression_says_so() {
    let text = r#"
        a: list {"of": [{"n": 1}, {"n": 2}]}
        f: filter {"where": "{{ item.n > 1 }}"}
        all: all
        c: set {"v": "{{ nodes['a'].item.n }}"}
        a -> f
        f -> c
    "#;
    insta::assert_snapshot!(check_end(text, "begin"), @r#"
    Success a=Success f=Success all=Success c=Success
    {"all":{"output":[{"x":1}]},"c":{"output":[{"n":2,"v":2}]}}
    "#);
    insta::assert_snapshot!(
        check_end(&text.replace("f -> c", "f -> all\nall -> c"), "begin"), @"
    Failed a=Success f=Success all=Success c=Failed
    node `c`, config.v, column 9: nodes['a'].item: which item this one came from is lost in node `all`, which works on all items at once; use .items, .first or .last (in scope: item {n}, index, items, nodes {a}, trigger, inputs {x}, vars {}, workflow, execution, now, env)
    {}
    ");
}

#[test]
fn a_start_node_gets_the_payload_as_one_item_even_where_it_is_an_array() {
    let plan = plan("a: all");
    let mut start = crate::engine::scenario::start();
    start.payload = a2n_proto::Json::parse("[1, 2.50]").unwrap();
    let mut run = Run::with(&plan, start);
    run.play("begin");
    insta::assert_snapshot!(run.outcome(), @r#"
    Success a=Success
    {"a":{"output":[[1,2.50]]}}
    "#);
}

#[test]
fn run_on_empty_is_one_unit_without_an_item() {
    insta::assert_snapshot!(check(
        r#"
        a: filter {"where": false}
        b: job {"n": "{{ items | length }}"} {"runOnEmpty": true}
        a -> b
        "#,
        "
        begin
        ok b
        ",
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 done {"output":[]}
      a Success
      b started
      b attempt 1
    ! start b {"n":0} {"input":[]}
    > ok b
      b attempt 1 ended ok
      b done {"output":[{"ran":"b"}]}
      b Success output:1
      ended Success
    ! ended Success
    Success a=Success b=Success
    {"a":{},"b":{"output":[{"ran":"b"}]}}
    "#);
}

/// A state beyond the largest row of the store was written again and again, and never stored.
#[test]
fn results_beyond_the_limit_fail_their_node_by_name() {
    let plan = plan(
        r#"
        a: job
        b: all
        a -> b
    "#,
    );
    let mut run = Run::new(&plan);
    run.limits.result_bytes = 30;
    run.play("begin\nok a#0 [\"0123456789\"]");
    insta::assert_snapshot!(run.outcome(), @r#"
    Success a=Success b=Success
    {"b":{"output":["0123456789"]}}
    "#);
    let mut run = Run::new(&plan);
    run.limits.result_bytes = 10;
    run.play("begin\nok a#0 [\"0123456789\"]");
    insta::assert_snapshot!(run.outcome(), @r"
    Failed a=Failed b=Skipped
    node `a` failed: with 12 bytes from node `a` the results of this execution would come to 12 bytes; 10 are allowed (engine.maxResultBytes): pass on less, or files
    {}
    ");
}
