//! What is to end ends with all that is below it.

use super::Wrong;
use crate::engine::effect::Effect;
use crate::engine::execution::{NodeKey, Phase, State, UnitKey, prefix};
use crate::engine::plan::Plan;
use crate::engine::regions::RegionKind;
use crate::engine::scenario::unit_text;
use crate::engine::step::Step;
use crate::engine::tests::simulation::world::World;

/// In an execution that is to end, a loop that closes or a `try` that has caught, every attempt was told
/// to stop, and nothing else is left to do.
pub(super) fn all_below(world: &World<'_>, done: &Step) -> Result<(), Wrong> {
    let (plan, state) = (world.plan, &world.state);
    let to_continue = done.effects.iter().any(|effect| matches!(effect, Effect::Continue));
    for (key, found) in state.nodes.iter() {
        if found.is_settled() || !(state.is_ending() || is_closed(plan, state, key)) {
            continue;
        }
        for (unit, index) in found.units.iter().zip(0_u32..) {
            let unit_key = UnitKey { node: key.clone(), item: found.each.then_some(index) };
            match &unit.phase {
                Phase::Running { n } => {
                    let job = unit_key.job(state.start().execution, *n);
                    let told = world.jobs.get(&job).is_none_or(|(_, stopped)| *stopped);
                    let is_told =
                        |effect: &Effect| matches!(effect, Effect::Stop(it) if *it == job);
                    if !told && !done.effects.iter().any(is_told) {
                        let what = unit_text(&unit_key);
                        return Err(Wrong::new("what is to end is told to stop", what));
                    }
                }
                Phase::Inside => {}
                phase if phase.is_over() || to_continue => {}
                phase => {
                    let what = format!("{}: {phase:?}", unit_text(&unit_key));
                    return Err(Wrong::new("what is to end waits for nothing", what));
                }
            }
        }
    }
    Ok(())
}

/// Whether a part around a node is closed.
fn is_closed(plan: &Plan, state: &State, key: &NodeKey) -> bool {
    let mut region = plan.node(&key.node).map_or(0, |node| node.region);
    while region != 0 {
        let part = &plan.regions[region];
        let depth = plan.regions[plan.regions[part.parent].scope].depth;
        let iteration = prefix(&key.iteration, depth).to_owned();
        let entry = NodeKey { node: plan.nodes[part.entry].id.clone(), iteration };
        let is_closed = match part.kind {
            RegionKind::Watched => state.caught.contains_key(&entry),
            _ => state.frames.get(&entry).is_some_and(|frame| frame.closing),
        };
        if is_closed {
            return true;
        }
        region = part.parent;
    }
    false
}
