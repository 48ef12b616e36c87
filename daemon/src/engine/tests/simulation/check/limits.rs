//! Limits: never more at once than may, and what there is room for goes on.

use std::collections::BTreeMap;

use a2n_proto::Json;
use a2n_proto::execution::{ExecutionStatus, NodeStatus};

use super::Wrong;
use crate::engine::effect::Effect;
use crate::engine::execution::{NodeState, Phase, State, UnitKey, handles_bytes};
use crate::engine::kind::Over;
use crate::engine::plan::PlanNode;
use crate::engine::scenario::unit_text;
use crate::engine::step::Step;
use crate::engine::tests::simulation::world::World;

/// Neither of the execution, nor of a node in an iteration, nor of a kind do more begin than may.
pub(super) fn hold(world: &World<'_>, done: &Step) -> Result<(), Wrong> {
    let mut started: BTreeMap<&str, u32> = BTreeMap::new();
    for effect in &done.effects {
        let Effect::Start(job) = effect else { continue };
        let node = world.plan.node(&job.key.node).expect("a node of the plan");
        *started.entry(node.kind.name()).or_default() += 1;
    }
    let running = world.state.running().len();
    if !started.is_empty() && running > world.limits.parallel as usize {
        let what = format!("{running} run, {} may", world.limits.parallel);
        return Err(Wrong::new("the execution's limit holds", what));
    }
    for (kind, count) in &started {
        if world.limits.tokens.get(*kind).is_some_and(|most| count > most) {
            return Err(Wrong::new("a kind's limit holds", format!("{count} of {kind} began")));
        }
    }
    for (key, state) in world.state.nodes.iter() {
        let Some(node) = world.plan.node(&key.node) else { continue };
        let at_work = state.units.iter().filter(|unit| unit.phase.is_at_work()).count();
        if at_work > node.concurrency as usize {
            let what = format!("{at_work} of {} run, {} may", node.id, node.concurrency);
            return Err(Wrong::new("a node's limit holds", what));
        }
    }
    Ok(())
}

/// After a step that looked at everything, nothing is left that could go on now; where only waits are
/// left, it is PAUSED.
pub(super) fn used(world: &World<'_>, done: &Step) -> Result<(), Wrong> {
    let state = &world.state;
    let to_continue = done.effects.iter().any(|effect| matches!(effect, Effect::Continue));
    if to_continue || state.is_ending() || state.pause_asked {
        return Ok(());
    }
    let (mut to_come, mut waiting) = (0, 0);
    for (key, found) in state.nodes.iter().filter(|(_, it)| it.status == NodeStatus::Running) {
        let Some(node) = world.plan.node(&key.node) else { continue };
        let mut ready = found.units.iter().filter(|unit| unit.phase == Phase::Ready);
        if ready.next().is_some() && has_room(world, done, node, found) {
            let what = unit_text(&UnitKey { node: key.clone(), item: None });
            return Err(Wrong::new("what is ready starts where there is room", what));
        }
        for unit in found.units.iter() {
            match unit.phase {
                Phase::Ready | Phase::Backoff { .. } => to_come += 1,
                Phase::Waiting { .. } | Phase::InDoubt { .. } => waiting += 1,
                _ if unit.phase.is_at_work() => to_come += 1,
                Phase::Requested { .. } => waiting += 1,
                _ => {}
            }
        }
    }
    if to_come == 0 && waiting > 0 && state.status() == ExecutionStatus::Running {
        let what = format!("{waiting} wait");
        return Err(Wrong::new("where only waits are left it is PAUSED", what));
    }
    iterations(world)
}

fn has_room(world: &World<'_>, done: &Step, node: &PlanNode, found: &NodeState) -> bool {
    let is_busy = |phase: &Phase| {
        phase.is_at_work() || (matches!(phase, Phase::Backoff { .. }) && !node.is_inline())
    };
    let busy = found.units.iter().filter(|unit| is_busy(&unit.phase)).count();
    let kind = node.kind.name();
    let starts = done.effects.iter().filter(|effect| match effect {
        Effect::Start(job) => job.kind.split('@').next() == Some(kind),
        _ => false,
    });
    let is_spent =
        world.limits.tokens.get(kind).is_some_and(|most| starts.count() >= *most as usize);
    let outside = world.state.running().len() < world.limits.parallel as usize && !is_spent;
    busy < node.concurrency as usize && (node.is_inline() || outside)
}

/// A loop over a list has as many iterations under way as may be.
fn iterations(world: &World<'_>) -> Result<(), Wrong> {
    for (key, frame) in world.state.frames.iter().filter(|(_, it)| !it.ended && !it.closing) {
        let Some(node) = world.plan.node(&key.node) else { continue };
        let Some(how) = frame.iterations.as_ref().filter(|_| node.while_.is_none()) else {
            continue;
        };
        let Over::List(list) = &how.over else { continue };
        let count = list.len().div_ceil(how.batch.max(1) as usize);
        let open = frame.open().count();
        if (frame.begun as usize) < count && open < node.concurrency as usize {
            let what =
                format!("{open} of loop {} are under way, {} may", key.node, node.concurrency);
            return Err(Wrong::new("an iteration begins where there is room", what));
        }
    }
    Ok(())
}

/// What its results are said to come to is what they come to: else a long loop would run into the limit
/// of them with little to show for it.
pub(super) fn weighed(state: &State) -> Result<(), Wrong> {
    let nodes = state.nodes.values().map(|node| node.size_bytes() as u64);
    let before = state.start().done_before.values().flatten();
    let before = before.map(|done| handles_bytes(&done.output));
    let loops = state.frames.values().flat_map(|frame| {
        let left = frame.left.values().flat_map(BTreeMap::values);
        let items = left.chain(frame.results.values()).flat_map(|sent| &sent.items);
        items.map(|item| Json::size_bytes(item) as u64)
    });
    let is = nodes.chain(before).chain(loops).sum::<u64>();
    if state.result_bytes != is {
        let what = format!("{} bytes, not {is}", state.result_bytes);
        return Err(Wrong::new("results weigh what they weigh", what));
    }
    Ok(())
}
