//! Domain 2: workflow, workflowTrigger, workflowVersion, workflowShare, workflowComment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Json, Timestamp, UserId, WorkflowCommentId, WorkflowId, WorkflowShareId, WorkflowTriggerId,
    WorkflowVersionId,
};

/// Who sees a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Visibility {
    /// Its owner and those it is shared with.
    Private,
    /// Marked as shared; who may do what is in workflowShare.
    Shared,
    /// Every account.
    Public,
    /// Every account, as something to copy.
    Template,
}

/// How the wait between attempts grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum BackoffType {
    /// Always `retryDelay`.
    Fixed,
    /// `retryDelay` × the attempt's number.
    Linear,
    /// `retryDelay` × `multiplier` to the power of the attempt's number less one.
    Exponential,
}

/// When and how often a failed attempt is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// Off where false.
    pub enabled: bool,
    /// Retries after the first attempt.
    #[schemars(range(max = 1_000))]
    pub max_retries: u32,
    /// Milliseconds.
    pub retry_delay: u64,
    /// How the wait grows.
    pub backoff_type: BackoffType,
    /// Longest wait, milliseconds.
    pub max_delay: u64,
    /// For EXPONENTIAL: how many times as long each wait is as the one before, 1 or more.
    #[schemars(range(min = 1.0))]
    pub multiplier: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            max_retries: 3,
            retry_delay: 1_000,
            backoff_type: BackoffType::Exponential,
            max_delay: 300_000,
            multiplier: 2.0,
        }
    }
}

/// What happens when an execution is due while `maxInstances` run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ConcurrencyPolicy {
    /// It starts.
    Allow,
    /// It waits its turn.
    Queue,
    /// It is refused.
    Reject,
    /// The oldest running one is cancelled first.
    Replace,
}

/// How many executions of one workflow run at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Concurrency {
    /// Unlimited where absent.
    #[schemars(range(min = 1))]
    pub max_instances: Option<u32>,
    /// What happens above it.
    pub policy: ConcurrencyPolicy,
    /// Longest queue under QUEUE.
    pub max_queued: Option<u32>,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { max_instances: None, policy: ConcurrencyPolicy::Allow, max_queued: None }
    }
}

/// Whom to tell how it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorkflowNotifications {
    /// On SUCCESS.
    pub on_success: bool,
    /// On FAILED.
    pub on_failure: bool,
    /// Names of notification channels.
    pub channels: Vec<String>,
}

/// What other branches do when a node fails the execution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OnFailure {
    /// They are cancelled.
    #[default]
    CancelBranches,
    /// They run to their end first.
    FinishBranches,
}

/// How a workflow's executions run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorkflowSettings {
    /// Longest RUNNING time of an execution, milliseconds; none where absent.
    #[schemars(range(min = 1))]
    pub timeout: Option<u64>,
    /// For PURE and RETRYABLE nodes without a `retry` of their own.
    pub retry_policy: Option<RetryPolicy>,
    /// Whom to tell.
    pub notifications: WorkflowNotifications,
    /// How many at once.
    pub concurrency: Concurrency,
    /// What other branches do when a node fails.
    pub on_failure: OnFailure,
    /// The workflow that is started with a failed execution as its input.
    pub error_workflow: Option<String>,
}

/// A saved graph, versioned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workflow {
    /// Given by the daemon.
    pub id: WorkflowId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Unique per owner.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// The newest draft's document; `null` in lists.
    pub definition: Json,
    /// Whether its triggers are armed.
    pub is_active: bool,
    /// Whether it is offered for copying.
    pub is_template: bool,
    /// Who sees it.
    pub visibility: Visibility,
    /// The newest version.
    pub version: u32,
    /// The version that triggers run; none where never published.
    pub published_version: Option<u32>,
    /// For finding it.
    pub tags: Vec<String>,
    /// For finding it.
    pub category: Option<String>,
    /// From the document.
    pub variables: Json,
    /// From the document.
    pub settings: WorkflowSettings,
    /// Ended executions, ever.
    pub execution_count: u64,
    /// Of these: SUCCESS.
    pub success_count: u64,
    /// Of these: FAILED.
    pub failure_count: u64,
    /// When one last ended.
    pub last_executed_at: Option<Timestamp>,
    /// Mean duration of the ended ones, milliseconds.
    pub avg_execution_time: Option<f64>,
    /// When a version was last published.
    pub published_at: Option<Timestamp>,
    /// When it was archived; none where it is not.
    pub archived_at: Option<Timestamp>,
    /// → user.
    pub user_id: UserId,
}

