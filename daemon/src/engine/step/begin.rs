//! It was accepted and may start.

use a2n_proto::execution::ExecutionStatus;

use super::advance::advance;
use super::conclude::arm_timeout;
use super::turn::Turn;
use crate::engine::fact::Fact;

pub(super) fn begin(turn: &mut Turn<'_>) {
    if turn.state.status() != ExecutionStatus::Pending {
        return;
    }
    let (at, moment) = (turn.env.now, turn.moment());
    turn.fact(Fact::Began { at, moment });
    arm_timeout(turn);
    advance(turn);
}
