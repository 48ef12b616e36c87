//! The world of one execution: what runs, what timers are set, what a person or a crash does. It knows
//! what really happened, which the engine only hears of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::{Json, Timestamp};
use serde_json::json;

use super::check::{Before, Wrong};
use super::moves::Move;
use crate::engine::effect::{Due, Effect, TimerKey};
use crate::engine::execution::{NodeKey, Phase, State, UnitKey};
use crate::engine::fact::Fact;
use crate::engine::input::{Answer, Env, Input, Limits};
use crate::engine::job::{Job, JobEnd, JobKey};
use crate::engine::kind::{Handles, NodeError, Outcome};
use crate::engine::plan::Plan;
use crate::engine::scenario::{fact_text, start, unit_text};
use crate::engine::step::{Step, step};

/// What a person says that came of all units of a node at once: of none by its name.
pub(super) const SAID_OF_ALL: &str = "said of all";

/// Steps after which something never ends.
const MANY: usize = 5_000;

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
    jobs: BTreeMap<JobKey, (Job, bool)>,
    timers: BTreeMap<TimerKey, (Due, i64)>,
    to_continue: bool,
    /// Every attempt that really began.
    pub(super) began: BTreeSet<JobKey>,
    /// Units that a person said to run again.
    pub(super) told_again: BTreeSet<UnitKey>,
    heard: Vec<Input>,
    pub(super) steps: usize,
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
            state,
            now: 1_000_000_000,
            monotonic: 0,
            boot: 0,
            limits: Limits::default(),
            undone: Vec::new(),
            jobs: BTreeMap::new(),
            timers: BTreeMap::new(),
            to_continue: false,
            began: BTreeSet::new(),
            told_again: BTreeSet::new(),
            heard: Vec::new(),
            steps: 0,
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
        self.steps += 1;
        let done = self.run(input);
        if let Some(journal) = &mut self.journal {
            for fact in &done.facts {
                journal.push_str(&format!("    {}\n", fact_text(fact)));
            }
        }
        before.check(self, &done)?;
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
                Effect::Continue | Effect::Ended(_) => {}
                // No node of these graphs asks for anything.
                Effect::Request { .. } | Effect::Withdraw { .. } | Effect::Release(_) => {}
            }
        }
        Ok(())
    }

    /// Makes a move.
    pub(super) fn make(&mut self, this: Move) -> Result<(), Wrong> {
        if let Some(journal) = &mut self.journal {
            journal.push_str(&format!("  {this:?}\n"));
        }
        if !matches!(this, Move::Crash { undone: true, .. }) {
            self.act()?;
        }
        if self.to_continue {
            self.to_continue = false;
            self.tell(Input::Continue)?;
        }
        match this {
            Move::Ok { which, items } => self.end(which, |job| Ok(outcome(job, items))),
            Move::Fail { which, kind } => {
                let error = NodeError { code: Some(1), ..NodeError::new(kind, "as it was to") };
                self.end(which, |_| Err(error))
            }
            Move::Doubt { which } => {
                let error = NodeError { in_doubt: true, ..NodeError::new("TIMEOUT", "sent") };
                self.end(which, |_| Err(error))
            }
            Move::Tick { ms } => {
                self.pass(ms);
                self.fire_due()
            }
            Move::Next => self.next_timer(),
            Move::Stray { which } => self.stray(which),
            Move::Again { which } => self.again(which),
            Move::Cancel => self.tell(Input::Cancel { by: None, reason: None }),
            Move::Pause => self.tell(Input::Pause { by: None }),
            Move::Resume => self.tell(Input::Resume),
            Move::Answer { which, how, one } => self.answer(which, how, one),
            Move::Progress { which } => match self.job(which) {
                Some(key) => self.tell(Input::Progress { key, percent: 40, detail: None }),
                None => Ok(()),
            },
            Move::Parallel { most } => {
                self.limits.parallel = most;
                Ok(())
            }
            Move::Budget { units } => {
                self.limits.units_per_step = units;
                Ok(())
            }
            Move::Clock { ms } => {
                self.now += ms;
                Ok(())
            }
            Move::Crash { reboot, survivors, .. } => self.crash(reboot, survivors),
        }
    }
    fn job(&self, which: usize) -> Option<JobKey> {
        self.jobs.keys().nth(which % self.jobs.len().max(1)).cloned()
    }
    fn end(
        &mut self,
        which: usize,
        how: impl FnOnce(&Job) -> Result<Outcome, NodeError>,
    ) -> Result<(), Wrong> {
        let Some(key) = self.job(which) else { return Ok(()) };
        let Some((job, stopped)) = self.jobs.remove(&key) else { return Ok(()) };
        let result = match how(&job) {
            Err(_) if stopped => Err(NodeError::new("CANCELLED", "cancelled while it ran")),
            result => result,
        };
        let end = Box::new(JobEnd { result, measured: Vec::new() });
        self.tell(Input::AttemptEnded { key, end })
    }
    fn pass(&mut self, ms: i64) {
        self.now += ms;
        self.monotonic += ms;
    }
    fn left(&self, due: Due, at: i64) -> i64 {
        match due {
            Due::At(_) => at - self.now,
            Due::After(_) => at - self.monotonic,
        }
    }
    fn first_timer(&self) -> Option<(TimerKey, i64)> {
        let left = self.timers.iter().map(|(key, (due, at))| (key, self.left(*due, *at)));
        left.min_by_key(|(_, left)| *left).map(|(key, left)| (key.clone(), left))
    }
    fn next_timer(&mut self) -> Result<(), Wrong> {
        let Some((_, left)) = self.first_timer() else { return Ok(()) };
        self.pass(left.max(0));
        self.fire_due()
    }
    fn fire_due(&mut self) -> Result<(), Wrong> {
        for _ in 0..MANY {
            let Some((key, _)) = self.first_timer().filter(|(_, left)| *left <= 0) else {
                return Ok(());
            };
            self.timers.remove(&key);
            self.tell(Input::TimerFired { key })?;
            self.act()?;
        }
        Err(Wrong::new("timers come to rest", format!("{:?}", self.timers)))
    }
    fn stray(&mut self, which: usize) -> Result<(), Wrong> {
        let mut keys: Vec<TimerKey> = self.timers.keys().cloned().collect();
        keys.push(TimerKey::Timeout);
        for (node, state) in self.state.nodes.iter() {
            for index in 0..state.units.len() {
                let item = state.each.then_some(index as u32);
                let unit = UnitKey { node: node.clone(), item };
                keys.extend([TimerKey::Wait(unit.clone()), TimerKey::Retry(unit)]);
            }
        }
        let key = keys.swap_remove(which % keys.len());
        // A timer that rang is not set any more; the engine sets it again where it was too early.
        self.timers.remove(&key);
        self.tell(Input::TimerFired { key })
    }
    /// An input of before, late: attempts that are over, pauses that were lifted.
    fn again(&mut self, which: usize) -> Result<(), Wrong> {
        let late = |input: &&Input| match input {
            Input::Begin | Input::AttemptEnded { .. } => true,
            Input::Progress { key, .. } => !self.jobs.contains_key(key),
            _ => false,
        };
        let all: Vec<&Input> = self.heard.iter().filter(late).collect();
        let Some(input) = all.get(which % all.len().max(1)).map(|input| (*input).clone()) else {
            return Ok(());
        };
        let done = self.run(input.clone());
        match done.facts.first() {
            None => Ok(()),
            Some(fact) => {
                let what = format!("a late {input:?} made {}", fact_text(fact));
                Err(Wrong::new("an input that comes late changes nothing", what))
            }
        }
    }
    /// The units in doubt.
    pub(super) fn in_doubt(&self) -> Vec<UnitKey> {
        let mut units = Vec::new();
        for (node, state) in self.state.nodes.iter() {
            for (unit, index) in state.units.iter().zip(0_u32..) {
                if matches!(unit.phase, Phase::InDoubt { .. }) {
                    let item = state.each.then_some(index);
                    units.push(UnitKey { node: node.clone(), item });
                }
            }
        }
        units
    }
    fn answer(&mut self, which: usize, how: &str, one: bool) -> Result<(), Wrong> {
        let all = self.in_doubt();
        let Some(unit) = all.get(which % all.len().max(1)) else { return Ok(()) };
        let answer = match how {
            "done" if one => Answer::Done(Json::of(&json!([{"u": unit_text(unit), "said": true}]))),
            // The same for every unit of the node that is in doubt.
            "done" => Answer::Done(Json::of(&json!([SAID_OF_ALL]))),
            "failed" => Answer::Failed,
            _ => Answer::RunAgain,
        };
        let item = unit.item.filter(|_| one);
        if how == "again" {
            let same =
                |other: &&UnitKey| other.node == unit.node && (item.is_none() || *other == unit);
            self.told_again.extend(all.iter().filter(same).cloned());
        }
        let NodeKey { node, iteration } = unit.node.clone();
        self.tell(Input::Answer { node, iteration, item, answer })
    }
    fn crash(&mut self, reboot: bool, survivors: usize) -> Result<(), Wrong> {
        let undone = std::mem::take(&mut self.undone);
        self.state = super::check::packed_and_back(&self.state)?;
        self.timers.clear();
        self.to_continue = false;
        if reboot {
            self.boot += 1;
            self.monotonic = 0;
        }
        self.pass(10);
        if self.state.status().is_ended() {
            self.jobs.clear();
            return Ok(());
        }
        let mut not_begun = BTreeSet::new();
        for effect in undone {
            if let Effect::Start(job) = effect {
                not_begun.insert(job.key);
            }
        }
        let mut bits = survivors;
        self.jobs.retain(|_, (_, stopped)| {
            bits = bits.rotate_right(1);
            *stopped = false;
            !reboot && bits % 2 == 1
        });
        // The engine may know of attempts only; whoever has died already says so later.
        let alive = self.jobs.keys().cloned().collect();
        self.tell(Input::Recovered { alive, not_begun })
    }

    /// Whether nothing is under way that would bring the next input.
    pub(super) fn is_still(&self) -> bool {
        self.jobs.is_empty()
            && self.timers.is_empty()
            && self.undone.is_empty()
            && !self.to_continue
    }
    /// Lets everything come to its end: attempts end well, timers fire, people answer.
    pub(super) fn drain(&mut self) -> Result<(), Wrong> {
        self.make(Move::Parallel { most: 64 })?;
        if self.state.status() == a2n_proto::execution::ExecutionStatus::Pending {
            self.tell(Input::Begin)?;
        }
        self.make(Move::Resume)?;
        for _ in 0..MANY {
            self.act()?;
            if self.state.status().is_ended() {
                return self.rest();
            }
            if !self.jobs.is_empty() {
                self.make(Move::Ok { which: 0, items: 1 })?;
            } else if self.to_continue {
                self.to_continue = false;
                self.tell(Input::Continue)?;
            } else if self.timers.is_empty() {
                self.named_wait()?;
                // Room that came without an input is used with the next one.
                let before = self.facts.len();
                self.tell(Input::Continue)?;
                if self.facts.len() == before && self.in_doubt().is_empty() {
                    let what = format!("{:?}", self.state.status());
                    return Err(Wrong::new("an execution ends or waits for something", what));
                }
                self.make(Move::Answer { which: 0, how: "done", one: true })?;
            } else {
                self.make(Move::Next)?;
            }
        }
        Err(Wrong::new("an execution ends", format!("not within {MANY} moves")))
    }
    /// Where nothing moves, the state says why.
    pub(super) fn named_wait(&self) -> Result<(), Wrong> {
        let named = self.state.paused_reason().is_some() || self.limits.parallel == 0;
        if self.is_still() && !self.state.status().is_ended() && !named && !self.state.has_ready() {
            let what = format!("{:?} without a reason", self.state.status());
            return Err(Wrong::new("an execution ends or waits for something named", what));
        }
        Ok(())
    }
    /// After the end: nothing runs, no timer is set, and nothing comes of anything.
    fn rest(&mut self) -> Result<(), Wrong> {
        self.act()?;
        if !self.timers.is_empty() {
            let what = format!("{:?}", self.timers.keys());
            return Err(Wrong::new("no timer outlives its execution", what));
        }
        super::check::at_the_end(self)
    }
}

/// What an attempt gives: items that say which unit they are of.
fn outcome(job: &Job, items: usize) -> Outcome {
    let unit = unit_text(&UnitKey::of(&job.key));
    let item = |n: usize| Json::of(&json!({"x": n, "u": unit}));
    Outcome::Items(Handles::from([("output".to_owned(), (0..items).map(item).collect())]))
}
