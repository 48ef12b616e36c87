//! The text form of workflows: `id: kind {config} {other members of the node}`,
//! `a.handle -> b.handle`, `settings {…}`, `vars {…}`, one a line. The simulation reads this file too.

use a2n_proto::document::Document;
use serde_json::{Value, json};

/// The document that a text means.
pub(crate) fn document(text: &str) -> Document {
    serde_json::from_value(definition("test", text)).expect("the text is a workflow")
}

/// The same as JSON, under a name.
pub(crate) fn definition(name: &str, text: &str) -> Value {
    let json = |text: &str| -> Value { serde_json::from_str(text).expect("JSON") };
    let (mut nodes, mut connections) = (Vec::new(), Vec::new());
    let (mut settings, mut variables) = (json!({}), json!({}));
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some((from, to)) = line.split_once(" -> ") {
            let (source, out) = from.split_once('.').unwrap_or((from, "output"));
            let (target, into) = to.split_once('.').unwrap_or((to, "input"));
            connections.push(json!({
                "source": source, "target": target, "sourceHandle": out, "targetHandle": into,
            }));
        } else if let Some(written) = line.strip_prefix("settings ") {
            settings = json(written);
        } else if let Some(written) = line.strip_prefix("vars ") {
            variables = json!({"workflow": json(written)});
        } else {
            let (id, rest) = line.split_once(": ").expect("`id: kind`");
            let (kind, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
            let mut next = || values.next().map_or(json!({}), |value| value.expect("JSON"));
            let (config, mut node) = (next(), next());
            node["id"] = id.into();
            node["type"] = kind.into();
            node["config"] = config;
            nodes.push(node);
        }
    }
    json!({
        "name": name, "nodes": nodes, "connections": connections,
        "settings": settings, "variables": variables,
    })
}
