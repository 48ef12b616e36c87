//! The world of one execution: what runs, what timers are set, what was asked. It knows what really
//! happened, which the engine only hears of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::Timestamp;

use super::check::{Before, Wrong};
use super::desk::Desk;
use super::flow::Flow;
use crate::engine::effect::{Due, Effect, TimerKey};
use crate::engine::execution::{State, UnitKey};
use crate::engine::fact::Fact;
use crate::engine::input::{Env, Input, Limits};
use crate::engine::job::{Job, JobKey};
use crate::engine::plan::Plan;
use crate::engine::scenario::{fact_text, start};
use crate::engine::step::{Step, step};

mod ending;
mod moving;

pub(super) use moving::SAID_OF_ALL;

#[derive(Debug, Clone)]
pub(super) struct World<'p> {
    pub(super) plan: &'p Plan,
    pub(super) state: State,
    /// The wall clock, and the one that is never set.
    now: i64,
    monotonic: i64,
    boot: u32,
    pub(super) limits: Limits,
    /// What was asked for and is not done yet.
    undone: Vec<Effect>,
    /// Attempts at work, and whether each was told to stop.
    pub(super) jobs: BTreeMap<JobKey, (Job, bool)>,
    pub(super) desk: Desk,
    timers: BTreeMap<TimerKey, (Due, i64)>,
    to_continue: bool,
    /// Every attempt that really began.
    pub(super) began: BTreeSet<JobKey>,
    /// Units that a person said to run again.
    pub(super) told_again: BTreeSet<UnitKey>,
    heard: Vec<Input>,
    /// What went over which connection.
    flow: Flow,
    /// All facts, by their text where a journal is wanted.
    pub(super) facts: Vec<Fact>,
    pub(super) journal: Option<String>,
}

impl<'p> World<'p> {
    pub(super) fn new(plan: &'p Plan, journal: bool) -> Self {
        Self::with(plan, State::new(start()), journal)
    }
    pub(super) fn with(plan: &'p Plan, state: State, journal: bool) -> Self {
        Self {
            plan,
            flow: Flow::of(&state),
            state,
            now: 1_000_000_000,
            monotonic: 0,
            boot: 0,
            limits: Limits::default(),
            undone: Vec::new(),
            jobs: BTreeMap::new(),
            desk: Desk::default(),
            timers: BTreeMap::new(),
            to_continue: false,
            began: BTreeSet::new(),
            told_again: BTreeSet::new(),
            heard: Vec::new(),
            facts: Vec::new(),
            journal: journal.then(String::new),
        }
    }

    /// Brings an input, and looks at what came of it.
    pub(super) fn tell(&mut self, input: Input) -> Result<(), Wrong> {
        self.act()?;
        let again = input.clone();
        self.step(input)?;
        // At once a second time: it is over, so nothing may come of it.
        let repeatable = match again {
            Input::Continue | Input::Recovered { .. } | Input::Progress { .. } => false,
            // A second vote of the same person replaces the first; a second cancel is for what runs at
            // the end.
            Input::Vote { .. } => false,
            Input::Cancel { .. } => !self.plan.has_finally(),
            Input::TimerFired { .. } => !self.to_continue,
            _ => true,
        };
        if repeatable {
            let done = self.run(again.clone());
            if let Some(fact) = done.facts.first() {
                let what = format!("a second {again:?} made {}", fact_text(fact));
                return Err(Wrong::new("an input that comes twice changes nothing", what));
            }
        }
        self.heard.push(again);
        Ok(())
    }

    fn step(&mut self, input: Input) -> Result<(), Wrong> {
        let before = Before::of(self, &input);
        let done = self.run(input);
        if let Some(journal) = &mut self.journal {
            for fact in &done.facts {
                journal.push_str(&format!("    {}\n", fact_text(fact)));
            }
        }
        before.check(self, &done)?;
        let plan = self.plan;
        done.facts.iter().try_for_each(|fact| self.flow.follow(plan, fact))?;
        self.flow.begun(plan, &done.effects)?;
        self.facts.extend(done.facts);
        self.undone.extend(done.effects);
        self.to_continue |= self.undone.iter().any(|effect| matches!(effect, Effect::Continue));
        Ok(())
    }

    fn run(&mut self, input: Input) -> Step {
        let env = Env {
            now: Timestamp::from_unix_ms(self.now),
            boot: self.boot.to_string(),
            monotonic: Duration::from_millis(self.monotonic.unsigned_abs()),
            inbox: 0,
            allowed: Arc::default(),
            limits: self.limits.clone(),
        };
        step(self.plan, &mut self.state, input, &env)
    }

    /// Does what was asked for after the last commit.
    pub(super) fn act(&mut self) -> Result<(), Wrong> {
        for effect in std::mem::take(&mut self.undone) {
            match effect {
                Effect::Start(job) => {
                    if !self.began.insert(job.key.clone()) {
                        let what = format!("{:?}", job.key);
                        return Err(Wrong::new("an attempt is started once", what));
                    }
                    self.jobs.insert(job.key.clone(), (*job, false));
                }
                Effect::Stop(key) => {
                    if let Some((_, stopped)) = self.jobs.get_mut(&key) {
                        *stopped = true;
                    }
                }
                Effect::SetTimer { key, due } => {
                    let at = match due {
                        Due::At(at) => at.as_unix_ms(),
                        Due::After(left) => self.monotonic + left.as_millis() as i64,
                    };
                    self.timers.insert(key, (due, at));
                }
                Effect::ClearTimer(key) => drop(self.timers.remove(&key)),
                Effect::Continue => {}
                Effect::Ended(_) => self.desk.end(),
                Effect::Request { unit, n, request, .. } => self.desk.ask(unit, n, *request),
                Effect::Withdraw { unit, n, .. } => self.desk.withdraw(unit, n),
                Effect::Release(name) => self.desk.release(&name),
            }
        }
        Ok(())
    }

    /// Whether nothing is under way that would bring the next input.
    fn is_still(&self) -> bool {
        self.jobs.is_empty()
            && self.timers.is_empty()
            && self.undone.is_empty()
            && !self.to_continue
            && self.desk.open.is_empty()
    }
}
