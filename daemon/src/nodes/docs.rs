//! `docs/nodes.md` is written from the registry: `UPDATE_DOCS=1 cargo test -p a2n-daemon docs`.
//! Beside it, what every definition has to be: its schema valid, its examples accepted by it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use a2n_proto::document::Repeat;
use a2n_proto::{Json, Timestamp};
use serde_json::{Value, json};

use super::context::output;
use super::definition::CarryOut;
use super::{Definition, Registry};
use crate::engine::kind::{InboxAt, Inputs, Kind, Kinds, Outcome, Work, WorksOn};

#[test]
fn the_page_on_nodes_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/nodes.md");
    let page = page(&Registry::built_in());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/nodes.md is out of date: run with UPDATE_DOCS=1");
}

#[test]
fn every_schema_is_valid_and_accepts_the_examples() {
    for definition in Registry::built_in().all() {
        let schema = jsonschema::draft202012::new(definition.settings_schema())
            .unwrap_or_else(|e| panic!("{definition:?}: {e}"));
        let examples = examples(definition.documentation);
        assert!(!examples.is_empty(), "{definition:?} has no example");
        for example in examples {
            assert_eq!(example["type"], definition.name, "{example}");
            let config = example.get("config").cloned().unwrap_or(json!({}));
            let faults: Vec<String> = schema
                .iter_errors(&config)
                .map(|e| format!("{}: {e}", e.instance_path()))
                .collect();
            assert!(faults.is_empty(), "{definition:?}: {faults:?}");
            assert_eq!(definition.check_config(&config), [], "{definition:?}");
        }
        for path in definition.settings_schema["properties"].as_object().unwrap() {
            assert!(has_description(path.1), "{definition:?}: `{}` is not described", path.0);
        }
        assert!(jsonschema::draft202012::new(&definition.output_schema).is_ok());
    }
}

/// An example with items (`in:` or `in1:`, `in2:`, then `out:`) does what stands there.
#[test]
fn examples_with_items_come_out_as_they_say() {
    let mut ran = Vec::new();
    for definition in Registry::built_in().all() {
        let blocks: Vec<&str> = definition.documentation.split("```").skip(1).step_by(2).collect();
        for pair in blocks.windows(2) {
            let (Some(node), Some(items)) =
                (pair[0].strip_prefix("yaml\n"), pair[1].strip_prefix("text\n"))
            else {
                continue;
            };
            let config = yaml(node).get("config").cloned().unwrap_or(json!({}));
            let (mut given, mut wanted) = (BTreeMap::<String, Vec<Json>>::new(), Vec::new());
            for line in items.lines() {
                let (side, item) = line.split_once(':').unwrap_or_else(|| panic!("{line}"));
                let item = Json::parse(item.trim()).unwrap_or_else(|e| panic!("{line}: {e}"));
                match side.strip_prefix("in") {
                    Some(n) => given.entry(format!("input{n}")).or_default().push(item),
                    None => wanted.push(item),
                }
            }
            let done = definition.compute(&Work {
                config,
                items: given,
                now: Timestamp::from_unix_ms(0),
                inbox: InboxAt::default(),
            });
            assert_eq!(done, Ok(Outcome::Items(output(wanted))), "{definition:?}: {node}");
            ran.push(definition.name);
        }
    }
    ran.dedup();
    assert_eq!(ran, ["aggregate", "dedupe", "limit", "merge", "sort", "split"]);
}

#[test]
fn expressions_pass_where_something_else_than_a_text_is_wanted() {
    let registry = Registry::built_in();
    let accepts = |kind: &str, config: Value| {
        let schema =
            jsonschema::draft202012::new(registry.definition(kind).unwrap().settings_schema());
        schema.unwrap().is_valid(&config)
    };
    assert!(accepts(
        "http",
        json!({"url": "http://x", "timeout": "{{ vars.t }}", "followRedirects": "{{ x }}", "method": "{{ m }}", "query": "{{ q }}", "expectStatus": "{{ e }}"})
    ));
    assert!(!accepts("http", json!({"url": "http://x", "timeout": "soon"})));
    assert!(!accepts("http", json!({"url": "http://x", "timeout": 0})));
    assert!(!accepts("http", json!({"url": "http://x", "method": "FETCH"})));
    assert!(!accepts("http", json!({"url": "http://x", "further": 1})));
    assert!(
        accepts("filter", json!({"where": "{{ item.a > 1 }}"}))
            && accepts("if", json!({"where": true}))
    );
    assert!(!accepts("filter", json!({"where": "item.a > 1"})) && !accepts("if", json!({})));
    assert!(accepts("shell", json!({"command": "{{ vars.argv }}"})));
    assert!(accepts("shell", json!({"command": ["sleep", 5], "successCodes": [0, "{{ c }}"]})));
    assert!(!accepts("shell", json!({"command": "df -h"})));
    assert!(
        accepts("file", json!({"path": "x", "mode": "0640"}))
            && !accepts("file", json!({"path": "x", "mode": 640}))
    );
    assert!(
        accepts("wait", json!({"duration": "5m"})) && !accepts("wait", json!({"duration": -1}))
    );
}

