//! A node's beginning, its work and its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use a2n_proto::Json;
use a2n_proto::document::OnError;
use a2n_proto::execution::NodeStatus;
use a2n_proto::workflow::OnFailure;

use super::conclude::begin_ending;
use super::turn::Turn;
use super::unit::{cancel_unit, start_unit};
use crate::engine::execution::{
    Ending, Failure, NodeState, Output, Phase, Sent, UnitKey, UnitState,
};
use crate::engine::fact::Fact;
use crate::engine::items::NodeInput;
use crate::engine::kind::{Item, NodeError};
use crate::engine::plan::PlanNode;

/// Starts a node that is ready.
pub(super) fn start_node(turn: &mut Turn<'_>, number: usize) {
    let node = turn.node(number);
    let at = turn.env.now;
    let items = turn.input(number).len();
    if node.disabled {
        turn.fact(Fact::NodeStarted { node: node.key.clone(), at, units: 0, each: false });
        let output = Arc::new(passed_on(turn, number));
        let status = NodeStatus::Success;
        turn.fact(Fact::NodeEnded { node: node.key.clone(), at, status, output, error: None });
        return;
    }
    // A node that runs on nothing has one unit of work without an item.
    let each = node.each && items > 0;
    let units = if each { u32::try_from(items).unwrap_or(u32::MAX) } else { 1 };
    turn.fact(Fact::NodeStarted { node: node.key.clone(), at, units, each });
    work_on_node(turn, number);
}

/// Starts units up to the limits, and ends the node where all are over.
pub(super) fn work_on_node(turn: &mut Turn<'_>, number: usize) {
    let node = turn.node(number);
    let Some(state) = turn.node_state(number) else { return };
    let (units, each) = (u32::try_from(state.units.len()).unwrap_or(u32::MAX), state.each);
    let mut stopping = is_stopping(node, state);
    let count = |units: usize| u32::try_from(units).unwrap_or(u32::MAX);
    let mut busy = count(state.units.iter().filter(|unit| is_busy(node, unit)).count());
    for index in 0..units {
        let unit = UnitKey { node: node.key.clone(), item: each.then_some(index) };
        let Some(phase) = turn.state.unit(&unit).map(|unit| &unit.phase) else { break };
        if stopping {
            if !phase.is_over() && !phase.is_at_work() {
                cancel_unit(turn, &unit);
            }
            continue;
        }
        if !matches!(phase, Phase::Ready) {
            continue;
        }
        let full = busy >= node.concurrency || (!node.is_inline() && turn.parallel <= 0);
        if full || turn.state.pause_asked || turn.budget == 0 {
            break;
        }
        turn.budget -= 1;
        start_unit(turn, number, &unit);
        if turn.state.is_ending() {
            return;
        }
        match turn.state.unit(&unit) {
            Some(UnitState { phase: Phase::Failed { .. }, .. }) => {
                stopping = node.on_error == OnError::Stop;
                if stopping {
                    // Once more from the front, to cancel what has not begun.
                    return work_on_node(turn, number);
                }
            }
            Some(unit) if is_busy(node, unit) => busy += 1,
            _ => {}
        }
    }
    end_node_if_over(turn, number);
}

