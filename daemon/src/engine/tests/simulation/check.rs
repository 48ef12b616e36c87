//! What has to hold after every step, and at the end.

use a2n_proto::Json;
use a2n_proto::document::{InDoubt, OnError, Repeat};
use a2n_proto::execution::{ExecutionStatus, NodeStatus};

use super::world::{SAID_OF_ALL, World};
use crate::engine::effect::Effect;
use crate::engine::execution::{Ending, Phase, State, UnitKey};
use crate::engine::fact::Fact;
use crate::engine::input::Input;
use crate::engine::plan::PlanNode;
use crate::engine::scenario::{fact_text, unit_text};
use crate::engine::step::Step;
use crate::engine::view;

/// A rule that does not hold, and where it shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wrong {
    pub(super) rule: &'static str,
    pub(super) what: String,
}

impl Wrong {
    pub(super) fn new(rule: &'static str, what: impl Into<String>) -> Self {
        Self { rule, what: what.into() }
    }
}

/// How it was before a step.
pub(super) struct Before {
    state: State,
    running: usize,
    pause_asked: bool,
}

impl Before {
    pub(super) fn of(world: &World<'_>, input: &Input) -> Self {
        let state = world.state.clone();
        let running = state.running().len();
        let pause_asked = state.pause_asked && !matches!(input, Input::Resume);
        Self { state, running, pause_asked }
    }

    pub(super) fn check(&self, world: &World<'_>, done: &Step) -> Result<(), Wrong> {
        let mut folded = self.state.clone();
        done.facts.iter().for_each(|fact| drop(folded.apply(fact)));
        if folded != world.state {
            return Err(Wrong::new("the facts fold to the state", ""));
        }
        if self.state.status().is_ended() && (!done.facts.is_empty() || !done.effects.is_empty()) {
            return Err(Wrong::new("nothing comes after the end", format!("{:?}", done.facts)));
        }
        self.limits(world, done)?;
        self.starts(done)?;
        self.statuses(world, done)?;
        let mut state = self.state.clone();
        for fact in &done.facts {
            attempts(world, &state, fact)?;
            order(world, fact)?;
            drop(state.apply(fact));
        }
        timers(world, done)
    }

    /// Neither of the execution nor of a node do more run at once than may.
    fn limits(&self, world: &World<'_>, done: &Step) -> Result<(), Wrong> {
        let starts =
            done.effects.iter().filter(|effect| matches!(effect, Effect::Start(_))).count();
        let running = world.state.running().len();
        if starts > 0 && running > world.limits.parallel as usize {
            let what = format!(
                "{running} run, {} may; {} ran before",
                world.limits.parallel, self.running
            );
            return Err(Wrong::new("the execution's limit holds", what));
        }
        for node in world.plan.nodes().iter().filter(|node| !node.is_inline()) {
            let running = world.state.node(&node.key).map_or(0, |state| state.running().count());
            if running > node.concurrency as usize {
                let what = format!("{running} of {} run, {} may", node.id, node.concurrency);
                return Err(Wrong::new("a node's limit holds", what));
            }
        }
        Ok(())
    }

    /// Nothing starts while it is paused or once it is to end.
    fn starts(&self, done: &Step) -> Result<(), Wrong> {
        let (mut ending, mut pausing) = (self.state.ending.is_some(), self.pause_asked);
        for fact in &done.facts {
            let starts = matches!(fact, Fact::AttemptStarted { .. } | Fact::NodeStarted { .. });
            if starts && ending {
                return Err(Wrong::new("nothing starts once it is to end", fact_text(fact)));
            }
            if starts && pausing {
                return Err(Wrong::new("nothing starts while it is paused", fact_text(fact)));
            }
            ending |= matches!(fact, Fact::EndingBegan { .. });
            pausing |= matches!(fact, Fact::PauseAsked { .. });
        }
        let starts = done.effects.iter().any(|effect| matches!(effect, Effect::Start(_)));
        if starts && (ending || pausing) {
            return Err(Wrong::new("nothing starts once it is to end or to pause", ""));
        }
        Ok(())
    }

    /// The status goes only where it may, and says what is so.
    fn statuses(&self, world: &World<'_>, done: &Step) -> Result<(), Wrong> {
        use ExecutionStatus::{Cancelled, Failed, Paused, Pending, Running, Success};
        let (from, to) = (self.state.status(), world.state.status());
        let may = from == to
            || match from {
                Pending => to != Pending,
                Running | Paused => to != Pending,
                _ => false,
            };
        if !may {
            return Err(Wrong::new("the status goes where it may", format!("{from:?} to {to:?}")));
        }
        if to == Paused && !world.state.running().is_empty() {
            return Err(Wrong::new("nothing runs while it is PAUSED", ""));
        }
        if to == Running && world.state.paused_reason().is_some() {
            return Err(Wrong::new("only PAUSED has a reason", ""));
        }
        for effect in &done.effects {
            if let Effect::Ended(status) = effect
                && (*status != to || !matches!(to, Cancelled | Failed | Success))
            {
                return Err(Wrong::new("its end is told as it is", format!("{status:?}")));
            }
        }
        Ok(())
    }
}

