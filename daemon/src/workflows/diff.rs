//! Two documents compared: nodes by id, triggers by name, connections by their ends, the rest by
//! member. Positions count as changes of their own kind of path, so that a screen can fold them.

use std::collections::BTreeMap;

use a2n_proto::Json;
use a2n_proto::api::workflow::{Difference, DifferenceKind, Part};
use a2n_proto::document::Document;
use serde::Serialize;
use serde_json::Value;

/// The differences between two documents: the members, nodes, connections, triggers.
pub fn diff(old: &Document, new: &Document) -> Vec<Difference> {
    let mut found = Vec::new();
    let (before, after) = (rest(old), rest(new));
    for name in names(&before, &after) {
        let part = match name.as_str() {
            "variables" => Part::Variables,
            "settings" => Part::Settings,
            _ => Part::Other,
        };
        let mut pair = Pair { part, id: &name, found: &mut found };
        pair.compare(&name, before.get(&name), after.get(&name));
    }
    parts(
        Part::Node,
        "nodes",
        &keyed(&old.nodes, |node| node.id.clone()),
        &keyed(&new.nodes, |node| node.id.clone()),
        &mut found,
    );
    parts(
        Part::Connection,
        "connections",
        &keyed(&old.connections, ends),
        &keyed(&new.connections, ends),
        &mut found,
    );
    parts(
        Part::Trigger,
        "triggers",
        &keyed(&old.triggers, |trigger| trigger.name.clone()),
        &keyed(&new.triggers, |trigger| trigger.name.clone()),
        &mut found,
    );
    found
}

fn ends(connection: &a2n_proto::document::Connection) -> String {
    let a2n_proto::document::Connection { source, target, source_handle, target_handle } =
        connection;
    format!("{source}:{source_handle} → {target}:{target_handle}")
}

/// What is not a list of parts.
fn rest(document: &Document) -> serde_json::Map<String, Value> {
    let mut members = match serde_json::to_value(document) {
        Ok(Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    for part in ["nodes", "connections", "triggers"] {
        members.remove(part);
    }
    members
}

/// Parts in their order, by key.
fn keyed<T: Serialize>(parts: &[T], key: impl Fn(&T) -> String) -> Vec<(String, Value)> {
    let value = |part: &T| serde_json::to_value(part).unwrap_or(Value::Null);
    parts.iter().map(|part| (key(part), value(part))).collect()
}

/// First what the new one has, in its order, then what is gone.
fn parts(
    part: Part,
    list: &str,
    old: &[(String, Value)],
    new: &[(String, Value)],
    found: &mut Vec<Difference>,
) {
    let before: BTreeMap<&str, &Value> = old.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let after: BTreeMap<&str, &Value> = new.iter().map(|(k, v)| (k.as_str(), v)).collect();
    for (id, value) in new {
        let mut pair = Pair { part, id, found };
        pair.compare(&format!("{list}.{id}"), before.get(id.as_str()).copied(), Some(value));
    }
    for (id, value) in old.iter().filter(|(id, _)| !after.contains_key(id.as_str())) {
        Pair { part, id, found }.compare(&format!("{list}.{id}"), Some(value), None);
    }
}

struct Pair<'f> {
    part: Part,
    id: &'f str,
    found: &'f mut Vec<Difference>,
}

impl Pair<'_> {
    fn compare(&mut self, path: &str, old: Option<&Value>, new: Option<&Value>) {
        match (old, new) {
            (Some(old), Some(new)) if old == new => {}
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                for name in names(old, new) {
                    self.compare(&format!("{path}.{name}"), old.get(&name), new.get(&name));
                }
            }
            (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() => {
                for (i, (old, new)) in old.iter().zip(new).enumerate() {
                    self.compare(&format!("{path}[{i}]"), Some(old), Some(new));
                }
            }
            (old, new) => {
                let change = match (old, new) {
                    (None, _) => DifferenceKind::Added,
                    (_, None) => DifferenceKind::Removed,
                    _ => DifferenceKind::Changed,
                };
                let json = |value: Option<&Value>| value.map(Json::of).unwrap_or_default();
                self.found.push(Difference {
                    change,
                    part: self.part,
                    id: self.id.to_owned(),
                    path: path.to_owned(),
                    old: json(old),
                    new: json(new),
                });
            }
        }
    }
}

/// The names of both, the new one's order first.
fn names(
    old: &serde_json::Map<String, Value>,
    new: &serde_json::Map<String, Value>,
) -> Vec<String> {
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    new.keys().chain(gone).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::scenario::document;

    #[test]
    fn documents_are_compared_node_by_node() {
        let old = document(
            r#"
            a: job {"command": ["df", "-h"], "env": {"A": "1"}}
            b: all
            c: all
            a -> b
            b -> c
            settings {"timeout": 1000}
            "#,
        );
        let new = document(
            r#"
            b: all {} {"disabled": true}
            a: job {"command": ["df", "-k"], "env": {"B": "1"}}
            d: all
            a -> b
            b -> d
            settings {"timeout": 2000}
            "#,
        );
        assert_eq!(diff(&old, &old), []);
        let told: Vec<String> = diff(&old, &new)
            .iter()
            .map(|d| format!("{:?} {:?} {}: {} → {}", d.change, d.part, d.path, d.old, d.new))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
    Changed Settings settings.timeout: 1000 → 2000
    Added Node nodes.b.disabled: null → true
    Changed Node nodes.a.config.command[1]: "-h" → "-k"
    Added Node nodes.a.config.env.B: null → "1"
    Removed Node nodes.a.config.env.A: "1" → null
    Added Node nodes.d: null → {"id":"d","type":"all","config":{}}
    Removed Node nodes.c: {"id":"c","type":"all","config":{}} → null
    Added Connection connections.b:output → d:input: null → {"source":"b","target":"d"}
    Removed Connection connections.b:output → c:input: {"source":"b","target":"c"} → null
    "#);
    }
}
