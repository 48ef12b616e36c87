//! A small text form for workflows, scripts and journals, and stand-in definitions, for tests.
//!
//! A workflow's form is told in `text`. A script: one input per line (see [`Run::play`]). A journal:
//! `>` an input, a fact as it is, `!` an effect.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::execution::{Decision, NodeStatus};
use a2n_proto::identity::Role as UserRole;
use a2n_proto::{ExecutionId, Json, Timestamp, UserId, WorkflowId};
use serde_json::json;

use super::approval::{Ballot, Voter};
use super::effect::{Due, Effect, TimerKey};
use super::execution::{NodeKey, Start, State, UnitKey};
use super::fact::Fact;
use super::input::{Answer, Env, Input, Limits};
use super::job::{Job, JobEnd};
use super::kind::{Handles, NodeError, Outcome};
use super::plan::Plan;
use super::step::{Step, step};

mod asking;
mod stands;
mod text;
mod words;

pub(crate) use stands::Stands;
pub(crate) use text::document;
pub(crate) use words::{fact_text, unit_text};
use words::{node_text, request_text, timer_text};

pub(crate) fn plan(text: &str) -> Plan {
    Plan::new(&document(text), &Stands).unwrap()
}

/// One execution at work in a world of its own: clock, timers and attempts that run.
#[derive(Debug, Clone)]
pub(crate) struct Run<'p> {
    pub(crate) plan: &'p Plan,
    pub(crate) state: State,
    pub(crate) now: i64,
    pub(crate) boot: u32,
    pub(crate) jobs: BTreeMap<String, Job>,
    /// Requests without an answer, each with its attempt.
    pub(crate) requests: BTreeMap<String, (UnitKey, u32)>,
    pub(crate) timers: BTreeMap<TimerKey, i64>,
    pub(crate) to_continue: bool,
    pub(crate) limits: Limits,
    pub(crate) journal: String,
    pub(crate) facts: Vec<Fact>,
    pub(crate) started: BTreeMap<String, u32>,
    /// Iterations that were taken out of the state.
    pub(crate) folded: usize,
    /// Whether nothing is written down: for measurements.
    pub(crate) silent: bool,
}

pub(crate) fn start() -> Start {
    Start {
        execution: ExecutionId::from_bytes([1; 16]),
        workflow: WorkflowId::from_bytes([2; 16]),
        owner: UserId::from_bytes([3; 16]),
        started_by: Some(UserId::from_bytes([3; 16])),
        inbox: 0,
        version: 1,
        created_at: Timestamp::from_unix_ms(0),
        trigger: Json::of(&json!({"by": "test"})),
        inputs: Json::of(&json!({"x": 1})),
        payload: Json::of(&json!({"x": 1})),
        retry_of: None,
        parent: None,
        carried: BTreeMap::new(),
        done_before: BTreeMap::new(),
    }
}

/// Somebody of this name who may run workflows.
pub(crate) fn voter(name: &str) -> Voter {
    Voter {
        user: UserId::from_bytes([name.as_bytes()[0]; 16]),
        name: name.to_owned(),
        also: Vec::new(),
        groups: Vec::new(),
        role: UserRole::User,
        may_run: true,
        is_starter: false,
    }
}

impl<'p> Run<'p> {
    pub(crate) fn new(plan: &'p Plan) -> Self {
        Self::with(plan, start())
    }
    /// One that goes on from this state.
    pub(crate) fn from(plan: &'p Plan, state: State) -> Self {
        Self { state, ..Self::new(plan) }
    }

    pub(crate) fn with(plan: &'p Plan, start: Start) -> Self {
        Self {
            plan,
            state: State::new(start),
            now: 0,
            boot: 0,
            jobs: BTreeMap::new(),
            requests: BTreeMap::new(),
            timers: BTreeMap::new(),
            to_continue: false,
            limits: Limits::default(),
            journal: String::new(),
            facts: Vec::new(),
            started: BTreeMap::new(),
            folded: 0,
            silent: false,
        }
    }

    pub(crate) fn tell(&mut self, input: Input) -> Step {
        let env = Env {
            now: Timestamp::from_unix_ms(self.now),
            boot: self.boot.to_string(),
            monotonic: Duration::from_millis(self.now.unsigned_abs()),
            inbox: 0,
            allowed: Arc::new(BTreeMap::from([("HOME".to_owned(), "/root".to_owned())])),
            limits: self.limits.clone(),
        };
        let done = step(self.plan, &mut self.state, input, &env);
        self.folded += done.folded.len();
        if self.silent {
            self.to_continue = done.effects.iter().any(|it| matches!(it, Effect::Continue));
            return done;
        }
        for fact in &done.facts {
            writeln!(self.journal, "  {}", fact_text(fact)).unwrap();
        }
        self.facts.extend(done.facts.iter().cloned());
        for effect in &done.effects {
            self.act(effect);
        }
        done
    }

