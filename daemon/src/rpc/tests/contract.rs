//! The documents made from the contract: OpenRPC, and `docs/rpc.md` in step with the code.

use std::fmt::Write;

use a2n_proto::api::{self, MethodInfo};
use serde_json::Value;

use crate::rpc::openrpc;

#[test]
fn every_method_is_in_the_openrpc_document_with_all_it_needs() {
    let document = openrpc::document().to_value();
    let methods = document["methods"].as_array().unwrap();
    assert_eq!(methods.len(), api::all().len());
    for method in methods {
        let name = &method["name"];
        assert!(method["summary"].as_str().unwrap().ends_with('.'), "{name} has no summary");
        assert!(!method["errors"].as_array().unwrap().is_empty(), "{name} has no errors");
        assert!(method["x-access"].is_string(), "{name} has no access");
        assert_eq!(method["examples"].as_array().unwrap().len(), 1, "{name} has no example");
        let known: Vec<_> =
            method["params"].as_array().unwrap().iter().map(|p| &p["name"]).collect();
        for used in method["examples"][0]["params"].as_array().unwrap() {
            assert!(known.contains(&&used["name"]), "{name}: {used} is in no schema");
        }
    }
    assert_resolved(&document, &document);
}

/// Every reference leads to a schema in the same document.
fn assert_resolved(value: &Value, document: &Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(path)) = members.get("$ref") {
                let found = document.pointer(path.trim_start_matches('#'));
                assert!(found.is_some(), "{path} leads nowhere");
            }
            members.values().for_each(|value| assert_resolved(value, document));
        }
        Value::Array(items) => items.iter().for_each(|value| assert_resolved(value, document)),
        _ => {}
    }
}

#[test]
fn docs_rpc_md_is_in_step_with_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/rpc.md");
    let text = docs();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")).unwrap();
        std::fs::write(path, &text).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == text, "docs/rpc.md is out of date: run this test with UPDATE_DOCS=1");
}

fn docs() -> String {
    let mut text = String::from(
        "# The methods of the socket\n\n\
         Written from the code by a test; do not edit (`UPDATE_DOCS=1 cargo test -p a2n-daemon docs_`).\n\
         The same as data: `rpc.discover`, or GET `/openrpc.json` on the socket.\n",
    );
    let document = openrpc::document().to_value();
    let mut namespace = "";
    for (method, schema) in api::all().iter().zip(document["methods"].as_array().unwrap()) {
        if method.namespace() != namespace {
            namespace = method.namespace();
            write!(text, "\n## {namespace}\n").unwrap();
        }
        describe(method, schema, &mut text);
    }
    text
}

fn describe(method: &MethodInfo, schema: &Value, text: &mut String) {
    write!(text, "\n### `{}`\n\n{}\n\n", method.name, method.summary).unwrap();
    writeln!(text, "Needs {}.", openrpc::access(method.access)).unwrap();
    let errors: Vec<_> =
        openrpc::errors(method).iter().map(|e| format!("{} {}", e.code(), e.as_str())).collect();
    writeln!(text, "Errors: {}.", errors.join(", ")).unwrap();
    let params = schema["params"].as_array().unwrap();
    if !params.is_empty() {
        text.push_str("\n| member | type | |\n|---|---|---|\n");
    }
    for param in params {
        let need = if param["required"] == true { " (required)" } else { "" };
        let about =
            param["description"].as_str().unwrap_or("").replace('\n', " ").replace('|', "\\|");
        let kind = kind(&param["schema"]);
        writeln!(text, "| `{}`{need} | {kind} | {about} |", param["name"].as_str().unwrap())
            .unwrap();
    }
    write!(
        text,
        "\n```json\n→ {{\"method\": \"{}\", \"params\": {}}}\n",
        method.name,
        (method.example)()
    )
    .unwrap();
    if let Some(answer) = (method.example_answer)() {
        writeln!(text, "← {{\"result\": {answer}}}").unwrap();
    }
    text.push_str("```\n");
}

/// A schema's type in a word.
fn kind(schema: &Value) -> String {
    if let Some(path) = schema["$ref"].as_str() {
        return path.rsplit('/').next().unwrap_or_default().to_owned();
    }
    let of = |schemas: &Value| {
        let all: Vec<_> = schemas.as_array().unwrap().iter().map(kind).collect();
        all.into_iter().filter(|one| one != "null").collect::<Vec<_>>().join(" or ")
    };
    match schema {
        schema if schema["anyOf"].is_array() => of(&schema["anyOf"]),
        schema if schema["allOf"].is_array() => of(&schema["allOf"]),
        schema if schema["type"] == "array" => format!("list of {}", kind(&schema["items"])),
        schema => match &schema["type"] {
            Value::String(name) => name.clone(),
            Value::Array(names) => {
                let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
                names.collect::<Vec<_>>().join(" or ")
            }
            _ => "any".into(),
        },
    }
}
