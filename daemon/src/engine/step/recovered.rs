//! The daemon has started (again) and looks after this execution. The ordinary way after every
//! start: lost attempts get their end, timers are set again, and it goes on.

use std::collections::BTreeSet;

use a2n_proto::document::{InDoubt, Repeat};
use a2n_proto::execution::ExecutionStatus;

use super::advance::advance;
use super::begin::begin;
use super::conclude::{arm_timeout, conclude};
use super::turn::Turn;
use super::unit::doubt;
use crate::engine::effect::{Due, Effect, TimerKey};
use crate::engine::execution::{Phase, UnitKey};
use crate::engine::fact::Fact;
use crate::engine::job::JobKey;
use crate::engine::kind::NodeError;

pub(super) fn recovered(
    turn: &mut Turn<'_>,
    alive: &BTreeSet<JobKey>,
    not_begun: &BTreeSet<JobKey>,
) {
    if turn.state.status() == ExecutionStatus::Pending {
        return begin(turn);
    }
    if turn.state.status() == ExecutionStatus::Running {
        // Running time goes on from here: what passed while the daemon was down is counted where
        // the machine stayed up, since steps may have run then.
        let (moment, ran_ms) = (turn.moment(), turn.ran_ms());
        turn.fact(Fact::Resumed { moment, ran_ms });
        if !turn.state.is_ending() {
            arm_timeout(turn);
        }
    }
    for key in turn.state.running() {
        if !alive.contains(&key) {
            lost(turn, &key, not_begun.contains(&key));
        } else if turn.is_told_to_stop(&key) {
            turn.effects.push(Effect::Stop(key));
        }
    }
    set_timers(turn);
    ask_again(turn);
    if turn.state.is_ending() { conclude(turn) } else { advance(turn) }
}

/// An attempt with a recorded start whose end nobody saw.
fn lost(turn: &mut Turn<'_>, key: &JobKey, never_began: bool) {
    let (unit, n, at) = (UnitKey::of(key), key.attempt, turn.env.now);
    let Some(site) = turn.site_of(&unit.node) else { return };
    let node = turn.node(site.number);
    let error = if never_began {
        NodeError::new("LOST", "the daemon ended before this attempt began")
    } else {
        let message = "the daemon ended while this attempt ran; its outcome is not known";
        NodeError { in_doubt: true, ..NodeError::new("IN_DOUBT", message) }
    };
    let told = Some(error.clone());
    turn.parallel += 1;
    turn.fact(Fact::AttemptEnded {
        unit: unit.clone(),
        n,
        at,
        exit: None,
        error: told,
        lost: true,
    });
    if turn.state.is_ending() || turn.is_closed(&site, false) {
        turn.fact(Fact::UnitCancelled { unit });
    } else if never_began || node.repeat != Repeat::Once || node.in_doubt == InDoubt::Retry {
        turn.fact(Fact::UnitReady { unit });
    } else {
        doubt(turn, &site, &unit, n, error);
    }
}

/// Requests without an answer are made again: who answers knows them by their attempt.
fn ask_again(turn: &mut Turn<'_>) {
    let open = turn.state.requests().map(|(unit, n, at, request)| {
        let timeout = turn.number(&unit.node.node).and_then(|number| turn.node(number).timeout);
        (unit, n, at, request.due(at, timeout), Box::new(request.clone()))
    });
    for (unit, n, at, due, request) in open.collect::<Vec<_>>() {
        let key = TimerKey::Request(unit.clone());
        turn.effects.push(Effect::Request { unit, n, at, request });
        turn.effects.extend(due.map(|due| Effect::SetTimer { key, due: Due::At(due) }));
    }
}

fn set_timers(turn: &mut Turn<'_>) {
    let mut timers = Vec::new();
    for (node, state) in turn.state.nodes.working() {
        for (index, unit) in state.units.under_way() {
            let key = UnitKey { node: node.clone(), item: state.each.then_some(index) };
            match unit.phase {
                Phase::Waiting { until, .. } => timers.push((TimerKey::Wait(key), until)),
                Phase::Backoff { until } => timers.push((TimerKey::Retry(key), until)),
                _ => {}
            }
        }
    }
    let set = |(key, until)| Effect::SetTimer { key, due: Due::At(until) };
    turn.effects.extend(timers.into_iter().map(set));
}
