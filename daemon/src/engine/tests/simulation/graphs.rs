//! Random valid workflows, in the text form of the scenarios.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::chance::Chance;

/// A kind of node and how often it comes.
const KINDS: &[(usize, &str)] = &[
    (6, "job"),
    (5, "get"),
    (2, "bulk"),
    (3, "set"),
    (3, "if"),
    (2, "filter"),
    (4, "list"),
    (2, "all"),
    (3, "merge"),
    (2, "wait"),
    (1, "bad"),
    (1, "stop"),
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
        let kind = chance.weighted(KINDS);
        let id = format!("n{number}");
        let (config, more) = (config(chance, kind), members(chance, kind));
        let mut handles = match kind {
            "if" => vec!["true", "false"],
            "stop" => vec![],
            _ => vec!["output"],
        };
        if more.get("onError") == Some(&json!("BRANCH")) {
            handles.push("error");
        }
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

fn config(chance: &mut Chance, kind: &str) -> Value {
    match kind {
        "if" | "filter" => json!({"where": chance.percent(60)}),
        "list" => json!({"of": (0..chance.below(5)).collect::<Vec<_>>()}),
        "wait" => json!({"ms": chance.pick(&[0, 10, 1_000, 60_000])}),
        "stop" => json!({"status": chance.pick(&["SUCCESS", "FAILED"])}),
        "bad" => json!({"kind": chance.pick(&["IO", "CONFIG"])}),
        "set" if chance.percent(30) => json!({"n": "{{ index }}", "x": "{{ item.x }}"}),
        "job" | "get" if chance.percent(20) => json!({"v": "{{ items | length }}"}),
        _ => json!({}),
    }
}

fn members(chance: &mut Chance, kind: &str) -> Map<String, Value> {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    let outside = matches!(kind, "job" | "get" | "bulk");
    if chance.percent(35) {
        put("onError", chance.pick(&["STOP", "CONTINUE", "BRANCH", "BRANCH"]).into());
    }
    if outside && chance.percent(50) {
        put("concurrency", chance.pick(&[1, 2, 3, 50]).into());
    }
    if (outside || kind == "bad") && chance.percent(35) {
        put("retry", retry(chance));
    }
    if outside && chance.percent(30) {
        put("inDoubt", chance.pick(&["ASK", "FAIL", "RETRY"]).into());
    }
    if outside && chance.percent(15) {
        put("repeat", chance.pick(&["ONCE", "RETRYABLE"]).into());
    }
    if outside && chance.percent(20) {
        put("timeout", chance.pick(&[10, 5_000]).into());
    }
    if outside && chance.percent(15) {
        put("priority", chance.pick(&[-3, 1, 7]).into());
    }
    if chance.percent(8) {
        put("disabled", true.into());
    }
    if chance.percent(15) && kind != "set" {
        put("runOnEmpty", true.into());
    }
    if matches!(kind, "job" | "get") && chance.percent(15) {
        put("runOnce", true.into());
    }
    members
}

fn retry(chance: &mut Chance) -> Value {
    json!({
        "maxRetries": chance.below(4),
        "retryDelay": chance.pick(&[1, 100, 10_000]),
        "backoffType": chance.pick(&["FIXED", "LINEAR", "EXPONENTIAL"]),
    })
}

fn settings(chance: &mut Chance) -> String {
    let mut settings = Map::new();
    if chance.percent(25) {
        settings.insert("timeout".into(), chance.pick(&[50, 5_000, 100_000]).into());
    }
    if chance.percent(40) {
        settings.insert("onFailure".into(), "FINISH_BRANCHES".into());
    }
    if chance.percent(20) {
        settings.insert("retryPolicy".into(), retry(chance));
    }
    if settings.is_empty() {
        String::new()
    } else {
        format!("settings {}\n", Value::from(settings))
    }
}
