//! Someone wants nothing to start for now, or wants it to go on.

use super::advance::advance;
use super::conclude::conclude;
use super::turn::Turn;
use crate::engine::fact::Fact;

pub(super) fn pause(turn: &mut Turn<'_>, by: Option<String>) {
    if turn.state.is_ending() || turn.state.pause_asked {
        return;
    }
    turn.fact(Fact::PauseAsked { by });
    conclude(turn);
}

pub(super) fn resume(turn: &mut Turn<'_>) {
    if !turn.state.pause_asked {
        return;
    }
    turn.fact(Fact::PauseLifted);
    advance(turn);
}
