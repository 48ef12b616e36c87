//! A hundred branches beside each other: as many run as may, none twice, and what comes of them is in
//! the document's order whatever the order in which they end.

use std::fmt::Write as _;

use a2n_proto::Json;
use a2n_proto::execution::ExecutionStatus;

use crate::engine::execution::NodeKey;
use crate::engine::kind::NodeError;
use crate::engine::scenario::{Run, plan};

const BRANCHES: usize = 100;

/// A start, a hundred steps after it, and one node that all lead to.
fn fan() -> String {
    let mut text = String::from("s: all\nm: all\n");
    for n in 1..=BRANCHES {
        writeln!(text, "b{n}: job\ns -> b{n}\nb{n} -> m").unwrap();
    }
    text
}

fn result(unit: &str) -> Json {
    Json::of(&serde_json::json!({ "of": unit }))
}

#[test]
fn as_many_run_as_may_and_the_result_is_in_the_documents_order() {
    let plan = plan(&fan());
    let mut run = Run::new(&plan);
    run.limits.parallel = 64;
    run.play("begin");
    assert_eq!(run.jobs.len(), 64);
    // From the last to the first, so that none ends in the document's order.
    while let Some(unit) = run.jobs.keys().next_back().cloned() {
        run.end(&unit, Ok(vec![result(&unit)]));
        assert!(run.jobs.len() <= 64);
    }
    assert_eq!(run.state.status(), ExecutionStatus::Success, "{}", run.outcome());
    assert!(run.started.len() == BRANCHES && run.started.values().all(|times| *times == 1));
    let merged = &run.state.node(&NodeKey::outside_loops("m")).unwrap().output;
    let expected: Vec<Json> = (1..=BRANCHES).map(|n| result(&format!("b{n}#0"))).collect();
    assert_eq!(merged.items("output"), expected);
}

#[test]
fn one_that_fails_ends_the_others_and_none_begins_any_more() {
    let plan = plan(&fan());
    let mut run = Run::new(&plan);
    run.limits.parallel = 64;
    run.play("begin");
    run.end("b7#0", Err(NodeError::new("EXIT", "exit code 1")));
    assert_eq!(run.journal.matches("! stop ").count(), 63);
    while let Some(unit) = run.jobs.keys().next().cloned() {
        run.end(&unit, Err(NodeError::new("CANCELLED", "cancelled")));
    }
    assert_eq!(run.state.status(), ExecutionStatus::Failed);
    assert_eq!(run.started.len(), 64);
}

#[test]
fn a_crash_in_the_middle_repeats_none_that_had_ended() {
    let plan = plan(&fan().replace(": job", ": get"));
    let mut run = Run::new(&plan);
    run.limits.parallel = 64;
    run.play("begin");
    for _ in 0..50 {
        let unit = run.jobs.keys().next().cloned().unwrap();
        run.end(&unit, Ok(vec![result(&unit)]));
    }
    let over: Vec<String> =
        run.started.keys().filter(|unit| !run.jobs.contains_key(*unit)).cloned().collect();
    assert_eq!(over.len(), 50);
    run.play("recover");
    while let Some(unit) = run.jobs.keys().next().cloned() {
        run.end(&unit, Ok(vec![result(&unit)]));
    }
    assert_eq!(run.state.status(), ExecutionStatus::Success);
    assert!(over.iter().all(|unit| run.started[unit] == 1), "{:?}", run.started);
}
