//! Random workflows of steps alone, in the text form of the scenarios: chains, branches, joins.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Value, json};

use super::chance::Chance;
use super::members::{config, handles, members, next_kind, settings};

/// A kind of node and how often it comes.
const KINDS: &[(usize, &str)] = &[
    (12, "job"),
    (10, "get"),
    (4, "bulk"),
    (6, "set"),
    (6, "if"),
    (4, "filter"),
    (8, "list"),
    (4, "all"),
    (6, "merge"),
    (4, "wait"),
    (2, "bad"),
    (2, "stop"),
    (3, "ask"),
    (3, "lock"),
    (3, "free"),
    (1, "calm"),
    (2, "sure"),
    (1, "turn"),
    (1, "tell"),
    (1, "hear"),
    (2, "child"),
];

/// A node that was made, as far as connections need to know it.
struct Made {
    id: String,
    handles: Vec<&'static str>,
}

/// A workflow of a seed's chance.
pub(super) fn workflow(chance: &mut Chance) -> String {
    let most = if chance.percent(20) { 12 } else { 6 };
    let count = 1 + chance.below(most);
    let (mut nodes, mut connections) = (String::new(), BTreeSet::new());
    let mut made: Vec<Made> = Vec::new();
    for number in 0..count {
        let kind = next_kind(chance, KINDS, &nodes);
        let id = format!("n{number}");
        let (config, mut more) = (config(chance, kind), members(chance, kind));
        if chance.percent(15) {
            more.insert("join".into(), json!("ANY"));
        }
        let handles = handles(kind, &more);
        connect(chance, kind, &id, &made, &mut connections);
        writeln!(nodes, "{id}: {kind} {config} {}", Value::from(more)).unwrap();
        made.push(Made { id, handles });
    }
    connections.iter().for_each(|connection| writeln!(nodes, "{connection}").unwrap());
    nodes + &settings(chance)
}

fn connect(
    chance: &mut Chance,
    kind: &str,
    id: &str,
    made: &[Made],
    connections: &mut BTreeSet<String>,
) {
    let sources: Vec<&Made> = made.iter().filter(|made| !made.handles.is_empty()).collect();
    if sources.is_empty() {
        return;
    }
    let most = if kind == "merge" { 4 } else { 3 };
    for n in 0..chance.below(most + 1) {
        // Near ones more often: chains and branches rather than a tangle.
        let near = chance.below(sources.len()).max(chance.below(sources.len()));
        let source = sources[near];
        let handle = chance.pick(&source.handles);
        let into = if kind == "merge" { format!("input{}", n + 1) } else { "input".to_owned() };
        connections.insert(format!("{}.{handle} -> {id}.{into}", source.id));
    }
}
