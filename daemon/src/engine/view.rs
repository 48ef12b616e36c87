//! What people and programs see of an execution: rows, output, why it failed, what changed.

use std::collections::{BTreeMap, BTreeSet};

use a2n_proto::execution::{
    Attempt, ErrorDetails, ExecutionNodeState, ExecutionStatus, NodeStatus, Unit, Waiting,
    WaitingKind,
};
use a2n_proto::{Json, Timestamp};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::execution::{Ending, Failure, NodeKey, NodeState, Output, Phase, State, UnitState};
use super::fact::Fact;
use super::kind::NodeError;
use super::plan::{Plan, PlanNode};
use super::step;

/// Every node of the execution, in the document's order. Without data (lists): no input, output,
/// configuration and units.
pub fn node_states(plan: &Plan, state: &State, with_data: bool) -> Vec<ExecutionNodeState> {
    (0..plan.nodes.len()).map(|number| row(plan, state, number, with_data)).collect()
}

/// One node with its units and data; none where the document has no such node.
pub fn node_state(plan: &Plan, state: &State, key: &NodeKey) -> Option<ExecutionNodeState> {
    let number = *plan.by_id.get(&key.node)?;
    key.iteration.is_empty().then(|| row(plan, state, number, true))
}

/// From each node without outgoing taken connections to its handles' items. A node whose items
/// would bring all of it above `limit_bytes` shows their size only.
pub fn output_data(plan: &Plan, state: &State, limit_bytes: usize) -> Json {
    let mut data: BTreeMap<&str, Shown<'_>> = BTreeMap::new();
    let mut left = limit_bytes;
    for node in &plan.nodes {
        let Some(state) = state.nodes.get(&node.key) else { continue };
        let taken = |c: &usize| !state.output.items(&plan.connections[*c].source_handle).is_empty();
        if state.status == NodeStatus::Success && !node.outgoing.iter().any(taken) {
            let bytes = state.output.size_bytes();
            let shown = match left.checked_sub(bytes) {
                Some(rest) => {
                    left = rest;
                    Shown::Items(by_handle(&state.output))
                }
                None => Shown::Cut { cut: true, bytes },
            };
            data.insert(&node.id, shown);
        }
    }
    Json::of(&data)
}

#[derive(serde::Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Items(BTreeMap<&'a str, &'a [Json]>),
    Cut { cut: bool, bytes: usize },
}

/// Why it failed or was cancelled: a sentence, and details for programs.
pub fn error(plan: &Plan, state: &State) -> (Option<String>, Option<ErrorDetails>) {
    let plain = |code: &str, node: Option<&NodeKey>, message: String| {
        let details = ErrorDetails {
            code: code.to_owned(),
            node_id: node.map(|node| node.node.clone()),
            retry_count: 0,
            cause: Vec::new(),
        };
        (Some(message), Some(details))
    };
    match (&state.ending, &state.failure) {
        (Some(Ending::Failed(failure)), _) | (None, Some(failure)) => failed(failure),
        (None, None) => (None, None),
        (Some(Ending::Cancelled { by, reason }), _) => {
            let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            let reason = reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            plain("CANCELLED", None, format!("cancelled{by}{reason}"))
        }
        (Some(Ending::TimedOut { after_ms }), _) => {
            plain("TIMEOUT", None, format!("ran longer than settings.timeout ({after_ms} ms)"))
        }
        (Some(Ending::Stopped { status: ExecutionStatus::Success, .. }), _) => (None, None),
        (Some(Ending::Stopped { node, message, .. }), _) => {
            let shown = plan.node(&node.node).map_or(node.node.as_str(), |node| &node.id);
            let message = message.clone().unwrap_or_else(|| format!("stopped by node `{shown}`"));
            plain("STOPPED", Some(node), message)
        }
    }
}

