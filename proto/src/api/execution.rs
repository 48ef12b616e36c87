//! `execution.*`: runs of workflows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::methods;
use super::{Access, List as Listing, Match, Page};
use crate::execution::{Decision, Execution, ExecutionStatus};
use crate::workflow::SharePermission;
use crate::{ExecutionId, Json, Timestamp, UserId, WorkflowId, WorkflowTriggerId};

methods! {
    /// Lists executions of the workflows that the caller may see, without their data.
    List = "execution.list", Read, Access::Account,
    Listing<Filter> => Page<Execution>,
    example {"filter": {"status": {"in": ["PENDING", "RUNNING"]}}};

    /// Gives one execution with its data.
    Get = "execution.get", Read, Access::Workflow(SharePermission::View),
    One => Execution,
    example {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"};

    /// Answers when the execution has ended; TIMEOUT where that takes longer than asked for.
    Wait = "execution.wait", Read, Access::Workflow(SharePermission::View),
    WaitParams => Execution,
    example {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "timeout": 60000};

    /// Stops an execution: TERM, a grace time, then KILL to everything its steps started.
    Cancel = "execution.cancel", Write, Access::Workflow(SharePermission::Execute),
    CancelParams => Execution,
    example {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"};

    /// Lets running steps end and starts no more, until it is resumed.
    Pause = "execution.pause", Write, Access::Workflow(SharePermission::Execute),
    PauseParams => Execution,
    example {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "reason": "the disk is full"};

    /// Lets an execution that was paused or quarantined go on.
    Resume = "execution.resume", Write, Access::Workflow(SharePermission::Execute),
    ResumeParams => Execution,
    example {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"};

    /// Says how a step in doubt ended: DONE, FAILED, or RUN_AGAIN with the same idempotency key.
    Answer = "execution.answer", Write, Access::Workflow(SharePermission::Execute),
    AnswerParams => Execution,
    example {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "nodeId": "copy", "outcome": "DONE"};

    /// Starts a new execution that takes over the earlier results it may.
    Retry = "execution.retry", Write, Access::Workflow(SharePermission::Execute),
    RetryParams => Execution,
    example {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "from": "FAILED_NODE"};

    /// Says yes or no to what an `approval` asks.
    Approve = "execution.approve", Write, Access::Account,
    ApproveParams => Execution,
    example {
        "id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "nodeId": "sure", "decision": "APPROVE",
        "comment": "looked at it"
    };

    /// Lists what waits for a decision that the caller may make or see.
    Approvals = "execution.approvals", Read, Access::Account,
    Listing<ApprovalFilter> => Page<OpenApproval>,
    example {"filter": {"mine": true}};
    /// Gives an execution and those that its nodes started, and theirs, parents before children.
    Tree = "execution.tree", Read, Access::Workflow(SharePermission::View),
    One => TreeAnswer,
    example {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"};

    /// Counts executions by how they ended, with their durations, over a time in buckets.
    Stats = "execution.stats", Read, Access::Account,
    StatsParams => StatsAnswer,
    example {"from": "2026-11-22T00:00:00Z", "to": "2026-11-23T00:00:00Z", "bucket": 3600000};
}

/// Which executions a list has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "ExecutionFilter")]
pub struct Filter {
    /// By where it stands.
    pub status: Option<Match<ExecutionStatus>>,
    /// By workflow.
    pub workflow_id: Option<Match<WorkflowId>>,
    /// By workflow, by name or `owner/name`.
    pub workflow: Option<String>,
    /// By when its first node started.
    pub start_time: Option<Match<Timestamp>>,
    /// By when it was accepted.
    pub created_at: Option<Match<Timestamp>>,
    /// By user.
    pub user_id: Option<Match<UserId>>,
    /// By trigger.
    pub trigger_id: Option<Match<WorkflowTriggerId>>,
    /// By the execution whose node started it.
    pub parent_execution_id: Option<Match<ExecutionId>>,
    /// By the execution that it retries.
    pub retry_of: Option<Match<ExecutionId>>,
    /// By the caller's key.
    pub idempotency_key: Option<Match<String>>,
}

/// One execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ExecutionOne")]
pub struct One {
    /// By id.
    pub id: ExecutionId,
}

/// An execution and those below it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ExecutionTreeAnswer")]
pub struct TreeAnswer {
    /// Each before those that it started, those of one parent from old to new.
    pub items: Vec<Branch>,
    /// Whether there are more than are shown.
    pub cut: bool,
}

/// One execution in a tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ExecutionBranch")]
pub struct Branch {
    /// How many of the tree stand above it.
    pub depth: u32,
    /// The node of its parent that started it; none for the first, and for one that handles a failure.
    pub node_id: Option<String>,
    /// For which item.
    pub item: Option<u32>,
    /// Whether it was started because its parent failed.
    pub handles_error: bool,
    /// The execution, without its data.
    pub execution: Execution,
}

/// For what to wait, how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ExecutionWaitParams")]
pub struct WaitParams {
    /// By id.
    pub id: ExecutionId,
    /// Milliseconds; without end where absent.
    pub timeout: Option<u64>,
}

/// What to stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ExecutionCancelParams")]
pub struct CancelParams {
    /// By id.
    pub id: ExecutionId,
    /// Kept with the execution, for people.
    pub reason: Option<String>,
    /// Refused where the execution is at another revision.
    pub if_revision: Option<u64>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// What to pause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ExecutionPauseParams")]
pub struct PauseParams {
    /// By id.
    pub id: ExecutionId,
    /// Kept in the audit, for people.
    pub reason: Option<String>,
    /// Refused where the execution is at another revision.
    pub if_revision: Option<u64>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// What to let go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ExecutionResumeParams")]
pub struct ResumeParams {
    /// By id.
    pub id: ExecutionId,
    /// Refused where the execution is at another revision.
    pub if_revision: Option<u64>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// How a step in doubt ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ExecutionAnswerParams")]
pub struct AnswerParams {
    /// By id.
    pub id: ExecutionId,
    /// The node that is in doubt.
    pub node_id: String,
    /// Path of loop iterations, empty outside loops.
    pub iteration: Option<String>,
    /// One item only; every one in doubt where absent.
    pub item: Option<u32>,
    /// How it ended.
    pub outcome: Outcome,
    /// What it sent (`DONE` only): an array's members are items; one empty object where absent.
    pub output: Option<Json>,
    /// Kept in the audit, for people.
    pub comment: Option<String>,
    /// Refused where the execution is at another revision.
    pub if_revision: Option<u64>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// What is decided how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ExecutionApproveParams")]
pub struct ApproveParams {
    /// Which execution.
    pub id: ExecutionId,
    /// Which node.
    pub node_id: String,
    /// Yes or no.
    pub decision: Decision,
    /// Why.
    pub comment: Option<String>,
    /// What the node's form asks for.
    pub form: Option<Json>,
    /// Path of loop iterations, empty outside loops.
    pub iteration: Option<String>,
    /// Which item; all that are open where absent.
    pub item: Option<u32>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// A person's word on a step in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "ExecutionAnswerOutcome")]
pub enum Outcome {
    /// It did its work.
    Done,
    /// It failed.
    Failed,
    /// Start it again, with the same idempotency key.
    RunAgain,
}

/// Which open decisions a list has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ApprovalFilter {
    /// By execution.
    pub execution_id: Option<Match<ExecutionId>>,
    /// By node.
    pub node_id: Option<Match<String>>,
    /// Only those that the caller may make.
    pub mine: Option<bool>,
}

/// A decision that nobody has made yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenApproval {
    /// → execution.
    pub execution_id: ExecutionId,
    /// → workflow.
    pub workflow_id: WorkflowId,
    /// The workflow's name when it started.
    pub workflow_name: String,
    /// Which node asks.
    pub node_id: String,
    /// Path of loop iterations, empty outside loops.
    pub iteration: String,
    /// For which item; none where the node asks once for all.
    pub item: Option<u32>,
    /// What is asked.
    pub message: String,
    /// JSON Schema of what is to be filled in.
    pub form: Option<Json>,
    /// Who may decide, in words.
    pub approvers: String,
    /// How many have to approve.
    pub quorum: u32,
    /// Whether a decision needs a comment.
    pub reason_required: bool,
    /// When it is over by itself.
    pub until: Option<Timestamp>,
    /// What people have said so far.
    pub votes: Vec<ApprovalVote>,
    /// Why the caller may not decide; `null` where they may.
    pub refusal: Option<String>,
}

/// What one person has said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalVote {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Yes or no.
    pub decision: Decision,
    /// Why.
    pub comment: Option<String>,
}

/// What to try again, from where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ExecutionRetryParams")]
pub struct RetryParams {
    /// By id.
    pub id: ExecutionId,
    /// `START`, `FAILED_NODE`, `FAILED_ITEMS` or a node's id; FAILED_NODE where absent.
    pub from: Option<RetryFrom>,
    /// Other inputs than before, for what runs again; what is taken over stays as it is.
    pub inputs: Option<Json>,
    /// From node id to handle to items: what these nodes are to have sent; they do not run again.
    pub results: Option<Json>,
    /// Another version than before.
    pub version: Option<u32>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// Where a retry begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum RetryFrom {
    /// All over again.
    Start,
    /// At the nodes that failed.
    #[default]
    FailedNode,
    /// Only the items that failed, and what comes of them.
    FailedItems,
    /// At this node.
    Node(String),
}

impl From<String> for RetryFrom {
    fn from(text: String) -> Self {
        match text.as_str() {
            "START" => Self::Start,
            "FAILED_NODE" => Self::FailedNode,
            "FAILED_ITEMS" => Self::FailedItems,
            _ => Self::Node(text),
        }
    }
}

impl From<RetryFrom> for String {
    fn from(from: RetryFrom) -> Self {
        match from {
            RetryFrom::Start => "START".into(),
            RetryFrom::FailedNode => "FAILED_NODE".into(),
            RetryFrom::FailedItems => "FAILED_ITEMS".into(),
            RetryFrom::Node(id) => id,
        }
    }
}

impl JsonSchema for RetryFrom {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RetryFrom".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "START, FAILED_NODE, FAILED_ITEMS or a node's id",
            "examples": ["START", "FAILED_NODE", "FAILED_ITEMS", "greet"]
        })
    }
}

/// What to count.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ExecutionStatsParams")]
pub struct StatsParams {
    /// One workflow only.
    pub workflow_id: Option<WorkflowId>,
    /// From this moment; 24 hours before `to` where absent.
    pub from: Option<Timestamp>,
    /// Before this moment; now where absent.
    pub to: Option<Timestamp>,
    /// Milliseconds; everything in one where absent.
    #[schemars(range(min = 1000))]
    pub bucket: Option<u64>,
}

/// How executions ended over a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ExecutionStatsAnswer")]
pub struct StatsAnswer {
    /// Over the whole time.
    pub total: StatsBucket,
    /// In ascending order, empty ones included.
    pub buckets: Vec<StatsBucket>,
}

/// How executions ended in one bucket.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatsBucket {
    /// From this moment.
    pub from: Timestamp,
    /// Before this moment.
    pub to: Timestamp,
    /// Accepted in it.
    pub count: u64,
    /// Of these: SUCCESS.
    pub success: u64,
    /// Of these: FAILED.
    pub failed: u64,
    /// Of these: CANCELLED.
    pub cancelled: u64,
    /// Of these: not ended yet.
    pub unfinished: u64,
    /// Mean, milliseconds.
    pub avg_duration: Option<f64>,
    /// Median, milliseconds.
    pub p50: Option<f64>,
    /// Milliseconds.
    pub p95: Option<f64>,
    /// Milliseconds.
    pub p99: Option<f64>,
    /// Longest, milliseconds.
    pub max_duration: Option<u64>,
}
