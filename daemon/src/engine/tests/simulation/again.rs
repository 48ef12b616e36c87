//! Once more: an ended execution is retried, and only what that says runs again.

use std::collections::BTreeSet;

use a2n_proto::execution::NodeStatus;

use super::check::Wrong;
use super::world::World;
use crate::engine::execution::{Ending, NodeKey, Phase, State};
use crate::engine::fact::Fact;
use crate::engine::input::Input;
use crate::engine::plan::Plan;
use crate::engine::retry::{self, Given, RetryFrom};
use crate::engine::scenario::start;

/// Retries what ended, from where chance says, and plays that to its end too.
pub(super) fn once_more(world: &mut World<'_>, which: usize) -> Result<(), Wrong> {
    let plan = world.plan;
    let from = match which % 4 {
        0 => RetryFrom::FailedNode,
        1 => RetryFrom::FailedItems,
        2 => RetryFrom::Start,
        _ => RetryFrom::Node(plan.nodes()[which / 4 % plan.nodes().len()].id.clone()),
    };
    let Ok(again) = retry::again(plan, plan, &world.state, &from, &Given::new(), start()) else {
        return Ok(());
    };
    let done_before: BTreeSet<(NodeKey, u32)> = again
        .start
        .done_before
        .iter()
        .flat_map(|(key, done)| done.iter().map(|done| (key.clone(), done.index)))
        .collect();
    let state = State::taking_over(again.start, again.finished);
    let carried: BTreeSet<NodeKey> = state.nodes.keys().cloned().collect();
    let mut second = World::with(plan, state, world.journal.is_some());
    let played = second.tell(Input::Begin).and_then(|()| second.drain());
    if let (Some(journal), Some(more)) = (&mut world.journal, &second.journal) {
        journal.push_str(&format!("  once more from {from:?}\n{more}"));
    }
    played?;
    let may = may_run(plan, &world.state, &from);
    for fact in &second.facts {
        let Fact::NodeStarted { node, .. } = fact else { continue };
        let was = world.state.node(node).map(|node| node.status);
        if carried.contains(node) {
            return Err(Wrong::new("what is taken over is not done again", node.node.clone()));
        }
        if was == Some(NodeStatus::Success) && !may.contains(&node.node) {
            return Err(Wrong::new("a retry repeats only what it says", node.node.clone()));
        }
    }
    items(&second, &done_before)
}

/// The nodes that may run again: those that it is from, and all that comes after them. Loops, and what
/// a `try` watches over, run again whole.
fn may_run(plan: &Plan, old: &State, from: &RetryFrom) -> BTreeSet<String> {
    let bad = |status| matches!(status, NodeStatus::Failed | NodeStatus::Cancelled);
    let is_bad = |phase: &Phase| matches!(phase, Phase::Failed { .. } | Phase::Cancelled);
    let mut numbers: BTreeSet<usize> = BTreeSet::new();
    for (number, node) in plan.nodes().iter().enumerate() {
        let mut states = old.nodes.iter().filter(|(key, _)| key.node == node.id);
        let chosen = match from {
            RetryFrom::Start => true,
            RetryFrom::Node(id) => *id == node.id || states.any(|(_, state)| bad(state.status)),
            RetryFrom::FailedNode => states.any(|(_, state)| bad(state.status)),
            RetryFrom::FailedItems => states.any(|(_, state)| {
                bad(state.status) || state.units.iter().any(|unit| is_bad(&unit.phase))
            }),
        };
        let stopped_it = |why: &Option<Ending>| match why {
            Some(Ending::Stopped { node: it, .. }) => it.node == node.id,
            _ => false,
        };
        if chosen || stopped_it(&old.ending) || node.region != 0 || node.gate.is_some() {
            numbers.insert(number);
        }
    }
    let mut left: Vec<usize> = numbers.iter().copied().collect();
    while let Some(number) = left.pop() {
        for connection in &plan.nodes()[number].outgoing {
            let target = plan.connections[*connection].target;
            if numbers.insert(target) {
                left.push(target);
            }
        }
    }
    numbers.into_iter().map(|number| plan.nodes()[number].id.clone()).collect()
}

/// Items that were done and came in just so again are not done again.
fn items(second: &World<'_>, done_before: &BTreeSet<(NodeKey, u32)>) -> Result<(), Wrong> {
    let taken = second.facts.iter().filter(|fact| matches!(fact, Fact::UnitTakenOver { .. }));
    let (taken, most) = (taken.count(), done_before.len());
    if taken > most {
        let what = format!("{taken} of {most}");
        return Err(Wrong::new("an item is taken over once", what));
    }
    Ok(())
}