#[test]
fn a_kind_is_found_by_name_and_version() {
    let registry = Registry::built_in();
    assert_eq!(registry.find("shell").unwrap().version(), "1.0.0");
    assert_eq!(registry.find("shell@1.0.0").unwrap().name(), "shell");
    assert!(registry.find("shell@2.0.0").is_none() && registry.find("").is_none());
    assert_eq!(
        registry.names().join(" "),
        "aggregate approval break debounce dedupe emit file filter http if limit loop merge mutex noop \
         semaphore set shell sort split state stop switch throttle try wait workflow"
    );
    let ids: std::collections::BTreeSet<_> = registry.definitions().iter().map(|d| d.id).collect();
    assert_eq!(ids.len(), registry.names().len());
}

fn has_description(schema: &Value) -> bool {
    schema["description"].as_str().is_some_and(|text| !text.is_empty())
}

fn examples(markdown: &str) -> Vec<Value> {
    let blocks = markdown.split("```yaml\n").skip(1);
    blocks.map(|block| yaml(block.split("```").next().unwrap())).collect()
}

/// Our documents' own reader stands above this module, so the tests ask for it by its crate.
fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("{e}:\n{text}"))
}

fn page(registry: &Registry) -> String {
    let mut page = String::from(
        "# Nodes\n\nWhat a step can be. Written from the code by a test \
         (`UPDATE_DOCS=1 cargo test -p a2n-daemon docs`): don't edit.\n\n",
    );
    for definition in registry.all() {
        let name = definition.name;
        writeln!(page, "- [`{name}`](#{name}): {}", definition.description).unwrap();
    }
    for definition in registry.all() {
        section(&mut page, definition);
    }
    page
}

fn section(page: &mut String, definition: &Definition) {
    let repeat = match definition.name {
        "http" => "GET and HEAD RETRYABLE, others ONCE",
        "file" => "READ and WRITE RETRYABLE, APPEND ONCE",
        _ => match definition.repeat(&json!({})) {
            Repeat::Pure => "PURE",
            Repeat::Retryable => "RETRYABLE",
            Repeat::Once => "ONCE",
        },
    };
    let works_on = match definition.works_on {
        WorksOn::Each => "EACH",
        WorksOn::All => "ALL",
    };
    let inputs = match &definition.inputs {
        Inputs::Named(names) => names.join(", "),
        Inputs::Numbered => "input1, input2, …".into(),
    };
    let outputs = match definition.name {
        "switch" => "case:NAME, default".into(),
        "stop" => "none".into(),
        "throttle" => "output; with DROP also dropped".into(),
        "state" => "output; with COMPARE_AND_SET also differs".into(),
        _ => definition.outputs(&json!({})).join(", "),
    };
    let runs = match definition.carry_out {
        CarryOut::Inline(_) | CarryOut::Flow(..) | CarryOut::Look(_) => "the engine",
        CarryOut::Outside(_) => "a step of its own",
    };
    writeln!(
        page,
        "\n## {}\n\n{}\n\nVersion {} · works on {works_on} · repeat: {repeat} · in: {inputs} · out: {outputs} · \
         carried out by {runs}\n\n{}\n### Configuration\n\n\
         | member | type | default | what it is |\n|---|---|---|---|",
        definition.name, definition.description, definition.version, definition.documentation
    )
    .unwrap();
    let schema = &definition.settings_schema;
    let members = schema["properties"].as_object().unwrap();
    for (name, member) in members {
        let needed = schema["required"].as_array().unwrap().iter().any(|r| r == name);
        let default = match member.get("default") {
            Some(value) => format!("`{value}`"),
            None if needed => "required".into(),
            None => String::new(),
        };
        let description = member["description"].as_str().unwrap_or("");
        writeln!(page, "| `{name}` | {} | {default} | {description} |", kind(member)).unwrap();
    }
    if members.is_empty() {
        page.push_str("| none | | | |\n");
    }
}

/// A member's type for people; a text with an expression is understood everywhere.
fn kind(member: &Value) -> String {
    if let Some(words) = member.pointer("/anyOf/0/enum").and_then(Value::as_array) {
        return words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    }
    match &member["type"] {
        Value::String(kind) => kind.clone(),
        // The first is what is meant.
        Value::Array(kinds) if kinds[0] != "string" && member.get("pattern").is_some() => {
            kinds[0].as_str().unwrap_or("").to_owned()
        }
        Value::Array(kinds) if kinds[0] == "string" && kinds.len() == 3 => "string".into(),
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        _ => "any".into(),
    }
}
