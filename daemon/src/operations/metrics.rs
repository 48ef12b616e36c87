//! The daemon's own numbers for Prometheus and `system.metrics`.
//!
//! Counters are counted where things happen, through the cheap [`Metrics`] handle; everything that
//! can be looked up is looked up when somebody asks. Workflows are named only where the setting
//! `metrics.workflowNames` says so, because who reads metrics may not see every workflow.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::api::system::{Metric, MetricsAnswer, StatsAnswer};
use a2n_proto::execution::{ExecutionStatus, MetricType};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::settings::{Settings, table};
use crate::system::Usage;

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is looked up when somebody asks.
pub trait Looks: Send + Sync + fmt::Debug + 'static {
    /// What there is and what goes on.
    fn stats(&self) -> StatsAnswer;
    /// What the process uses.
    fn usage(&self) -> Usage;
    /// Lines of step output that were stored since the start.
    fn log_lines(&self) -> u64;
}

/// Counts what happens; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    registry: Registry,
    settings: Settings,
    started: Counter,
    ended: Family<ByStatus, Counter>,
    workflows: Family<ByWorkflow, Counter>,
    attempts: Family<ByKind, Counter>,
    commits: Histogram,
    commit_writes: Counter,
    rpc_calls: Family<ByCall, Counter>,
    rpc_time: Histogram,
    schedule_late: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStatus {
    status: String,
}
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByWorkflow {
    workflow: String,
    status: String,
}
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKind {
    kind: String,
    outcome: String,
}
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCall {
    method: &'static str,
    outcome: &'static str,
}

impl Metrics {
    /// All metrics, counted from zero.
    pub fn new(settings: Settings, looks: Arc<dyn Looks>) -> Self {
        let mut registry = Registry::with_prefix("a2n");
        // From 50 µs to about 26 s, doubling: commits, calls and late starts all fall in between.
        let times = || Histogram::new(exponential_buckets(0.000_05, 2.0, 20));
        let mut inner = Inner {
            registry: Registry::default(),
            settings,
            started: Counter::default(),
            ended: Family::default(),
            workflows: Family::default(),
            attempts: Family::default(),
            commits: times(),
            commit_writes: Counter::default(),
            rpc_calls: Family::default(),
            rpc_time: times(),
            schedule_late: times(),
        };
        let r = &mut registry;
        r.register("executions_accepted", "Executions that were accepted", inner.started.clone());
        r.register("executions_ended", "Executions that ended", inner.ended.clone());
        r.register(
            "workflow_executions_ended",
            "Executions that ended, by workflow (setting metrics.workflowNames)",
            inner.workflows.clone(),
        );
        r.register("attempts_ended", "Attempts of steps that ended", inner.attempts.clone());
        r.register("commit_seconds", "Time of a commit to the store", inner.commits.clone());
        r.register("commit_writes", "Writes that shared commits", inner.commit_writes.clone());
        r.register("rpc_calls", "Calls on the socket", inner.rpc_calls.clone());
        r.register("rpc_seconds", "Time to answer a call", inner.rpc_time.clone());
        r.register(
            "schedule_late_seconds",
            "From a due instant to the commit that started its execution",
            inner.schedule_late.clone(),
        );
        r.register_collector(Box::new(LookedUp { looks }));
        inner.registry = registry;
        Self { inner: Arc::new(inner) }
    }

    /// An execution was accepted.
    pub fn execution_accepted(&self) {
        self.inner.started.inc();
    }

    /// An execution of this workflow ended.
    pub fn execution_ended(&self, workflow: &str, status: ExecutionStatus) {
        let status = format!("{status:?}").to_uppercase();
        if self.inner.settings.get(&table::METRICS_WORKFLOW_NAMES) {
            let label = ByWorkflow { workflow: workflow.into(), status: status.clone() };
            self.inner.workflows.get_or_create(&label).inc();
        }
        self.inner.ended.get_or_create(&ByStatus { status }).inc();
    }

