//! Someone wants nothing to start for now, or wants it to go on.

use a2n_proto::execution::PausedReason;

use super::advance::advance;
use super::conclude::conclude;
use super::turn::Turn;
use crate::engine::fact::Fact;

pub(super) fn pause(turn: &mut Turn<'_>, by: Option<String>) {
    if turn.state.is_ending() || turn.state.pause_asked {
        return;
    }
    turn.fact(Fact::PauseAsked { by });
    if turn.state.started_at().is_none() {
        let (reason, ran_ms) = (PausedReason::User, 0);
        return turn.fact(Fact::Paused { reason, ran_ms });
    }
    conclude(turn);
}

pub(super) fn resume(turn: &mut Turn<'_>) {
    if !turn.state.pause_asked {
        return;
    }
    turn.fact(Fact::PauseLifted);
    // One that has not begun goes on waiting for that.
    if turn.state.started_at().is_some() {
        advance(turn);
    }
}