/// Attempts are numbered 1, 2, …; a ONCE unit is started again only where that is known to be right.
fn attempts(world: &World<'_>, state: &State, fact: &Fact) -> Result<(), Wrong> {
    let Fact::AttemptStarted { unit, n, .. } = fact else { return Ok(()) };
    let node = world.plan.node(&unit.node.node).expect("a node of the plan");
    let before = state.unit(unit).map(|unit| unit.attempts.clone()).unwrap_or_default();
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

/// What came of the items stands in their order.
fn order(world: &World<'_>, fact: &Fact) -> Result<(), Wrong> {
    let Fact::NodeEnded { node, status: NodeStatus::Success, output, .. } = fact else {
        return Ok(());
    };
    let plan = world.plan.node(&node.node).expect("a node of the plan");
    for (handle, sent) in &output.handles {
        if !sent.from.is_sorted() {
            return Err(Wrong::new("items keep their order", format!("{} {handle}", node.node)));
        }
        if plan.is_inline() || plan.disabled || sent.from.is_empty() {
            continue;
        }
        for (item, from) in sent.items.iter().zip(&sent.from) {
            let unit = unit_text(&UnitKey { node: node.clone(), item: Some(*from) });
            let is_its_own = match plan.on_error {
                OnError::Stop => {
                    item.as_str() == format!("\"{SAID_OF_ALL}\"")
                        || item.as_str().contains(&format!("\"u\":\"{unit}\""))
                }
                _ => true,
            };
            if !is_its_own {
                return Err(Wrong::new("an item comes from its unit", format!("{unit}: {item}")));
            }
        }
    }
    Ok(())
}

/// What waits for a moment has a timer set in the same step.
fn timers(world: &World<'_>, done: &Step) -> Result<(), Wrong> {
    for fact in &done.facts {
        let (Fact::UnitBackoff { unit, .. } | Fact::UnitWaiting { unit, .. }) = fact else {
            continue;
        };
        let waits = world.state.unit(unit).is_some_and(|unit| {
            matches!(unit.phase, Phase::Backoff { .. } | Phase::Waiting { .. })
        });
        let set = done.effects.iter().any(|effect| match effect {
            Effect::SetTimer { key, .. } => format!("{key:?}").contains(&format!("{unit:?}")),
            _ => false,
        });
        if waits && !set {
            return Err(Wrong::new("what waits has a timer", fact_text(fact)));
        }
    }
    Ok(())
}

/// A state as it comes back from the store.
pub(super) fn packed_and_back(state: &State) -> Result<State, Wrong> {
    let config = bincode::config::standard();
    let bytes = bincode::serde::encode_to_vec(state, config)
        .map_err(|e| Wrong::new("a state can be packed", e.to_string()))?;
    match bincode::serde::decode_from_slice::<State, _>(&bytes, config) {
        Ok((back, _)) if back == *state => Ok(back),
        Ok(_) => Err(Wrong::new("a packed state comes back the same", "")),
        Err(e) => Err(Wrong::new("a packed state comes back", e.to_string())),
    }
}

/// What has to hold once it has ended.
pub(super) fn at_the_end(world: &World<'_>) -> Result<(), Wrong> {
    let state = &world.state;
    packed_and_back(state)?;
    if !state.running().is_empty() {
        return Err(Wrong::new("no attempt outlives its execution", ""));
    }
    for node in world.plan.nodes() {
        settled(state, node)?;
    }
    let (status, ending) = (state.status(), state.ending.as_ref());
    let wanted = match (ending.map(Ending::status), &state.failure) {
        (Some(status), _) => status,
        (None, Some(_)) => ExecutionStatus::Failed,
        (None, None) => ExecutionStatus::Success,
    };
    if status != wanted {
        return Err(Wrong::new(
            "it ends as its reason says",
            format!("{status:?}, not {wanted:?}"),
        ));
    }
    let (message, _) = view::error(world.plan, state);
    if message.is_none() && status == ExecutionStatus::Failed {
        let stopped = matches!(ending, Some(Ending::Stopped { .. }));
        if !stopped {
            return Err(Wrong::new("a failure has a message", ""));
        }
    }
    if message.is_some_and(|message| message.contains("please report")) {
        return Err(Wrong::new("the engine never gives up", ""));
    }
    let shown = view::node_states(world.plan, state, true);
    if shown.len() != world.plan.nodes().len() {
        return Err(Wrong::new("every node is shown", format!("{}", shown.len())));
    }
    let _: Json = view::output_data(world.plan, state, usize::MAX);
    Ok(())
}

fn settled(state: &State, node: &PlanNode) -> Result<(), Wrong> {
    let Some(found) = state.node(&node.key).filter(|found| found.is_settled()) else {
        return Err(Wrong::new("every node is settled at the end", node.id.clone()));
    };
    if let Some(unit) = found.units.iter().find(|unit| !unit.phase.is_over()) {
        return Err(Wrong::new(
            "every unit is over at the end",
            format!("{}: {:?}", node.id, unit.phase),
        ));
    }
    for unit in found.units.iter() {
        let open = unit.attempts.iter().any(|attempt| attempt.ended_at.is_none());
        if open {
            return Err(Wrong::new("every attempt has its end", node.id.clone()));
        }
    }
    Ok(())
}
