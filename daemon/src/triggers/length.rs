//! Lengths of time in the configurations of triggers, written as schedules write them.

use a2n_proto::Problem;
use serde_json::{Value, json};

use super::schedule::duration;
use crate::engine::check::error;

/// JSON Schema of one.
pub(super) fn schema(description: &str) -> Value {
    let description = format!("{description} Milliseconds, or a text such as 30s or 7d.");
    json!({"type": ["integer", "string"], "minimum": 0, "description": description})
}

/// What is wrong with the text of one; its type and sign are the schema's.
pub(super) fn check(path: &str, value: &Value) -> Option<Problem> {
    if !value.is_string() || duration::read(value).is_some() {
        return None;
    }
    let shown: String = value.as_str().unwrap_or_default().chars().take(80).collect();
    let hint = "write milliseconds or a text such as \"30s\"".to_owned();
    Some(error(path, "BAD_LENGTH", format!("`{shown}` is not a length of time"), Some(hint)))
}
