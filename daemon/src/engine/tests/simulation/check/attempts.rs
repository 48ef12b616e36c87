//! Which attempts may follow each other.

use a2n_proto::document::{InDoubt, Repeat};

use super::Wrong;
use crate::engine::execution::State;
use crate::engine::fact::Fact;
use crate::engine::scenario::{fact_text, unit_text};
use crate::engine::tests::simulation::world::World;

/// Attempts are numbered 1, 2, …; a ONCE unit is started again only where that is known to be right.
pub(super) fn tried(world: &World<'_>, state: &State, fact: &Fact) -> Result<(), Wrong> {
    let Fact::AttemptStarted { unit, n, .. } = fact else { return Ok(()) };
    let node = world.plan.node(&unit.node.node).expect("a node of the plan");
    let Some(before) = state.unit(unit) else {
        return Err(Wrong::new("what is tried is there", unit_text(unit)));
    };
    if before.carried {
        return Err(Wrong::new("what is taken over is not done again", unit_text(unit)));
    }
    let before = &before.attempts;
    if before.len() + 1 != *n as usize {
        let what = format!("{} attempt {n} after {}", unit_text(unit), before.len());
        return Err(Wrong::new("attempts are numbered without a gap", what));
    }
    let Some(last) = before.last() else { return Ok(()) };
    if last.ended_at.is_none() {
        return Err(Wrong::new("a unit has one attempt at a time", fact_text(fact)));
    }
    let once = node.repeat == Repeat::Once && !node.is_inline();
    let key = unit.job(state.start().execution, last.n);
    // Chance knows whether it really began; the engine may repeat it only where it knows enough.
    if once && last.lost && world.began.contains(&key) {
        let may = node.in_doubt == InDoubt::Retry || world.told_again.contains(unit);
        if !may {
            let what =
                format!("{} began, its end is not known, and it starts again", unit_text(unit));
            return Err(Wrong::new("ONCE is never repeated by the engine", what));
        }
    }
    let retries = node.retry.as_ref().map_or(0, |retry| retry.max_retries);
    let failed = before.iter().filter(|attempt| attempt.error.is_some() && !attempt.lost).count();
    if !last.lost && last.error.is_some() && failed > retries as usize {
        let in_doubt = last.error.as_ref().is_some_and(|error| error.in_doubt);
        if !(in_doubt || world.told_again.contains(unit)) {
            return Err(Wrong::new("it is tried again as often as its node says", fact_text(fact)));
        }
    }
    if last.error.is_none() && !last.lost {
        return Err(Wrong::new("what went well is not done again", fact_text(fact)));
    }
    Ok(())
}
