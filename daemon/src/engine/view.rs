//! What people and programs see of an execution.

use a2n_proto::Json;
use a2n_proto::execution::{ErrorDetails, ExecutionNodeState};

use super::execution::{NodeKey, State};
use super::fact::Fact;
use super::plan::Plan;

/// Every node of the execution, in the document's order.
pub fn node_states(_plan: &Plan, _state: &State, _with_data: bool) -> Vec<ExecutionNodeState> {
    Vec::new()
}

/// One node with its units and data; none where the document has no such node.
pub fn node_state(_plan: &Plan, _state: &State, _key: &NodeKey) -> Option<ExecutionNodeState> {
    None
}

/// From each node without outgoing taken connections to its handles' items.
pub fn output_data(_plan: &Plan, _state: &State) -> Json {
    Json::object()
}

/// Why it failed or was cancelled: a sentence, and details for programs.
pub fn error(_plan: &Plan, _state: &State) -> (Option<String>, Option<ErrorDetails>) {
    (None, None)
}

/// Attempts after the first, over all nodes.
pub fn retry_count(state: &State) -> u32 {
    let _ = state;
    0
}

/// What the feed should say changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// `execution` or `executionNodeState`.
    pub entity: &'static str,
    /// The entity's id as text.
    pub id: String,
    /// Whether it is new.
    pub created: bool,
    /// The members that changed, never large data.
    pub fields: Json,
}

/// What a step changed, one entry per entity, in the order in which it was first touched.
pub fn changes(_plan: &Plan, _state: &State, _facts: &[Fact]) -> Vec<Changed> {
    Vec::new()
}
