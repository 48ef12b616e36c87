//! Expressions: a text is scanned, compiled and resolved over a scope with a bit of everything. It
//! ends within its budget in a value of at most 1 MiB or in a fault that says where, and the same
//! text gives the same end again.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use a2n_daemon::engine::execution::{Output, Sent};
use a2n_daemon::engine::expression::{self, Template};
use a2n_daemon::engine::items::NodeInput;
use a2n_daemon::engine::language::SCOPE;
use a2n_daemon::engine::scope::{NodeSeen, NodesSeen, Scope, Shared};
use a2n_proto::execution::NodeStatus;
use a2n_proto::{Json, Timestamp};
use arbitrary::Unstructured;
use serde_json::{Value, json};

use super::MADE;

/// Largest result, with room for the quotes and escapes of its JSON text.
const RESULT_BYTES: usize = 8 << 20;

/// Tries one template.
pub fn run(data: &[u8]) {
    let made;
    let text = match data.split_first() {
        Some((&MADE, recipe)) => {
            made = format!("{{{{ {} }}}}", term(&mut Unstructured::new(recipe), 0));
            &made
        }
        _ => match std::str::from_utf8(data) {
            Ok(text) => text,
            Err(_) => return,
        },
    };
    let (line, column) = expression::place(text, text.len());
    assert!(line >= 1 && column >= 1);
    for named in expression::named(text) {
        assert!(named.at <= text.len(), "{named:?} is outside of the text");
    }
    for (name, at) in expression::unknown_names(text, SCOPE) {
        assert!(at <= text.len() && !name.is_empty());
    }
    let first = resolve(text);
    assert_eq!(first, resolve(text), "another end for the same text");
}

/// What comes of a template, as people are told it.
pub fn resolve(text: &str) -> Result<Value, String> {
    let template = Template::new("config", &Value::String(text.to_owned()))
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let value = template.resolve(&SCOPE_OF_ALL).map_err(|fault| {
        assert!(fault.line >= 1 && fault.column >= 1, "{fault:?}");
        fault.to_string()
    })?;
    let size = value.to_string().len();
    assert!(size <= RESULT_BYTES, "a result of {size} bytes");
    Ok(value)
}

static SCOPE_OF_ALL: LazyLock<Arc<Scope>> = LazyLock::new(|| {
    let item = Json::of(&json!({
        "n": 3, "price": 1.5, "name": "é \u{1f600}", "none": null, "deep": {"a": [1, [2, {"b": "c"}]]},
        "text": "one\ntwo\nthree", "list": [3, 1, 2], "big": 9_007_199_254_740_993_u64,
    }));
    let sent = Sent { items: vec![item.clone(), Json::of(&7)], from: vec![0, 0] };
    let handles = BTreeMap::from([("output".to_owned(), sent)]);
    let output = Arc::new(Output { handles, cut: false });
    let mut input = NodeInput::default();
    input.push("input", None, None, Arc::clone(&output), "output");
    let seen = NodeSeen {
        status: NodeStatus::Success,
        error: None,
        handles: vec!["output".into()],
        output,
        item: Ok(item.clone()),
    };
    let shared = Shared {
        trigger: Json::of(&json!({"source": "MANUAL"})),
        inputs: Json::of(&json!({"host": "db1", "count": 2})),
        vars: Json::of(&json!({"v": "w", "t": "{{ item }}"})),
        workflow: Json::of(&json!({"id": "w", "name": "report", "version": 1})),
        execution: Json::of(&json!({"id": "e"})),
        now: Timestamp::from_unix_ms(1_800_000_000_000),
        env: Arc::new(BTreeMap::from([("LANG".to_owned(), "C".to_owned())])),
    };
    Arc::new(Scope {
        item: Ok(item),
        index: Some(1),
        input: Arc::new(input),
        nodes: Arc::new(NodesSeen(BTreeMap::from([("a".to_owned(), Arc::new(seen))]))),
        looping: Some(Json::object()),
        shared: Arc::new(shared),
    })
});

const ATOMS: &[&str] = &[
    "item",
    "items",
    "index",
    "nodes",
    "nodes['a']",
    "nodes['a'].output",
    "trigger",
    "inputs",
    "vars",
    "workflow",
    "execution",
    "now",
    "env",
    "item.text",
    "item.list",
    "item.deep.a",
    "item.big",
    "1",
    "-1",
    "0.5",
    "1e308",
    "9223372036854775807",
    "'x'",
    "''",
    "[]",
    "{}",
    "none",
    "true",
    "range(9)",
    "dict(a=1)",
    "namespace()",
    "undefined_name",
];
const FILTERS: &[&str] = &[
    "abs",
    "attr('n')",
    "batch(2)",
    "default('d')",
    "dictsort",
    "filesizeformat",
    "first",
    "fromjson",
    "groupby('n')",
    "indent(4)",
    "int",
    "float",
    "items",
    "join(',')",
    "last",
    "length",
    "lines",
    "list",
    "map('upper')",
    "max",
    "min",
    "pprint",
    "replace('a','b')",
    "reverse",
    "round(2)",
    "select('odd')",
    "slice(3)",
    "sort",
    "split(',')",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate(3)",
    "unique",
    "upper",
    "wordcount",
    "zip([1,2])",
    "format(1,2)",
    "center(80)",
    "basename",
    "dirname",
    "chain",
    "bool",
    "nope",
];

fn term(u: &mut Unstructured<'_>, depth: usize) -> String {
    let atom = |u: &mut Unstructured<'_>| (*u.choose(ATOMS).unwrap_or(&"1")).to_owned();
    if depth > 5 || u.is_empty() {
        return atom(u);
    }
    let below = |u: &mut Unstructured<'_>| term(u, depth + 1);
    match u.int_in_range(0..=9).unwrap_or(0) {
        0 => atom(u),
        1 => {
            let filter = *u.choose(FILTERS).unwrap_or(&"list");
            format!("({})|{filter}", below(u))
        }
        2 => {
            let operators =
                ["+", "-", "*", "/", "//", "%", "**", "~", "==", "<", "in", "and", "or"];
            let operator = *u.choose(&operators).unwrap_or(&"+");
            format!("({}) {operator} ({})", below(u), below(u))
        }
        3 => format!("({}) if ({}) else ({})", below(u), below(u), below(u)),
        4 => format!("[{}, {}]", below(u), below(u)),
        5 => format!("{{'k': {}, 'l': {}}}", below(u), below(u)),
        6 => format!("({})[{}]", below(u), below(u)),
        7 => {
            let tests = ["defined", "odd", "none", "mapping", "in [1]", "string", "sameas(1)"];
            format!("({}) is {}", below(u), u.choose(&tests).unwrap_or(&"odd"))
        }
        8 => format!("not ({})", below(u)),
        _ => {
            let methods =
                ["upper()", "split('o')", "items()", "get('n')", "keys()", "format(1)", "count(1)"];
            format!("({}).{}", below(u), u.choose(&methods).unwrap_or(&"upper()"))
        }
    }
}
