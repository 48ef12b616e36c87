//! Loops: how one begins, how its iterations follow each other, and what leaves it at its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use a2n_proto::execution::NodeStatus;

use super::arrive::{Arrival, arrival, into_body, round_path};
use super::failing::{close_loop, node_failed};
use super::node::{end_node, end_node_if_over};
use super::turn::{Site, Turn};
use super::unit::wrong_expression;
use crate::engine::execution::{Frame, NodeKey, Output, Sent, UnitKey, below};
use crate::engine::fact::Fact;
use crate::engine::items::NodeInput;
use crate::engine::kind::{DONE, Handles, Iterations, LOOP, NodeError, Over};
use crate::engine::plan::Piece;
use crate::engine::regions::RegionKind;

/// Begins the loop that a node is the entry of; the site has the iterations around it.
pub(super) fn begin_natural(turn: &mut Turn<'_>, site: &Site, took: Option<u32>) {
    turn.fact(Fact::LoopBegan { node: site.key.clone(), took, iterations: None });
    drive_loop(turn, site);
}

/// Begins the body of a `loop` node.
pub(super) fn begin_body(turn: &mut Turn<'_>, unit: &UnitKey, iterations: Iterations) {
    let output = Arc::new(Output::default());
    turn.fact(Fact::UnitInside { unit: unit.clone(), output });
    let iterations = Some(iterations);
    turn.fact(Fact::LoopBegan { node: unit.node.clone(), took: None, iterations });
    if let Some(site) = turn.site_of(&unit.node) {
        drive_loop(turn, &site);
    }
}

/// A loop that is not come to: its nodes stand beside it. `cancelled`: its entry would have run.
pub(super) fn pass_by(
    turn: &mut Turn<'_>,
    region: usize,
    key: &NodeKey,
    unlucky: bool,
    cancelled: bool,
) {
    if cancelled {
        let (node, at) = (key.clone(), turn.env.now);
        let (status, output) = (NodeStatus::Cancelled, Arc::new(Output::default()));
        turn.fact(Fact::NodeEnded { node, at, status, output, error: None });
    }
    skip_nodes(turn, region, key);
    turn.fact(Fact::LoopSkipped { node: key.clone(), unlucky });
}

/// Ends iterations that are over, begins those that may, and ends the loop after the last.
pub(super) fn drive_loop(turn: &mut Turn<'_>, site: &Site) {
    let Some(region) = turn.loop_of(&site.key) else { return };
    for index in turn.rounds_over(region, &site.key) {
        end_iteration(turn, region, &site.key, index);
    }
    fold(turn, region, &site.key);
    match turn.region(region).kind {
        RegionKind::Natural => drive_natural(turn, region, site),
        _ => drive_body(turn, region, site),
    }
}

fn drive_natural(turn: &mut Turn<'_>, region: usize, site: &Site) {
    let Some(frame) = turn.state.frames.get(&site.key) else { return };
    if frame.open().next().is_some() {
        return;
    }
    let (begun, closing) = (frame.begun, frame.closing);
    let entry = match begun.checked_sub(1) {
        Some(last) if !closing => entry_after(turn, site, last),
        _ => BTreeMap::new(),
    };
    if closing || (begun > 0 && entry.is_empty()) {
        return turn.fact(Fact::LoopEnded { node: site.key.clone() });
    }
    let most = turn.node(site.number).most_iterations();
    if begun >= most {
        let last = turn.site(site.number, &round_path(&site.key, begun - 1));
        close_loop(turn, &site.key, None);
        node_failed(turn, &last, too_many(&site.key.node, most), 1);
        if !turn.state.is_ending() {
            turn.fact(Fact::LoopEnded { node: site.key.clone() });
        }
        return;
    }
    if may_begin(turn) {
        begin_iteration(turn, region, &site.key, begun, entry);
    }
}

fn may_begin(turn: &Turn<'_>) -> bool {
    !turn.state.pause_asked && turn.budget > 0
}

