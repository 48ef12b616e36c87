//! The sweep: every scenario crashed after every step, every attempt failed, cancelled at every
//! step, and folded again from its facts. The end must be the same, or one that is declared.

use a2n_proto::execution::ExecutionStatus;
use proptest::prelude::*;

use crate::engine::execution::State;
use crate::engine::input::Input;
use crate::engine::kind::NodeError;
use crate::engine::scenario::{Run, plan, start};

const SCENARIOS: &[&str] = &[
    "a: all",
    "a: job",
    "a: get\nb: set {\"y\": 1}\na -> b",
    "a: job\nb: job\nc: job\na -> b\nb -> c",
    "a: job\nb: get\nc: merge\na -> c.input1\nb -> c.input2",
    "a: if {\"where\": \"{{ item.x == 1 }}\"}\nb: job\nc: job\nd: all\na.true -> b\na.false -> c\nb -> d\nc -> d",
    "a: list {\"of\": [1, 2, 3]}\nb: job {\"v\": \"{{ item }}\"} {\"concurrency\": 2}\nc: all\na -> b\nb -> c",
    "a: list {\"of\": [1, 2, 3]}\nb: get {} {\"onError\": \"CONTINUE\", \"concurrency\": 3}\nc: set {\"n\": \"{{ index }}\"}\na -> b\nb -> c",
    "a: list {\"of\": [1, 2, 3]}\nb: get {} {\"onError\": \"BRANCH\"}\nc: job\nd: job\na -> b\nb -> c\nb.error -> d",
    "a: wait {\"ms\": 1000}\nb: job\na -> b",
    "a: wait {\"ms\": 1000}\nb: get\nc: all\na -> c\nb -> c\nsettings {\"timeout\": 100000}",
    "a: get {} {\"retry\": {\"maxRetries\": 2, \"retryDelay\": 100}}\nb: job\na -> b",
    "a: job {} {\"inDoubt\": \"FAIL\", \"onError\": \"CONTINUE\"}\nb: all\na -> b",
    "a: job {} {\"inDoubt\": \"RETRY\"}\nb: all\na -> b",
    "a: job\nb: job\nc: all\na -> c\nsettings {\"onFailure\": \"FINISH_BRANCHES\"}",
    "a: bulk {} {\"runOnEmpty\": true}\nb: stop {\"status\": \"FAILED\", \"message\": \"x\"}\na -> b",
    "a: list {\"of\": [1, 2, 3]}\nb: ask {} {\"concurrency\": 2, \"timeout\": 9000}\nc: job\na -> b\nb -> c",
    "a: ask {} {\"retry\": {\"maxRetries\": 2, \"retryDelay\": 100}, \"onError\": \"BRANCH\"}\nb: all\nc: all\na -> b\na.error -> c",
    "a: lock\nb: job\nc: free\nd: job\na -> b\nb -> c\nc -> d",
    "a: calm\nb: job\na -> b",
    "a: filter {\"where\": false}\nb: job\nc: job {} {\"runOnEmpty\": true}\na -> b\nb -> c",
];

/// What a disturbance may do between two steps.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Disturb {
    Nothing,
    CrashAfter(usize),
    CancelAfter(usize),
    FailAttempt(usize),
}

/// Runs to the end, always ending the first attempt, else firing the earliest timer, else answering
/// "done" to what is in doubt.
fn run<'p>(plan: &'p crate::engine::plan::Plan, disturb: Disturb) -> (Run<'p>, usize) {
    let mut run = Run::new(plan);
    let (mut steps, mut attempts) = (0, 0);
    run.play("begin");
    while !run.state.status().is_ended() {
        assert!(steps < 1_000, "it never ends:\n{}", run.journal);
        if disturb == Disturb::CrashAfter(steps) {
            run.boot += 1;
            run.play("recover");
        }
        if disturb == Disturb::CancelAfter(steps) {
            run.play("cancel");
        }
        steps += 1;
        if run.state.status().is_ended() {
            break;
        }
        if run.to_continue {
            run.to_continue = false;
            run.play("continue");
        } else if let Some(unit) = run.jobs.keys().next().cloned() {
            attempts += 1;
            let result = if run.state.is_ending() {
                Err(NodeError::new("CANCELLED", "cancelled"))
            } else if disturb == Disturb::FailAttempt(attempts - 1) {
                Err(NodeError { code: Some(1), ..NodeError::new("EXIT", "exit code 1") })
            } else {
                Ok(vec![a2n_proto::Json::of(&serde_json::json!({"ran": unit}))])
            };
            run.end(&unit, result);
        } else if let Some(unit) = run.requests.keys().next().cloned() {
            attempts += 1;
            let result = if disturb == Disturb::FailAttempt(attempts - 1) {
                Err(NodeError::new("LIMIT", "refused"))
            } else {
                Ok(vec![a2n_proto::Json::of(&serde_json::json!({"told": unit}))])
            };
            run.reply(&unit, result);
        } else if let Some(at) = run.timers.values().min().copied() {
            run.now = run.now.max(at);
            run.fire();
        } else {
            let node = run.plan.nodes().iter().map(|node| node.id.clone()).find(|id| {
                let key = crate::engine::execution::NodeKey::outside_loops(id);
                run.state.node(&key).is_some_and(|node| !node.is_settled())
            });
            let node = node.expect("something is in doubt");
            run.tell(Input::Answer {
                node: node.clone(),
                iteration: String::new(),
                item: None,
                answer: crate::engine::input::Answer::Done(a2n_proto::Json::of(
                    &serde_json::json!({"said": node}),
                )),
            });
        }
    }
    (run, steps)
}