/// Attempts after the first, over all nodes.
pub fn retry_count(state: &State) -> u32 {
    let own = state.nodes.values().filter(|node| !node.carried);
    own.map(NodeState::retries).fold(0, u32::saturating_add)
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

/// What a step changed, one entry per entity: nodes in the order in which they were first touched,
/// then the execution.
pub fn changes(plan: &Plan, state: &State, facts: &[Fact]) -> Vec<Changed> {
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
            Fact::Paused { .. } | Fact::Resumed { .. } => {
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
    let mut all: Vec<Changed> = nodes
        .into_iter()
        .filter_map(|key| {
            let number = *plan.by_id.get(&key.node)?;
            let node = &plan.nodes[number];
            let wanted = members.get(key)?;
            let fields = Json::of(&NodeFields { node, state: state.nodes.get(key), wanted });
            let id = row_id(state, node);
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
        put(&mut map, wanted, "duration", || between(state.started_at, state.ended_at))?;
        put(&mut map, wanted, "errorMessage", || error(plan, state).0)?;
        put(&mut map, wanted, "errorDetails", || error(plan, state).1)?;
        put(&mut map, wanted, "retryCount", || retry_count(state))?;
        map.end()
    }
}

/// The members of an `executionNodeState` that may change, in its order.
struct NodeFields<'a> {
    node: &'a PlanNode,
    state: Option<&'a NodeState>,
    wanted: &'a Wanted,
}

impl Serialize for NodeFields<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let Self { node, state, wanted } = self;
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
        put(&mut map, wanted, "errorDetails", || {
            error.map(|error| details(&node.key, error, retries))
        })?;
        put(&mut map, wanted, "retryCount", || retries)?;
        put(&mut map, wanted, "progressPercentage", || state.and_then(percentage))?;
        put(&mut map, wanted, "waiting", || state.and_then(|it| waiting(node, it)))?;
        map.end()
    }
}

fn percentage(node: &NodeState) -> Option<u8> {
    node.progress.as_ref().map(|progress| progress.0)
}

fn row_id(state: &State, node: &PlanNode) -> String {
    format!("{}/{}/{}", state.start.execution, node.id, node.key.iteration)
}

fn row(plan: &Plan, state: &State, number: usize, with_data: bool) -> ExecutionNodeState {
    let node = &plan.nodes[number];
    let id = row_id(state, node);
    let found = state.nodes.get(&node.key);
    let started = found.is_some_and(|found| found.started_at.is_some());
    let cut = |bytes: u64| Json::of(&serde_json::json!({"cut": true, "bytes": bytes}));
    let input = || {
        let input = step::input_of(plan, state, number);
        if !input.is_cut() {
            return Json::of(&input.by_handle());
        }
        let sources = node.incoming.iter().map(|c| &plan.nodes[plan.connections[*c].source].key);
        let cut_away: BTreeSet<_> = sources.collect();
        cut(cut_away.iter().filter_map(|key| state.nodes.get(*key)).map(|it| it.cut_bytes).sum())
    };
    let retries = found.map_or(0, NodeState::retries);
    let error = found.and_then(|found| found.error.as_ref());
    ExecutionNodeState {
        id,
        node_id: node.id.clone(),
        node_name: node.name.clone(),
        node_type: node.kind.name().to_owned(),
        status: found.map_or(NodeStatus::Pending, |found| found.status),
        start_time: found.and_then(|found| found.started_at),
        end_time: found.and_then(|found| found.ended_at),
        duration: found.and_then(|found| between(found.started_at, found.ended_at)),
        input_data: if with_data && started { input() } else { Json::null() },
        output_data: match found {
            Some(found) if with_data && found.output.cut => cut(found.cut_bytes),
            Some(found) if with_data => Json::of(&by_handle(&found.output)),
            _ => Json::null(),
        },
        error_message: error.map(|error| error.message.clone()),
        error_details: error.map(|error| details(&node.key, error, retries)),
        retry_count: retries,
        max_retries: node.retry.as_ref().map_or(0, |policy| policy.max_retries),
        progress_percentage: found.and_then(percentage),
        position: u32::try_from(number).unwrap_or(u32::MAX),
        configuration: if with_data { node.config.clone() } else { Json::null() },
        iteration: node.key.iteration.clone(),
        waiting: found.and_then(|found| waiting(node, found)),
        units: found.filter(|_| with_data).map(units).unwrap_or_default(),
        execution_id: state.start.execution,
    }
}

