//! Domain 4: nodeDefinition, nodeTemplate, nodeRating, nodeUsageStats, nodeCollection,
//! nodeCollectionItem.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::workflow::BackoffType;
use crate::{
    Json, NodeCollectionId, NodeCollectionItemId, NodeDefinitionId, NodeRatingId, NodeTemplateId,
    NodeUsageStatsId, Timestamp, UserId,
};

/// What sort of step a definition is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NodeType {
    /// Starts executions.
    Trigger,
    /// Does something.
    Action,
    /// Chooses a way.
    Condition,
    /// Repeats.
    Loop,
    /// Waits.
    Delay,
    /// Answers or calls a webhook.
    Webhook,
    /// Asks over HTTP.
    HttpRequest,
    /// Sends mail.
    Email,
    /// Asks a database.
    Database,
    /// Reads or writes files.
    File,
    /// Comes from outside.
    Custom,
}

/// How a definition's work is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ExecutionMode {
    /// At once, by the engine.
    Sync,
    /// Outside the engine, with a result at its end.
    Async,
    /// Outside the engine, with results as it goes.
    Stream,
}

/// How often something may be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// So many.
    pub requests: u32,
    /// In so many milliseconds.
    pub window: u64,
    /// And so many at once.
    pub burst: u32,
}

/// Which credentials a definition needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeCredentials {
    /// Whether it works without.
    pub required: bool,
    /// Which credential types fit.
    pub types: Vec<String>,
}

/// A definition's default retry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeRetryPolicy {
    /// Off where false.
    pub enabled: bool,
    /// Retries after the first attempt.
    pub max_retries: u32,
    /// Milliseconds.
    pub retry_delay: u64,
    /// How the wait grows.
    pub backoff_type: BackoffType,
    /// Longest wait, milliseconds.
    pub max_delay: u64,
    /// For EXPONENTIAL.
    pub multiplier: f64,
}

/// Where a definition comes from, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeMetadata {
    /// Who made it.
    pub author: Option<String>,
    /// Where to read more.
    pub homepage: Option<String>,
    /// Under which terms.
    pub licence: Option<String>,
}

/// A kind of step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeDefinition {
    /// Given by the daemon.
    pub id: NodeDefinitionId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Unique with version; what a node's `type` names.
    pub name: String,
    /// For people.
    pub display_name: String,
    /// For people.
    pub description: Option<String>,
    /// What sort of step it is.
    #[serde(rename = "type")]
    pub kind: NodeType,
    /// For finding it.
    pub category: String,
    /// Semantic version.
    pub version: String,
    /// Whether it may be used.
    pub is_active: bool,
    /// Whether it comes with the daemon.
    pub is_built_in: bool,
    /// Whether every account sees it.
    pub is_public: bool,
    /// A symbol.
    pub icon: Option<String>,
    /// A colour.
    pub color: Option<String>,
    /// Markdown.
    pub documentation: Option<String>,
    /// JSON Schema 2020-12 of the items it takes.
    pub input_schema: Json,
    /// JSON Schema 2020-12 of the items it gives.
    pub output_schema: Json,
    /// JSON Schema 2020-12 of its `config`.
    pub settings_schema: Json,
    /// Which credentials it needs.
    pub credentials: NodeCredentials,
    /// How often it may run.
    pub rate_limit: Option<RateLimit>,
    /// Its default retry.
    pub retry_policy: Option<NodeRetryPolicy>,
    /// Longest running time of one attempt, milliseconds.
    pub timeout: Option<u64>,
    /// How its work is carried out.
    pub execution_mode: ExecutionMode,
    /// `runtime`, and what that needs: an object.
    pub implementation: Json,
    /// For finding it.
    pub tags: Vec<String>,
    /// Where it comes from.
    pub metadata: NodeMetadata,
    /// Attempts, ever.
    pub usage_count: u64,
    /// Share of these that ended well, 0 to 1.
    pub success_rate: Option<f64>,
    /// Milliseconds.
    pub avg_execution_time: Option<f64>,
    /// When it was offered.
    pub published_at: Option<Timestamp>,
    /// Since when it should not be used any more.
    pub deprecated_at: Option<Timestamp>,
    /// → user, set null.
    pub created_by: Option<UserId>,
}

/// A filled-in configuration of a definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeTemplate {
    /// Given by the daemon.
    pub id: NodeTemplateId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// A node's `config`.
    pub configuration: Json,
    /// Whether every account sees it.
    pub is_public: bool,
    /// For finding it.
    pub tags: Vec<String>,
    /// How often it was placed.
    pub usage_count: u64,
    /// → nodeDefinition, cascade.
    pub node_definition_id: NodeDefinitionId,
    /// → user.
    pub created_by: UserId,
}

/// A user's opinion of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeRating {
    /// Given by the daemon.
    pub id: NodeRatingId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// 1 to 5.
    #[schemars(range(min = 1, max = 5))]
    pub rating: u8,
    /// Why.
    pub comment: Option<String>,
    /// Whether others see the comment.
    pub is_public: bool,
    /// → nodeDefinition, cascade; one rating per user and definition.
    pub node_definition_id: NodeDefinitionId,
    /// → user.
    pub user_id: UserId,
}

/// How a definition was used on one day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeUsageStats {
    /// Given by the daemon.
    pub id: NodeUsageStatsId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The day in UTC, as `2026-11-22`.
    pub day: String,
    /// Attempts that ended.
    pub execution_count: u64,
    /// Of these: well.
    pub success_count: u64,
    /// Of these: badly.
    pub failure_count: u64,
    /// Milliseconds.
    pub avg_execution_time: Option<f64>,
    /// Milliseconds.
    pub total_execution_time: u64,
    /// Different users.
    pub unique_users: u64,
    /// Different workflows.
    pub unique_workflows: u64,
    /// → nodeDefinition, cascade.
    pub node_definition_id: NodeDefinitionId,
}

/// A list of definitions that a team hands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeCollection {
    /// Given by the daemon.
    pub id: NodeCollectionId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// For people.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Whether every account sees it.
    pub is_public: bool,
    /// For finding it.
    pub tags: Vec<String>,
    /// How many definitions are in it.
    pub node_count: u32,
    /// → user.
    pub user_id: UserId,
}

/// One definition in a collection; each once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeCollectionItem {
    /// Given by the daemon.
    pub id: NodeCollectionItemId,
    /// +1 on every change.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Its place in the list.
    pub position: u32,
    /// Why it is here.
    pub note: Option<String>,
    /// → nodeCollection, cascade.
    pub node_collection_id: NodeCollectionId,
    /// → nodeDefinition, cascade.
    pub node_definition_id: NodeDefinitionId,
}
