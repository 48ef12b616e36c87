//! A change: one committed fact, numbered in the feed. The feed's live end is what
//! `system.subscribe` sends.

use serde::{Deserialize, Serialize};

use crate::{ExecutionId, Json, Timestamp, WorkflowId};

/// What happened to an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// Some of its fields are other than before.
    Updated,
    /// It is gone.
    Deleted,
}

/// One committed fact about one entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Its number in the feed: gap-free, given at commit, never reused.
    pub seq: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// The entity's name as in the RPC namespaces, for example `execution`.
    pub entity: String,
    /// The entity's id as text (derived ids are texts of several parts).
    pub id: String,
    /// The entity's revision after the change; 0 where the entity has none.
    pub revision: u64,
    /// What happened.
    pub change: ChangeKind,
    /// Only the members that changed, never large data: an object.
    pub fields: Json,
    /// The execution it belongs to, where it belongs to one.
    pub execution_id: Option<ExecutionId>,
    /// The workflow it belongs to, where it belongs to one.
    pub workflow_id: Option<WorkflowId>,
}
