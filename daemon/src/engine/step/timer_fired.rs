//! A timer's moment has come. Timers are asked for again where they came too early.

use std::time::Duration;

use a2n_proto::execution::ExecutionStatus;

use super::advance::advance;
use super::conclude::{arm_timeout, begin_ending, conclude};
use super::replied;
use super::turn::Turn;
use crate::engine::effect::{Due, Effect, TimerKey};
use crate::engine::execution::{Ending, Phase};
use crate::engine::fact::Fact;

pub(super) fn timer_fired(turn: &mut Turn<'_>, key: &TimerKey) {
    match key {
        TimerKey::Timeout => return timed_out(turn),
        TimerKey::Wait(unit) => {
            let Some(Phase::Waiting { until, then }) =
                turn.state.unit(unit).map(|state| state.phase.clone())
            else {
                return;
            };
            if until > turn.env.now {
                return again(turn, key, Due::At(until));
            }
            turn.fact(Fact::UnitDone { unit: unit.clone(), output: then });
        }
        TimerKey::Request(unit) => {
            let timeout = turn.number(&unit.node.node).and_then(|n| turn.node(n).timeout);
            let asked = turn.state.unit(unit).and_then(|state| state.requested());
            let Some(due) = asked.and_then(|(_, at, request)| request.due(at, timeout)) else {
                return;
            };
            if due > turn.env.now {
                return again(turn, key, Due::At(due));
            }
            return replied::due(turn, unit);
        }
        TimerKey::Retry(unit) => {
            let Some(Phase::Backoff { until }) =
                turn.state.unit(unit).map(|state| state.phase.clone())
            else {
                return;
            };
            if until > turn.env.now {
                return again(turn, key, Due::At(until));
            }
            turn.fact(Fact::UnitReady { unit: unit.clone() });
        }
    }
    advance(turn);
}

fn timed_out(turn: &mut Turn<'_>) {
    let Some(limit) = turn.plan.timeout else { return };
    // Time stands still while PAUSED; the timer is set again on the way back.
    if turn.state.status() != ExecutionStatus::Running || turn.state.is_ending() {
        return;
    }
    if Duration::from_millis(turn.ran_ms()) < limit {
        return arm_timeout(turn);
    }
    let after_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    begin_ending(turn, Ending::TimedOut { after_ms });
    conclude(turn);
}

fn again(turn: &mut Turn<'_>, key: &TimerKey, due: Due) {
    turn.effects.push(Effect::SetTimer { key: key.clone(), due });
}
