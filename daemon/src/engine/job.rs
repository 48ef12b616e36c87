//! A job: one attempt of one unit of work, handed to whoever carries it out after the commit that
//! records its start. `nodes` implements [`Executor`]; `app` hands it in.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::ExecutionId;
use a2n_proto::execution::{LogLevel, LogStream, MetricType};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::kind::{Handles, NodeError, Outcome};

/// Which attempt of which unit of work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobKey {
    /// The execution.
    pub execution: ExecutionId,
    /// The node's id in the document.
    pub node: String,
    /// Path of loop iterations as text, empty outside loops.
    pub iteration: String,
    /// The item's index for a node that works on EACH; none for ALL.
    pub item: Option<u32>,
    /// The attempt's number, from 1.
    pub attempt: u32,
}

/// Everything an attempt needs.
#[derive(Debug, Clone)]
pub struct Job {
    /// Which attempt.
    pub key: JobKey,
    /// The node definition: `name@version`.
    pub kind: String,
    /// What is shown for the node.
    pub node_name: String,
    /// The workflow's name.
    pub workflow: String,
    /// The configuration with every expression replaced by its result.
    pub config: serde_json::Value,
    /// EACH: one item under its handle. ALL: everything, by input handle.
    pub items: Handles,
    /// Longest running time; the executor ends what it started with kind `TIMEOUT`.
    pub timeout: Option<Duration>,
    /// The same for every attempt of one unit of work.
    pub idempotency_key: String,
    /// The Unix user to run as, where the node says one.
    pub run_as: Option<String>,
}

/// One measured value of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// For example `step.wall_time`, `step.cpu_time`, `step.peak_memory`, `step.exit_code`.
    pub name: String,
    /// In `unit`.
    pub value: f64,
    /// How values add up.
    pub kind: MetricType,
    /// `ms`, `bytes`, `count`.
    pub unit: String,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub struct JobEnd {
    /// What came of it.
    pub result: Result<Outcome, NodeError>,
    /// What was measured.
    pub measured: Vec<Measured>,
}

/// Lines in their order, without their line ends: one text and where each of them ends in it, since a
/// step may print millions a second.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Printed {
    text: String,
    ends: Vec<usize>,
}

impl Printed {
    /// No lines, and room for this many bytes of them.
    pub fn with_room(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), ends: Vec::new() }
    }
    /// Adds a line.
    pub fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.ends.push(self.text.len());
    }
    /// The lines.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, &end)| &self.text[begin..end])
    }
    /// The last line.
    pub fn last(&self) -> Option<&str> {
        let begin = self.ends.len().checked_sub(2).map_or(0, |before| self.ends[before]);
        self.ends.last().map(|&end| &self.text[begin..end])
    }
    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
    /// Only the first `n` lines stay.
    pub fn truncate(&mut self, n: usize) {
        self.ends.truncate(n);
        self.text.truncate(self.ends.last().copied().unwrap_or(0));
    }
}

impl<'l> FromIterator<&'l str> for Printed {
    fn from_iter<T: IntoIterator<Item = &'l str>>(lines: T) -> Self {
        let mut printed = Self::default();
        lines.into_iter().for_each(|line| printed.push(line));
        printed
    }
}

/// What an attempt may say while it runs.
pub trait JobVoice: Send + Sync + fmt::Debug {
    /// Lines of output, all that came at once. May wait (back-pressure) until there is room.
    fn lines<'a>(
        &'a self,
        level: LogLevel,
        stream: Option<LogStream>,
        lines: Printed,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
    /// How far it is, 0 to 100, with a word for people.
    fn progress(&self, percent: u8, detail: Option<String>);
}

/// Carries attempts out.
pub trait Executor: Send + Sync + fmt::Debug {
    /// Runs one attempt to its end. Dropping the future or cancelling `stop` ends everything the
    /// attempt started (first politely, then by force) and answers `CANCELLED`.
    fn run(
        &self,
        job: Job,
        voice: Arc<dyn JobVoice>,
        stop: CancellationToken,
    ) -> Pin<Box<dyn Future<Output = JobEnd> + Send>>;
}
