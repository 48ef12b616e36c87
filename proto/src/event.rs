//! [`Event`]: something that happened, numbered, in the inbox that waits and triggers look at.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ExecutionId, Json, Timestamp, UserId};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its number: one more than the event before, never given twice.
    pub seq: u64,
    /// When it was stored.
    pub at: Timestamp,
    /// Where it happened.
    pub source: String,
    /// What sort of thing.
    pub event_type: String,
    /// What there is to know about it; `null` in lists.
    pub data: Json,
    /// The size of `data`, bytes.
    pub data_bytes: u64,
    /// Whether the workflows of all users see it.
    pub shared: bool,
    /// Whose it is.
    pub user_id: UserId,
    /// The execution whose node emitted it.
    pub execution_id: Option<ExecutionId>,
    /// How many events led to it, one from the other.
    pub depth: u32,
}

impl Event {
    /// Most events that one may lead to, one from the other.
    pub const MAX_DEPTH: u32 = 16;
    /// Longest name of a sort, and of a source, in characters.
    pub const MAX_NAME: usize = 128;

    /// Whether a text is the name of a sort of event.
    pub fn is_type(text: &str) -> bool {
        let fits = |c: char| c.is_ascii_alphanumeric() || ".:_-".contains(c);
        (1..=Self::MAX_NAME).contains(&text.len()) && text.chars().all(fits)
    }

    /// Sorts that the daemon itself tells of; nobody else may.
    pub const RESERVED: [&str; 12] = [
        "FILE",
        "UNIT",
        "JOURNAL",
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

    /// What is wrong with the name of a sort that somebody wants to tell of, and what to do.
    pub fn check_type(text: &str) -> Result<(), (String, &'static str)> {
        if !Self::is_type(text) {
            let message = format!(
                "`{}` is not the name of a sort of event: letters, digits, `.`, `_`, `:` and `-`, \
                 at most {} of them",
                text.chars().take(80).collect::<String>().escape_debug(),
                Self::MAX_NAME
            );
            return Err((message, "for example backup.done"));
        }
        if Self::RESERVED.contains(&text) {
            let message = format!("only the daemon itself tells of {text}");
            return Err((message, "take a name of your own, for example backup.done"));
        }
        Ok(())
    }

    /// Whether a text may say where something happened: no control characters, not too long.
    pub fn is_source(text: &str) -> bool {
        (1..=Self::MAX_NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sorts_are_plain_words() {
        for good in ["backup.done", "CUSTOM", "a", "disk:full_2-x"] {
            assert!(Event::is_type(good), "{good}");
        }
        for bad in ["", "a b", "é", "a/b", "a\n", &"x".repeat(129)] {
            assert!(!Event::is_type(bad), "{bad}");
        }
        assert!(Event::check_type("HEALTH").unwrap_err().0.contains("itself"));
        assert!(Event::check_type("\u{1b}[2J").unwrap_err().0.starts_with("`\\u{1b}"));
        assert!(Event::is_source("Küche, links") && !Event::is_source("a\u{1b}[2J"));
    }
}
