//! What a definition that acts on the world is given for one attempt.

use std::sync::{Arc, Mutex, PoisonError};

use a2n_proto::Json;
use a2n_proto::execution::{LogLevel, LogStream, MetricType};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::settings::Settings;
use crate::engine::job::{Job, JobVoice, Measured, Printed};
use crate::engine::kind::{Handles, NodeError};
use crate::system::System;
use crate::system::attachments::Attachments;

/// What a definition that acts on the world is given for one attempt.
#[derive(Debug, Clone)]
pub struct Context {
    /// The world.
    pub system: System,
    /// Where files and other bytes are kept.
    pub attachments: Attachments,
    /// What the administrator chose.
    pub settings: Arc<Settings>,
    /// The attempt.
    pub job: Arc<Job>,
    /// Where it speaks.
    pub voice: Arc<dyn JobVoice>,
    /// Cancelled when it has to end: by time-out or by cancel. The executor knows which.
    pub stop: CancellationToken,
    pub(super) measured: Arc<Mutex<Vec<Measured>>>,
}

impl Context {
    /// The resolved configuration.
    pub fn config(&self) -> &Value {
        &self.job.config
    }
    /// The one item of a definition that works on EACH; `null` where it works on none.
    pub fn item(&self) -> Json {
        first_item(&self.job.items)
    }
    /// Writes a line of the daemon's own into the execution's log.
    pub async fn say(&self, level: LogLevel, message: impl AsRef<str>) {
        self.voice.lines(level, None, Printed::from_iter([message.as_ref()])).await;
    }
    /// Writes lines of a process into the execution's log.
    pub async fn pass_on(&self, stream: LogStream, lines: Printed) {
        if !lines.is_empty() {
            self.voice.lines(LogLevel::Info, Some(stream), lines).await;
        }
    }
    /// Records a measured value.
    pub fn measure(&self, name: &str, value: f64, kind: MetricType, unit: &str) {
        let measured = Measured { name: name.into(), value, kind, unit: unit.into() };
        self.measured.lock().unwrap_or_else(PoisonError::into_inner).push(measured);
    }
    /// Records a number of bytes.
    #[expect(clippy::cast_precision_loss, reason = "2^53 bytes never come together")]
    pub fn measure_bytes(&self, name: &str, bytes: u64) {
        self.measure(name, bytes as f64, MetricType::Counter, "bytes");
    }
    /// The error of work that ended because it had to; the executor puts the reason in.
    pub fn stopped() -> NodeError {
        NodeError::new("CANCELLED", "ended before it was done")
    }
}

/// The one item of a unit of work on EACH.
pub(super) fn first_item(items: &Handles) -> Json {
    items.values().flatten().next().cloned().unwrap_or_default()
}

/// What a node sends on that decides where items go: the one item, or everything where it works on
/// everything at once; `null` where it runs without any.
pub(super) fn all_items(items: &Handles) -> Vec<Json> {
    let all: Vec<Json> = items.values().flatten().cloned().collect();
    if all.is_empty() { vec![Json::null()] } else { all }
}

/// One item out of the default handle.
pub(super) fn output(items: Vec<Json>) -> Handles {
    Handles::from([("output".to_owned(), items)])
}
