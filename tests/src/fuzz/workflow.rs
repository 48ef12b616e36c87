//! A workflow document from text to plan: every text is answered with problems or with none, and a
//! document that has no errors can be read, planned, and is laid out and compared without a panic.

use std::sync::LazyLock;

use a2n_daemon::engine::kind::Kinds;
use a2n_daemon::engine::plan::Plan;
use a2n_daemon::nodes::Registry;
use a2n_daemon::triggers::schedule::Zone;
use a2n_daemon::workflows::{Limits, triggers, validate};
use a2n_proto::document::{Document, DocumentTrigger};
use a2n_proto::{Json, Timestamp};
use arbitrary::Unstructured;
use serde_json::{Map, Value, json};

use super::{MADE, made};

static KINDS: LazyLock<Registry> = LazyLock::new(Registry::built_in);

/// Tries one document.
pub fn run(data: &[u8]) {
    let definition = match data.split_first() {
        Some((&MADE, recipe)) => Json::of(&document(&mut Unstructured::new(recipe))),
        _ => match std::str::from_utf8(data).map(Json::parse) {
            Ok(Ok(json)) => json,
            _ => return,
        },
    };
    let (zone, now) = (Zone::utc(), Timestamp::from_unix_ms(1_800_000_000_000));
    let trigger =
        |one: &DocumentTrigger| triggers::problems(one.kind, &one.configuration, &zone, now);
    let problems = validate::validate(&definition, &*KINDS, Limits::default(), &trigger);
    for problem in &problems {
        assert!(!problem.code.is_empty() && !problem.message.is_empty(), "{problem:?}");
    }
    if validate::has_errors(&problems) {
        return;
    }
    let document = Document::read(&definition).expect("a valid document can be read");
    Plan::new(&document, &*KINDS).unwrap_or_else(|problems| {
        panic!("valid, but there is no plan: {problems:?}\n{}", definition.as_str())
    });
    let written = Json::of(&document);
    let again = Document::read(&written).expect("what we write can be read");
    assert_eq!(again, document, "it does not stay");
}

/// A document that is nearly right.
fn document(u: &mut Unstructured<'_>) -> Value {
    let n = u.int_in_range(0..=7).unwrap_or(1);
    let nodes: Vec<Value> = (0..n).map(|i| node(u, i)).collect();
    let mut connections = Vec::new();
    for _ in 0..u.int_in_range(0..=9).unwrap_or(0) {
        let mut end = || format!("n{}", u.int_in_range(0..=n).unwrap_or(0));
        let mut connection = json!({"source": end(), "target": end()});
        let handles = ["output", "true", "false", "error", "1", "input1", "input2", "nope"];
        for member in ["sourceHandle", "targetHandle"] {
            if u.ratio(1, 3).unwrap_or(false) {
                connection[member] = (*u.choose(&handles).unwrap_or(&"output")).into();
            }
        }
        connections.push(connection);
    }
    let mut document = json!({"name": "made", "nodes": nodes, "connections": connections});
    if u.ratio(1, 3).unwrap_or(false) {
        document["triggers"] = json!([{"type": "SCHEDULE", "name": "t",
            "configuration": {"schedule": {"cron": made::word(u)}}}]);
    }
    if u.ratio(1, 3).unwrap_or(false) {
        document["variables"] = json!({"workflow": {"v": made::json(u, 3)}});
    }
    for _ in 0..u.int_in_range(0..=2).unwrap_or(0) {
        made::change(u, &mut document);
    }
    document
}

fn node(u: &mut Unstructured<'_>, number: usize) -> Value {
    let names = KINDS.names();
    let kind = u.choose(&names).map_or("set", |name| name);
    let mut node = json!({"id": format!("n{number}"), "type": kind, "config": config(u, kind)});
    let options = [
        ("onError", json!("BRANCH")),
        ("onError", json!("CONTINUE")),
        ("join", json!("ANY")),
        ("runOnce", json!(true)),
        ("runOnEmpty", json!(true)),
        ("disabled", json!(true)),
        ("finally", json!(true)),
        ("concurrency", json!(3)),
        ("timeout", json!(1)),
        ("retry", json!({"maxRetries": 2})),
        ("repeat", json!("ONCE")),
        ("inDoubt", json!("ASK")),
    ];
    for _ in 0..u.int_in_range(0..=2).unwrap_or(0) {
        if let Ok((name, value)) = u.choose(&options) {
            node[*name] = value.clone();
        }
    }
    node
}

/// A configuration that fits its kind, or nearly.
fn config(u: &mut Unstructured<'_>, kind: &str) -> Value {
    let mut config = match kind {
        "set" => json!({"values": {"a": made::word(u)}}),
        "if" | "filter" => json!({"where": "{{ item.n > 1 }}"}),
        "switch" => json!({"cases": [{"name": "1", "where": "{{ true }}"}]}),
        "shell" => json!({"command": ["echo", made::word(u)]}),
        "http" => json!({"url": "https://example.org/"}),
        "wait" => json!({"duration": "1h30m"}),
        _ => Value::Object(Map::new()),
    };
    if u.ratio(1, 3).unwrap_or(false) {
        made::change(u, &mut config);
    }
    config
}
