//! `try`: a failure in what it watches over ends that part and leaves through `catch`.

use crate::engine::plan::Plan;
use crate::engine::scenario::{Stands, check, check_end, document};

const WATCHED: &str = "
    t: try
    a: job
    b: job
    c: job
    after: all
    t.try -> a
    a -> b
    t.catch -> c
    b -> after
    c -> after
    ";

#[test]
fn a_failure_is_told_to_what_catches_it_and_the_execution_goes_on() {
    insta::assert_snapshot!(check(WATCHED, "begin\nfail a#0 EXIT 3\nok c#0"), @r#"
    > begin
      began
      t started
      t goes in try:1
      a started 1 items
      a#0 attempt 1
    ! start a#0 {} {"input":[{"x":1}]}
    > fail a#0 EXIT 3
      a#0 attempt 1 ended EXIT
      a#0 failed: failed with EXIT 3
      a Failed
      t caught {"error":{"kind":"EXIT","message":"failed with EXIT 3","code":3,"nodeId":"a","attempt":1},"input":{"x":1}}
      b skipped
      t done {}
      t Success catch:1 try:1
      c started 1 items
      c#0 attempt 1
    ! start c#0 {} {"input":[{"error":{"kind":"EXIT","message":"failed with EXIT 3","code":3,"nodeId":"a","attempt":1},"input":{"x":1}}]}
    > ok c#0
      c#0 attempt 1 ended ok
      c#0 done {"output":[{"ran":"c#0"}]}
      c Success output:1
      after started
      after done {"output":[{"ran":"c#0"}]}
      after Success output:1
      ended Success
    ! ended Success
    Success t=Success a=Failed b=Skipped c=Success after=Success
    {"after":{"output":[{"ran":"c#0"}]}}
    "#);
}

#[test]
fn without_a_failure_nothing_is_caught() {
    insta::assert_snapshot!(check_end(WATCHED, "begin\nok a#0\nok b#0"), @r#"
    Success t=Success a=Success b=Success c=Skipped after=Success
    {"after":{"output":[{"ran":"b#0"}]}}
    "#);
}

#[test]
fn what_else_is_watched_over_ends_with_it() {
    let text = "
        t: try
        a: job
        b: job
        w: wait {\"ms\": 9000}
        c: all
        z: job
        t.try -> a
        t.try -> b
        t.try -> w
        t.catch -> c
        ";
    insta::assert_snapshot!(check(text, "begin\nfail a#0 EXIT\nfail b#0 CANCELLED\nok z#0"), @r#"
    > begin
      began
      t started
      t goes in try:1
      a started 1 items
      a#0 attempt 1
      b started 1 items
      b#0 attempt 1
      w started
      w waits until 9000
      z started 1 items
      z#0 attempt 1
    ! start a#0 {} {"input":[{"x":1}]}
    ! start b#0 {} {"input":[{"x":1}]}
    ! timer wait w 9000
    ! start z#0 {} {"input":[{"x":1}]}
    > fail a#0 EXIT
      a#0 attempt 1 ended EXIT
      a#0 failed: failed with EXIT
      a Failed
      t caught {"error":{"kind":"EXIT","message":"failed with EXIT","code":null,"nodeId":"a","attempt":1},"input":{"x":1}}
      w cancelled
      w Cancelled
    ! stop b#0
    ! clear wait w
    > fail b#0 CANCELLED
      b#0 attempt 1 ended CANCELLED
      b#0 cancelled
      b Cancelled
      t done {}
      t Success catch:1 try:1
      c started
      c done {"output":[{"error":{"kind":"EXIT","message":"failed with EXIT","code":null,"nodeId":"a","attempt":1},"input":{"x":1}}]}
      c Success output:1
    > ok z#0
      z#0 attempt 1 ended ok
      z#0 done {"output":[{"ran":"z#0"}]}
      z Success output:1
      ended Success
    ! ended Success
    Success t=Success a=Failed b=Cancelled w=Cancelled c=Success z=Success
    {"c":{"output":[{"error":{"kind":"EXIT","message":"failed with EXIT","code":null,"nodeId":"a","attempt":1},"input":{"x":1}}]},"z":{"output":[{"ran":"z#0"}]}}
    "#);
    insta::assert_snapshot!(check_end(text, "begin\nfail a#0 EXIT\nrecover\nanswer z done"), @r#"
    Success t=Success a=Failed b=Cancelled w=Cancelled c=Success z=Success
    {"c":{"output":[{"error":{"kind":"EXIT","message":"failed with EXIT","code":null,"nodeId":"a","attempt":1},"input":{"x":1}}]},"z":{"output":[{"said":true}]}}
    "#);
}

#[test]
fn the_innermost_catches_and_what_fails_while_catching_goes_further_out() {
    let text = "
        t: try
        u: try
        a: job
        c: job
        d: job
        t.try -> u
        u.try -> a
        u.catch -> c
        t.catch -> d
        ";
    insta::assert_snapshot!(check_end(text, "begin\nfail a#0 EXIT\nok c#0"), @r#"
    Success t=Success u=Success a=Failed c=Success d=Skipped
    {"c":{"output":[{"ran":"c#0"}]}}
    "#);
    insta::assert_snapshot!(check_end(text, "begin\nfail a#0 EXIT\nfail c#0 EXIT\nok d#0"), @r#"
    Success t=Success u=Success a=Failed c=Failed d=Success
    {"d":{"output":[{"ran":"d#0"}]}}
    "#);
    insta::assert_snapshot!(check_end(text, "begin\nfail a#0 EXIT\nfail c#0 EXIT\nfail d#0 EXIT"), @"
    Failed t=Success u=Success a=Failed c=Failed d=Failed
    node `d` failed: failed with EXIT
    {}
    ");
}

#[test]
fn in_a_loop_each_iteration_catches_for_itself() {
    let text = "
        s: list {\"of\": [1, 2, 3]}
        each: loop
        t: try
        a: job
        c: set {\"sorry\": \"{{ item.error.kind }}\"}
        s -> each
        each.loop -> t
        t.try -> a
        t.catch -> c
        a -> each
        c -> each
        ";
    let script = "begin\nok a[0]#0 [1]\nfail a[1]#0 EXIT\nok a[2]#0 [3]";
    insta::assert_snapshot!(check_end(text, script), @r#"
    Success s=Success each=Success t[2]=Success a[2]=Success c[2]=Skipped
    {"each":{"done":[1,{"error":{"kind":"EXIT","message":"failed with EXIT","code":null,"nodeId":"a","attempt":1},"input":2,"sorry":"EXIT"},3]}}
    "#);
}

#[test]
fn a_loop_that_is_watched_over_ends_with_the_failure() {
    let text = "
        s: list {\"of\": [1, 2, 3]}
        t: try
        each: loop {} {\"concurrency\": 2}
        a: job
        after: all
        c: all
        s -> t
        t.try -> each
        each.loop -> a
        a -> each
        each.done -> after
        t.catch -> c
        ";
    insta::assert_snapshot!(check_end(text, "begin\nfail a[1]#0 EXIT\nfail a[0]#0 CANCELLED"), @r#"
    Success s=Success t=Success each=Cancelled a[1]=Failed after=Skipped c=Success
    {"c":{"output":[{"error":{"kind":"EXIT","message":"failed with EXIT","code":null,"nodeId":"a","attempt":1},"input":[1,2,3]}]}}
    "#);
}

/// A loop by a connection back around a `try`: what was tried is tried again.
#[test]
fn what_failed_is_tried_again_by_a_connection_back() {
    let text = "
        s: all
        t: try
        a: job
        c: wait {\"ms\": 10}
        s -> t
        t.try -> a
        t.catch -> c
        c -> t
        ";
    insta::assert_snapshot!(check_end(text, "begin\nfail a[0]#0 EXIT\ntick 10\nfail a[1]#0 EXIT\ntick 10\nok a[2]#0"), @"
    Success s=Success t[2]=Success a[2]=Success c[2]=Skipped
    {}
    ");
}

/// What is wrong with a drawing is said when it is saved, not found out when it runs.
#[test]
fn what_can_not_run_as_one_is_refused() {
    let refused = |text: &str| {
        let problems = Plan::new(&document(text), &Stands).unwrap_err().into_iter();
        let told = problems.map(|p| {
            format!("{} {}: {} [{}]", p.path, p.code, p.message, p.hint.unwrap_or_default())
        });
        told.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(refused("l: loop\na: all\nl.done -> a"), @"nodes[0] NOTHING_INSIDE: nothing is connected to handle `loop` of node `l` [connect what is to run in it to handle `loop`]");
    insta::assert_snapshot!(refused("t: try\na: all\nt.catch -> a"), @"nodes[0] NOTHING_INSIDE: nothing is connected to handle `try` of node `t` [connect what is to run in it to handle `try`]");
    insta::assert_snapshot!(refused("s: all\nl: loop\na: all\ns -> l\ns -> a\nl.loop -> a"), @"nodes[2] ENTERED_FROM_OUTSIDE: node `a` belongs to handle `loop` of node `l`, and can be come to from elsewhere too [let every way to `a` go through that handle]");
    insta::assert_snapshot!(
        refused("s: all\nl: loop\na: all\nb: all\ns -> l\nl.loop -> a\nl.done -> b\nb -> l"), @"nodes[1] LOOP_REENTERED: node `b` comes after the loop of node `l` and leads back to it [put a `noop` before `l` and lead back to that]");
    insta::assert_snapshot!(refused("a: all\nb: break\na -> b"), @"nodes[1] BREAK_OUTSIDE: node `b` is not within the body of a `loop` node [a loop by a connection back ends where nothing is sent back]");
    insta::assert_snapshot!(
        refused("a: all {} {\"finally\": true}\nb: all\na -> b"), @"connections[0] AFTER_FINALLY: node `a` runs at the end, and `b` would come after it [set finally on node `b` too]");
}
