//! Events: what the configuration of an EVENT trigger may say.
//!
//! This version arms none. What is saved has to be right all the same, so that it starts what it
//! says on the day it is armed. The schema tells shapes, `check` what a schema can't say.

use a2n_proto::Problem;
use serde_json::{Value, json};

use super::length;

/// What may happen.
const EVENT_TYPES: [&str; 13] = [
    "FILE",
    "UNIT",
    "JOURNAL",
    "CUSTOM",
    "WORKFLOW",
    "HEALTH",
    "CREDENTIAL",
    "HEARTBEAT",
    "THRESHOLD",
    "PROCESS",
    "BOOT",
    "NATS",
    "MQTT",
];

/// JSON Schema of the configuration.
pub fn schema() -> Value {
    let rate_limit = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["requests", "window"],
        "description": "How often it starts an execution at most.",
        "properties": {
            "requests": {"type": "integer", "minimum": 1, "description": "So many."},
            "window": length::schema("In so long."),
            "burst": {"type": "integer", "minimum": 1, "description": "And so many at once."},
        },
    });
    let event = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["eventType"],
        "properties": {
            "source": {"type": "string", "minLength": 1, "description": "What it comes from: a folder, a unit, a topic, a name."},
            "eventType": {"enum": EVENT_TYPES},
            // What is in them depends on the event type.
            "filters": {"type": ["object", "array"], "description": "Which events count."},
            "debounce": length::schema("How long it has to be quiet before an execution starts."),
            "batchWindow": length::schema("How long events are gathered for one execution."),
            "rateLimit": rate_limit,
        },
    });
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["event"],
        "properties": {"event": event},
    })
}

/// What the schema can't say. Paths begin below the configuration.
pub fn check(configuration: &Value) -> Vec<Problem> {
    let event = &configuration["event"];
    let mut problems = Vec::new();
    problems.extend(length::check("event.debounce", &event["debounce"]));
    problems.extend(length::check("event.batchWindow", &event["batchWindow"]));
    problems.extend(length::check("event.rateLimit.window", &event["rateLimit"]["window"]));
    problems
}
