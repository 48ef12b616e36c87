//! What a step changed, for the feed: the members that changed, and no others.

use std::collections::{BTreeMap, BTreeSet};

use a2n_proto::Json;
use a2n_proto::execution::NodeStatus;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::{between, details, error, percentage, retry_count, row_id, waiting};
use crate::engine::execution::{Folded, NodeKey, NodeState, State};
use crate::engine::fact::Fact;
use crate::engine::plan::{Plan, PlanNode};

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

/// What a step changed, one entry per entity: nodes in the order in which they were first touched,
/// then the execution.
pub fn changes(plan: &Plan, state: &State, facts: &[Fact], folded: &[Folded]) -> Vec<Changed> {
    let mut nodes: Vec<&NodeKey> = Vec::new();
    let mut members: BTreeMap<&NodeKey, BTreeSet<&'static str>> = BTreeMap::new();
    let mut created: BTreeSet<&NodeKey> = BTreeSet::new();
    let mut execution: BTreeSet<&'static str> = BTreeSet::new();
    for fact in facts {
        let (node, changed): (Option<&NodeKey>, &[&'static str]) = match fact {
            Fact::NodeStarted { node, .. } => {
                created.insert(node);
                (Some(node), &["nodeId", "nodeName", "nodeType", "status", "startTime"])
            }
            Fact::NodeSkipped { node, .. } => {
                created.insert(node);
                (Some(node), &["nodeId", "nodeName", "nodeType", "status", "endTime"])
            }
            Fact::NodeEnded { node, error, .. } => {
                let failed: &[_] =
                    &["status", "endTime", "duration", "waiting", "errorMessage", "errorDetails"];
                let kept = if error.is_some() { failed.len() } else { 4 };
                (Some(node), &failed[..kept])
            }
            Fact::Progressed { node, .. } => (Some(node), &["progressPercentage"]),
            Fact::AttemptStarted { unit, n, .. } if *n > 1 => {
                execution.insert("retryCount");
                (Some(&unit.node), &["retryCount", "waiting"])
            }
            Fact::UnitWaiting { unit, .. }
            | Fact::UnitInDoubt { unit, .. }
            | Fact::UnitRequested { unit, .. } => (Some(&unit.node), &["waiting"]),
            Fact::Began { .. } => {
                execution.extend(["status", "startTime"]);
                continue;
            }
            Fact::Paused { .. } | Fact::Resumed { .. } | Fact::PauseLifted => {
                execution.extend(["status", "pausedReason"]);
                continue;
            }
            Fact::Ended { .. } => {
                execution.extend(["status", "pausedReason", "endTime", "duration"]);
                execution.extend(["errorMessage", "errorDetails"]);
                continue;
            }
            _ => continue,
        };
        let Some(node) = node else { continue };
        if !members.contains_key(node) {
            nodes.push(node);
        }
        members.entry(node).or_default().extend(changed);
    }
    let gone: BTreeMap<&NodeKey, &NodeState> = folded.iter().flat_map(|one| &one.nodes).collect();
    let mut all: Vec<Changed> = nodes
        .into_iter()
        .filter_map(|key| {
            let number = *plan.by_id.get(&key.node)?;
            let node = &plan.nodes[number];
            let wanted = members.get(key)?;
            let found = state.nodes.get(key).or_else(|| gone.get(key).copied());
            let fields = Json::of(&NodeFields { node, key, state: found, wanted });
            let id = row_id(state, key);
            let created = created.contains(key);
            Some(Changed { entity: "executionNodeState", id, created, fields })
        })
        .collect();
    if !execution.is_empty() {
        let fields = Json::of(&ExecutionFields { plan, state, wanted: &execution });
        let id = state.start.execution.to_string();
        all.push(Changed { entity: "execution", id, created: false, fields });
    }
    all
}

/// Members of an entity that changed, written as they stand in it. Every execution goes through
/// here several times, so nothing is made that is not shown.
type Wanted = BTreeSet<&'static str>;

fn put<M: SerializeMap, T: Serialize>(
    map: &mut M,
    wanted: &Wanted,
    name: &'static str,
    value: impl FnOnce() -> T,
) -> Result<(), M::Error> {
    if wanted.contains(name) { map.serialize_entry(name, &value()) } else { Ok(()) }
}

struct ExecutionFields<'a> {
    plan: &'a Plan,
    state: &'a State,
    wanted: &'a Wanted,
}

impl Serialize for ExecutionFields<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let Self { plan, state, wanted } = self;
        let mut map = s.serialize_map(None)?;
        put(&mut map, wanted, "status", || state.status)?;
        put(&mut map, wanted, "pausedReason", || state.paused)?;
        put(&mut map, wanted, "startTime", || state.started_at)?;
        put(&mut map, wanted, "endTime", || state.ended_at)?;
        // One that never began took no time.
        let from = state.started_at.or(state.ended_at);
        put(&mut map, wanted, "duration", || between(from, state.ended_at))?;
        put(&mut map, wanted, "errorMessage", || error(plan, state).0)?;
        put(&mut map, wanted, "errorDetails", || error(plan, state).1)?;
        put(&mut map, wanted, "retryCount", || retry_count(state))?;
        map.end()
    }
}

/// The members of an `executionNodeState` that may change, in its order.
struct NodeFields<'a> {
    node: &'a PlanNode,
    key: &'a NodeKey,
    state: Option<&'a NodeState>,
    wanted: &'a Wanted,
}

impl Serialize for NodeFields<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let Self { node, key, state, wanted } = self;
        let error = state.and_then(|state| state.error.as_ref());
        let retries = state.map_or(0, NodeState::retries);
        let mut map = s.serialize_map(None)?;
        put(&mut map, wanted, "nodeId", || &node.id)?;
        put(&mut map, wanted, "nodeName", || &node.name)?;
        put(&mut map, wanted, "nodeType", || node.kind.name())?;
        put(&mut map, wanted, "status", || state.map_or(NodeStatus::Pending, |it| it.status))?;
        put(&mut map, wanted, "startTime", || state.and_then(|it| it.started_at))?;
        put(&mut map, wanted, "endTime", || state.and_then(|it| it.ended_at))?;
        put(&mut map, wanted, "duration", || {
            state.and_then(|it| between(it.started_at, it.ended_at))
        })?;
        put(&mut map, wanted, "errorMessage", || error.map(|error| &error.message))?;
        put(&mut map, wanted, "errorDetails", || error.map(|error| details(key, error, retries)))?;
        put(&mut map, wanted, "retryCount", || retries)?;
        put(&mut map, wanted, "progressPercentage", || state.and_then(percentage))?;
        put(&mut map, wanted, "waiting", || state.and_then(|it| waiting(node, it)))?;
        map.end()
    }
}
