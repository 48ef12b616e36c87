//! Domain 3: execution, executionNodeState, executionLog, executionMetrics, executionSchedule.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ExecutionId, ExecutionScheduleId, Json, Timestamp, UserId, WorkflowId, WorkflowTriggerId,
};

/// Where an execution stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum ExecutionStatus {
    /// Accepted, nothing started.
    Pending,
    /// Something runs or is about to.
    Running,
    /// Ended well.
    Success,
    /// Ended badly.
    Failed,
    /// Ended by a person or by REPLACE.
    Cancelled,
    /// Only waits are left, or a person paused it.
    Paused,
}

impl ExecutionStatus {
    /// Every status.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Running, Self::Success, Self::Failed, Self::Cancelled, Self::Paused];
    /// Whether it is over.
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Cancelled)
    }
}

/// Where a node of an execution stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum NodeStatus {
    /// Not ready yet.
    Pending,
    /// Works or waits.
    Running,
    /// Done.
    Success,
    /// Its last attempt failed.
    Failed,
    /// No connection to it was taken.
    Skipped,
    /// Stopped before its end.
    Cancelled,
}

/// Why an execution is PAUSED.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PausedReason {
    /// A person asked.
    User,
    /// Only stored waits are left.
    Waiting,
    /// A person has to say how a step ended.
    InDoubt,
    /// It failed to resume too often.
    Quarantined,
}

/// Why an execution failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorDetails {
    /// A stable name, for example `TIMEOUT`.
    pub code: String,
    /// The node it began with.
    pub node_id: Option<String>,
    /// Attempts after the first.
    pub retry_count: u32,
    /// The chain of causes, outermost first.
    pub cause: Vec<String>,
}

/// Where an execution came from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionMetadata {
    /// `API`, `CLI`, `MANUAL`, `SCHEDULE`, `RETRY`, …
    pub source: Option<String>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// The peer's address, or `uid=N pid=M` on the Unix socket.
    pub ip_address: Option<String>,
    /// Given by the caller to find it again.
    pub correlation_id: Option<String>,
    /// For people.
    pub environment: Option<String>,
    /// The caller's key under which it was accepted once.
    pub idempotency_key: Option<String>,
}

/// One run of a workflow version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Execution {
    /// Given by the daemon.
    pub id: ExecutionId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// When its first node started.
    pub start_time: Option<Timestamp>,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// Milliseconds from start to end.
    pub duration: Option<u64>,
    /// What the trigger brought; `null` in lists.
    pub trigger_data: Json,
    /// The inputs; `null` in lists.
    pub input_data: Json,
    /// From node id to handle to items, for nodes without outgoing taken connections; `null` in lists.
    pub output_data: Json,
    /// Why it failed, in one sentence.
    pub error_message: Option<String>,
    /// Why it failed, for programs.
    pub error_details: Option<ErrorDetails>,
    /// Attempts after the first, over all nodes.
    pub retry_count: u32,
    /// The workflow's `maxRetries`.
    pub max_retries: u32,
    /// Higher first.
    pub priority: i32,
    /// The execution whose node started this one.
    pub parent_execution_id: Option<ExecutionId>,
    /// The execution that this one retries.
    pub retry_of: Option<ExecutionId>,
    /// Why it is PAUSED.
    pub paused_reason: Option<PausedReason>,
    /// Free for the engine: an object.
    pub context_data: Json,
    /// Where it came from.
    pub metadata: ExecutionMetadata,
    /// → workflow, cascade.
    pub workflow_id: WorkflowId,
    /// The workflow's name when it started.
    pub workflow_name: String,
    /// The version it runs.
    pub workflow_version: u32,
    /// → user whose rights it has.
    pub user_id: UserId,
    /// → trigger, set null.
    pub trigger_id: Option<WorkflowTriggerId>,
}

/// A person's word on what an `approval` asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Decision {
    /// Yes.
    Approve,
    /// No.
    Reject,
}

/// What a RUNNING node waits for, where it only waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WaitingKind {
    /// A moment.
    Timer,
    /// An event.
    Event,
    /// A webhook's answer.
    Webhook,
    /// A person's decision.
    Approval,
    /// A slot.
    Limit,
    /// A person's word on how a step ended.
    InDoubt,
}

/// A node's wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// For what.
    pub kind: WaitingKind,
    /// Until when; no end where absent.
    pub until: Option<Timestamp>,
    /// For people.
    pub detail: Option<String>,
}

/// One try of one unit of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// From 1.
    pub n: u32,
    /// When its start was committed.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Exit code or HTTP status, where there is one.
    pub exit: Option<i32>,
    /// Why it failed.
    pub error: Option<String>,
}

/// One item's work in a node that works on EACH.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unit {
    /// The item's index in the input.
    pub item: u32,
    /// Where it stands.
    pub status: NodeStatus,
    /// Its tries.
    pub attempts: Vec<Attempt>,
    /// Whether its result was taken over from the execution that this one retries.
    #[serde(default)]
    pub taken_over: bool,
    /// Where its output is kept, where apart.
    pub output_ref: Option<String>,
}