/// What the connections back brought in an iteration.
fn entry_after(turn: &Turn<'_>, site: &Site, last: u32) -> BTreeMap<u32, Arc<Output>> {
    let (plan, path) = (turn.plan, round_path(&site.key, last));
    let mut entry = BTreeMap::new();
    let node = turn.node(site.number);
    for (place, number) in (0_u32..).zip(&node.incoming) {
        let connection = &plan.connections[*number];
        if !connection.back {
            continue;
        }
        if let Arrival::Settled { output, .. } = arrival(plan, turn.state, connection, &path)
            && let Some(sent) = output.handles.get(&connection.source_handle)
            && !sent.items.is_empty()
        {
            let handles = BTreeMap::from([(connection.source_handle.clone(), sent.clone())]);
            entry.insert(place, Arc::new(Output { handles, cut: false }));
            if node.join_any {
                // All of them have come by now: the document's order decides.
                break;
            }
        }
    }
    entry
}

fn drive_body(turn: &mut Turn<'_>, region: usize, site: &Site) {
    let input = turn.input(site);
    loop {
        let Some(frame) = turn.state.frames.get(&site.key) else { return };
        let Some(how) = frame.iterations.clone().filter(|_| !frame.ended) else { return };
        let (open, begun) = (frame.open().count(), frame.begun);
        let node = turn.node(site.number);
        let sequential = node.while_.is_some() || how.over == Over::Rounds;
        let at_once = if sequential { 1 } else { node.concurrency as usize };
        if open >= at_once {
            return;
        }
        let next = if frame.closing { None } else { given(frame, &how, &input, begun) };
        let Some(given) = next else {
            if open == 0 {
                end_body(turn, site, &input);
            }
            return;
        };
        let most = match how.over {
            Over::Rounds => Some(node.most_iterations()),
            _ => node.max_iterations,
        };
        // A list that is too long is known to be before anything is done with it.
        let count = turn.count_of(&site.key, frame).unwrap_or(begun.saturating_add(1));
        if let Some(most) = most.filter(|most| count > *most) {
            return fail_body(turn, site, too_many(&site.key.node, most));
        }
        match goes_on(turn, site, &given, begun) {
            Err(error) => return fail_body(turn, site, error),
            Ok(false) if open == 0 => return end_body(turn, site, &input),
            Ok(false) => return,
            Ok(true) => {}
        }
        if !may_begin(turn) {
            return;
        }
        let entry = BTreeMap::from([(0, into_body(given))]);
        begin_iteration(turn, region, &site.key, begun, entry);
    }
}

/// The items of the next iteration; none where there is none.
fn given(frame: &Frame, how: &Iterations, input: &NodeInput, index: u32) -> Option<Sent> {
    let batch = how.batch.max(1) as usize;
    let first = (index as usize).saturating_mul(batch);
    match &how.over {
        Over::Input => {
            let items: Vec<_> = (first..first.saturating_add(batch))
                .map_while(|place| input.get(place).map(|(_, item, _)| item.clone()))
                .collect();
            let from = (u32::try_from(first).ok()?..).take(items.len()).collect();
            (!items.is_empty()).then_some(Sent { items, from })
        }
        Over::List(list) => {
            let items = list.iter().skip(first).take(batch).cloned().collect::<Vec<_>>();
            (!items.is_empty()).then_some(Sent { items, from: Vec::new() })
        }
        Over::Rounds if index == 0 => {
            let items: Vec<_> = input.items().cloned().collect();
            let from = (0..u32::try_from(items.len()).ok()?).collect();
            Some(Sent { items, from })
        }
        Over::Rounds => {
            frame.results.last_key_value().map(|(_, sent)| sent.clone()).filter(|sent| {
                // What sends nothing back has nothing to go on with.
                !sent.items.is_empty()
            })
        }
    }
}

/// Whether the condition of a loop holds for the iteration that would begin.
fn goes_on(turn: &mut Turn<'_>, site: &Site, given: &Sent, index: u32) -> Result<bool, NodeError> {
    let plan = turn.plan;
    let node = &plan.nodes[site.number];
    let Some(condition) = &node.while_ else { return Ok(true) };
    let mut items = NodeInput::default();
    items.push("input", None, None, into_body(given.clone()), LOOP);
    let region = node.gate.unwrap_or(0);
    let looping = turn.looping(region, &below(site.path(), index));
    let scope = turn.scope_of(site, None, Arc::new(items), condition, looping);
    match condition.resolve(&scope) {
        Ok(serde_json::Value::Bool(holds)) => Ok(holds),
        Ok(other) => {
            let message = format!("`while` came to {other}, but must be true or false");
            Err(NodeError::new("CONFIG", message))
        }
        Err(fault) => Err(wrong_expression(&node.id, &fault)),
    }
}

