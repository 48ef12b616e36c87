//! A node's beginning, its work and its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use a2n_proto::Json;
use a2n_proto::document::OnError;
use a2n_proto::execution::NodeStatus;

use super::failing::{drive_try, node_failed};
use super::looping::{drive_loop, pass_by};
use super::turn::{Site, Turn};
use super::unit::{cancel_unit, start_unit};
use crate::engine::execution::{DoneItem, NodeState, Output, Phase, Sent, UnitKey, UnitState};
use crate::engine::fact::Fact;
use crate::engine::items::NodeInput;
use crate::engine::kind::{Item, NodeError, Role};
use crate::engine::plan::PlanNode;

/// Starts a node that is ready; with `join: ANY`, on what came over one of its connections.
pub(super) fn start_node(turn: &mut Turn<'_>, site: &Site, took: Option<u32>) {
    let node = turn.node(site.number);
    let (at, key) = (turn.env.now, site.key.clone());
    if node.disabled {
        turn.fact(Fact::NodeStarted { node: key, at, units: 0, each: false, took });
        let output = passed_on(turn, site);
        return end_node(turn, site, NodeStatus::Success, output, None);
    }
    let items = turn.input_taking(site, took).len();
    // A node that runs on nothing has one unit of work without an item.
    let each = node.each && items > 0;
    let units = if each { u32::try_from(items).unwrap_or(u32::MAX) } else { 1 };
    turn.fact(Fact::NodeStarted { node: key, at, units, each, took });
    if each && turn.state.start.done_before.contains_key(&site.key) {
        take_over_items(turn, site);
    }
    work_on_node(turn, site);
}

/// Items that came in just so before, and were done, are not done again.
fn take_over_items(turn: &mut Turn<'_>, site: &Site) {
    let key = &site.key;
    let Some(before) = turn.state.start.done_before.get(key).cloned() else { return };
    // By the item itself, since there may be more or fewer now; of equal ones first the same one.
    let mut places: BTreeMap<[u8; 16], BTreeMap<u32, u32>> = BTreeMap::new();
    for (done, place) in before.iter().zip(0_u32..) {
        places.entry(done.print).or_default().insert(done.index, place);
    }
    let input = turn.input(site);
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for index in 0..u32::try_from(input.len()).unwrap_or(u32::MAX) {
        let Some((handle, item, _)) = input.get(index as usize) else { break };
        let print = DoneItem::print(handle, item);
        match places.get_mut(&print).and_then(|equal| equal.remove(&index)) {
            Some(place) => found.push((index, place)),
            None => others.push((index, print)),
        }
    }
    for (index, print) in others {
        if let Some((_, place)) = places.get_mut(&print).and_then(BTreeMap::pop_first) {
            found.push((index, place));
        }
    }
    found.sort_unstable();
    for (index, place) in found {
        let unit = UnitKey { node: key.clone(), item: Some(index) };
        turn.fact(Fact::UnitTakenOver { unit, place });
    }
}

/// Starts units up to the limits, and ends the node where all are over.
pub(super) fn work_on_node(turn: &mut Turn<'_>, site: &Site) {
    let node = turn.node(site.number);
    let Some(state) = turn.node_state(&site.key) else { return };
    if state.is_inside() {
        return match node.role {
            Role::Loop => drive_loop(turn, site),
            _ => drive_try(turn, site),
        };
    }
    let each = state.each;
    if is_stopping(node, state) || turn.is_closed(site, false) {
        cancel_what_rests(turn, site);
        return end_node_if_over(turn, site);
    }
    let busy = state.units.under_way().filter(|(_, unit)| is_busy(node, unit)).count();
    let mut busy = u32::try_from(busy).unwrap_or(u32::MAX);
    let next_ready = |turn: &Turn<'_>, from| turn.node_state(&site.key)?.units.next_ready(from);
    let mut from = 0;
    while let Some(index) = next_ready(turn, from) {
        from = index.saturating_add(1);
        let unit = UnitKey { node: site.key.clone(), item: each.then_some(index) };
        let is_held_up = !node.is_inline()
            && (turn.parallel <= 0 || turn.is_spent(site.number) || turn.waits_its_turn(site));
        let full = busy >= node.concurrency || is_held_up;
        if full || turn.state.pause_asked || turn.budget == 0 {
            break;
        }
        turn.budget -= 1;
        start_unit(turn, site, &unit);
        if turn.state.is_ending() {
            return;
        }
        match turn.state.unit(&unit) {
            Some(UnitState { phase: Phase::Failed { .. }, .. })
                if node.on_error == OnError::Stop =>
            {
                cancel_what_rests(turn, site);
                break;
            }
            Some(UnitState { phase: Phase::Failed { .. }, .. }) => {}
            Some(unit) if is_busy(node, unit) => busy += 1,
            _ => {}
        }
        if turn.is_closed(site, false) {
            break;
        }
    }
    end_node_if_over(turn, site);
}