    fn act(&mut self, effect: &Effect) {
        let text = match effect {
            Effect::Start(job) => {
                let unit = unit_text(&UnitKey::of(&job.key));
                *self.started.entry(unit.clone()).or_default() += 1;
                let items = Json::of(&job.items);
                self.jobs.insert(unit.clone(), (**job).clone());
                format!("start {unit} {} {items}", job.config)
            }
            Effect::Stop(key) => format!("stop {}", unit_text(&UnitKey::of(key))),
            Effect::Request { unit, n, request, .. } => {
                let name = unit_text(unit);
                self.requests.insert(name.clone(), (unit.clone(), *n));
                format!("ask {name} {n}: {}", request_text(request))
            }
            Effect::Withdraw { unit, n, .. } => {
                self.requests.remove(&unit_text(unit));
                format!("withdraw {} {n}", unit_text(unit))
            }
            Effect::Release(name) => format!("release `{name}`"),
            Effect::SetTimer { key, due } => {
                let at = match due {
                    Due::At(at) => at.as_unix_ms(),
                    Due::After(left) => self.now + i64::try_from(left.as_millis()).unwrap(),
                };
                self.timers.insert(key.clone(), at);
                format!("timer {} {at}", timer_text(key))
            }
            Effect::ClearTimer(key) => {
                self.timers.remove(key);
                format!("clear {}", timer_text(key))
            }
            Effect::Continue => {
                self.to_continue = true;
                "continue".to_owned()
            }
            Effect::Ended(status) => format!("ended {status:?}"),
        };
        writeln!(self.journal, "! {text}").unwrap();
    }

