//! What the execution as a whole comes to after its nodes were gone over: RUNNING, PAUSED, at its
//! end, or over.

use std::time::Duration;

use a2n_proto::execution::{ExecutionStatus, PausedReason};

use super::advance::{advance, never_begins, readiness};
use super::arrive::round_path;
use super::failing::cancel_units;
use super::node::end_node_if_over;
use super::turn::{Site, Turn};
use crate::engine::effect::{Due, Effect, TimerKey};
use crate::engine::execution::{Ending, Failure, NodeKey, Phase, UnitKey};
use crate::engine::fact::Fact;
use crate::engine::job::JobKey;
use crate::engine::kind::NodeError;
use crate::engine::plan::Piece;

/// Ends, pauses or resumes the execution as its nodes stand.
pub(super) fn conclude(turn: &mut Turn<'_>) {
    if turn.state.is_ending() {
        return end_what_is_left(turn);
    }
    let census = Census::of(turn);
    if census.is_over(turn) {
        let failed = turn.state.failure.is_some();
        let status = if failed { ExecutionStatus::Failed } else { ExecutionStatus::Success };
        return come_to_end(turn, status);
    }
    if turn.state.pause_asked {
        if census.running == 0 {
            pause(turn, PausedReason::User);
        }
        return;
    }
    if census.running + census.to_come > 0 {
        return resume(turn);
    }
    if census.in_doubt > 0 {
        return pause(turn, PausedReason::InDoubt);
    }
    if census.waiting > 0 {
        return pause(turn, PausedReason::Waiting);
    }
    // Nodes are open, but nothing will ever move them: our mistake, so say so and end.
    let node = census.stuck.unwrap_or_else(|| NodeKey::outside_loops(""));
    let error = NodeError::new("INTERNAL", "the engine has nothing left to do; please report this");
    begin_ending(turn, Ending::Failed(Failure { node, error, retries: 0 }));
    end_what_is_left(turn);
}

/// Whether nothing works and nothing is about to.
pub(super) fn is_at_rest(turn: &Turn<'_>) -> bool {
    let census = Census::of(turn);
    !turn.state.is_ending() && census.running + census.to_come == 0
}

/// Nothing starts any more; what runs is told to stop.
pub(super) fn begin_ending(turn: &mut Turn<'_>, why: Ending) {
    if turn.state.is_ending() {
        return;
    }
    match turn.state.finally {
        None => turn.fact(Fact::EndingBegan { why }),
        Some(_) => turn.fact(Fact::FinallyStopped { why }),
    }
    let running = turn.state.running();
    stop_attempts(turn, running);
}

/// Tells attempts to stop; those of this very step are not started after all.
pub(super) fn stop_attempts(turn: &mut Turn<'_>, running: Vec<JobKey>) {
    for key in running {
        let waiting = turn.effects.len();
        turn.effects.retain(|effect| !matches!(effect, Effect::Start(job) if job.key == key));
        if turn.effects.len() == waiting {
            turn.effects.push(Effect::Stop(key));
        } else {
            never_began(turn, &key);
        }
    }
}

/// An attempt of this very step, that is not started after all.
fn never_began(turn: &mut Turn<'_>, key: &JobKey) {
    let (unit, at) = (UnitKey::of(key), turn.env.now);
    let error = Some(NodeError::new("CANCELLED", "what it is part of ended before this began"));
    let n = key.attempt;
    turn.parallel += 1;
    turn.fact(Fact::AttemptEnded { unit: unit.clone(), n, at, exit: None, error, lost: false });
    turn.fact(Fact::UnitCancelled { unit });
}

/// Sets the timer of the execution's own time-out to what is left of it. What runs at the end has
/// time-outs of its own.
pub(super) fn arm_timeout(turn: &mut Turn<'_>) {
    if let Some(limit) = turn.plan.timeout.filter(|_| turn.state.finally.is_none()) {
        let left = limit.saturating_sub(Duration::from_millis(turn.ran_ms()));
        turn.effects.push(Effect::SetTimer { key: TimerKey::Timeout, due: Due::After(left) });
    }
}

fn disarm_timeout(turn: &mut Turn<'_>) {
    if turn.plan.timeout.is_some() && turn.state.finally.is_none() {
        turn.effects.push(Effect::ClearTimer(TimerKey::Timeout));
    }
}

fn end_what_is_left(turn: &mut Turn<'_>) {
    let plan = turn.plan;
    let open = |turn: &Turn<'_>| -> Vec<Site> {
        let open = turn.state.nodes.working();
        let mut sites: Vec<Site> = open.filter_map(|(key, _)| turn.site_of(key)).collect();
        sites.sort_by_key(|site| (plan.nodes[site.number].place, site.key.iteration.len()));
        sites
    };
    for site in open(turn) {
        cancel_units(turn, &site);
        end_node_if_over(turn, &site);
    }
    if turn.state.nodes.working().next().is_some() {
        return;
    }
    end_loops(turn);
    let (at_end, has_begun) = (turn.state.finally.is_some(), turn.state.started_at().is_some());
    for piece in &plan.regions[0].pieces {
        if plan.nodes[plan.order[piece.place()]].finally == at_end || !has_begun {
            settle_unbegun(turn, *piece, "");
        }
    }
    let why = match &turn.state.finally {
        Some(finally) => &finally.stopped,
        None => &turn.state.ending,
    };
    let status = why.as_ref().map(Ending::status);
    come_to_end(turn, status.unwrap_or(ExecutionStatus::Failed));
}

