//! Reading a resolved configuration: by now every expression has its result, which may be of
//! another type than the schema wants. Each fault names its member.

use std::time::Duration;

use serde_json::{Map, Value};

use super::definition::Fault;
use crate::engine::expression::{is_one_expression, is_template};
use crate::engine::kind::NodeError;

/// The members of a resolved configuration, or of an object in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Config<'a> {
    members: &'a Map<String, Value>,
    prefix: &'a str,
}

impl<'a> Config<'a> {
    /// Refuses what is not an object and members that `known` does not name.
    pub(super) fn of(config: &'a Value, known: &[&str]) -> Result<Self, NodeError> {
        Self::within("", config, known)
    }
    /// The same for an object that stands at `prefix`.
    pub(super) fn within(
        prefix: &'a str,
        value: &'a Value,
        known: &[&str],
    ) -> Result<Self, NodeError> {
        let Some(members) = value.as_object() else {
            let at = if prefix.is_empty() { "config" } else { prefix };
            return Err(wrong(at, value, "an object"));
        };
        let config = Self { members, prefix };
        match members.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(config),
            Some(name) => {
                let at = config.at(name);
                Err(NodeError::new("CONFIG", format!("`{at}` is not known here")))
            }
        }
    }
    /// The value; none where it is absent or null.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }
    /// The value, or a fault.
    pub(super) fn require(&self, name: &str) -> Result<&'a Value, NodeError> {
        self.get(name).ok_or_else(|| {
            let at = self.at(name);
            NodeError::new("CONFIG", format!("`{at}` is missing or null"))
        })
    }
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, NodeError> {
        self.get(name).map(|value| text(&self.at(name), value)).transpose()
    }
    pub(super) fn require_text(&self, name: &str) -> Result<String, NodeError> {
        text(&self.at(name), self.require(name)?)
    }
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, NodeError> {
        match self.get(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(wrong(&self.at(name), other, "true or false")),
        }
    }
    pub(super) fn millis(&self, name: &str) -> Result<Option<Duration>, NodeError> {
        self.get(name)
            .map(|value| match value.as_u64() {
                Some(ms) => Ok(Duration::from_millis(ms)),
                None => Err(wrong(&self.at(name), value, "a whole number of milliseconds")),
            })
            .transpose()
    }
    /// A number of things; a text that says one will do.
    pub(super) fn count(&self, name: &str) -> Result<Option<usize>, NodeError> {
        let read = |value: &Value| match value {
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_u64().and_then(|n| usize::try_from(n).ok()),
        };
        self.get(name)
            .map(|value| {
                read(value).ok_or_else(|| wrong(&self.at(name), value, "a whole number from 0"))
            })
            .transpose()
    }
    /// One of `words`; the first where absent.
    pub(super) fn choice<'w>(&self, name: &str, words: &[&'w str]) -> Result<&'w str, NodeError> {
        let Some(value) = self.get(name) else { return Ok(words[0]) };
        let found = words.iter().find(|&&word| value.as_str() == Some(word));
        found
            .copied()
            .ok_or_else(|| wrong(&self.at(name), value, &format!("one of {}", words.join(", "))))
    }
    /// A list with each member's path; empty where absent.
    pub(super) fn list(&self, name: &str) -> Result<Vec<(String, &'a Value)>, NodeError> {
        let at = self.at(name);
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list
                .iter()
                .enumerate()
                .map(|(n, value)| (format!("{at}[{n}]"), value))
                .collect()),
            Some(other) => Err(wrong(&at, other, "a list")),
        }
    }
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, NodeError> {
        self.list(name)?.iter().map(|(at, value)| text(at, value)).collect()
    }
    pub(super) fn integers(&self, name: &str) -> Result<Vec<i64>, NodeError> {
        let integer = |(at, value): (String, &Value)| {
            value.as_i64().ok_or_else(|| wrong(&at, value, "a whole number"))
        };
        self.list(name)?.into_iter().map(integer).collect()
    }
    /// The members of an object with any names, nulls left out; empty where absent.
    pub(super) fn map(&self, name: &str) -> Result<Vec<(String, &'a Value)>, NodeError> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Object(members)) => Ok(members
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.clone(), value))
                .collect()),
            Some(other) => Err(wrong(&self.at(name), other, "an object")),
        }
    }
    /// The same with each value as a text.
    pub(super) fn text_map(&self, name: &str) -> Result<Vec<(String, String)>, NodeError> {
        let at = self.at(name);
        let members = self.map(name)?.into_iter();
        members
            .map(|(key, value)| Ok((key.clone(), text(&format!("{at}.{key}"), value)?)))
            .collect()
    }
    /// The same where a list of texts stands for several of one name.
    pub(super) fn text_lists(&self, name: &str) -> Result<Vec<(String, String)>, NodeError> {
        let mut all = Vec::new();
        for (key, value) in self.map(name)? {
            let at = format!("{}.{key}", self.at(name));
            match value {
                Value::Array(list) => {
                    for value in list {
                        all.push((key.clone(), text(&at, value)?));
                    }
                }
                single => all.push((key, text(&at, single)?)),
            }
        }
        Ok(all)
    }
    fn at(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) }
    }
}

/// A value as one piece of text: numbers and truth values as written, objects and lists as JSON.
pub(super) fn text(at: &str, value: &Value) -> Result<String, NodeError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Err(wrong(at, value, "a text")),
        other => Ok(other.to_string()),
    }
}

/// Whether a condition holds, by the rule of the expression language: `false`, nothing, zero and
/// what is empty don't. A text is what a template with more around it gives: `false` as a word
/// doesn't hold either.
pub(super) fn holds(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => {
            let text = text.trim();
            !text.is_empty() && !text.eq_ignore_ascii_case("false")
        }
        Value::Array(list) => !list.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// What is wrong with a condition as it stands in the document: text that is no expression, or has
/// more around one, would hold whatever it says.
pub(super) fn condition(at: &str, value: Option<&Value>) -> Vec<Fault> {
    match value.and_then(Value::as_str) {
        Some(text) if !is_one_expression(text) => vec![(
            at.to_owned(),
            "a condition is one expression and nothing else; a text always holds".to_owned(),
            Some("write all of it inside one pair of braces: `{{ item.n > 3 }}`".to_owned()),
        )],
        _ => Vec::new(),
    }
}

/// The fault of a value that is not what is wanted.
pub(super) fn wrong(at: &str, value: &Value, wanted: &str) -> NodeError {
    let mut shown: String = value.to_string().chars().take(60).collect();
    if shown.len() < value.to_string().len() {
        shown.push('…');
    }
    NodeError::new("CONFIG", format!("`{at}` is {shown}, but must be {wanted}"))
}

/// Whether a value is not known before its expressions are.
pub(super) fn is_expression(value: &Value) -> bool {
    value.as_str().is_some_and(is_template)
}