fn begin_iteration(
    turn: &mut Turn<'_>,
    region: usize,
    key: &NodeKey,
    index: u32,
    entry: BTreeMap<u32, Arc<Output>>,
) {
    turn.budget = turn.budget.saturating_sub(1);
    turn.fact(Fact::IterationBegan { node: key.clone(), index, entry });
    let (plan, path) = (turn.plan, round_path(key, index));
    let part = &plan.regions[region];
    let entry = turn.node(part.entry);
    match part.kind {
        RegionKind::Natural => turn.queue(Piece::Node(entry.place), &path),
        _ => {
            for number in &entry.outgoing {
                let connection = &plan.connections[*number];
                if connection.enters {
                    turn.queue_node(connection.target, &path);
                }
            }
        }
    }
}

fn end_iteration(turn: &mut Turn<'_>, region: usize, key: &NodeKey, index: u32) {
    let (plan, path) = (turn.plan, round_path(key, index));
    let part = &plan.regions[region];
    let is_closing = turn.state.frames.get(key).is_some_and(|frame| frame.closing);
    let mut left = Vec::new();
    for (number, handle) in part.leaving.iter().filter(|_| !is_closing) {
        let id = &turn.node(*number).id;
        if let Some(sent) = sent_over(turn, region, *number, handle, &path) {
            let sent = Sent { items: sent.items, from: Vec::new() };
            left.push(((id.clone(), handle.clone()), sent));
        }
    }
    let result = match part.kind {
        RegionKind::Body if !is_closing => Some(collected(turn, region, &path)),
        _ => None,
    };
    turn.fact(Fact::IterationEnded { node: key.clone(), index, left, result });
}

/// What a node within a loop sent over one of its handles in an iteration; none where nothing.
fn sent_over(
    turn: &Turn<'_>,
    region: usize,
    number: usize,
    handle: &str,
    path: &str,
) -> Option<Sent> {
    let plan = turn.plan;
    let at =
        |number: usize| NodeKey { node: plan.nodes[number].id.clone(), iteration: path.to_owned() };
    let mut scope = plan.nodes[number].scope;
    let sent = if scope == region {
        turn.node_state(&at(number))?.output.handles.get(handle)?.clone()
    } else {
        // It is in a loop of its own: as that one left it.
        while plan.regions[plan.regions[scope].parent].scope != region {
            scope = plan.regions[plan.regions[scope].parent].scope;
        }
        let frame = turn.state.frames.get(&at(plan.regions[scope].entry))?;
        frame.sent(&plan.nodes[number].id, handle)
    };
    (!sent.items.is_empty()).then_some(sent)
}

/// What an iteration sent back to its `loop` node: over the connections that lead there; where none
/// does, what its last nodes sent.
fn collected(turn: &Turn<'_>, region: usize, path: &str) -> Sent {
    let plan = turn.plan;
    let part = &plan.regions[region];
    let incoming = turn.node(part.entry).incoming.iter().map(|c| &plan.connections[*c]);
    let back: Vec<_> = incoming.filter(|connection| connection.collects).collect();
    let mut items = Vec::new();
    for connection in &back {
        let (from, handle) = (connection.source, &connection.source_handle);
        items.extend(sent_over(turn, region, from, handle, path).into_iter().flat_map(|s| s.items));
    }
    if back.is_empty() {
        for piece in &part.pieces {
            let Piece::Node(place) = piece else { continue };
            let number = plan.order[*place];
            let node = turn.node(number);
            let is_last = node.outgoing.iter().all(|c| plan.connections[*c].enters);
            for handle in node.outputs.iter().filter(|_| is_last && node.scope == region) {
                let sent = sent_over(turn, region, number, handle, path);
                items.extend(sent.into_iter().flat_map(|sent| sent.items));
            }
        }
    }
    Sent { items, from: Vec::new() }
}

