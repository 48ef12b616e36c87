//! A step said how far it is.

use super::attempt_ended::is_running;
use super::turn::Turn;
use crate::engine::execution::UnitKey;
use crate::engine::fact::Fact;
use crate::engine::job::JobKey;

pub(super) fn progress(turn: &mut Turn<'_>, key: &JobKey, percent: u8, detail: Option<String>) {
    let unit = UnitKey::of(key);
    if is_running(turn, &unit, key.attempt) {
        turn.fact(Fact::Progressed { node: unit.node, percent: percent.min(100), detail });
    }
}
