//! Someone wants it to end.

use super::conclude::{begin_ending, conclude};
use super::turn::Turn;
use crate::engine::execution::Ending;

pub(super) fn cancel(turn: &mut Turn<'_>, by: Option<String>, reason: Option<String>) {
    if turn.state.is_ending() {
        return;
    }
    begin_ending(turn, Ending::Cancelled { by, reason });
    conclude(turn);
}
