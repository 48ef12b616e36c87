//! How much an execution may come to: its state is one row of the store, and a row has an end.

use super::turn::Turn;
use crate::engine::execution::handles_bytes;
use crate::engine::kind::{NodeError, Outcome};

/// What a unit came to, or why that is too much with what the execution has already.
pub(super) fn bounded(turn: &Turn<'_>, node: &str, outcome: Outcome) -> Result<Outcome, NodeError> {
    let more = match &outcome {
        Outcome::Items(items) | Outcome::WaitUntil(_, items) | Outcome::Release(_, items) => {
            handles_bytes(items)
        }
        _ => 0,
    };
    let (all, limit) = (turn.state.result_bytes.saturating_add(more), turn.env.limits.result_bytes);
    if more == 0 || all <= limit {
        return Ok(outcome);
    }
    let message = format!(
        "with {more} bytes from node `{node}` the results of this execution would come to {all} \
         bytes; {limit} are allowed (engine.maxResultBytes): pass on less, or files"
    );
    Err(NodeError::new("TOO_LARGE", message))
}
