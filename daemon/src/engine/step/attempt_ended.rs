//! An attempt is over.

use a2n_proto::document::Repeat;

use super::advance::advance;
use super::conclude::conclude;
use super::turn::Turn;
use super::unit::{fail, settle};
use crate::engine::execution::{Phase, UnitKey};
use crate::engine::fact::Fact;
use crate::engine::job::{JobEnd, JobKey};
use crate::engine::step::node::end_node_if_over;

pub(super) fn attempt_ended(turn: &mut Turn<'_>, key: &JobKey, end: JobEnd) {
    let (unit, n) = (UnitKey::of(key), key.attempt);
    let Some(number) = turn.number(&key.node) else { return };
    if !is_running(turn, &unit, n) {
        return;
    }
    let error = end.result.as_ref().err().cloned();
    let exit = error.as_ref().and_then(|error| error.code).or_else(|| exit_code(&end));
    // In doubt is not a known failure where the step may not be repeated.
    let once = turn.node(number).repeat == Repeat::Once;
    let lost = once && error.as_ref().is_some_and(|error| error.in_doubt);
    let at = turn.env.now;
    turn.parallel += 1;
    turn.fact(Fact::AttemptEnded { unit: unit.clone(), n, at, exit, error, lost });
    match end.result {
        Ok(outcome) => settle(turn, &unit, n, outcome),
        Err(error) => fail(turn, number, &unit, n, error),
    }
    end_node_if_over(turn, number);
    if turn.state.is_ending() { conclude(turn) } else { advance(turn) }
}

/// Whether this very attempt has a recorded start and no end.
pub(super) fn is_running(turn: &Turn<'_>, unit: &UnitKey, n: u32) -> bool {
    turn.state.unit(unit).is_some_and(|state| state.phase == Phase::Running { n })
}

fn exit_code(end: &JobEnd) -> Option<i32> {
    let measured = end.measured.iter().find(|measured| measured.name == "step.exit_code")?;
    Some(measured.value as i32)
}