/// Settles what was not begun in iterations that went on, and ends their loops: the inner ones
/// first.
fn end_loops(turn: &mut Turn<'_>) {
    let open = turn.state.frames.iter().filter(|(_, frame)| !frame.ended);
    let mut open: Vec<(NodeKey, Vec<u32>)> =
        open.map(|(key, frame)| (key.clone(), frame.open().collect())).collect();
    open.sort_by_key(|(key, _)| std::cmp::Reverse(crate::engine::execution::depth(&key.iteration)));
    for (key, rounds) in open {
        let Some(region) = turn.loop_of(&key) else { continue };
        let plan = turn.plan;
        turn.fact(Fact::LoopClosing { node: key.clone(), broken: None });
        for index in rounds {
            let path = round_path(&key, index);
            for piece in &plan.regions[region].pieces {
                settle_unbegun(turn, *piece, &path);
            }
        }
        turn.fact(Fact::LoopEnded { node: key });
    }
}

fn settle_unbegun(turn: &mut Turn<'_>, piece: Piece, path: &str) {
    if turn.is_piece_settled(piece, path) {
        return;
    }
    let site = turn.site_at(piece, path);
    let natural = matches!(piece, Piece::Loop(_));
    let mut found = readiness(turn, &site);
    // The entry of an iteration was given its items.
    found.taken |= !natural && turn.node(site.number).heads.is_some();
    never_begins(turn, &site, natural, &found);
}

/// The execution is over; where nodes run at the end whatever happened, they have their turn first.
fn come_to_end(turn: &mut Turn<'_>, status: ExecutionStatus) {
    // What never began leaves nothing that they could clear away.
    let has_begun = turn.state.started_at().is_some();
    if turn.state.finally.is_none() && turn.plan.has_finally() && has_begun {
        disarm_timeout(turn);
        turn.fact(Fact::FinallyBegan { status });
        // `execution.status` is another one now.
        turn.shared = None;
        if turn.state.pause_asked {
            turn.fact(Fact::PauseLifted);
        }
        return advance(turn);
    }
    disarm_timeout(turn);
    let status = turn.state.finally.as_ref().map_or(status, |finally| finally.outcome());
    let at = turn.env.now;
    turn.fact(Fact::Ended { at, status });
    turn.effects.push(Effect::Ended(status));
}

fn pause(turn: &mut Turn<'_>, reason: PausedReason) {
    if turn.state.paused == Some(reason) {
        return;
    }
    let ran_ms = turn.ran_ms();
    if turn.state.status() == ExecutionStatus::Running {
        disarm_timeout(turn);
    }
    turn.fact(Fact::Paused { reason, ran_ms });
}

/// Something runs again.
pub(super) fn resume(turn: &mut Turn<'_>) {
    if turn.state.status() == ExecutionStatus::Paused {
        let (moment, ran_ms) = (turn.moment(), turn.ran_ms());
        turn.fact(Fact::Resumed { moment, ran_ms });
        arm_timeout(turn);
    }
}

/// How many units stand where.
#[derive(Default)]
struct Census {
    /// Nodes that began and are not over.
    open: usize,
    running: usize,
    to_come: usize,
    waiting: usize,
    in_doubt: usize,
    stuck: Option<NodeKey>,
}

impl Census {
    fn of(turn: &Turn<'_>) -> Self {
        let mut census = Self::default();
        for (key, state) in turn.state.nodes.working() {
            census.open += 1;
            census.stuck.get_or_insert_with(|| key.clone());
            census.to_come += state.units.n_ready();
            for (_, unit) in state.units.under_way() {
                match unit.phase {
                    Phase::Running { .. } => census.running += 1,
                    Phase::Backoff { .. } => census.to_come += 1,
                    Phase::Waiting { .. } => census.waiting += 1,
                    Phase::Requested { .. } if unit.phase.is_at_work() => census.running += 1,
                    Phase::Requested { .. } => census.waiting += 1,
                    Phase::InDoubt { .. } => census.in_doubt += 1,
                    _ => {}
                }
            }
        }
        census
    }

    /// Whether everything that has its turn now is over.
    fn is_over(&self, turn: &Turn<'_>) -> bool {
        let (plan, at_end) = (turn.plan, turn.state.finally.is_some());
        let now = |piece: &&Piece| plan.nodes[plan.order[piece.place()]].finally == at_end;
        self.open == 0
            && plan.regions[0].pieces.iter().filter(now).all(|p| turn.is_piece_settled(*p, ""))
    }
}
