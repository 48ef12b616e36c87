//! Fifty shapes of workflows that people drew, as documents of ours: valid, or refused for a reason that
//! is named, and run to their end with steps that only pretend. (Where they are from:
//! `tests/fixtures/workflow-shapes/SOURCE.md`.)

use std::collections::BTreeMap;

use a2n_proto::{Json, Severity};
use serde::Deserialize;
use serde_json::{Value, json};

use super::validate::{Limits, validate};
use crate::engine::kind::Kinds;
use crate::engine::plan::Plan;
use crate::engine::scenario::Run;
use crate::nodes::Registry;

/// Moves after which something never ends.
const MANY: usize = 20_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    nodes: Vec<String>,
    connections: Vec<(usize, usize, usize, usize)>,
    #[serde(default)]
    disabled: Vec<usize>,
    #[serde(default)]
    branches: Vec<usize>,
    #[serde(default)]
    continues: Vec<usize>,
}

fn shapes() -> Vec<Shape> {
    let text = include_str!("../../tests/fixtures/workflow-shapes/shapes.jsonl");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

impl Shape {
    /// What a node of ours stands for one of theirs. A step with several outputs is a `switch`.
    fn kind(&self, node: usize) -> &str {
        let many = self.last_output(node) > 0 && !self.branches.contains(&node);
        match self.nodes[node].as_str() {
            kind @ ("if" | "merge" | "loop" | "stop" | "filter") => kind,
            "wait" if !many => "wait",
            _ if many => "switch",
            "trigger" => "noop",
            "pure" => "set",
            "workflow" => "workflow",
            _ => "shell",
        }
    }
    fn last_output(&self, node: usize) -> usize {
        let own = self.connections.iter().filter(|(source, ..)| *source == node);
        own.map(|(_, output, ..)| *output).max().unwrap_or(0)
    }
    fn document(&self, registry: &Registry) -> Value {
        let has_loops = registry.find("loop").is_some();
        let nodes = (0..self.nodes.len()).map(|node| self.node(node, has_loops));
        let mut connections = BTreeMap::new();
        for (source, output, target, input) in &self.connections {
            let source_handle = match (self.kind(*source), *output) {
                ("stop", _) => continue,
                ("if", 0) => "true".to_owned(),
                ("if", _) => "false".to_owned(),
                ("loop", 0) if has_loops => "done".to_owned(),
                ("loop", _) if has_loops => "loop".to_owned(),
                ("loop", 0) => "true".to_owned(),
                ("loop", _) => "false".to_owned(),
                ("switch", n) => format!("case:c{n}"),
                (_, 0) => "output".to_owned(),
                _ => "error".to_owned(),
            };
            let handle = match self.kind(*target) {
                "merge" => format!("input{}", input + 1),
                _ => "input".to_owned(),
            };
            let connection = json!({
                "source": format!("n{source}"), "sourceHandle": source_handle,
                "target": format!("n{target}"), "targetHandle": handle,
            });
            connections.insert(connection.to_string(), connection);
        }
        let connections: Vec<Value> = connections.into_values().collect();
        json!({"name": "shape", "nodes": nodes.collect::<Vec<_>>(), "connections": connections})
    }
    fn node(&self, node: usize, has_loops: bool) -> Value {
        // Which way an item goes changes from one item to the next, and from one node to another.
        let turns = |of: usize, n: usize| {
            json!(format!("{{{{ (item.n | default(0) + {node}) % {of} == {n} }}}}"))
        };
        let (kind, config) = match self.kind(node) {
            "loop" if has_loops => ("loop", json!({})),
            "loop" => ("if", json!({"where": turns(3, 0)})),
            "if" => ("if", json!({"where": turns(2, 0)})),
            "filter" => ("filter", json!({"where": turns(4, 0)})),
            "switch" => {
                let most = self.last_output(node) + 1;
                let case = |n: usize| json!({"name": format!("c{n}"), "where": turns(most, n)});
                ("switch", json!({"cases": (0..most).map(case).collect::<Vec<_>>()}))
            }
            "wait" => ("wait", json!({"duration": "1s"})),
            "stop" => ("stop", json!({"status": "FAILED", "message": "as drawn"})),
            "shell" => ("shell", json!({"command": ["true"]})),
            "workflow" => ("workflow", json!({"workflow": "another"})),
            kind => (kind, json!({})),
        };
        let mut node_of_ours = json!({"id": format!("n{node}"), "type": kind, "config": config});
        if self.disabled.contains(&node) {
            node_of_ours["disabled"] = json!(true);
        }
        if self.branches.contains(&node) {
            node_of_ours["onError"] = json!("BRANCH");
        }
        if self.continues.contains(&node) {
            node_of_ours["onError"] = json!("CONTINUE");
        }
        node_of_ours
    }
}

/// The codes of what is wrong with it; none where it may run.
fn refused(document: &Value, registry: &Registry) -> Vec<String> {
    let limits = Limits::default();
    let problems = validate(&Json::of(document), registry, limits, &|_| Vec::new());
    let mut codes: Vec<String> = problems
        .into_iter()
        .filter(|problem| problem.severity == Severity::Error)
        .map(|problem| {
            assert!(!problem.path.is_empty() && !problem.message.is_empty(), "{problem:?}");
            problem.code
        })
        .collect();
    codes.dedup();
    codes
}

/// Ends attempts and the workflows that it had started, and lets time pass, until it is over. Each of
/// them gives one item, numbered over all.
fn to_its_end(run: &mut Run<'_>) {
    run.play("begin");
    for n in 0..MANY {
        if run.state.status().is_ended() {
            return;
        }
        if run.to_continue {
            run.to_continue = false;
            run.play("continue");
        } else if let Some(unit) = run.jobs.keys().next().cloned() {
            run.end(&unit, Ok(vec![Json::of(&json!({"n": n}))]));
        } else if let Some(unit) = run.requests.keys().next().cloned() {
            run.reply(&unit, Ok(vec![Json::of(&json!({"n": n}))]));
        } else if let Some(at) = run.timers.values().min().copied() {
            run.now = run.now.max(at);
            run.fire();
        } else {
            break;
        }
    }
    panic!("it never ends: {}", run.outcome());
}

#[test]
fn what_people_drew_is_valid_and_comes_to_its_end() {
    let registry = Registry::built_in();
    let (mut ended, mut refused_ones, mut not_built) = (0, Vec::new(), 0);
    for (number, shape) in shapes().iter().enumerate() {
        let document = shape.document(&registry);
        let codes = refused(&document, &registry);
        if !codes.is_empty() {
            refused_ones.push(format!("{number} {}", codes.join(" ")));
            continue;
        }
        let plan = Plan::new(&serde_json::from_value(document).unwrap(), &registry).unwrap();
        if plan.unsupported().is_some() {
            not_built += 1;
            continue;
        }
        let mut run = Run::new(&plan);
        to_its_end(&mut run);
        assert!(run.state.running().is_empty() && run.timers.is_empty(), "{}", run.outcome());
        ended += 1;
    }
    assert_eq!((ended, not_built), (47, 0));
    // Said when saved, with the path. The first asks again by a connection to the middle of a cycle that
    // can be come to twice; the second leads from a loop's body back to a step before the loop; the third
    // goes round for ever.
    assert_eq!(
        refused_ones,
        ["5 CYCLE_TWO_ENTRIES", "10 ENTERED_FROM_OUTSIDE", "15 CYCLE_NO_EXIT"]
    );
}

/// What is to be shown by them is in them.
#[test]
fn the_shapes_have_loops_joins_and_sub_workflows() {
    let with = |kind: &str| shapes().iter().filter(|it| it.nodes.iter().any(|n| n == kind)).count();
    assert_eq!(["loop", "merge", "workflow", "if", "wait"].map(with), [17, 16, 11, 24, 12]);
}
