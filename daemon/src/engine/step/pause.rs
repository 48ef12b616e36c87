//! Someone wants nothing to start for now, or wants it to go on.

use a2n_proto::execution::ExecutionStatus;

use super::advance::advance;
use super::conclude::conclude;
use super::turn::Turn;
use crate::engine::fact::Fact;

pub(super) fn pause(turn: &mut Turn<'_>, by: Option<String>) {
    if turn.state.is_ending() || turn.state.pause_asked {
        return;
    }
    turn.fact(Fact::PauseAsked { by });
    // One that has not begun is paused as soon as its turn comes.
    if turn.state.status() != ExecutionStatus::Pending {
        conclude(turn);
    }
}

pub(super) fn resume(turn: &mut Turn<'_>) {
    if !turn.state.pause_asked {
        return;
    }
    turn.fact(Fact::PauseLifted);
    advance(turn);
}
