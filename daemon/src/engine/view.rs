//! What people and programs see of an execution: rows and output here, why it failed in `reason`, what
//! changed in `changed`.

use std::collections::{BTreeMap, BTreeSet};

use a2n_proto::execution::{
    Attempt, ExecutionNodeState, ExecutionStatus, NodeStatus, Unit, Waiting, WaitingKind,
};
use a2n_proto::{Json, Timestamp};

use super::execution::{Folded, NodeKey, NodeState, Output, Phase, State, UnitState};
use super::plan::{Plan, PlanNode};
use super::step;

mod changed;
mod reason;

pub use changed::{Changed, changes};
pub use reason::error;
pub(super) use reason::error_seen;

use reason::details;

/// Every node of the execution, in the document's order. Without data (lists): no input, output,
/// configuration and units.
pub fn node_states(plan: &Plan, state: &State, with_data: bool) -> Vec<ExecutionNodeState> {
    let mut rows = Vec::with_capacity(plan.nodes.len());
    for number in 0..plan.nodes.len() {
        let keys = keys_of(plan, state, number);
        rows.extend(keys.iter().map(|key| row(plan, state, number, key, with_data)));
    }
    rows
}

/// A node in each of its iterations that the state has, in their order; where it has none, as it
/// stands before its loop.
fn keys_of(plan: &Plan, state: &State, number: usize) -> Vec<NodeKey> {
    let first = &plan.nodes[number].key;
    let found = state.nodes.range(first..).map(|(key, _)| key);
    let mut keys: Vec<NodeKey> = found.take_while(|key| key.node == first.node).cloned().collect();
    if keys.is_empty() {
        keys.push(first.clone());
    }
    keys.sort_by_cached_key(|key| numbers(&key.iteration));
    keys
}

/// The rows of an iteration that was taken out of an execution's state, without data.
pub fn folded_states(plan: &Plan, state: &State, folded: Folded) -> Vec<ExecutionNodeState> {
    let mut alone = State::new(state.start.clone());
    alone.unfold(folded);
    let numbered = |key: &NodeKey| Some((*plan.by_id.get(&key.node)?, key.clone()));
    let keys: Vec<(usize, NodeKey)> = alone.nodes.keys().filter_map(numbered).collect();
    keys.iter().map(|(number, key)| row(plan, &alone, *number, key, false)).collect()
}

/// A path of iterations in the order of its numbers.
pub fn numbers(path: &str) -> Vec<u32> {
    path.split('.').filter_map(|part| part.parse().ok()).collect()
}

/// One node with its units and data; none where the document has no such node.
pub fn node_state(plan: &Plan, state: &State, key: &NodeKey) -> Option<ExecutionNodeState> {
    let number = *plan.by_id.get(&key.node)?;
    let known = key.iteration.is_empty() || state.nodes.contains_key(key);
    known.then(|| row(plan, state, number, key, true))
}

/// From each node without outgoing taken connections to its handles' items. A node whose items
/// would bring all of it above `limit_bytes` shows their size only.
pub fn output_data(plan: &Plan, state: &State, limit_bytes: usize) -> Json {
    let mut data: BTreeMap<&str, Shown<'_>> = BTreeMap::new();
    let mut left = limit_bytes;
    for node in &plan.nodes {
        // What is in a loop shows by what left it.
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

/// Attempts after the first, over all nodes.
pub fn retry_count(state: &State) -> u32 {
    // Those of iterations that are not in the state any more, too.
    let folded = state.frames.values().map(|frame| frame.retries);
    folded.fold(state.nodes.retries(), u32::saturating_add)
}

fn percentage(node: &NodeState) -> Option<u8> {
    node.progress.as_ref().map(|progress| progress.0)
}

fn row_id(state: &State, key: &NodeKey) -> String {
    format!("{}/{}/{}", state.start.execution, key.node, key.iteration)
}

fn row(
    plan: &Plan,
    state: &State,
    number: usize,
    key: &NodeKey,
    with_data: bool,
) -> ExecutionNodeState {
    let node = &plan.nodes[number];
    let id = row_id(state, key);
    let found = state.nodes.get(key);
    let started = found.is_some_and(|found| found.started_at.is_some());
    let cut = |bytes: u64| Json::of(&serde_json::json!({"cut": true, "bytes": bytes}));
    let input = || {
        let input = step::input_of(plan, state, number, &key.iteration);
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
        error_details: error.map(|error| details(key, error, retries)),
        retry_count: retries,
        max_retries: node.retry.as_ref().map_or(0, |policy| policy.max_retries),
        progress_percentage: found.and_then(percentage),
        position: u32::try_from(number).unwrap_or(u32::MAX),
        configuration: if with_data { node.config.clone() } else { Json::null() },
        iteration: key.iteration.clone(),
        waiting: found
            .and_then(|found| waiting(node, found))
            .or_else(|| found.and_then(|found| held_up(state, found))),
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
        | Phase::InDoubt { .. }
        | Phase::Inside => NodeStatus::Running,
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
    let first_ready = node.units.next_ready(0);
    for (number, unit) in node.units.under_way() {
        if first_ready.is_some_and(|ready| ready < number) {
            return None;
        }
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
    found.filter(|_| first_ready.is_none())
}

/// What a node waits for whose work could begin and does not: that there is room for it.
fn held_up(state: &State, node: &NodeState) -> Option<Waiting> {
    let may_begin = state.status == ExecutionStatus::Running && !state.pause_asked;
    let waits = node.status == NodeStatus::Running && may_begin && node.units.n_ready() > 0;
    (waits && node.units.under_way().next().is_none()).then(|| Waiting {
        kind: WaitingKind::Limit,
        until: None,
        detail: Some("a free slot, or its turn where its definition is limited".to_owned()),
    })
}

fn between(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<u64> {
    let took = to?.since(from?);
    Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}