/// Cancels the units for which nothing is done now; the others come to their own end.
fn cancel_what_rests(turn: &mut Turn<'_>, site: &Site) {
    let Some(state) = turn.node_state(&site.key) else { return };
    let resting = state.units.open().filter(|(_, unit)| !unit.phase.is_at_work());
    let key = |index| UnitKey { node: site.key.clone(), item: state.each.then_some(index) };
    let resting: Vec<UnitKey> = resting.map(|(index, _)| key(index)).collect();
    for unit in resting {
        cancel_unit(turn, &unit);
    }
}

/// Ends a node whose units are all over.
pub(super) fn end_node_if_over(turn: &mut Turn<'_>, site: &Site) {
    let node = turn.node(site.number);
    let Some(state) = turn.node_state(&site.key) else { return };
    if state.is_settled() || !state.units.are_over() {
        return;
    }
    let failed = state.units.failed().find_map(|(_, unit)| match &unit.phase {
        Phase::Failed { error, n } => Some((error.clone(), *n)),
        _ => None,
    });
    let cancelled = state.units.has_cancelled();
    match failed {
        Some((error, n)) if node.on_error == OnError::Stop => {
            end_node(turn, site, NodeStatus::Failed, Output::default(), Some(error.clone()));
            node_failed(turn, site, error, n);
        }
        failed if cancelled => {
            let error = failed.map(|(error, _)| error);
            end_node(turn, site, NodeStatus::Cancelled, Output::default(), error);
        }
        failed => {
            let input = turn.input(site);
            let output = turn.node_state(&site.key).map(|state| joined(node, state, &input));
            let error = failed.map(|(error, _)| error);
            end_node(turn, site, NodeStatus::Success, output.unwrap_or_default(), error);
        }
    }
}

/// Ends a node; the body of a `loop` that was never come to is passed by.
pub(super) fn end_node(
    turn: &mut Turn<'_>,
    site: &Site,
    status: NodeStatus,
    output: Output,
    error: Option<NodeError>,
) {
    let (node, at) = (site.key.clone(), turn.env.now);
    if turn.node(site.number).role == Role::Loop
        && !turn.state.frames.contains_key(&node)
        && let Some(region) = turn.loop_of(&node)
    {
        pass_by(turn, region, &node, status != NodeStatus::Success, false);
    }
    turn.fact(Fact::NodeEnded { node, at, status, output: Arc::new(output), error });
}

fn is_stopping(node: &PlanNode, state: &NodeState) -> bool {
    node.on_error == OnError::Stop && state.units.failed().next().is_some()
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

pub(super) fn error_item(
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
fn passed_on(turn: &mut Turn<'_>, site: &Site) -> Output {
    let input = turn.input(site);
    let items: Vec<Item> = input.items().cloned().collect();
    let from = (0..u32::try_from(items.len()).unwrap_or(u32::MAX)).collect();
    let handle = turn.node(site.number).default_output().to_owned();
    Output { handles: BTreeMap::from([(handle, Sent { items, from })]), cut: false }
}
