//! Which node runs when.

use crate::engine::scenario::{check, check_end, plan};

#[test]
fn three_pure_nodes_are_one_step() {
    insta::assert_snapshot!(check(
        r#"
        a: set {"y": "{{ item.x + 1 }}"}
        b: set {"z": "{{ item.y * 2 }}"}
        c: all
        a -> b
        b -> c
        "#,
        "begin",
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 done {"output":[{"x":1,"y":2}]}
      a Success output:1
      b started 1 items
      b#0 done {"output":[{"x":1,"y":2,"z":4}]}
      b Success output:1
      c started
      c done {"output":[{"x":1,"y":2,"z":4}]}
      c Success output:1
      ended Success
    ! ended Success
    Success a=Success b=Success c=Success
    {"c":{"output":[{"x":1,"y":2,"z":4}]}}
    "#);
}

#[test]
fn branches_run_side_by_side_and_a_join_waits_for_all() {
    insta::assert_snapshot!(check(
        r#"
        a: all
        b: job
        c: job
        d: all
        a -> b
        a -> c
        c -> d
        b -> d
        "#,
        "
        begin
        ok b#0
        ok c#0
        ",
    ), @r#"
    > begin
      began
      a started
      a done {"output":[{"x":1}]}
      a Success output:1
      b started 1 items
      b#0 attempt 1
      c started 1 items
      c#0 attempt 1
    ! start b#0 {} {"input":[{"x":1}]}
    ! start c#0 {} {"input":[{"x":1}]}
    > ok b#0
      b#0 attempt 1 ended ok
      b#0 done {"output":[{"ran":"b#0"}]}
      b Success output:1
    > ok c#0
      c#0 attempt 1 ended ok
      c#0 done {"output":[{"ran":"c#0"}]}
      c Success output:1
      d started
      d done {"output":[{"ran":"c#0"},{"ran":"b#0"}]}
      d Success output:2
      ended Success
    ! ended Success
    Success a=Success b=Success c=Success d=Success
    {"d":{"output":[{"ran":"c#0"},{"ran":"b#0"}]}}
    "#);
}

#[test]
fn a_branch_that_nothing_leads_to_is_skipped_and_so_on_downstream() {
    insta::assert_snapshot!(check(
        r#"
        a: if {"where": "{{ item.x > 5 }}"}
        yes: all
        after: all
        no: all
        always: all {} {"runOnEmpty": true}
        a.true -> yes
        yes -> after
        a.false -> no
        after -> always
        "#,
        "begin",
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 done {"false":[{"x":1}]}
      a Success false:1
      yes skipped
      after skipped
      no started
      no done {"output":[{"x":1}]}
      no Success output:1
      always started
      always done {"output":[]}
      always Success
      ended Success
    ! ended Success
    Success a=Success yes=Skipped after=Skipped no=Success always=Success
    {"always":{},"no":{"output":[{"x":1}]}}
    "#);
}

#[test]
fn a_disabled_node_passes_its_items_on() {
    insta::assert_snapshot!(check_end(
        r#"
        a: if {"where": "{{ item.nope }}"} {"disabled": true}
        yes: set {"way": "yes"}
        no: set {"way": "no"}
        a.true -> yes
        a.false -> no
        "#,
        "begin",
    ), @r#"
    Success a=Success yes=Success no=Skipped
    {"yes":{"output":[{"x":1,"way":"yes"}]}}
    "#);
}

#[test]
fn a_wait_pauses_the_execution_and_its_time_stands_still() {
    insta::assert_snapshot!(check(
        r#"
        a: wait {"ms": 60000}
        b: job
        a -> b
        settings {"timeout": 5000}
        "#,
        "
        begin
        tick 60000
        tick 4999
        tick 1
        fail b#0 CANCELLED
        ",
    ), @r#"
    > begin
      began
      a started
      a waits until 60000
      paused Waiting after 0
    ! timer timeout 5000
    ! timer wait a 60000
    ! clear timeout
    > tick 60000
      a done {"output":[{"x":1}]}
      a Success output:1
      b started 1 items
      b#0 attempt 1
      running, 0 so far
    ! start b#0 {} {"input":[{"x":1}]}
    ! timer timeout 65000
    > tick 4999
    > tick 1
      ending: timed out after 5000
    ! stop b#0
    > fail b#0 CANCELLED
      b#0 attempt 1 ended CANCELLED
      b#0 cancelled
      b Cancelled
      ended Failed
    ! clear timeout
    ! ended Failed
    Failed a=Success b=Cancelled
    ran longer than settings.timeout (5000 ms)
    {}
    "#);
}

#[test]
fn a_wait_beside_something_that_runs_does_not_pause() {
    insta::assert_snapshot!(check(
        r#"
        a: wait {"ms": 1000}
        b: job
        "#,
        "
        begin
        ok b#0
        tick 1000
        ",
    ), @r#"
    > begin
      began
      a started
      a waits until 1000
      b started 1 items
      b#0 attempt 1
    ! timer wait a 1000
    ! start b#0 {} {"input":[{"x":1}]}
    > ok b#0
      b#0 attempt 1 ended ok
      b#0 done {"output":[{"ran":"b#0"}]}
      b Success output:1
      paused Waiting after 0
    > tick 1000
      a done {"output":[{"x":1}]}
      a Success output:1
      ended Success
    ! ended Success
    Success a=Success b=Success
    {"a":{"output":[{"x":1}]},"b":{"output":[{"ran":"b#0"}]}}
    "#);
}

#[test]
fn pause_lets_running_steps_end_and_starts_none() {
    insta::assert_snapshot!(check(
        "
        a: job
        b: job
        a -> b
        ",
        "
        begin
        pause
        ok a#0
        resume
        ok b#0
        ",
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
    ! start a#0 {} {"input":[{"x":1}]}
    > pause
      pause asked
    > ok a#0
      a#0 attempt 1 ended ok
      a#0 done {"output":[{"ran":"a#0"}]}
      a Success output:1
      paused User after 0
    > resume
      pause lifted
      b started 1 items
      b#0 attempt 1
      running, 0 so far
    ! start b#0 {} {"input":[{"ran":"a#0"}]}
    > ok b#0
      b#0 attempt 1 ended ok
      b#0 done {"output":[{"ran":"b#0"}]}
      b Success output:1
      ended Success
    ! ended Success
    Success a=Success b=Success
    {"b":{"output":[{"ran":"b#0"}]}}
    "#);
}

#[test]
fn cancel_stops_what_runs_and_ends_when_that_has_ended() {
    insta::assert_snapshot!(check(
        r#"
        a: job
        w: wait {"ms": 1000}
        b: all
        a -> b
        "#,
        "
        begin
        cancel
        fail a#0 CANCELLED
        ",
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
      w started
      w waits until 1000
    ! start a#0 {} {"input":[{"x":1}]}
    ! timer wait w 1000
    > cancel
      ending: cancelled
      w cancelled
      w Cancelled
    ! stop a#0
    ! clear wait w
    > fail a#0 CANCELLED
      a#0 attempt 1 ended CANCELLED
      a#0 cancelled
      a Cancelled
      b skipped
      ended Cancelled
    ! ended Cancelled
    Cancelled a=Cancelled w=Cancelled b=Skipped
    cancelled by anna
    {}
    "#);
}

#[test]
fn stop_ends_the_execution_as_it_says() {
    insta::assert_snapshot!(check(
        r#"
        a: job
        s: stop {"status": "SUCCESS", "message": "enough for {{ item.x }}"}
        b: all
        a -> b
        "#,
        "begin",
    ), @r#"
    > begin
      began
      a started 1 items
      a#0 attempt 1
      s started
      s done {}
      ending: s stopped it Success
      a#0 attempt 1 ended CANCELLED
      a#0 cancelled
      a Cancelled
      s Success
      b skipped
      ended Success
    ! ended Success
    Success a=Cancelled s=Success b=Skipped
    {"s":{}}
    "#);
    insta::assert_snapshot!(check_end(
        r#"
        s: stop {"status": "FAILED", "message": "no disk {{ item.x }}"}
        b: all
        "#,
        "begin",
    ), @r#"
    Failed s=Success b=Cancelled
    no disk 1
    {"s":{}}
    "#);
}

#[test]
fn a_step_ends_at_its_budget_and_asks_to_go_on() {
    let plan = plan(
        r#"
        a: list {"of": [1, 2, 3, 4, 5]}
        b: set {"n": "{{ index }}"}
        a -> b
        "#,
    );
    let mut run = crate::engine::scenario::Run::new(&plan);
    run.limits.units_per_step = 3;
    run.play("begin");
    assert!(run.to_continue);
    run.play("continue\ncontinue");
    insta::assert_snapshot!(run.outcome(), @r#"
    Success a=Success b=Success
    {"b":{"output":[{"n":0},{"n":1},{"n":2},{"n":3},{"n":4}]}}
    "#);
}

#[test]
fn without_room_nothing_starts_and_it_goes_on_when_there_is_some() {
    let plan = plan("a: job\nb: job");
    let mut run = crate::engine::scenario::Run::new(&plan);
    run.limits.parallel = 0;
    run.play("begin");
    assert!(run.jobs.is_empty());
    run.limits.parallel = 1;
    run.play("continue\ncontinue");
    assert_eq!(run.jobs.len(), 1);
    run.play("ok a#0\nok b#0");
    insta::assert_snapshot!(run.outcome(), @r#"
    Success a=Success b=Success
    {"a":{"output":[{"ran":"a#0"}]},"b":{"output":[{"ran":"b#0"}]}}
    "#);
}

#[test]
fn what_is_not_built_yet_is_named() {
    let named = |text: &str| match plan(text).unsupported() {
        None => "runs".to_owned(),
        Some(found) => format!("{}: {}", found.path, found.what),
    };
    assert_eq!(named("a: all"), "runs");
    assert_eq!(named(r#"a: all {} {"limits": {"time": 5}}"#), "runs");
    for (member, path, what) in [
        (r#""credentials": {"a": "b"}"#, "credentials", "credentials"),
        (r#""runAs": "root""#, "runAs", "runAs"),
        (r#""runOn": "there""#, "runOn", "runOn"),
        (r#""limits": {"memory": 1}"#, "limits.memory", "a limit of memory"),
        (r#""limits": {"cpu": 1}"#, "limits.cpu", "a limit of processor time"),
        (r#""limits": {"tasks": 1}"#, "limits.tasks", "a limit of processes"),
    ] {
        let text = format!("a: all\nb: all {{}} {{{member}}}\na -> b");
        let wanted = format!("nodes[1].{path}: {what}, which node `b` asks for, is not built yet");
        assert_eq!(named(&text), wanted);
    }
    insta::assert_snapshot!(named("a: all\nb: if\na -> b\nb.false -> a\nb.true -> c\nc: all\ns: all\ns -> a"), @"nodes[0]: loops are not built yet: node `a` begins one");
    insta::assert_snapshot!(named(r#"a: all {} {"join": "ANY"}"#), @"nodes[0].join: join ANY, which node `a` asks for, is not built yet");
    insta::assert_snapshot!(named(r#"a: all {} {"finally": true}"#), @"nodes[0].finally: finally, which node `a` asks for, is not built yet");
    insta::assert_snapshot!(named("a: all\nsettings {\"concurrency\": {\"policy\": \"QUEUE\"}}"), @"settings.concurrency: settings.concurrency is not built yet: only policy ALLOW without maxInstances runs");
}

/// The simulation saw more attempts at once than there were slots (seeds 5, 19 and 25), and a daemon
/// that started attempts while it was stopping (21 and 24): where more ran than may, each end made
/// room for another. Room has to be counted below zero too.
#[test]
fn where_more_attempts_run_than_may_an_end_makes_no_room() {
    let plan =
        plan("a: get {} {\"retry\": {\"maxRetries\": 1, \"retryDelay\": 0}}\nb: get\nc: get");
    let mut run = crate::engine::scenario::Run::new(&plan);
    run.play("begin");
    assert_eq!(run.jobs.len(), 3);
    run.limits.parallel = 2;
    run.play("fail a#0 EXIT 1\ntick 1");
    assert_eq!(run.jobs.len(), 2, "{}", run.journal);
    run.limits.parallel = 0;
    run.play("recover");
    assert_eq!(run.jobs.len(), 0, "{}", run.journal);
    run.limits.parallel = 1;
    run.play("continue");
    assert_eq!(run.jobs.len(), 1, "{}", run.journal);
    run.limits.parallel = 3;
    run.play("continue\nok a#0\nok b#0\nok c#0");
    assert!(run.state.status().is_ended(), "{}", run.journal);
}
