//! Well-formed things out of random bytes: JSON values with the words of the contract in them, and
//! calls of every method, made from the contract's own examples.

use std::sync::LazyLock;

use a2n_proto::api;
use arbitrary::Unstructured;
use serde_json::{Map, Value, json};

/// Deepest nesting that is made; deeper texts come from bytes taken as they are.
const DEPTH: usize = 6;

/// Texts that mean something somewhere.
const WORDS: &[&str] = &[
    "",
    "output",
    "input",
    "error",
    "report",
    "alice/report",
    "{{ item.n + 1 }}",
    "{{ nodes['a'].output[0] | tojson }}",
    "{% for x in range(9) %}{{ x }}{% endfor %}",
    "set",
    "if@1",
    "shell",
    "17 * * * *",
    "@daily",
    "Europe/Berlin",
    "1h30m",
    "2026-03-29T02:30:00",
    "0199f3a0-7b3c-7000-8000-000000000001",
    "\u{0}\u{1b}[31m",
    "\u{202e}\u{feff}é\u{1f600}",
    "../../etc/passwd",
    "1-1-1",
    "null",
];

/// Names of members that the contract and the documents have.
const NAMES: &[&str] = &[
    "id",
    "name",
    "nodes",
    "connections",
    "triggers",
    "config",
    "type",
    "source",
    "target",
    "sourceHandle",
    "targetHandle",
    "filter",
    "limit",
    "cursor",
    "workflow",
    "execution",
    "definition",
    "document",
    "inputs",
    "idempotencyKey",
    "schedule",
    "cron",
    "status",
    "in",
    "fields",
    "wait",
    "timeout",
    "revision",
    "patch",
];

/// A JSON value.
pub(super) fn json(u: &mut Unstructured<'_>, depth: usize) -> Value {
    let most = if depth >= DEPTH { 4 } else { 6 };
    match u.int_in_range(0..=most).unwrap_or(0) {
        0 => Value::Null,
        1 => Value::Bool(u.arbitrary().unwrap_or(false)),
        2 => number(u),
        3 => Value::String(word(u)),
        4 => Value::String(u.arbitrary::<&str>().unwrap_or("").to_owned()),
        5 => (0..few(u)).map(|_| json(u, depth + 1)).collect(),
        _ => (0..few(u)).map(|_| (name(u), json(u, depth + 1))).collect::<Map<_, _>>().into(),
    }
}

/// One call as text, now and then with a member too many, too few, or of another type.
pub(super) fn call(u: &mut Unstructured<'_>) -> String {
    let method = &api::all()[u.choose_index(api::all().len()).unwrap_or(0)];
    let mut params = EXAMPLES
        .iter()
        .find(|(name, _)| *name == method.name)
        .map_or(Value::Null, |(_, example)| example.clone());
    for _ in 0..u.int_in_range(0..=3).unwrap_or(0) {
        change(u, &mut params);
    }
    let id = match u.int_in_range(0..=9).unwrap_or(0) {
        0 => json(u, DEPTH),
        1 => return json!({"jsonrpc": "2.0", "method": method.name, "params": params}).to_string(),
        n => n.into(),
    };
    json!({"jsonrpc": "2.0", "id": id, "method": method.name, "params": params}).to_string()
}

static EXAMPLES: LazyLock<Vec<(&'static str, Value)>> = LazyLock::new(|| {
    api::all().iter().map(|method| (method.name, (method.example)().to_value())).collect()
});

/// Changes one thing somewhere in a value.
pub(super) fn change(u: &mut Unstructured<'_>, value: &mut Value) {
    let goes_down = u.ratio(3, 4).unwrap_or(false);
    match value {
        Value::Array(elements) if goes_down && !elements.is_empty() => {
            let index = u.choose_index(elements.len()).unwrap_or(0);
            change(u, &mut elements[index]);
        }
        Value::Object(members) if goes_down && !members.is_empty() => {
            let index = u.choose_index(members.len()).unwrap_or(0);
            if let Some((_, member)) = members.iter_mut().nth(index) {
                change(u, member);
            }
        }
        Value::Array(elements) => elements.push(json(u, 2)),
        Value::Object(members) if u.ratio(1, 3).unwrap_or(false) && !members.is_empty() => {
            let index = u.choose_index(members.len()).unwrap_or(0);
            let name = members.keys().nth(index).cloned().unwrap_or_default();
            members.remove(&name);
        }
        Value::Object(members) => {
            members.insert(name(u), json(u, 2));
        }
        other => *other = json(u, 2),
    }
}

/// A text.
pub(super) fn word(u: &mut Unstructured<'_>) -> String {
    (*u.choose(WORDS).unwrap_or(&"")).to_owned()
}

fn name(u: &mut Unstructured<'_>) -> String {
    (*u.choose(NAMES).unwrap_or(&"id")).to_owned()
}

fn few(u: &mut Unstructured<'_>) -> usize {
    u.int_in_range(0..=4).unwrap_or(0)
}

fn number(u: &mut Unstructured<'_>) -> Value {
    match u.int_in_range(0..=3).unwrap_or(0) {
        0 => u.arbitrary::<i8>().unwrap_or(0).into(),
        1 => u.arbitrary::<i64>().unwrap_or(0).into(),
        2 => u.arbitrary::<u64>().unwrap_or(0).into(),
        _ => u.arbitrary::<f64>().unwrap_or(0.0).into(),
    }
}
