//! What happens in the world between two steps.

use std::collections::BTreeSet;

use a2n_proto::execution::Decision;
use a2n_proto::identity::Role;
use a2n_proto::{Json, Timestamp, UserId};
use serde_json::json;

use super::World;
use crate::engine::approval::{Ballot, Voter};
use crate::engine::effect::{Due, Effect, TimerKey};
use crate::engine::execution::{NodeKey, Phase, UnitKey};
use crate::engine::input::{Answer, Input};
use crate::engine::job::{Job, JobEnd, JobKey};
use crate::engine::kind::{Handles, NodeError, Outcome};
use crate::engine::request::Request;
use crate::engine::scenario::{fact_text, unit_text};
use crate::engine::tests::simulation::check::{Wrong, packed_and_back};
use crate::engine::tests::simulation::desk::Asker;
use crate::engine::tests::simulation::members::OUTSIDE;
use crate::engine::tests::simulation::moves::Move;

/// What a person says that came of all units of a node at once: of none by its name.
pub(in crate::engine::tests::simulation) const SAID_OF_ALL: &str = "said of all";

/// Timers that may fire one after the other without an end.
const MANY: usize = 5_000;

impl World<'_> {
    /// Makes a move.
    pub(in crate::engine::tests::simulation) fn make(&mut self, this: Move) -> Result<(), Wrong> {
        if let Some(journal) = &mut self.journal {
            journal.push_str(&format!("  {this:?}\n"));
        }
        if !matches!(this, Move::Crash { undone: true, .. }) {
            self.act()?;
            self.desk.agrees(&self.state)?;
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
            Move::Reply { which } => self.reply(which, true),
            Move::Refuse { which } => self.reply(which, false),
            Move::Vote { which, who, yes } => self.vote(which, who, yes),
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
            Move::Crash { reboot, survivors, .. } => self.crash(reboot, survivors),
            Move::Parallel { .. }
            | Move::Budget { .. }
            | Move::Others { .. }
            | Move::Tokens { .. }
            | Move::Clock { .. } => {
                self.turn(this);
                Ok(())
            }
        }
    }

    /// The world is another one from now on; the engine hears of it with its next input.
    fn turn(&mut self, this: Move) {
        match this {
            Move::Parallel { most } => self.limits.parallel = most,
            Move::Budget { units } => self.limits.units_per_step = units,
            Move::Others { permits } => self.desk.others = permits,
            Move::Tokens { each } => {
                let of_each = |each| OUTSIDE.iter().map(move |kind| ((*kind).to_owned(), each));
                self.limits.tokens = each.map(|each| of_each(each).collect()).unwrap_or_default();
            }
            Move::Clock { ms } => self.now += ms,
            _ => {}
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

    fn reply(&mut self, which: usize, well: bool) -> Result<(), Wrong> {
        let open = self.desk.open.keys().filter(|asker| !well || self.desk.may_answer(asker));
        let open: Vec<Asker> = open.cloned().collect();
        let Some(asker) = open.get(which % open.len().max(1)) else { return Ok(()) };
        let reply = match well {
            true => self.desk.answer(asker, Timestamp::from_unix_ms(self.now))?,
            false => self.desk.refuse(asker),
        };
        let (unit, n) = asker.clone();
        self.tell(Input::Replied { unit, n, reply: Box::new(reply) })
    }

    fn vote(&mut self, which: usize, who: u8, yes: bool) -> Result<(), Wrong> {
        let is_asked = |request: &Request| matches!(request, Request::Approval(_));
        let open = self.desk.open.iter().filter(|(_, request)| is_asked(request));
        let open: Vec<Asker> = open.map(|(asker, _)| asker.clone()).collect();
        let Some((unit, n)) = open.get(which % open.len().max(1)) else { return Ok(()) };
        let voter = Voter {
            user: UserId::from_bytes([who; 16]),
            name: who.to_string(),
            also: Vec::new(),
            groups: Vec::new(),
            role: Role::User,
            may_run: true,
            is_starter: false,
        };
        let decision = if yes { Decision::Approve } else { Decision::Reject };
        let NodeKey { node, iteration } = unit.node.clone();
        self.tell(Input::Vote {
            node,
            iteration,
            item: unit.item,
            voter: Box::new(voter),
            ballot: Ballot { decision, comment: None, form: Json::null() },
        })?;
        // The desk has the votes that were counted so far.
        let asked = self.state.requests().find(|(open, at, ..)| (open, at) == (unit, n));
        if let Some((.., request)) = asked {
            self.desk.open.insert((unit.clone(), *n), request.clone());
        }
        Ok(())
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
                let all = [TimerKey::Wait, TimerKey::Retry, TimerKey::Request];
                keys.extend(all.map(|key| key(unit.clone())));
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
            Input::Begin => self.state.started_at().is_some(),
            Input::AttemptEnded { .. } | Input::Replied { .. } => true,
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
        self.state = packed_and_back(&self.state)?;
        self.timers.clear();
        self.to_continue = false;
        self.desk.restart(&self.state);
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
        self.recover(Input::Recovered { alive, not_begun })
    }

    /// What is open is asked again only by this very step.
    fn recover(&mut self, input: Input) -> Result<(), Wrong> {
        self.step(input.clone())?;
        self.heard.push(input);
        self.act()
    }
}

/// What an attempt gives: items that say which unit they are of.
fn outcome(job: &Job, items: usize) -> Outcome {
    let unit = unit_text(&UnitKey::of(&job.key));
    let item = |n: usize| Json::of(&json!({"x": n, "u": unit}));
    Outcome::Items(Handles::from([("output".to_owned(), (0..items).map(item).collect())]))
}