fn by_handle(output: &Output) -> BTreeMap<&str, &[Json]> {
    let sent = output.handles.iter().filter(|(_, sent)| !sent.items.is_empty());
    sent.map(|(handle, sent)| (handle.as_str(), sent.items.as_slice())).collect()
}

fn units(node: &NodeState) -> Vec<Unit> {
    let row = |(unit, item): (&UnitState, u32)| Unit {
        item,
        status: unit_status(&unit.phase),
        attempts: attempts(node, unit),
        taken_over: unit.carried,
        output_ref: None,
    };
    node.units.iter().zip(0..).map(row).collect()
}

fn attempts(node: &NodeState, unit: &UnitState) -> Vec<Attempt> {
    if let (true, Phase::Done { .. }, Some(at)) =
        (unit.attempts.is_empty() && !unit.carried, &unit.phase, node.started_at)
    {
        // Computed at once and well: its one attempt is the node's own time.
        let ended_at = node.ended_at;
        return vec![Attempt { n: 1, started_at: at, ended_at, exit: None, error: None }];
    }
    let told = unit.attempts.iter().map(|attempt| Attempt {
        n: attempt.n,
        started_at: attempt.started_at,
        ended_at: attempt.ended_at,
        exit: attempt.exit,
        error: attempt.error.as_ref().map(|error| error.message.clone()),
    });
    told.collect()
}

fn unit_status(phase: &Phase) -> NodeStatus {
    match phase {
        Phase::Ready => NodeStatus::Pending,
        Phase::Running { .. }
        | Phase::Backoff { .. }
        | Phase::Waiting { .. }
        | Phase::Requested { .. }
        | Phase::InDoubt { .. } => NodeStatus::Running,
        Phase::Done { .. } => NodeStatus::Success,
        Phase::Failed { .. } => NodeStatus::Failed,
        Phase::Cancelled => NodeStatus::Cancelled,
    }
}

/// What a RUNNING node waits for, where it only waits. A person's word comes before a moment.
fn waiting(plan: &PlanNode, node: &NodeState) -> Option<Waiting> {
    if node.status != NodeStatus::Running {
        return None;
    }
    let mut found: Option<Waiting> = None;
    for unit in node.units.iter().filter(|unit| !unit.phase.is_over()) {
        match unit.phase {
            Phase::InDoubt { n } => {
                let detail = Some(format!("say how attempt {n} ended: done, failed or run again"));
                return Some(Waiting { kind: WaitingKind::InDoubt, until: None, detail });
            }
            Phase::Waiting { until, .. } => {
                let earlier = found.as_ref().and_then(|found| found.until);
                let until = Some(earlier.map_or(until, |earlier| earlier.min(until)));
                found = Some(Waiting { kind: WaitingKind::Timer, until, detail: None });
            }
            Phase::Backoff { until } if found.is_none() => {
                let detail = Some("the next attempt".to_owned());
                found = Some(Waiting { kind: WaitingKind::Timer, until: Some(until), detail });
            }
            Phase::Backoff { .. } => {}
            Phase::Requested { .. } => {
                let (_, at, request) = unit.requested()?;
                let kind = request.waits()?;
                let until = request.due(at, plan.timeout);
                found = Some(Waiting { kind, until, detail: request.detail() });
            }
            _ => return None,
        }
    }
    found
}

fn failed(failure: &Failure) -> (Option<String>, Option<ErrorDetails>) {
    let Failure { node, error, retries } = failure;
    // A wrong expression names its node itself.
    let message = if error.message.starts_with("node `") {
        error.message.clone()
    } else {
        format!("node `{}` failed: {}", node.node, error.message)
    };
    (Some(message), Some(details(node, error, *retries)))
}

fn details(node: &NodeKey, error: &NodeError, retries: u32) -> ErrorDetails {
    ErrorDetails {
        code: error.kind.clone(),
        node_id: Some(node.node.clone()),
        retry_count: retries,
        cause: vec![error.message.clone()],
    }
}

fn between(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<u64> {
    let took = to?.since(from?);
    Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}