    /// An attempt of a step of this node definition ended: `OK`, or the kind of its failure.
    pub fn attempt_ended(&self, kind: &str, outcome: &str) {
        let label = ByKind { kind: kind.into(), outcome: outcome.into() };
        self.inner.attempts.get_or_create(&label).inc();
    }

    /// A commit took this long and carried so many writes.
    pub fn committed(&self, took: Duration, writes: u64) {
        self.inner.commits.observe(took.as_secs_f64());
        self.inner.commit_writes.inc_by(writes);
    }

    /// A call was answered: `OK`, or the kind of its error. Only methods that exist are named.
    pub fn rpc_call(&self, method: &'static str, outcome: &'static str, took: Duration) {
        self.inner.rpc_calls.get_or_create(&ByCall { method, outcome }).inc();
        self.inner.rpc_time.observe(took.as_secs_f64());
    }

    /// A schedule's execution was committed so long after its instant.
    pub fn schedule_fired(&self, late: Duration) {
        self.inner.schedule_late.observe(late.as_secs_f64());
    }

    /// Everything as Prometheus reads it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.inner.registry).expect("a String takes all that is written to it");
        text
    }

    /// Everything as `system.metrics` answers it.
    pub fn answer(&self) -> MetricsAnswer {
        MetricsAnswer { metrics: read(&self.text()) }
    }
}

#[derive(Debug)]
struct LookedUp {
    looks: Arc<dyn Looks>,
}

impl Collector for LookedUp {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (stats, usage) = (self.looks.stats(), self.looks.usage());
        let mut gauge = |name: &str, help: &str, value: u64| {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)
        };
        let of = |status: &str| stats.executions.get(status).copied().unwrap_or(0);
        gauge("executions_running", "Executions that run", of("RUNNING"))?;
        gauge("executions_pending", "Executions that have not begun", of("PENDING"))?;
        gauge("executions_paused", "Executions that only wait", of("PAUSED"))?;
        gauge("jobs_waiting", "Attempts that wait for a slot", stats.jobs_waiting)?;
        gauge("jobs_running", "Attempts that run", stats.jobs_running)?;
        gauge("timers", "Timers that are armed", stats.timers)?;
        gauge("clients", "Clients that are connected", stats.clients)?;
        gauge("subscriptions", "Subscriptions that are open", stats.subscriptions)?;
        gauge("feed_seq", "Number of the last change", stats.feed_seq)?;
        gauge("store_bytes", "Size of the store's files", stats.store_bytes)?;
        gauge("log_bytes", "Size of the log segments", stats.log_bytes)?;
        if let Some(free) = stats.disk_free_bytes {
            gauge("disk_free_bytes", "Room that the data folder's disk has left", free)?;
        }
        gauge("jobs_limited", "Executions that wait for a rate limit", stats.jobs_limited)?;
        gauge("jobs_at_most", "Attempts that may run at once", stats.jobs_at_most)?;
        gauge("executions_in_memory", "Executions in memory", stats.executions_in_memory)?;
        let longest = stats.queued_longest.unwrap_or(0) / 1000;
        gauge("queued_longest_seconds", "Age of the oldest that has not begun", longest)?;
        gauge("process_memory_bytes", "Resident memory", usage.memory_bytes)?;
        gauge("process_open_fds", "Open file descriptors", usage.descriptors)?;
        gauge("uptime_seconds", "Time since the start", stats.uptime / 1000)?;
        let cpu = ConstCounter::new(usage.cpu.as_secs_f64());
        let help = "Processor time in user and kernel";
        let metric =
            encoder.encode_descriptor("process_cpu_seconds", help, None, cpu.metric_type())?;
        cpu.encode(metric)?;
        let lines = ConstCounter::new(self.looks.log_lines());
        let help = "Lines of step output that were stored";
        let metric = encoder.encode_descriptor("log_lines", help, None, lines.metric_type())?;
        lines.encode(metric)
    }
}

