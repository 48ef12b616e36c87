//! What one record says, gathered from an event and the spans around it.

use std::fmt;

use a2n_proto::execution::LogLevel;
use a2n_proto::system::SystemLogCategory;
use a2n_proto::{Json, Timestamp};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use crate::store::logs::NewRecord;

/// One record.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) at: Timestamp,
    pub(super) level: Level,
    pub(super) target: &'static str,
    pub(super) message: String,
    /// Of the spans, outermost first, then of the event; a later one wins.
    pub(super) fields: Map<String, Value>,
}

impl Entry {
    pub(super) fn of(event: &Event<'_>, at: Timestamp, mut fields: Map<String, Value>) -> Self {
        let mut own = Fields::default();
        event.record(&mut own);
        fields.extend(own.named());
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        Self { at, level, target, message: own.message, fields }
    }
    /// The record as `systemLog` keeps it: fields that have a member of their own move there.
    pub(super) fn to_new_record(&self) -> NewRecord {
        let mut fields = self.fields.clone();
        let mut text = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) => Some(text),
            Some(other) => Some(other.to_string()),
            None => None,
        };
        let correlation_id = text("correlation_id");
        let request_id = text("request_id");
        let user_id = text("user_id").and_then(|id| id.parse().ok());
        let category = text("category").and_then(|c| category(&c));
        let duration = text("took_ms").and_then(|ms| ms.parse().ok());
        let failed = self.level == Level::ERROR;
        NewRecord {
            level: level(self.level),
            message: self.message.clone(),
            source: self.target.to_owned(),
            category: category.or(failed.then_some(SystemLogCategory::Error)),
            details: Json::from(Value::Object(fields)),
            correlation_id,
            user_id,
            request_id,
            duration,
        }
    }
}

/// `systemLog` knows no trace level: it counts as debug.
fn level(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        _ => LogLevel::Debug,
    }
}

fn category(name: &str) -> Option<SystemLogCategory> {
    serde_json::from_value(Value::String(name.to_uppercase())).ok()
}

/// The fields of an event or a span, and the message.
#[derive(Debug, Default, Clone)]
pub(super) struct Fields {
    pub(super) message: String,
    /// In their order; one that stands twice was given anew. A list, since every call makes one for
    /// its span and hardly any is ever read.
    fields: Vec<(&'static str, Value)>,
}

impl Fields {
    /// The fields with their names as texts.
    pub(super) fn named(&self) -> impl Iterator<Item = (String, Value)> {
        self.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()))
    }
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("message", other) => self.message = other.to_string(),
            (name, value) => {
                // `r#type` is written so because `type` is a keyword.
                let name = name.strip_prefix("r#").unwrap_or(name);
                self.fields.push((name, value));
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::String(value.to_owned()));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::Bool(value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::from(value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::from(value));
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::from(value));
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        self.put(field, Value::String(text));
    }
}