    /// Plays a script: `begin` · `ok UNIT [items]` · `fail UNIT KIND [code]` · `doubt UNIT` ·
    /// `reply UNIT [items]` · `refuse UNIT KIND` · `vote NODE NAME yes|no` · `tick MS` (and fires what is due) · `cancel` · `pause` · `resume` · `recover` ·
    /// `answer NODE done|failed|again` · `continue` · `progress UNIT PERCENT`.
    pub(crate) fn play(&mut self, script: &str) {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            writeln!(self.journal, "> {line}").unwrap();
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            match words.as_slice() {
                ["begin"] => drop(self.tell(Input::Begin)),
                ["continue"] => drop(self.tell(Input::Continue)),
                ["cancel"] => {
                    drop(self.tell(Input::Cancel { by: Some("anna".into()), reason: None }));
                }
                ["pause"] => drop(self.tell(Input::Pause { by: None })),
                ["resume"] => drop(self.tell(Input::Resume)),
                ["recover"] => self.recover(),
                ["tick", ms] => {
                    self.now += ms.parse::<i64>().unwrap();
                    self.fire();
                }
                ["answer", node, answer] => {
                    let answer = match *answer {
                        "done" => Answer::Done(Json::of(&json!({"said": true}))),
                        "failed" => Answer::Failed,
                        _ => Answer::RunAgain,
                    };
                    let (node, iteration) = node.split_once('[').unwrap_or((node, ""));
                    let iteration = iteration.trim_end_matches(']').to_owned();
                    let node = node.to_owned();
                    drop(self.tell(Input::Answer { node, iteration, item: None, answer }));
                }
                ["ok", unit] => self.end(unit, Ok(vec![Json::of(&json!({"ran": unit}))])),
                ["ok", unit, items] => {
                    self.end(unit, Ok(Json::parse(items).unwrap().to().unwrap()));
                }
                ["doubt", unit] => {
                    let error = NodeError { in_doubt: true, ..NodeError::new("TIMEOUT", "sent") };
                    self.end(unit, Err(error));
                }
                ["fail", unit, how] => {
                    let (kind, code) = how.split_once(' ').unwrap_or((how, ""));
                    let error = NodeError::new(kind, format!("failed with {how}"));
                    self.end(unit, Err(NodeError { code: code.parse().ok(), ..error }));
                }
                ["vote", node, rest] => {
                    let (name, word) = rest.split_once(' ').unwrap();
                    self.vote(node, name, word);
                }
                ["reply", unit] => self.reply(unit, Ok(vec![Json::of(&json!({"told": unit}))])),
                ["reply", unit, items] => {
                    self.reply(unit, Ok(Json::parse(items).unwrap().to().unwrap()));
                }
                ["refuse", unit, kind] => {
                    self.reply(unit, Err(NodeError::new(kind, format!("refused with {kind}"))));
                }
                ["progress", unit, percent] => {
                    let key = self.jobs[*unit].key.clone();
                    let percent = percent.parse().unwrap();
                    drop(self.tell(Input::Progress { key, percent, detail: None }));
                }
                other => panic!("not a script line: {other:?}"),
            }
        }
    }

    /// Ends the attempt that runs for a unit.
    pub(crate) fn end(&mut self, unit: &str, result: Result<Vec<Json>, NodeError>) {
        let job = self.jobs.remove(unit).expect("an attempt of this unit runs");
        let result =
            result.map(|items| Outcome::Items(Handles::from([("output".to_owned(), items)])));
        let end = Box::new(JobEnd { result, measured: Vec::new() });
        self.tell(Input::AttemptEnded { key: job.key, end });
    }

    /// Somebody says `yes` or `no` to what a node (`NODE` or `NODE#ITEM`) asks.
    fn vote(&mut self, node: &str, name: &str, word: &str) {
        let (node, item) = node.split_once('#').unwrap_or((node, ""));
        let decision = if word == "yes" { Decision::Approve } else { Decision::Reject };
        let voter = voter(name);
        self.tell(Input::Vote {
            node: node.to_owned(),
            iteration: String::new(),
            item: item.parse().ok(),
            voter: Box::new(voter),
            ballot: Ballot { decision, comment: None, form: Json::null() },
        });
    }

    /// Answers the request of a unit.
    pub(crate) fn reply(&mut self, unit: &str, result: Result<Vec<Json>, NodeError>) {
        let (unit, n) = self.requests.remove(unit).expect("this unit has asked");
        let reply =
            result.map(|items| Outcome::Items(Handles::from([("output".to_owned(), items)])));
        self.tell(Input::Replied { unit, n, reply: Box::new(reply) });
    }

    /// Fires every timer that is due, earliest first.
    pub(crate) fn fire(&mut self) {
        while let Some((key, _)) = self
            .timers
            .iter()
            .filter(|(_, at)| **at <= self.now)
            .min_by_key(|(_, at)| **at)
            .map(|(key, at)| (key.clone(), *at))
        {
            self.timers.remove(&key);
            self.tell(Input::TimerFired { key });
        }
    }

    /// Kills the daemon and starts it again: what was not committed is gone, attempts too.
    pub(crate) fn recover(&mut self) {
        let config = bincode::config::standard();
        let bytes = bincode::serde::encode_to_vec(&self.state, config).unwrap();
        let (state, _) = bincode::serde::decode_from_slice::<State, _>(&bytes, config).unwrap();
        assert_eq!(state, self.state, "the codec gives the same state");
        self.state = state;
        self.jobs.clear();
        self.requests.clear();
        self.timers.clear();
        self.to_continue = false;
        self.tell(Input::Recovered { alive: BTreeSet::new(), not_begun: BTreeSet::new() });
    }

    /// Where the execution and its nodes stand, and what came out.
    pub(crate) fn outcome(&self) -> String {
        let mut text = format!("{:?}", self.state.status());
        if let Some(reason) = self.state.paused_reason() {
            write!(text, " {reason:?}").unwrap();
        }
        for row in super::view::node_states(self.plan, &self.state, false) {
            let status = match row.status {
                NodeStatus::Pending => "-".into(),
                status => format!("{status:?}"),
            };
            let key = NodeKey { node: row.node_id, iteration: row.iteration };
            write!(text, " {}={status}", node_text(&key)).unwrap();
        }
        if let (Some(message), _) = super::view::error(self.plan, &self.state) {
            write!(text, "\n{message}").unwrap();
        }
        write!(text, "\n{}", super::view::output_data(self.plan, &self.state, usize::MAX)).unwrap();
        text
    }
}

/// Plays a script over a workflow and gives the journal.
pub(crate) fn check(workflow: &str, script: &str) -> String {
    let plan = plan(workflow);
    let mut run = Run::new(&plan);
    run.play(script);
    format!("{}{}", run.journal, run.outcome())
}

/// The same, but only what comes after a beginning that is told elsewhere.
pub(crate) fn check_after(workflow: &str, before: &str, script: &str) -> String {
    let plan = plan(workflow);
    let mut run = Run::new(&plan);
    run.play(before);
    run.journal.clear();
    run.play(script);
    format!("{}{}", run.journal, run.outcome())
}

/// Plays a script over a workflow and gives only where it ended.
pub(crate) fn check_end(workflow: &str, script: &str) -> String {
    let plan = plan(workflow);
    let mut run = Run::new(&plan);
    run.play(script);
    run.outcome()
}
