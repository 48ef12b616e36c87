//! Drawings by chance: whatever the planner takes comes to an end, with nothing left open, also when
//! steps fail, the daemon crashes and somebody cancels.

use std::fmt::Write as _;

use a2n_proto::Json;
use a2n_proto::execution::{NodeStatus, WaitingKind};
use proptest::prelude::*;

use crate::engine::execution::State;
use crate::engine::input::{Answer, Input};
use crate::engine::kind::NodeError;
use crate::engine::plan::Plan;
use crate::engine::scenario::{Run, Stands, document, start};
use crate::engine::view;

/// One node: what it is, where its handles lead, and what else is said of it.
type Drawn = (usize, Vec<(usize, usize)>, u8);

const KINDS: [(&str, &[&str]); 8] = [
    ("all", &["output"]),
    ("get", &["output"]),
    ("if {\"where\": \"{{ execution.id != '' and index == 0 }}\"}", &["true", "false"]),
    ("list {\"of\": [1, 2, 3]}", &["output"]),
    ("loop", &["loop", "done"]),
    ("try", &["try", "catch"]),
    ("break", &[]),
    ("wait {\"ms\": 10}", &["output"]),
];

fn text(nodes: &[Drawn]) -> String {
    let mut text = String::from("n0: all\n");
    for (number, (kind, targets, said)) in (1..).zip(nodes) {
        let (kind, handles) = KINDS[kind % KINDS.len()];
        let more = match said % 8 {
            0 => "{\"maxIterations\": 2, \"join\": \"ANY\"}",
            1 => "{\"maxIterations\": 3, \"concurrency\": 2}",
            2 => "{\"maxIterations\": 2, \"onError\": \"CONTINUE\"}",
            3 => "{\"maxIterations\": 2, \"disabled\": true}",
            _ => "{\"maxIterations\": 3}",
        };
        let kind = if kind.contains(' ') { kind.to_owned() } else { format!("{kind} {{}}") };
        writeln!(text, "n{number}: {kind} {more}").unwrap();
        if number == 1 {
            text.push_str("n0 -> n1\n");
        }
        for (place, (handle, target)) in targets.iter().enumerate() {
            let Some(handle) = handles.get((handle + place) % handles.len().max(1)) else {
                continue;
            };
            let target = 1 + target % nodes.len();
            writeln!(text, "n{number}.{handle} -> n{target}").unwrap();
        }
    }
    text
}

/// Runs to the end; `chance` says what comes next.
fn run<'p>(plan: &'p Plan, chance: &[u8]) -> Run<'p> {
    let mut run = Run::new(plan);
    let mut chance = chance.iter().cycle();
    run.play("begin");
    for steps in 0.. {
        if run.state.status().is_ended() {
            break;
        }
        assert!(steps < 3_000, "it never ends:\n{}", run.journal);
        let next = *chance.next().unwrap();
        if next == 7 && steps % 3 == 0 {
            run.boot += 1;
            run.play("recover");
        } else if run.to_continue {
            run.to_continue = false;
            run.play("continue");
        } else if let Some(unit) = run.jobs.keys().nth(usize::from(next) % run.jobs.len().max(1)) {
            let unit = unit.clone();
            let result = if next.is_multiple_of(5) {
                Err(NodeError::new("EXIT", "it went wrong"))
            } else {
                Ok(vec![Json::of(&serde_json::json!({"ran": unit}))])
            };
            run.end(&unit, result);
        } else if let Some(at) = run.timers.values().min().copied() {
            run.now = run.now.max(at);
            run.fire();
        } else {
            let mut rows = view::node_states(run.plan, &run.state, false).into_iter();
            let in_doubt = |kind| kind == WaitingKind::InDoubt;
            let row = rows.find(|row| row.waiting.as_ref().is_some_and(|w| in_doubt(w.kind)));
            let row = row.unwrap_or_else(|| panic!("nothing moves it\n{}", run.journal));
            let answer = Answer::Done(Json::null());
            let (node, iteration) = (row.node_id, row.iteration);
            run.tell(Input::Answer { node, iteration, item: None, answer });
        }
    }
    run
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, max_global_rejects: 200_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_may_be_planned_comes_to_its_end(
        nodes in prop::collection::vec(
            (0_usize..16, prop::collection::vec((0_usize..2, 0_usize..12), 0..3), any::<u8>()), 2..8),
        chance in prop::collection::vec(0_u8..10, 1..12),
    ) {
        let text = text(&nodes);
        let Ok(plan) = Plan::new(&document(&text), &Stands) else { return Ok(()) };
        let run = run(&plan, &chance);
        for row in view::node_states(&plan, &run.state, false) {
            let open = matches!(row.status, NodeStatus::Pending | NodeStatus::Running);
            prop_assert!(!open, "{} is open:\n{text}\n{}", row.id, run.journal);
        }
        prop_assert!(run.timers.is_empty() && run.state.running().is_empty(), "{text}\n{}", run.journal);
        let (message, _) = view::error(&plan, &run.state);
        prop_assert!(!message.unwrap_or_default().contains("please report"), "{text}\n{}", run.journal);
        let mut folded = State::new(start());
        run.facts.iter().for_each(|fact| drop(folded.apply(fact)));
        prop_assert_eq!(&folded, &run.state, "{}\n{}", text, run.journal);
    }
}