/// One node of one execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionNodeState {
    /// `<execution>/<node>/<iteration>`.
    pub id: String,
    /// The node's id in the document.
    pub node_id: String,
    /// What is shown.
    pub node_name: String,
    /// The node definition's name.
    pub node_type: String,
    /// Where it stands.
    pub status: NodeStatus,
    /// When it became ready and started.
    pub start_time: Option<Timestamp>,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// Milliseconds.
    pub duration: Option<u64>,
    /// From handle to items; `null` in lists.
    pub input_data: Json,
    /// From handle to items; `null` in lists.
    pub output_data: Json,
    /// Why it failed.
    pub error_message: Option<String>,
    /// Why it failed, for programs.
    pub error_details: Option<ErrorDetails>,
    /// Attempts after the first.
    pub retry_count: u32,
    /// At most.
    pub max_retries: u32,
    /// 0 to 100, where the step says so.
    pub progress_percentage: Option<u8>,
    /// Its place in the document's order.
    pub position: u32,
    /// Its configuration as it ran, secrets masked; `null` in lists.
    pub configuration: Json,
    /// Path of loop iterations as text, empty outside loops.
    pub iteration: String,
    /// What it waits for, where it only waits.
    pub waiting: Option<Waiting>,
    /// Its work item by item (`get` only).
    pub units: Vec<Unit>,
    /// → execution, cascade.
    pub execution_id: ExecutionId,
}

/// How much a log line matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogLevel {
    /// For those who build.
    Debug,
    /// The ordinary course.
    Info,
    /// Went on, but not as wished.
    Warn,
    /// Someone should look.
    Error,
    /// The daemon can't go on.
    Fatal,
}

/// Who wrote a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogSource {
    /// The engine.
    System,
    /// A person.
    User,
    /// A step.
    Node,
    /// A trigger.
    Trigger,
}

/// Which output of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What a log line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogCategory {
    /// Something failed.
    Error,
    /// Something is slow.
    Performance,
    /// Someone tried something.
    Security,
    /// The work itself.
    Business,
}

/// One line of an execution's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionLog {
    /// The execution it belongs to.
    pub execution_id: ExecutionId,
    /// Its number in the execution, from 1, ascending; never given to another line.
    pub seq: u64,
    /// When it was written.
    pub timestamp: Timestamp,
    /// How much it matters.
    pub level: LogLevel,
    /// The text, without its line end.
    pub message: String,
    /// More, for programs.
    pub details: Json,
    /// The node it came from.
    pub node_id: Option<String>,
    /// What is shown for the node.
    pub node_name: Option<String>,
    /// Path of loop iterations, empty outside loops.
    pub iteration: String,
    /// The item's index, for a node that works on EACH.
    pub item: Option<u32>,
    /// The attempt's number.
    pub attempt: Option<u32>,
    /// Who wrote it.
    pub source: LogSource,
    /// Which output of a process.
    pub stream: Option<LogStream>,
    /// What it is about.
    pub category: Option<LogCategory>,
    /// Given by the caller of the execution.
    pub correlation_id: Option<String>,
    /// Milliseconds, where the line is about something that took time.
    pub duration: Option<u64>,
}

/// How a metric's values add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum MetricType {
    /// Only grows.
    Counter,
    /// A level.
    Gauge,
    /// Values in buckets.
    Histogram,
    /// Durations.
    Timer,
}

/// One measured value of an execution or of one of its nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionMetric {
    /// For example `step.wall_time`.
    pub metric_name: String,
    /// In `unit`.
    pub metric_value: f64,
    /// How values add up.
    pub metric_type: MetricType,
    /// `ms`, `bytes`, `count`, …
    pub unit: String,
    /// An object of texts.
    pub tags: Json,
    /// When it was measured.
    pub timestamp: Timestamp,
    /// The node it is about.
    pub node_id: Option<String>,
    /// → execution, cascade.
    pub execution_id: ExecutionId,
}

/// Where a planned run stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum ScheduleStatus {
    /// Not due yet.
    Pending,
    /// Being started.
    Running,
    /// Dealt with.
    Completed,
    /// Could not be started.
    Failed,
    /// Taken back.
    Cancelled,
}

/// What became of a due instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ScheduleOutcome {
    /// It started an execution.
    Fired,
    /// A rule left it out.
    Skipped,
    /// A later one stands for it.
    Coalesced,
    /// The daemon was down and the policy does not catch up.
    Missed,
    /// It was due, but nothing could be accepted.
    Refused,
}

/// One planned run, and afterwards what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionSchedule {
    /// Given by the daemon.
    pub id: ExecutionScheduleId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The nominal instant.
    pub scheduled_time: Timestamp,
    /// Where it stands.
    pub status: ScheduleStatus,
    /// Tries to start it.
    pub attempts: u32,
    /// At most.
    pub max_attempts: u32,
    /// When it was last tried.
    pub last_attempt_at: Option<Timestamp>,
    /// When it will be tried again.
    pub next_attempt_at: Option<Timestamp>,
    /// What the execution gets as its payload.
    pub execution_data: Json,
    /// Why it could not be started.
    pub error_message: Option<String>,
    /// What became of it.
    pub outcome: Option<ScheduleOutcome>,
    /// Which rule decided.
    pub reason: Option<String>,
    /// Milliseconds from the nominal instant to the commit that started it.
    pub late_by: Option<u64>,
    /// → workflow, cascade.
    pub workflow_id: WorkflowId,
    /// → trigger, cascade; none for a one-off plan.
    pub trigger_id: Option<WorkflowTriggerId>,
    /// → user.
    pub user_id: UserId,
    /// → execution, set null.
    pub execution_id: Option<ExecutionId>,
}
