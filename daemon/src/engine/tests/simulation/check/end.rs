//! What has to hold once it has ended.

use std::collections::BTreeSet;

use a2n_proto::Json;
use a2n_proto::execution::{ExecutionStatus, NodeStatus};

use super::Wrong;
use crate::engine::execution::{Ending, State};
use crate::engine::fact::Fact;
use crate::engine::tests::simulation::world::World;
use crate::engine::view;

/// A state as it comes back from the store.
pub(in crate::engine::tests::simulation) fn packed_and_back(state: &State) -> Result<State, Wrong> {
    let config = bincode::config::standard();
    let bytes = bincode::serde::encode_to_vec(state, config)
        .map_err(|e| Wrong::new("a state can be packed", e.to_string()))?;
    match bincode::serde::decode_from_slice::<State, _>(&bytes, config) {
        Ok((back, _)) if back == *state => Ok(back),
        Ok(_) => Err(Wrong::new("a packed state comes back the same", "")),
        Err(e) => Err(Wrong::new("a packed state comes back", e.to_string())),
    }
}

/// Everything that has to hold at the end.
pub(in crate::engine::tests::simulation) fn at_the_end(world: &World<'_>) -> Result<(), Wrong> {
    let state = &world.state;
    packed_and_back(state)?;
    settled(state)?;
    outcome(world)?;
    counted(world)?;
    shown(world)
}

/// Nothing is left open: no node, no loop, no `try`, no request, no lock.
fn settled(state: &State) -> Result<(), Wrong> {
    if !state.running().is_empty() {
        return Err(Wrong::new("no attempt outlives its execution", ""));
    }
    if state.requests().next().is_some() || !state.held().is_empty() {
        let what = format!("{:?}", state.held());
        return Err(Wrong::new("no request and no lock outlives its execution", what));
    }
    for (key, found) in state.nodes.iter() {
        if !found.is_settled() {
            return Err(Wrong::new("every node is settled at the end", format!("{key:?}")));
        }
        for unit in found.units.iter() {
            if !unit.phase.is_over() {
                let what = format!("{key:?}: {:?}", unit.phase);
                return Err(Wrong::new("every unit is over at the end", what));
            }
            if unit.attempts.iter().any(|attempt| attempt.ended_at.is_none()) {
                return Err(Wrong::new("every attempt has its end", format!("{key:?}")));
            }
        }
    }
    if let Some((key, _)) = state.frames.iter().find(|(_, frame)| !frame.ended) {
        return Err(Wrong::new("every loop is over at the end", format!("{key:?}")));
    }
    if let Some(key) = state.caught.keys().next() {
        return Err(Wrong::new("every `try` is over at the end", format!("{key:?}")));
    }
    Ok(())
}

/// It ends as its reason says.
fn outcome(world: &World<'_>) -> Result<(), Wrong> {
    let (state, status) = (&world.state, world.state.status());
    let before = match (state.ending.as_ref().map(Ending::status), &state.failure) {
        (Some(status), _) => status,
        (None, Some(_)) => ExecutionStatus::Failed,
        (None, None) => ExecutionStatus::Success,
    };
    // What runs at the end makes nothing better.
    let wanted = match &state.finally {
        Some(finally) if before == ExecutionStatus::Success => match &finally.stopped {
            Some(why) => why.status(),
            None if finally.failure.is_some() => ExecutionStatus::Failed,
            None => before,
        },
        _ => before,
    };
    if status != wanted {
        let what = format!("{status:?}, not {wanted:?}");
        return Err(Wrong::new("it ends as its reason says", what));
    }
    let (message, _) = view::error(world.plan, state);
    let stopped = |why: Option<&Ending>| matches!(why, Some(Ending::Stopped { .. }));
    let at_end = state.finally.as_ref().and_then(|finally| finally.stopped.as_ref());
    let may_be_silent = stopped(state.ending.as_ref()) || stopped(at_end);
    if message.is_none() && status == ExecutionStatus::Failed && !may_be_silent {
        return Err(Wrong::new("a failure has a message", ""));
    }
    if message.is_some_and(|message| message.contains("please report")) {
        return Err(Wrong::new("the engine never gives up", ""));
    }
    Ok(())
}

/// Counters are what there is of what they count.
fn counted(world: &World<'_>) -> Result<(), Wrong> {
    let again = world.facts.iter().filter(|fact| match fact {
        Fact::AttemptStarted { n, .. } => *n > 1,
        _ => false,
    });
    let (again, told) = (again.count(), view::retry_count(&world.state) as usize);
    if again != told {
        let what = format!("{told} are told, {again} were begun");
        return Err(Wrong::new("attempts after the first are counted", what));
    }
    let adds = |id: &str| {
        let node = world.plan.node(id).expect("a node of the plan");
        node.kind.name() == "ask" && node.config.as_str().contains("ADD")
    };
    let done = world.facts.iter().filter(|fact| match fact {
        Fact::AttemptEnded { unit, error: None, .. } => adds(&unit.node.node),
        _ => false,
    });
    world.desk.counted(done.count())
}

/// Every node is shown, with its end.
fn shown(world: &World<'_>) -> Result<(), Wrong> {
    let rows = view::node_states(world.plan, &world.state, true);
    let ids: BTreeSet<&str> = rows.iter().map(|row| row.node_id.as_str()).collect();
    if ids.len() != world.plan.nodes().len() {
        return Err(Wrong::new("every node is shown", format!("{ids:?}")));
    }
    let is_open = |status| matches!(status, NodeStatus::Pending | NodeStatus::Running);
    if let Some(row) = rows.iter().find(|row| is_open(row.status)) {
        return Err(Wrong::new("every node is shown as over", row.id.clone()));
    }
    let _: Json = view::output_data(world.plan, &world.state, usize::MAX);
    Ok(())
}
