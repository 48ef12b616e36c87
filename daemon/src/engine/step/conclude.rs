//! What the execution as a whole comes to after its nodes were gone over: RUNNING, PAUSED or ended.

use std::sync::Arc;
use std::time::Duration;

use a2n_proto::execution::{ExecutionStatus, NodeStatus, PausedReason};

use super::advance::is_taken;
use super::node::end_node_if_over;
use super::turn::Turn;
use super::unit::cancel_unit;
use crate::engine::effect::{Due, Effect, TimerKey};
use crate::engine::execution::{Ending, Failure, NodeKey, Output, Phase, UnitKey};
use crate::engine::fact::Fact;
use crate::engine::job::JobKey;
use crate::engine::kind::NodeError;

/// Ends, pauses or resumes the execution as its nodes stand.
pub(super) fn conclude(turn: &mut Turn<'_>) {
    if turn.state.ending.is_some() {
        return end_what_is_left(turn);
    }
    let census = Census::of(turn);
    if census.open == 0 {
        let failed = turn.state.failure.is_some();
        return end(turn, if failed { ExecutionStatus::Failed } else { ExecutionStatus::Success });
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

/// Nothing starts any more; what runs is told to stop.
pub(super) fn begin_ending(turn: &mut Turn<'_>, why: Ending) {
    if turn.state.ending.is_some() {
        return;
    }
    turn.fact(Fact::EndingBegan { why });
    for key in turn.state.running() {
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
    let error = Some(NodeError::new("CANCELLED", "the execution ended before this began"));
    let n = key.attempt;
    turn.fact(Fact::AttemptEnded { unit: unit.clone(), n, at, exit: None, error, lost: false });
    turn.fact(Fact::UnitCancelled { unit });
}

/// Sets the timer of the execution's own time-out to what is left of it.
pub(super) fn arm_timeout(turn: &mut Turn<'_>) {
    if let Some(limit) = turn.plan.timeout {
        let left = limit.saturating_sub(Duration::from_millis(turn.ran_ms()));
        turn.effects.push(Effect::SetTimer { key: TimerKey::Timeout, due: Due::After(left) });
    }
}

fn end_what_is_left(turn: &mut Turn<'_>) {
    let plan = turn.plan;
    for number in plan.order.iter().copied() {
        let Some(state) = turn.node_state(number).filter(|state| !state.is_settled()) else {
            continue;
        };
        let (each, units) = (state.each, state.units.len());
        for index in 0..u32::try_from(units).unwrap_or(u32::MAX) {
            let key = plan.nodes[number].key.clone();
            let unit = UnitKey { node: key, item: each.then_some(index) };
            let over = turn.state.unit(&unit).is_none_or(|unit| {
                unit.phase.is_over() || matches!(unit.phase, Phase::Running { .. })
            });
            if !over {
                cancel_unit(turn, &unit);
            }
        }
        end_node_if_over(turn, number);
    }
    if turn.state.nodes.values().any(|node| !node.is_settled()) {
        return;
    }
    for number in plan.order.iter().copied() {
        if turn.node_state(number).is_some() {
            continue;
        }
        let (node, at) = (plan.nodes[number].key.clone(), turn.env.now);
        if is_taken(turn, number) {
            let (status, output) = (NodeStatus::Cancelled, Arc::new(Output::default()));
            turn.fact(Fact::NodeEnded { node, at, status, output, error: None });
        } else {
            turn.fact(Fact::NodeSkipped { node, at });
        }
    }
    let status = turn.state.ending.as_ref().map(Ending::status);
    end(turn, status.unwrap_or(ExecutionStatus::Failed));
}

fn end(turn: &mut Turn<'_>, status: ExecutionStatus) {
    if turn.plan.timeout.is_some() {
        turn.effects.push(Effect::ClearTimer(TimerKey::Timeout));
    }
    let at = turn.env.now;
    turn.fact(Fact::Ended { at, status });
    turn.effects.push(Effect::Ended(status));
}

fn pause(turn: &mut Turn<'_>, reason: PausedReason) {
    if turn.state.paused == Some(reason) {
        return;
    }
    let ran_ms = turn.ran_ms();
    if turn.state.status() == ExecutionStatus::Running && turn.plan.timeout.is_some() {
        turn.effects.push(Effect::ClearTimer(TimerKey::Timeout));
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
    /// Nodes that are not over.
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
        for number in &turn.plan.order {
            let state = turn.node_state(*number);
            if state.is_some_and(|state| state.is_settled()) {
                continue;
            }
            census.open += 1;
            census.stuck.get_or_insert_with(|| turn.plan.nodes[*number].key.clone());
            for unit in state.iter().flat_map(|state| &state.units) {
                match unit.phase {
                    Phase::Running { .. } => census.running += 1,
                    Phase::Ready | Phase::Backoff { .. } => census.to_come += 1,
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
}
