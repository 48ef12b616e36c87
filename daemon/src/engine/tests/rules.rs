//! The rules of "Which node runs when", each as a scenario that reads like the rule. The fourth, of
//! ways and loops, has a file of its own.

use crate::engine::input::Limits;
use crate::engine::retry::{self, RetryFrom};
use crate::engine::scenario::{Run, check_end, plan, start};

mod loops;

/// Plays a script and compares where it stands: `Running a=Success b=-`, and what else is told.
#[track_caller]
fn stands(workflow: &str, script: &str, wanted: &str) {
    let told = check_end(workflow, script);
    assert!(told.starts_with(wanted), "after\n{script}\nit stands at\n{told}\nnot at\n{wanted}");
}

/// The attempts that run.
fn at_work(run: &Run<'_>) -> String {
    run.jobs.keys().cloned().collect::<Vec<_>>().join(" ")
}

#[test]
fn rule_1_what_nothing_leads_to_starts_and_what_follows_waits_for_all_that_leads_to_it() {
    let text = "
        a: job
        b: job
        c: merge
        a -> c.input1
        b -> c.input2
    ";
    stands(text, "begin", "Running a=Running b=Running c=-");
    stands(text, "begin\nok b#0", "Running a=Running b=Success c=-");
    stands(text, "begin\nok b#0\nok a#0", "Success a=Success b=Success c=Success");
    // A source that was skipped is settled too.
    let skipped = "
        a: filter {\"where\": false}
        b: job
        c: job
        d: merge
        a -> b
        b -> d.input1
        c -> d.input2
    ";
    stands(skipped, "begin\nok c#0", "Success a=Success b=Skipped c=Success d=Success");
}

#[test]
fn rule_1_with_join_any_a_node_is_ready_when_the_first_connection_brings_items() {
    let text = "
        a: job
        b: job
        c: all {} {\"join\": \"ANY\"}
        a -> c
        b -> c
    ";
    stands(text, "begin", "Running a=Running b=Running c=-");
    stands(text, "begin\nok b#0", "Running a=Running b=Success c=Success");
    // What comes later is kept with its node and not used.
    stands(
        text,
        "begin\nok b#0\nok a#0",
        "Success a=Success b=Success c=Success\n{\"c\":{\"output\":[{\"ran\":\"b#0\"}]}}",
    );
    // What brings nothing is not the first; where nothing ever comes, it is skipped.
    stands(text, "begin\nok b#0 []", "Running a=Running b=Success c=-");
    stands(text, "begin\nok b#0 []\nok a#0 []", "Success a=Success b=Success c=Skipped");
}

#[test]
fn rule_1_a_connection_back_is_not_waited_for() {
    let text = "
        a: job
        b: if {\"where\": \"{{ loop.index == 0 }}\"}
        c: all
        s: all
        s -> a
        a -> b
        b.true -> a
        b.false -> c
    ";
    stands(text, "begin", "Running a[0]=Running b=- c=- s=Success");
}

#[test]
fn rule_2_what_no_connection_leads_to_is_skipped_and_so_on_and_disabled_ones_hand_on() {
    let text = "
        a: if {\"where\": true}
        b: job
        c: job
        d: job
        e: all {} {\"runOnEmpty\": true}
        f: job {} {\"disabled\": true}
        g: all
        a.true -> b
        a.false -> c
        c -> d
        d -> e
        b -> f
        f -> g
    ";
    stands(
        text,
        "begin\nok b#0",
        "Success a=Success b=Success c=Skipped d=Skipped e=Success f=Success g=Success\n\
         {\"e\":{},\"g\":{\"output\":[{\"ran\":\"b#0\"}]}}",
    );
}

#[test]
fn rule_3_what_is_ready_runs_at_once_up_to_the_limits() {
    let text = "
        a: list {\"of\": [1, 2, 3]}
        b: job {} {\"concurrency\": 2}
        c: job
        a -> b
    ";
    let plan = plan(text);
    let mut run = Run::new(&plan);
    run.play("begin");
    assert_eq!(at_work(&run), "b#0 b#1 c#0");
    run.play("ok b#0");
    assert_eq!(at_work(&run), "b#1 b#2 c#0");
    let mut one = Run::new(&plan);
    one.limits = Limits { parallel: 1, ..Limits::default() };
    one.play("begin");
    assert_eq!(at_work(&one), "b#0");
    one.play("ok b#0");
    assert_eq!(at_work(&one), "b#1");
}

#[test]
fn rule_5_a_known_failure_is_tried_again_an_unknown_end_of_a_once_node_never() {
    let own = "a: job {} {\"retry\": {\"maxRetries\": 1, \"retryDelay\": 10}}";
    stands(own, "begin\nfail a#0 EXIT 1", "Running a=Running");
    stands(own, "begin\nfail a#0 EXIT 1\ntick 11\nok a#0", "Success a=Success");
    stands(own, "begin\nfail a#0 EXIT 1\ntick 11\nfail a#0 EXIT 1", "Failed a=Failed");
    // Killed for its time is known; an end that nobody saw is not.
    stands(own, "begin\nfail a#0 TIMEOUT\ntick 11\nok a#0", "Success a=Success");
    stands(own, "begin\nrecover", "Paused InDoubt a=Running");
    stands(own, "begin\ndoubt a#0", "Paused InDoubt a=Running");
    // The workflow's policy is for what may be repeated: `get`, and not `job`.
    let policy = "settings {\"retryPolicy\": {\"maxRetries\": 1, \"retryDelay\": 10}}";
    stands(&format!("a: job\n{policy}"), "begin\nfail a#0 EXIT 1", "Failed a=Failed");
    let get = format!("a: get\n{policy}");
    stands(&get, "begin\nfail a#0 EXIT 1\ntick 11\nok a#0", "Success a=Success");
    // Only what `retryOn` names.
    let on = "a: get {} {\"retry\": {\"maxRetries\": 1, \"retryDelay\": 10}, \"retryOn\": {\"exitCodes\": [75]}}";
    stands(on, "begin\nfail a#0 EXIT 1", "Failed a=Failed");
    stands(on, "begin\nfail a#0 EXIT 75", "Running a=Running");
}

#[test]
fn rule_5_the_waits_between_tries_are_fixed_grow_evenly_or_double() {
    let waits = |backoff: &str| {
        let text = format!(
            r#"a: get {{}} {{"retry": {{"maxRetries": 3, "retryDelay": 1000, "maxDelay": 3000, "backoffType": "{backoff}"}}}}"#
        );
        let plan = plan(&text);
        let mut run = Run::new(&plan);
        run.play("begin");
        let mut waits = Vec::new();
        for _ in 0..3 {
            run.play("fail a#0 EXIT 1");
            let wait = run.timers.values().min().copied().unwrap() - run.now;
            // Up to a tenth more, so that what failed together does not come back together.
            waits.push((wait / 1000 * 1000).to_string());
            run.play(&format!("tick {wait}"));
        }
        waits.join(" ")
    };
    assert_eq!(waits("FIXED"), "1000 1000 1000");
    assert_eq!(waits("LINEAR"), "1000 2000 3000");
    assert_eq!(waits("EXPONENTIAL"), "1000 2000 3000");
}

#[test]
fn rule_5_after_the_last_try_it_stops_goes_on_or_takes_another_way() {
    let text = |how: &str| {
        format!("a: get {{}} {{\"onError\": \"{how}\"}}\nb: all\nc: job\nd: all\na -> b\nc -> d")
    };
    stands(
        &text("STOP"),
        "begin\nfail a#0 EXIT 1\nfail c#0 CANCELLED",
        "Failed a=Failed b=Skipped c=Cancelled",
    );
    let finish = text("STOP") + "\nsettings {\"onFailure\": \"FINISH_BRANCHES\"}";
    stands(
        &finish,
        "begin\nfail a#0 EXIT 1\nok c#0",
        "Failed a=Failed b=Skipped c=Success d=Success",
    );
    let goes_on = text("CONTINUE");
    let script = "begin\nfail a#0 EXIT 1\nok c#0";
    stands(&goes_on, script, "Success a=Success b=Success c=Success d=Success");
    let told = check_end(&goes_on, script);
    assert!(told.contains("\"error\":{\"kind\":\"EXIT\"") && told.contains("\"input\":{\"x\":1}"));
    let branch = "
        a: get {} {\"onError\": \"BRANCH\"}
        b: all
        c: all
        a -> b
        a.error -> c
    ";
    stands(branch, "begin\nfail a#0 EXIT 1", "Success a=Success b=Skipped c=Success");
    stands(branch, "begin\nok a#0", "Success a=Success b=Success c=Skipped");
}

#[test]
fn rule_6_what_runs_at_the_end_runs_whatever_happened() {
    let text = "
        a: job
        f: job {\"was\": \"{{ execution.status }}\"} {\"finally\": true}
        settings {\"timeout\": 5000}
    ";
    stands(text, "begin", "Running a=Running f=-");
    // On success, on failure, on a cancel, on the time-out of the execution.
    stands(text, "begin\nok a#0", "Running a=Success f=Running");
    stands(text, "begin\nfail a#0 EXIT 1", "Running a=Failed f=Running");
    stands(text, "begin\ncancel\nfail a#0 CANCELLED", "Running a=Cancelled f=Running");
    stands(text, "begin\ntick 5000\nfail a#0 CANCELLED", "Running a=Cancelled f=Running");
    // It leaves the end as it was.
    stands(text, "begin\nok a#0\nok f#0", "Success a=Success f=Success");
    stands(text, "begin\nfail a#0 EXIT 1\nok f#0", "Failed a=Failed f=Success");
    stands(text, "begin\ncancel\nfail a#0 CANCELLED\nok f#0", "Cancelled a=Cancelled f=Success");
    // The execution's limit is not for it; its own is.
    stands(text, "begin\nok a#0\ntick 60000", "Running a=Success f=Running");
}

#[test]
fn rule_6_its_failure_makes_a_success_failed_and_nothing_else() {
    let text = "a: job\nf: job {} {\"finally\": true}";
    stands(text, "begin\nok a#0\nfail f#0 EXIT 1", "Failed a=Success f=Failed\nnode `f` failed");
    stands(
        text,
        "begin\nfail a#0 EXIT 1\nfail f#0 EXIT 1",
        "Failed a=Failed f=Failed\nnode `a` failed",
    );
    stands(
        text,
        "begin\ncancel\nfail a#0 CANCELLED\nfail f#0 EXIT 1",
        "Cancelled a=Cancelled f=Failed\ncancelled by anna",
    );
}

#[test]
fn rule_7_the_limit_of_an_execution_counts_only_what_it_ran() {
    let text = "
        a: wait {\"ms\": 10000}
        b: job
        a -> b
        settings {\"timeout\": 5000}
    ";
    stands(text, "begin\ntick 9999", "Paused Waiting a=Running b=-");
    stands(text, "begin\ntick 10000\ntick 4999", "Running a=Success b=Running");
    stands(
        text,
        "begin\ntick 10000\ntick 5000\nfail b#0 CANCELLED",
        "Failed a=Success b=Cancelled\nran longer than settings.timeout (5000 ms)",
    );
    // A person's pause counts as little.
    stands(
        "a: job\nb: job\na -> b\nsettings {\"timeout\": 5000}",
        "begin\npause\nok a#0\ntick 60000\nresume\ntick 4999",
        "Running a=Success b=Running",
    );
}

#[test]
fn rule_8_what_waits_holds_a_timer_and_nothing_else() {
    let text = "
        a: wait {\"ms\": 1000}
        b: job
        c: job
        b -> c
    ";
    let plan = plan(text);
    let mut run = Run::new(&plan);
    // It takes no place of those that run at once.
    run.limits = Limits { parallel: 1, ..Limits::default() };
    run.play("begin");
    assert_eq!((at_work(&run).as_str(), run.timers.len()), ("b#0", 1));
    run.play("ok b#0\nok c#0");
    assert!(run.outcome().starts_with("Paused Waiting"), "{}", run.outcome());
    run.play("recover");
    assert_eq!(run.timers.len(), 1, "the timer is stored");
    run.play("tick 1000");
    assert!(run.outcome().starts_with("Success"), "{}", run.outcome());
}

#[test]
fn rule_9_a_cancel_stops_what_runs_a_pause_lets_it_end_and_starts_nothing() {
    let text = "a: job\nb: job\na -> b";
    stands(text, "begin\ncancel", "Running a=Running b=-");
    stands(text, "begin\ncancel\nfail a#0 CANCELLED", "Cancelled a=Cancelled b=Skipped");
    // What was done all the same stays done.
    stands(text, "begin\ncancel\nok a#0", "Cancelled a=Success b=Cancelled");
    stands(text, "begin\npause\nok a#0", "Paused User a=Success b=-");
    stands(text, "begin\npause\nok a#0\nresume\nok b#0", "Success a=Success b=Success");
}

#[test]
fn rule_10_a_retry_takes_over_what_it_may() {
    let text = "a: job\nb: job\nc: job\na -> b\nb -> c";
    let plan = plan(text);
    let mut first = Run::new(&plan);
    first.play("begin\nok a#0\nfail b#0 EXIT 1");
    let again = |from: RetryFrom| {
        let none = retry::Given::new();
        let again = retry::again(&plan, &plan, &first.state, &from, &none, start()).unwrap();
        let mut second = Run::with(&plan, again.start);
        second.play("begin");
        at_work(&second)
    };
    assert_eq!(again(RetryFrom::Start), "a#0");
    assert_eq!(again(RetryFrom::FailedNode), "b#0");
    assert_eq!(again(RetryFrom::Node("a".into())), "a#0");
    assert_eq!(again(RetryFrom::Node("b".into())), "b#0");
}
