//! What has to hold after every step.

use a2n_proto::execution::ExecutionStatus;

use super::world::World;
use crate::engine::effect::{Effect, TimerKey};
use crate::engine::execution::{Phase, State};
use crate::engine::fact::Fact;
use crate::engine::input::Input;
use crate::engine::scenario::fact_text;
use crate::engine::step::Step;

mod attempts;
mod end;
mod limits;
mod order;
mod stopped;

pub(super) use end::{at_the_end, packed_and_back};

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
    pause_asked: bool,
    /// Whether everything is looked at after an input like this one.
    goes_on: bool,
}

impl Before {
    pub(super) fn of(world: &World<'_>, input: &Input) -> Self {
        let state = world.state.clone();
        let pause_asked = state.pause_asked && !matches!(input, Input::Resume);
        let goes_on = match input {
            Input::Begin
            | Input::Continue
            | Input::AttemptEnded { .. }
            | Input::Replied { .. }
            | Input::TimerFired { .. }
            | Input::Resume
            | Input::Answer { .. }
            | Input::Recovered { .. } => true,
            Input::Progress { .. }
            | Input::Vote { .. }
            | Input::Cancel { .. }
            | Input::Pause { .. } => false,
        };
        Self { state, pause_asked, goes_on }
    }

    pub(super) fn check(&self, world: &World<'_>, done: &Step) -> Result<(), Wrong> {
        let mut folded = self.state.clone();
        for fact in &done.facts {
            attempts::tried(world, &folded, fact)?;
            order::of_items(world, &folded, fact)?;
            drop(folded.apply(fact));
        }
        if folded != world.state {
            return Err(Wrong::new("the facts fold to the state", ""));
        }
        if self.state.status().is_ended() && (!done.facts.is_empty() || !done.effects.is_empty()) {
            return Err(Wrong::new("nothing comes after the end", format!("{:?}", done.facts)));
        }
        limits::hold(world, done)?;
        limits::weighed(&world.state)?;
        stopped::all_below(world, done)?;
        if self.goes_on && !done.facts.is_empty() {
            limits::used(world, done)?;
        }
        self.starts(world, done)?;
        self.statuses(world, done)?;
        timers(world, done)
    }

    /// Nothing starts while it is paused or once it is to end; what runs at the end has its turn after
    /// that.
    fn starts(&self, world: &World<'_>, done: &Step) -> Result<(), Wrong> {
        let (mut ending, mut pausing) = (self.state.is_ending(), self.pause_asked);
        for fact in &done.facts {
            let starts = matches!(
                fact,
                Fact::AttemptStarted { .. }
                    | Fact::NodeStarted { .. }
                    | Fact::LoopBegan { .. }
                    | Fact::IterationBegan { .. }
            );
            if starts && ending {
                return Err(Wrong::new("nothing starts once it is to end", fact_text(fact)));
            }
            if starts && pausing {
                return Err(Wrong::new("nothing starts while it is paused", fact_text(fact)));
            }
            match fact {
                Fact::EndingBegan { .. } | Fact::FinallyStopped { .. } => ending = true,
                Fact::FinallyBegan { .. } => ending = false,
                Fact::PauseAsked { .. } => pausing = true,
                Fact::PauseLifted => pausing = false,
                _ => {}
            }
        }
        let starts = |effect: &Effect| matches!(effect, Effect::Start(_) | Effect::Request { .. });
        // Where it was recovered, requests without an answer are made again.
        let is_new = |effect: &&Effect| match effect {
            Effect::Request { unit, n, .. } => {
                let before = self.state.requests().any(|(open, m, ..)| open == *unit && m == *n);
                !before
            }
            _ => true,
        };
        let started = done.effects.iter().filter(|effect| starts(effect)).any(|it| is_new(&it));
        if started && (world.state.is_ending() || world.state.pause_asked) {
            return Err(Wrong::new("nothing starts once it is to end or to pause", ""));
        }
        Ok(())
    }

    /// The status goes only where it may, and says what is so.
    fn statuses(&self, world: &World<'_>, done: &Step) -> Result<(), Wrong> {
        use ExecutionStatus::{Cancelled, Failed, Paused, Pending, Running, Success};
        let (from, to) = (self.state.status(), world.state.status());
        let has_begun = self.state.started_at().is_some();
        let may = from == to
            || match from {
                Pending => to != Pending,
                Paused if !has_begun => true,
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

/// What waits for a moment has a timer set in the same step.
fn timers(world: &World<'_>, done: &Step) -> Result<(), Wrong> {
    for fact in &done.facts {
        let (unit, key) = match fact {
            Fact::UnitBackoff { unit, .. } => (unit, TimerKey::Retry(unit.clone())),
            Fact::UnitWaiting { unit, .. } => (unit, TimerKey::Wait(unit.clone())),
            Fact::UnitRequested { unit, .. } => (unit, TimerKey::Request(unit.clone())),
            _ => continue,
        };
        let Some(state) = world.state.unit(unit) else { continue };
        let timeout = world.plan.node(&unit.node.node).and_then(|node| node.timeout);
        let waits = match &state.phase {
            Phase::Backoff { .. } | Phase::Waiting { .. } => true,
            Phase::Requested { .. } => {
                state.requested().is_some_and(|(_, at, request)| request.due(at, timeout).is_some())
            }
            _ => false,
        };
        // A question keeps its timer while people vote on it.
        let is_new = !matches!(fact, Fact::UnitRequested { .. })
            || done.effects.iter().any(|effect| match effect {
                Effect::Request { unit: asked, .. } => asked == unit,
                _ => false,
            });
        let is_set = done.effects.iter().any(|effect| match effect {
            Effect::SetTimer { key: set, .. } => *set == key,
            _ => false,
        });
        if waits && is_new && !is_set {
            return Err(Wrong::new("what waits has a timer", fact_text(fact)));
        }
    }
    Ok(())
}