fn folds(run: &Run<'_>) {
    let mut folded = State::new(start());
    run.facts.iter().for_each(|fact| folded.apply(fact));
    assert_eq!(folded, run.state, "the facts fold to the same state:\n{}", run.journal);
}

fn nothing_open(run: &Run<'_>) {
    for node in run.plan.nodes() {
        let key = crate::engine::execution::NodeKey::outside_loops(&node.id);
        assert!(run.state.node(&key).is_some_and(|n| n.is_settled()), "{}", run.journal);
    }
    assert!(run.state.running().is_empty() && run.state.held().is_empty());
    assert!(run.requests.is_empty() && run.state.requests().next().is_none(), "{}", run.journal);
    assert!(run.timers.is_empty(), "{:?}\n{}", run.timers, run.journal);
    folds(run);
}

#[test]
fn every_scenario_ends_well_undisturbed() {
    for text in SCENARIOS {
        let plan = plan(text);
        let (run, _) = run(&plan, Disturb::Nothing);
        let declared =
            if text.contains("stop") { ExecutionStatus::Failed } else { ExecutionStatus::Success };
        assert_eq!(run.state.status(), declared, "{text}\n{}", run.journal);
        nothing_open(&run);
    }
}

#[test]
fn a_crash_after_any_step_leads_to_the_same_end() {
    for text in SCENARIOS {
        let plan = plan(text);
        let (calm, steps) = run(&plan, Disturb::Nothing);
        for at in 0..steps {
            let (crashed, _) = run(&plan, Disturb::CrashAfter(at));
            nothing_open(&crashed);
            for node in plan.nodes() {
                let key = crate::engine::execution::NodeKey::outside_loops(&node.id);
                let (a, b) = (calm.state.node(&key).unwrap(), crashed.state.node(&key).unwrap());
                assert_eq!(a.status, b.status, "{text}\ncrash after {at}\n{}", crashed.journal);
            }
            assert_eq!(calm.state.status(), crashed.state.status(), "{text}\n{}", crashed.journal);
            // No ONCE attempt is ever started twice by the engine itself.
            for (unit, starts) in &crashed.started {
                let node = plan.node(unit.split('#').next().unwrap()).unwrap();
                let once = node.repeat == a2n_proto::document::Repeat::Once
                    && node.in_doubt != a2n_proto::document::InDoubt::Retry;
                assert!(!once || *starts == 1, "{text}\n{unit} began {starts} times");
            }
        }
    }
}

#[test]
fn a_cancel_after_any_step_ends_everything() {
    for text in SCENARIOS {
        let plan = plan(text);
        let (_, steps) = run(&plan, Disturb::Nothing);
        for at in 0..steps {
            let (cancelled, _) = run(&plan, Disturb::CancelAfter(at));
            assert_eq!(cancelled.state.status(), ExecutionStatus::Cancelled, "{text}");
            nothing_open(&cancelled);
        }
    }
}

#[test]
fn a_failure_of_any_attempt_ends_as_the_node_says() {
    for text in SCENARIOS {
        let plan = plan(text);
        for at in 0..8 {
            let (failed, _) = run(&plan, Disturb::FailAttempt(at));
            nothing_open(&failed);
            let reached = failed.facts.iter().any(|fact| {
                matches!(fact, crate::engine::fact::Fact::AttemptEnded { error: Some(_), .. })
            });
            let forgiving = ["CONTINUE", "BRANCH", "retry"];
            let forgiven = forgiving.iter().any(|how| text.contains(how));
            if reached && !forgiven {
                assert_eq!(failed.state.status(), ExecutionStatus::Failed, "{text}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Any inputs in any order: no panic, the fold holds, and the end stays the end.
    #[test]
    fn whatever_comes_in_whatever_order_the_fold_holds(
        scenario in 0..SCENARIOS.len(),
        script in prop::collection::vec(0_u8..10, 1..40),
    ) {
        let plan = plan(SCENARIOS[scenario]);
        let mut run = Run::new(&plan);
        for choice in script {
            let unit = run.jobs.keys().next().cloned();
            match (choice, unit) {
                (0 | 1, Some(unit)) => run.play(&format!("ok {unit}")),
                (2, Some(unit)) => run.play(&format!("fail {unit} EXIT 1")),
                (3, Some(unit)) => run.play(&format!("doubt {unit}")),
                (4, _) => run.play("pause"),
                (5, _) => run.play("resume"),
                (6, _) => run.play("tick 700"),
                (7, _) => run.play("recover"),
                (8, _) => run.play("answer a again"),
                (9, _) => run.play("answer a done"),
                _ => run.play("begin"),
            }
            folds(&run);
        }
        run.play("cancel");
        while let Some(unit) = run.jobs.keys().next().cloned() {
            run.play(&format!("fail {unit} CANCELLED"));
        }
        prop_assert!(run.state.status().is_ended());
        nothing_open(&run);
    }
}
