//! `system.*`: the daemon itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::{methods, subscription};
use super::{Access, Nothing};
use crate::identity::Role;
use crate::system::HealthStatus;
use crate::{Change, Timestamp};

methods! {
    /// Answers at once; for finding out whether the daemon is there.
    Ping = "system.ping", Read, Access::Open,
    Nothing => Pong,
    example {}
    => {"pong": true, "now": "2026-11-22T12:00:00.000Z"};

    /// Says which daemon this is and where its things are.
    Info = "system.info", Read, Access::Account,
    Nothing => InfoAnswer,
    example {}
    => {
        "version": "0.1.0", "protocol": 1, "schemaVersion": "1", "pid": 4711,
        "startedAt": "2026-11-22T12:00:00.000Z", "mode": "USER",
        "socket": "/run/user/1000/a2n/a2nd.sock", "dataDir": "/home/alice/.local/state/a2n",
        "safeMode": false
    };

    /// Says how the daemon is, check by check.
    Health = "system.health", Read, Access::Account,
    Nothing => HealthAnswer,
    example {}
    => {"status": "HEALTHY", "checks": [{
        "serviceName": "store", "status": "HEALTHY", "message": "writes and reads",
        "lastCheckAt": "2026-11-22T12:00:00.000Z", "responseTime": 2
    }]};

    /// Gives the daemon's own metrics, the same that `/metrics` has.
    Metrics = "system.metrics", Read, Access::Account,
    Nothing => MetricsAnswer,
    example {}
    => {"metrics": [{
        "name": "a2n_executions_ended_total", "type": "COUNTER", "help": "Executions that ended.",
        "labels": {"status": "SUCCESS"}, "value": 12.0
    }]};

    /// Lets the engine work again where the daemon started in safe mode.
    LeaveSafeMode = "system.leaveSafeMode", Write, Access::Role(Role::Admin),
    LeaveSafeModeParams => LeaveSafeModeAnswer,
    example {}
    => {"safeMode": false, "live": 3};

    /// Counts what there is and what goes on.
    Stats = "system.stats", Read, Access::Account,
    Nothing => StatsAnswer,
    example {};

    /// Reads the whole store and says whether everything in it is as it was written.
    Verify = "system.verify", Read, Access::Role(Role::Admin),
    Nothing => VerifyAnswer,
    example {}
    => {"ok": true, "checked": [{"part": "workflow", "rows": 3}], "problems": [], "took": 12};
}

subscription! {
    /// Sends every change of what the caller may see, from a cursor or from now on.
    Subscribe = "system.subscribe", Access::Account,
    SubscribeParams => Change as "system.changed",
    example {"topics": ["workflow", "execution"]};
    /// Ends a subscription to changes.
    Unsubscribe = "system.unsubscribe";
}

/// How to leave safe mode.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "SystemLeaveSafeModeParams")]
pub struct LeaveSafeModeParams {
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SystemLeaveSafeModeAnswer")]
pub struct LeaveSafeModeAnswer {
    /// Always false.
    pub safe_mode: bool,
    /// Executions that go on.
    pub live: u64,
}

/// The answer to a ping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pong {
    /// Always true.
    pub pong: bool,
    /// The daemon's clock.
    pub now: Timestamp,
}

/// For whom the daemon runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Mode {
    /// For one user of the machine.
    User,
    /// For the whole machine.
    System,
}

/// Which daemon this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SystemInfoAnswer")]
pub struct InfoAnswer {
    /// The daemon's version.
    pub version: String,
    /// The version of the conversation on the socket.
    pub protocol: u32,
    /// The store's version.
    pub schema_version: String,
    /// The process.
    pub pid: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// For whom it runs.
    pub mode: Mode,
    /// Where it listens.
    pub socket: String,
    /// Where its things are.
    pub data_dir: String,
    /// Whether it starts no executions after too many crashes.
    pub safe_mode: bool,
}

/// How the daemon is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SystemHealthAnswer")]
pub struct HealthAnswer {
    /// The worst of the checks.
    pub status: HealthStatus,
    /// Check by check.
    pub checks: Vec<HealthReport>,
}

/// How one service is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthReport {
    /// For example `store`.
    pub service_name: String,
    /// How it is.
    pub status: HealthStatus,
    /// For people.
    pub message: String,
    /// When it was last looked at.
    pub last_check_at: Timestamp,
    /// Milliseconds that the look took.
    pub response_time: Option<u64>,
}

/// The daemon's own metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SystemMetricsAnswer")]
pub struct MetricsAnswer {
    /// One for each combination of labels.
    pub metrics: Vec<Metric>,
}

/// One of the daemon's own metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// As in Prometheus.
    pub name: String,
    /// How values add up.
    #[serde(rename = "type")]
    pub kind: crate::execution::MetricType,
    /// What it counts.
    pub help: String,
    /// What it is about.
    pub labels: BTreeMap<String, String>,
    /// The value now.
    pub value: f64,
}

/// What there is and what goes on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SystemStatsAnswer")]
pub struct StatsAnswer {
    /// Rows by entity, as far as they are counted.
    pub rows: BTreeMap<String, u64>,
    /// Executions by status.
    pub executions: BTreeMap<String, u64>,
    /// Attempts that wait for a slot.
    pub jobs_waiting: u64,
    /// Attempts that run.
    pub jobs_running: u64,
    /// Executions with work that waits until its node definition may be used again.
    pub jobs_limited: u64,
    /// Attempts that may run at once.
    pub jobs_at_most: u64,
    /// Executions in memory; those that only wait are not.
    pub executions_in_memory: u64,
    /// How long the oldest execution that has not begun waits, milliseconds.
    pub queued_longest: Option<u64>,
    /// Timers that are armed.
    pub timers: u64,
    /// Clients that are connected.
    pub clients: u64,
    /// Subscriptions that are open.
    pub subscriptions: u64,
    /// The last number in the feed.
    pub feed_seq: u64,
    /// Bytes of the store's files.
    pub store_bytes: u64,
    /// Bytes of the log segments.
    pub log_bytes: u64,
    /// Bytes that are free on the disk.
    pub disk_free_bytes: Option<u64>,
    /// Bytes of memory in use.
    pub memory_bytes: Option<u64>,
    /// Milliseconds since it started.
    pub uptime: u64,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SystemVerifyAnswer")]
pub struct VerifyAnswer {
    /// Whether all is as it was written.
    pub ok: bool,
    /// What was read.
    pub checked: Vec<VerifiedPart>,
    /// What is not as it was written.
    pub problems: Vec<StoreProblem>,
    /// Milliseconds.
    pub took: u64,
}

/// A table, an index or a set of files that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifiedPart {
    /// Its name.
    pub part: String,
    /// How many rows or records it has.
    pub rows: u64,
}

/// Something in the store that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreProblem {
    /// The table, index or file.
    pub part: String,
    /// The row, as text.
    pub key: String,
    /// A stable name, for example `CHECKSUM`, `INDEX`, `REFERENCE`, `CHAIN`, `SEGMENT`.
    pub code: String,
    /// What is wrong, in one sentence.
    pub message: String,
}

/// Which changes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "SystemSubscribeParams")]
pub struct SubscribeParams {
    /// Names of entities; all where absent.
    pub topics: Option<Vec<String>>,
    /// Where an earlier subscription was; from now on where absent. One that this feed has not
    /// come to (of another store, or from before it was restored) is answered by a `gap` over all
    /// that the feed holds: read a snapshot, then go on.
    pub cursor: Option<String>,
}
