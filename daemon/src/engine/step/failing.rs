//! Where a failure goes: to the `try` around it, else to the loops around it and the execution; and
//! how what is to end with it ends.

use std::sync::Arc;

use a2n_proto::Json;
use a2n_proto::execution::NodeStatus;
use a2n_proto::workflow::OnFailure;

use super::conclude::{begin_ending, stop_attempts};
use super::node::{end_node_if_over, error_item};
use super::turn::{Site, Turn};
use super::unit::cancel_unit;
use crate::engine::execution::{Caught, Ending, Failure, NodeKey, Phase, UnitKey};
use crate::engine::fact::Fact;
use crate::engine::job::JobKey;
use crate::engine::kind::NodeError;
use crate::engine::plan::Piece;
use crate::engine::regions::RegionKind;

impl Turn<'_> {
    /// Whether an attempt that runs is to end.
    pub(super) fn is_told_to_stop(&self, key: &JobKey) -> bool {
        let site = self.site_of(&UnitKey::of(key).node);
        self.state.is_ending() || site.is_some_and(|site| self.is_closed(&site, false))
    }
    /// Whether nothing begins any more in a part around a node; with `natural`, around the loop
    /// that it is the entry of.
    pub(super) fn is_closed(&self, site: &Site, natural: bool) -> bool {
        let node = self.node(site.number);
        let mut region = match node.heads.filter(|_| natural) {
            Some(own) => self.region(own).parent,
            None => node.region,
        };
        while region != 0 {
            let key = self.key_of_region(region, site.path());
            let closed = match self.region(region).kind {
                RegionKind::Watched => self.state.caught.contains_key(&key),
                _ => self.state.frames.get(&key).is_some_and(|frame| frame.closing),
            };
            if closed {
                return true;
            }
            region = self.region(region).parent;
        }
        false
    }
}

/// What the failure of a node, or of the loop that it is the entry of, leads to. `n` is the last
/// attempt.
pub(super) fn node_failed(turn: &mut Turn<'_>, site: &Site, error: NodeError, n: u32) {
    if turn.state.is_ending() {
        return;
    }
    let retries = turn.node_state(&site.key).map_or(0, |state| state.retries());
    let failure = Failure { node: site.key.clone(), error, retries };
    let mut region = turn.node(site.number).region;
    let mut outermost = None;
    while region != 0 {
        let key = turn.key_of_region(region, site.path());
        match turn.region(region).kind {
            RegionKind::Watched if turn.state.caught.contains_key(&key) => return,
            RegionKind::Watched => {
                if turn.node_state(&key).is_some_and(|state| state.is_inside()) {
                    return catch(turn, region, &key, failure, n);
                }
            }
            _ => outermost = Some(key),
        }
        region = turn.region(region).parent;
    }
    if turn.state.finally.is_some() {
        turn.fact(Fact::FinallyFailed { failure });
    } else if turn.plan.on_failure == OnFailure::CancelBranches {
        return begin_ending(turn, Ending::Failed(failure));
    } else if turn.state.failure.is_none() {
        turn.fact(Fact::FailureNoted { failure });
    }
    if let Some(key) = outermost {
        close_loop(turn, &key, None);
    }
}

/// A `try` takes a failure: what it watches over ends, and an item tells of it.
fn catch(turn: &mut Turn<'_>, region: usize, key: &NodeKey, failure: Failure, n: u32) {
    let Some(own) = turn.site_of(key) else { return };
    let failed = turn.number(&failure.node.node).unwrap_or(own.number);
    let input = turn.input(&own);
    let place = (input.len() == 1).then_some(0);
    let item: Json = error_item(turn.node(failed), &failure.error, n, &input, place);
    turn.fact(Fact::Caught { node: key.clone(), caught: Caught { failure, item } });
    close_part(turn, region, &key.iteration);
    turn.queue(Piece::Node(turn.node(own.number).place), &key.iteration);
}

/// Nothing begins in a loop any more, and what runs in it is told to stop. `broken`: what a `break`
/// brought.
pub(super) fn close_loop(
    turn: &mut Turn<'_>,
    key: &NodeKey,
    broken: Option<Vec<crate::engine::kind::Item>>,
) {
    let Some(region) = turn.loop_of(key) else { return };
    let Some(frame) = turn.state.frames.get(key) else { return };
    if frame.ended || frame.closing {
        return;
    }
    let open: Vec<u32> = frame.open().collect();
    turn.fact(Fact::LoopClosing { node: key.clone(), broken });
    for index in open {
        close_part(turn, region, &super::arrive::round_path(key, index));
    }
    turn.queue_loop(region, &key.iteration);
}

/// Ends what goes on in one iteration of a part.
fn close_part(turn: &mut Turn<'_>, region: usize, path: &str) {
    let plan = turn.plan;
    for piece in &plan.regions[region].pieces {
        let site = turn.site_at(*piece, path);
        if let Piece::Loop(_) = piece {
            close_loop(turn, &site.key, None);
        } else {
            close_node(turn, &site);
        }
        turn.queue(*piece, path);
    }
}

fn close_node(turn: &mut Turn<'_>, site: &Site) {
    let Some(state) = turn.node_state(&site.key) else { return };
    if state.status != NodeStatus::Running {
        return;
    }
    if state.is_inside() {
        // A `loop` ends with its body; a `try` with what it watches over, which is closed as well.
        return close_loop(turn, &site.key, None);
    }
    let execution = turn.state.start.execution;
    let running: Vec<JobKey> = state
        .running()
        .map(|(item, n)| UnitKey { node: site.key.clone(), item }.job(execution, n))
        .collect();
    stop_attempts(turn, running);
    cancel_units(turn, site);
    end_node_if_over(turn, site);
}

/// Cancels a node's units that no attempt of runs.
pub(super) fn cancel_units(turn: &mut Turn<'_>, site: &Site) {
    let Some(state) = turn.node_state(&site.key) else { return };
    let each = state.each;
    let open: Vec<UnitKey> = state
        .units
        .open()
        .filter(|(_, unit)| !matches!(unit.phase, Phase::Running { .. }))
        .map(|(index, _)| UnitKey { node: site.key.clone(), item: each.then_some(index) })
        .collect();
    for unit in open {
        cancel_unit(turn, &unit);
    }
}

/// Looks whether all that a `try` watches over is settled, and ends it then.
pub(super) fn drive_try(turn: &mut Turn<'_>, site: &Site) {
    let Some(region) = turn.node(site.number).gate else { return };
    if turn.left_in(region, site.path()) > 0 {
        return;
    }
    let unit = UnitKey { node: site.key.clone(), item: None };
    let Some(state) = turn.node_state(&site.key) else { return };
    let mut output = (*state.output).clone();
    if turn.is_closed(site, false) {
        turn.fact(Fact::UnitCancelled { unit });
        return end_node_if_over(turn, site);
    }
    let caught = turn.state.caught.get(&site.key).cloned();
    if let Some(caught) = &caught {
        let sent =
            crate::engine::execution::Sent { items: vec![caught.item.clone()], from: Vec::new() };
        output.handles.insert(crate::engine::kind::CATCH.to_owned(), sent);
    }
    turn.fact(Fact::UnitDone { unit, output: crate::engine::kind::Handles::new() });
    let (node, at, status) = (site.key.clone(), turn.env.now, NodeStatus::Success);
    let error = caught.map(|caught| caught.failure.error);
    turn.fact(Fact::NodeEnded { node, at, status, output: Arc::new(output), error });
}