/// Reads our own text back, so that both ways out say the same.
fn read(text: &str) -> Vec<Metric> {
    let mut found = Vec::new();
    let (mut kind, mut help) = (MetricType::Gauge, String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map(|(_, help)| help.to_owned()).unwrap_or_default();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            kind = match rest.rsplit(' ').next() {
                Some("counter") => MetricType::Counter,
                Some("histogram") => MetricType::Histogram,
                _ => MetricType::Gauge,
            };
        } else if !line.starts_with('#')
            && let Some((series, value)) = line.rsplit_once(' ')
            && let Ok(value) = value.parse::<f64>()
            && value.is_finite()
        {
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, read_labels(labels)),
                None => (series, BTreeMap::new()),
            };
            // Exposed percentiles are a matter of the reader; sums and counts say enough here.
            if name.ends_with("_bucket") {
                continue;
            }
            found.push(Metric { name: name.into(), kind, help: help.clone(), labels, value });
        }
    }
    found
}

/// `method="system.ping",outcome="OK"}` with the escapes of the text format.
fn read_labels(text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut letters = after.char_indices();
        let mut end = after.len();
        while let Some((i, c)) = letters.next() {
            match c {
                '"' => {
                    end = i + 1;
                    break;
                }
                '\\' => match letters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, other)) => value.push(other),
                    None => {}
                },
                c => value.push(c),
            }
        }
        labels.insert(name.trim_start_matches(',').to_owned(), value);
        rest = &after[end..];
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug)]
    struct Fixed;
    impl Looks for Fixed {
        fn stats(&self) -> StatsAnswer {
            let executions = [("RUNNING".to_owned(), 2)].into();
            StatsAnswer { executions, jobs_waiting: 3, uptime: 5_000, ..StatsAnswer::default() }
        }
        fn usage(&self) -> Usage {
            Usage { cpu: Duration::from_millis(1500), memory_bytes: 7, descriptors: 9 }
        }
        fn log_lines(&self) -> u64 {
            4
        }
    }

    fn counted(settings: &Settings) -> Metrics {
        let metrics = Metrics::new(settings.clone(), Arc::new(Fixed));
        metrics.execution_accepted();
        metrics.execution_ended("nightly \"x\"", ExecutionStatus::Success);
        metrics.rpc_call("system.ping", "OK", Duration::from_micros(80));
        metrics.committed(Duration::from_millis(2), 5);
        metrics
    }

    #[test]
    fn what_happened_and_what_is_looked_up_stand_in_one_text() {
        let text = counted(&Settings::default()).text();
        for line in [
            "a2n_executions_accepted_total 1",
            "a2n_executions_ended_total{status=\"SUCCESS\"} 1",
            "a2n_rpc_calls_total{method=\"system.ping\",outcome=\"OK\"} 1",
            "a2n_commit_seconds_count 1",
            "a2n_executions_running 2",
            "a2n_jobs_waiting 3",
            "a2n_process_open_fds 9",
            "a2n_process_cpu_seconds_total 1.5",
            "a2n_log_lines_total 4",
            "# EOF",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in\n{text}");
        }
        assert!(!text.contains("nightly"));
    }

    #[test]
    fn workflows_are_named_only_where_the_setting_says_so() {
        let settings = Settings::default();
        settings.apply("metrics.workflowNames", Some(json!(true))).unwrap();
        let answer = counted(&settings).answer();
        let one = answer
            .metrics
            .iter()
            .find(|metric| metric.name == "a2n_workflow_executions_ended_total")
            .unwrap();
        assert_eq!(one.labels["workflow"], "nightly \"x\"");
        assert_eq!((one.kind, one.value), (MetricType::Counter, 1.0));
        assert!(answer.metrics.iter().all(|metric| !metric.name.ends_with("_bucket")));
    }
}