/// What starts executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum TriggerType {
    /// A person or a script.
    Manual,
    /// An HTTP request.
    Webhook,
    /// A time.
    Schedule,
    /// Something that happened.
    Event,
}

/// Starts executions of one workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowTrigger {
    /// Given by the daemon.
    pub id: WorkflowTriggerId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// What kind.
    #[serde(rename = "type")]
    pub kind: TriggerType,
    /// Unique in the workflow.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Whether it is armed (where its workflow is active and published).
    pub is_active: bool,
    /// By kind: `{schedule: {…}}`, `{manual: {…}}` and so on.
    pub configuration: Json,
    /// `origin`: DOCUMENT or API; more may come.
    pub metadata: Json,
    /// Why it is not armed though active; none where it is.
    pub arm_error: Option<String>,
    /// How often it started an execution.
    pub trigger_count: u64,
    /// When it last did.
    pub last_triggered_at: Option<Timestamp>,
    /// → workflow, cascade.
    pub workflow_id: WorkflowId,
    /// → user.
    pub user_id: UserId,
}

/// A snapshot of a workflow's document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowVersion {
    /// Given by the daemon.
    pub id: WorkflowVersionId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Unique per workflow, from 1.
    pub version: u32,
    /// The document; `null` in lists.
    pub definition: Json,
    /// What changed, for people.
    pub change_log: Option<String>,
    /// Whether triggers run this one.
    pub is_published: bool,
    /// → workflow, cascade.
    pub workflow_id: WorkflowId,
    /// → user.
    pub user_id: UserId,
}

/// What a share allows; each includes those before it, except that EDIT and EXECUTE stand apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum SharePermission {
    /// See it and its executions.
    View,
    /// Save and publish it.
    Edit,
    /// Run it and steer its executions.
    Execute,
    /// All of these, and share it on.
    Admin,
}

impl SharePermission {
    /// Every permission.
    pub const ALL: [Self; 4] = [Self::View, Self::Edit, Self::Execute, Self::Admin];
    /// Whether one who has this permission may do what asks for `needed`.
    pub const fn includes(self, needed: Self) -> bool {
        match self {
            Self::View => matches!(needed, Self::View),
            Self::Edit => matches!(needed, Self::View | Self::Edit),
            Self::Execute => matches!(needed, Self::View | Self::Execute),
            Self::Admin => true,
        }
    }
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::View => "VIEW",
            Self::Edit => "EDIT",
            Self::Execute => "EXECUTE",
            Self::Admin => "ADMIN",
        }
    }
}

/// Lets another user at a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowShare {
    /// Given by the daemon.
    pub id: WorkflowShareId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// What it allows.
    pub permission: SharePermission,
    /// Off without being removed.
    pub is_active: bool,
    /// Ends at this moment; never where absent.
    pub expires_at: Option<Timestamp>,
    /// → workflow, cascade.
    pub workflow_id: WorkflowId,
    /// → user who shares.
    pub owner_id: UserId,
    /// → user who gets it; unique with workflow.
    pub shared_with_user_id: UserId,
}

/// A remark on a workflow or one of its nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowComment {
    /// Given by the daemon.
    pub id: WorkflowCommentId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Markdown.
    pub content: String,
    /// The node it is about; the whole workflow where absent.
    pub node_id: Option<String>,
    /// Whether it is settled.
    pub is_resolved: bool,
    /// The comment it answers, cascade.
    pub parent_comment_id: Option<WorkflowCommentId>,
    /// → workflow, cascade.
    pub workflow_id: WorkflowId,
    /// → user.
    pub user_id: UserId,
}
