//! JSON Schemas of configurations, as they are written in a document.
//!
//! A document is checked before its expressions are known. So wherever something else than a text
//! is wanted, a text that holds an expression passes too.

use serde_json::{Map, Value, json};

use crate::engine::kind::ALSO;

/// What marks a text as holding an expression.
const EXPRESSION: &str = r"\{\{";

/// A whole configuration.
pub(super) fn object(properties: Value, required: &[&str]) -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "required": required,
    })
}

/// A text. Numbers and truth values are taken as their text, so that `command: [sleep, 5]` works.
pub(super) fn text(description: &str) -> Value {
    json!({"type": ["string", "number", "boolean"], "description": description})
}

/// A text in which an expression is refused.
pub(super) fn constant(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

/// A place within an item.
pub(super) fn path(description: &str) -> Value {
    with(text(description), "examples", json!(["size", "disk.name"]))
}

/// A place within an item, or several.
pub(super) fn path_or_paths(description: &str) -> Value {
    json!({
        "type": ["string", "array"],
        "items": path("A path."),
        "minItems": 1,
        "description": description,
        "examples": ["host", ["host", "disk.name"]],
    })
}

/// One of these words.
pub(super) fn choice(words: &[&str], default: Option<&str>, description: &str) -> Value {
    let mut schema = json!({"description": description, "enum": words});
    if let Some(default) = default {
        schema["default"] = default.into();
    }
    or_expression(schema)
}

/// A whole number of at least `least`.
pub(super) fn integer(least: i64, default: Option<i64>, description: &str) -> Value {
    let mut schema = json!({"type": "integer", "description": description, "minimum": least});
    if let Some(default) = default {
        schema["default"] = default.into();
    }
    or_expression(schema)
}

/// True or false.
pub(super) fn flag(default: bool, description: &str) -> Value {
    or_expression(json!({"type": "boolean", "description": description, "default": default}))
}

/// A condition: nearly always an expression.
pub(super) fn condition(description: &str) -> Value {
    with(
        or_expression(json!({"type": "boolean", "description": description})),
        "examples",
        json!(["{{ item.size > 1000 }}"]),
    )
}

/// A list of `items`.
pub(super) fn list(items: Value, description: &str) -> Value {
    or_expression(json!({"type": "array", "items": items, "description": description}))
}

/// An object with any names.
pub(super) fn map(values: Value, description: &str) -> Value {
    or_expression(json!({
        "type": "object", "additionalProperties": values, "description": description,
    }))
}

/// `schema` of a member that people may look for under these names.
pub(super) fn also(schema: Value, names: &[&str]) -> Value {
    with(schema, ALSO, json!(names))
}

/// `schema` with one more member.
pub(super) fn with(mut schema: Value, member: &str, value: Value) -> Value {
    schema[member] = value;
    schema
}

/// `schema`, or a text that holds an expression.
pub(super) fn or_expression(mut schema: Value) -> Value {
    let Some(members) = schema.as_object_mut() else { return schema };
    match members.remove("type") {
        // Members such as `minimum` and `items` concern only their own type, `pattern` only texts,
        // so one flat schema says it all and its faults stay readable.
        Some(Value::String(kind)) => {
            members.insert("type".into(), json!([kind, "string"]));
            members.insert("pattern".into(), EXPRESSION.into());
            schema
        }
        other => {
            if let Some(other) = other {
                members.insert("type".into(), other);
            }
            let mut outer = Map::new();
            for told in ["description", "default", "examples"] {
                if let Some(value) = members.remove(told) {
                    outer.insert(told.into(), value);
                }
            }
            let text = json!({"type": "string", "pattern": EXPRESSION});
            outer.insert("anyOf".into(), json!([schema, text]));
            outer.into()
        }
    }
}