/// Ends a node whose units are all over.
pub(super) fn end_node_if_over(turn: &mut Turn<'_>, number: usize) {
    let node = turn.node(number);
    let Some(state) = turn.node_state(number) else { return };
    if state.is_settled() || !state.units.iter().all(|unit| unit.phase.is_over()) {
        return;
    }
    let failed = state.units.iter().find_map(|unit| match &unit.phase {
        Phase::Failed { error, .. } => Some(error.clone()),
        _ => None,
    });
    let cancelled = state.units.iter().any(|unit| matches!(unit.phase, Phase::Cancelled));
    let retries = state.retries();
    let (at, key) = (turn.env.now, node.key.clone());
    let (status, output, error) = match failed {
        Some(error) if node.on_error == OnError::Stop => {
            (NodeStatus::Failed, Output::default(), Some(error))
        }
        error if cancelled => (NodeStatus::Cancelled, Output::default(), error),
        error => {
            let input = turn.input(number);
            let output = turn.node_state(number).map(|state| joined(node, state, &input));
            (NodeStatus::Success, output.unwrap_or_default(), error)
        }
    };
    let output = Arc::new(output);
    turn.fact(Fact::NodeEnded { node: key.clone(), at, status, output, error: error.clone() });
    if let (NodeStatus::Failed, Some(error)) = (status, error) {
        let failure = Failure { node: key, error, retries };
        if turn.plan.on_failure == OnFailure::CancelBranches {
            begin_ending(turn, Ending::Failed(failure));
        } else if turn.state.failure.is_none() {
            turn.fact(Fact::FailureNoted { failure });
        }
    }
}

fn is_stopping(node: &PlanNode, state: &NodeState) -> bool {
    node.on_error == OnError::Stop
        && state.units.iter().any(|unit| matches!(unit.phase, Phase::Failed { .. }))
}

/// Whether a unit holds one of the node's places: with one at a time, the next item waits until a
/// failed one was tried again. What is computed at once takes none.
fn is_busy(node: &PlanNode, unit: &UnitState) -> bool {
    let again = matches!(unit.phase, Phase::Backoff { .. });
    unit.phase.is_at_work() || (again && !node.is_inline())
}

/// The units' results in item order, errors in their items' places or on handle `error`.
fn joined(node: &PlanNode, state: &NodeState, input: &NodeInput) -> Output {
    let mut handles: BTreeMap<String, Sent> = BTreeMap::new();
    let mut send = |handle: &str, item: Item, index: u32| {
        let sent = handles.entry(handle.to_owned()).or_default();
        sent.items.push(item);
        if state.each {
            sent.from.push(index);
        }
    };
    for (unit, index) in state.units.iter().zip(0_u32..) {
        match &unit.phase {
            Phase::Done { output } => {
                for (handle, items) in output {
                    items.iter().for_each(|item| send(handle, item.clone(), index));
                }
            }
            Phase::Failed { error, n } => {
                let handle = match node.on_error {
                    OnError::Branch => "error",
                    _ => node.default_output(),
                };
                let place = state.each.then_some(index as usize);
                send(handle, error_item(node, error, *n, input, place), index);
            }
            _ => {}
        }
    }
    Output { handles, cut: false }
}

fn error_item(
    node: &PlanNode,
    error: &NodeError,
    attempt: u32,
    input: &NodeInput,
    place: Option<usize>,
) -> Item {
    let given = match place {
        Some(place) => input.get(place).map(|(_, item, _)| item.clone()).unwrap_or_default(),
        None => Json::of(&input.items().collect::<Vec<_>>()),
    };
    // Json keeps the item's own text, numbers included; a serde_json::Value would not.
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Told<'t> {
        kind: &'t str,
        message: &'t str,
        code: Option<i32>,
        node_id: &'t str,
        attempt: u32,
    }
    #[derive(serde::Serialize)]
    struct InItsPlace<'t> {
        error: Told<'t>,
        input: Json,
    }
    let NodeError { kind, message, code, .. } = error;
    let error = Told { kind, message, code: *code, node_id: &node.id, attempt };
    Json::of(&InItsPlace { error, input: given })
}

/// A disabled node's input on its first handle, each item with its place.
fn passed_on(turn: &mut Turn<'_>, number: usize) -> Output {
    let input = turn.input(number);
    let items: Vec<Item> = input.items().cloned().collect();
    let from = (0..u32::try_from(items.len()).unwrap_or(u32::MAX)).collect();
    let handle = turn.node(number).default_output().to_owned();
    Output { handles: BTreeMap::from([(handle, Sent { items, from })]), cut: false }
}
