//! What a drawn node is besides its kind, and what a drawn workflow is besides its nodes.

use serde_json::{Map, Value, json};

use super::chance::Chance;

/// Kinds that act outside.
pub(super) const OUTSIDE: &[&str] = &["job", "get", "bulk"];
/// Kinds that ask something of the rest of the daemon.
const ASKING: &[&str] = &["ask", "lock", "calm", "sure", "turn", "tell", "hear", "child"];

/// What the next node is; where a lock was drawn before, more often what gives it back.
pub(super) fn next_kind(
    chance: &mut Chance,
    kinds: &[(usize, &'static str)],
    nodes: &str,
) -> &'static str {
    if nodes.contains(": lock ") && chance.percent(30) {
        return "free";
    }
    chance.weighted(kinds)
}

/// What a kind is told.
pub(super) fn config(chance: &mut Chance, kind: &str) -> Value {
    match kind {
        "if" | "filter" => json!({"where": chance.percent(60)}),
        "list" => json!({"of": (0..chance.below(5)).collect::<Vec<_>>()}),
        "wait" => json!({"ms": chance.pick(&[0, 10, 1_000, 60_000])}),
        "stop" => json!({"status": chance.pick(&["SUCCESS", "FAILED"])}),
        "bad" => json!({"kind": chance.pick(&["IO", "CONFIG"])}),
        "set" if chance.percent(30) => json!({"n": "{{ index }}", "x": "{{ item.x }}"}),
        "job" | "get" if chance.percent(20) => json!({"v": "{{ items | length }}"}),
        "ask" => json!({"action": chance.pick(&["ADD", "ADD", "ADD", "GET", "COMPARE"])}),
        "lock" => {
            json!({"name": chance.pick(&["l", "l", "l", "m"]), "limit": chance.pick(&[1, 1, 2])})
        }
        "free" => json!({"name": chance.pick(&["l", "l", "l", "m"])}),
        "sure" => json!({
            "quorum": chance.pick(&[1, 2]),
            "ms": chance.pick(&[50, 100_000]),
            "onExpiry": chance.pick(&["FAIL", "APPROVE", "REJECT"]),
        }),
        "turn" => json!({"drop": chance.percent(50)}),
        "hear" if chance.percent(50) => json!({"ms": chance.pick(&[50, 100_000])}),
        "child" => json!({"detach": chance.percent(20)}),
        _ => json!({}),
    }
}

/// The other members of a node of this kind.
pub(super) fn members(chance: &mut Chance, kind: &str) -> Map<String, Value> {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    let (outside, asks) = (OUTSIDE.contains(&kind), ASKING.contains(&kind));
    if chance.percent(35) {
        put("onError", chance.pick(&["STOP", "CONTINUE", "BRANCH", "BRANCH"]).into());
    }
    if (outside || asks) && chance.percent(50) {
        put("concurrency", chance.pick(&[1, 2, 3, 50]).into());
    }
    if (outside || asks || kind == "bad") && chance.percent(35) {
        put("retry", retry(chance));
    }
    if outside && chance.percent(30) {
        put("inDoubt", chance.pick(&["ASK", "FAIL", "RETRY"]).into());
    }
    if outside && chance.percent(15) {
        put("repeat", chance.pick(&["ONCE", "RETRYABLE"]).into());
    }
    if (outside || asks) && chance.percent(20) {
        put("timeout", chance.pick(&[10, 5_000]).into());
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

/// The handles that lead on from a node.
pub(super) fn handles(kind: &str, members: &Map<String, Value>) -> Vec<&'static str> {
    let mut handles = match kind {
        "if" => vec!["true", "false"],
        "sure" => vec!["approved", "rejected"],
        "stop" => vec![],
        _ => vec!["output"],
    };
    if members.get("onError") == Some(&json!("BRANCH")) {
        handles.push("error");
    }
    handles
}

/// The settings of a workflow, as a line of its text.
pub(super) fn settings(chance: &mut Chance) -> String {
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
