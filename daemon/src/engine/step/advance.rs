//! Goes on wherever something may: starts what is ready, skips what nothing leads to, works on what
//! runs.

use std::sync::Arc;

use a2n_proto::execution::NodeStatus;

use super::arrive::{Arrival, arrival, is_start};
use super::conclude::{conclude, is_at_rest, resume};
use super::frontier::Spot;
use super::looping::{begin_natural, drive_loop, pass_by};
use super::node::{start_node, work_on_node};
use super::turn::{Site, Turn};
use crate::engine::effect::Effect;
use crate::engine::execution::{NodeKey, Output, depth, index};
use crate::engine::fact::Fact;
use crate::engine::plan::Piece;

/// Looks at everything that may go on.
pub(super) fn advance(turn: &mut Turn<'_>) {
    turn.queue_all();
    go_on(turn, true);
}

/// Looks at what works, for which there may be room now, and at what this step made ready.
pub(super) fn advance_working(turn: &mut Turn<'_>) {
    turn.queue_running();
    go_on(turn, false);
}

fn go_on(turn: &mut Turn<'_>, mut all: bool) {
    if turn.state.started_at().is_none() {
        return;
    }
    loop {
        while !turn.state.is_ending() && look_at_next(turn) {
            if turn.budget == 0 && !turn.state.is_ending() {
                // What was started runs, although the rest of the nodes was not looked at yet.
                resume(turn);
                turn.effects.push(Effect::Continue);
                return;
            }
        }
        // What was ready before, and left for a later step, is not overlooked.
        if all || !is_at_rest(turn) {
            break;
        }
        all = true;
        turn.queue_all();
    }
    conclude(turn);
}

/// Looks at what is next; false where nothing is left.
fn look_at_next(turn: &mut Turn<'_>) -> bool {
    if let Some(spot) = turn.next_spot() {
        visit(turn, &spot);
    } else if let Some(site) = turn.next_held_back() {
        turn.in_turn(|turn| work_on_node(turn, &site));
    } else {
        return false;
    }
    true
}

fn visit(turn: &mut Turn<'_>, spot: &Spot) {
    let number = turn.plan.order[spot.piece().place()];
    if is_put_away(turn, number, spot) {
        return;
    }
    let key = NodeKey { node: turn.node(number).id.clone(), iteration: spot.path.clone() };
    let site = Site { number, key };
    match spot.piece() {
        Piece::Loop(_) => match turn.state.frames.get(&site.key) {
            None => begin_if_ready(turn, &site, true),
            Some(frame) if !frame.ended => drive_loop(turn, &site),
            Some(_) => {}
        },
        Piece::Node(_) => match turn.node_state(&site.key).map(|state| state.status) {
            None => begin_if_ready(turn, &site, false),
            Some(NodeStatus::Running) => work_on_node(turn, &site),
            Some(_) => {}
        },
    }
}

/// Whether the iteration that a piece stands in is over: what is not in the state any more must not be
/// taken for something that has not begun.
fn is_put_away(turn: &Turn<'_>, number: usize, spot: &Spot) -> bool {
    let node = turn.node(number);
    let scope = match (spot.piece(), node.heads) {
        (Piece::Loop(_), Some(own)) => turn.region(turn.region(own).parent).scope,
        _ => node.scope,
    };
    // A node of a loop that was never come to stands outside of it.
    if scope == 0 || depth(&spot.path) != turn.region(scope).depth {
        return false;
    }
    let frame = turn.state.frames.get(&turn.key_of_region(scope, &spot.path));
    let round = frame.and_then(|frame| frame.rounds.get(&index(&spot.path)));
    round.is_none_or(|round| round.over)
}

/// What has come to a node.
pub(super) struct Readiness {
    /// Whether all that will come has come.
    pub(super) all_settled: bool,
    /// Whether something came, or it is one that starts.
    pub(super) taken: bool,
    /// Whether something before it failed or was cancelled.
    pub(super) unlucky: bool,
    /// The first connection that brought items, by place.
    pub(super) first: Option<u32>,
}

/// What has come to a node, or to the loop that it is the entry of.
pub(super) fn readiness(turn: &Turn<'_>, site: &Site) -> Readiness {
    let (plan, node) = (turn.plan, turn.node(site.number));
    let start = is_start(plan, site.number);
    let mut found = Readiness { all_settled: true, taken: start, unlucky: false, first: None };
    for (place, number) in (0_u32..).zip(&node.incoming) {
        let connection = &plan.connections[*number];
        if connection.back || connection.collects {
            continue;
        }
        if connection.enters {
            // Only looked at within an iteration, which was given its items.
            found.taken = true;
            continue;
        }
        match arrival(plan, turn.state, connection, site.path()) {
            Arrival::Open => found.all_settled = false,
            Arrival::Settled { output, unlucky } => {
                found.unlucky |= unlucky;
                if !output.items(&connection.source_handle).is_empty() {
                    found.taken = true;
                    found.first.get_or_insert(place);
                }
            }
        }
    }
    found
}

/// Begins a node, or with `natural` the loop that it is the entry of.
fn begin_if_ready(turn: &mut Turn<'_>, site: &Site, natural: bool) {
    let node = turn.node(site.number);
    if node.finally && turn.state.finally.is_none() {
        return;
    }
    // The entry of an iteration has what it was begun with.
    let own = node.heads.filter(|_| !natural);
    let found = match own {
        Some(_) => Readiness { all_settled: true, taken: true, unlucky: false, first: None },
        None => readiness(turn, site),
    };
    let early = node.join_any && found.first.is_some();
    if !found.all_settled && !early {
        return;
    }
    if turn.is_closed(site, natural) {
        if found.all_settled {
            never_begins(turn, site, natural, &found);
        }
        return;
    }
    // What comes after a failure does not run on nothing; what comes after a skip may. What runs at
    // the end runs whatever happened, unless it hangs on others that do and brought nothing.
    let at_end = node.finally && !is_after_finally(turn, site.number);
    let runs = found.taken || at_end || (node.run_on_empty && !found.unlucky);
    if runs && turn.state.pause_asked {
        return;
    }
    let took = found.first.filter(|_| node.join_any);
    match (runs, natural) {
        (true, true) => begin_natural(turn, site, took),
        (true, false) => start_node(turn, site, took),
        (false, _) => never_begins(turn, site, natural, &found),
    }
}

/// Settles what will not run: as cancelled where items were there for it.
pub(super) fn never_begins(turn: &mut Turn<'_>, site: &Site, natural: bool, found: &Readiness) {
    let cancelled = found.taken && (turn.state.is_ending() || turn.is_closed(site, natural));
    if natural {
        let region = turn.node(site.number).heads.unwrap_or(0);
        return pass_by(turn, region, &site.key, cancelled || found.unlucky, cancelled);
    }
    let (key, at) = (site.key.clone(), turn.env.now);
    if let Some(region) = turn.loop_of(&key).filter(|_| turn.node(site.number).heads.is_none()) {
        pass_by(turn, region, &key, cancelled || found.unlucky, false);
    }
    if cancelled {
        let (status, output) = (NodeStatus::Cancelled, Arc::new(Output::default()));
        turn.fact(Fact::NodeEnded { node: key, at, status, output, error: None });
    } else {
        turn.fact(Fact::NodeSkipped { node: key, at });
    }
}

/// Whether a node that runs at the end comes after another one that does.
fn is_after_finally(turn: &Turn<'_>, number: usize) -> bool {
    let plan = turn.plan;
    let mut sources = plan.nodes[number].incoming.iter().map(|c| plan.connections[*c].source);
    sources.any(|source| plan.nodes[source].finally)
}