/// Ends a `loop` node whose iterations are over.
fn end_body(turn: &mut Turn<'_>, site: &Site, input: &NodeInput) {
    let Some(frame) = turn.state.frames.get(&site.key) else { return };
    let unlucky = frame.unlucky;
    let one_by_one = frame
        .iterations
        .as_ref()
        .is_some_and(|how| how.batch == 1 && how.over == Over::Input && frame.broken.is_none());
    let mut done = Sent::default();
    for (index, sent) in &frame.results {
        done.items.extend(sent.items.iter().cloned());
        if one_by_one {
            done.from.extend(std::iter::repeat_n(*index, sent.items.len()));
        }
    }
    if frame.begun == 0
        && matches!(frame.iterations.as_ref().map(|how| &how.over), Some(Over::Rounds))
    {
        // It was not gone round once: what came in is what came of it.
        done = Sent { items: input.items().cloned().collect(), from: Vec::new() };
    }
    done.items.extend(frame.broken.iter().flatten().cloned());
    end_frame(turn, site);
    let unit = UnitKey { node: site.key.clone(), item: None };
    if unlucky {
        turn.fact(Fact::UnitCancelled { unit });
        return end_node_if_over(turn, site);
    }
    turn.fact(Fact::UnitDone { unit, output: Handles::new() });
    let handles = BTreeMap::from([(DONE.to_owned(), done)]);
    end_node(turn, site, NodeStatus::Success, Output { handles, cut: false }, None);
}

/// A body without any iteration is skipped.
fn end_frame(turn: &mut Turn<'_>, site: &Site) {
    let begun = turn.state.frames.get(&site.key).map_or(0, |frame| frame.begun);
    if begun == 0
        && let Some(region) = turn.loop_of(&site.key)
    {
        skip_nodes(turn, region, &site.key);
    }
    turn.fact(Fact::LoopEnded { node: site.key.clone() });
}

fn skip_nodes(turn: &mut Turn<'_>, region: usize, key: &NodeKey) {
    let (plan, at) = (turn.plan, turn.env.now);
    for number in &plan.regions[region].nodes {
        let node = turn.node(*number).id.clone();
        let node = NodeKey { node, iteration: key.iteration.clone() };
        if turn.node_state(&node).is_none() {
            turn.fact(Fact::NodeSkipped { node, at });
        }
    }
}

/// A `loop` node can't go on.
fn fail_body(turn: &mut Turn<'_>, site: &Site, error: NodeError) {
    close_loop(turn, &site.key, None);
    end_frame(turn, site);
    let unit = UnitKey { node: site.key.clone(), item: None };
    turn.fact(Fact::UnitFailed { unit, n: 1, error });
    end_node_if_over(turn, site);
}

fn too_many(node: &str, most: u32) -> NodeError {
    let message = format!(
        "the loop of node `{node}` would go beyond {most} iterations; let something leave it \
         earlier, or set maxIterations on the node"
    );
    NodeError::new("MAX_ITERATIONS", message)
}

/// Takes iterations that are over out of the state, the last of them apart: it is what the next one
/// and those outside see.
fn fold(turn: &mut Turn<'_>, region: usize, key: &NodeKey) {
    let Some(frame) = turn.state.frames.get(key) else { return };
    let mut over: Vec<u32> =
        frame.rounds.iter().filter(|(_, round)| round.over).map(|(index, _)| *index).collect();
    over.pop();
    for index in over {
        let path = round_path(key, index);
        let (mut nodes, mut frames) = (Vec::new(), Vec::new());
        for number in &turn.plan.regions[region].nodes {
            let first = NodeKey { node: turn.node(*number).id.clone(), iteration: path.clone() };
            let is_in = |key: &&NodeKey| key.node == first.node && is_below(&key.iteration, &path);
            let found = turn.state.nodes.range(&first..).map(|(key, _)| key);
            nodes.extend(found.take_while(is_in).cloned());
            let found = turn.state.frames.range(&first..).map(|(key, _)| key);
            frames.extend(found.take_while(is_in).cloned());
        }
        turn.fact(Fact::IterationFolded { node: key.clone(), index, nodes, frames });
    }
}

fn is_below(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
