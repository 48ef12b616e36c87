//! A small text form for workflows, scripts and journals, and stand-in definitions, for tests.
//!
//! A workflow's form is told in `text`. A script: one input per line (see [`Run::play`]). A journal:
//! `>` an input, a fact as it is, `!` an effect.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::document::Repeat;
use a2n_proto::execution::{Decision, ExecutionStatus, NodeStatus};
use a2n_proto::identity::Role as UserRole;
use a2n_proto::nodes::NodeCredentials;
use a2n_proto::{ExecutionId, Json, Timestamp, UserId, WorkflowId};
use serde_json::{Map, Value, json};

use super::approval::{ApprovalRequest, Approvers, Ballot, OnExpiry, Voter};
use super::effect::{Due, Effect, TimerKey};
use super::execution::{NodeKey, Start, State, UnitKey};
use super::fact::Fact;
use super::input::{Answer, Env, Input, Limits};
use super::job::{Job, JobEnd};
use super::kind::{
    Handles, Inputs, Iterations, Kind, Kinds, NodeError, Outcome, Over, Role, Runs, Work, WorksOn,
};
use super::plan::Plan;
use super::request::Request;
use super::request::lock::LockRequest;
use super::request::pace::DebounceRequest;
use super::request::shared::{SharedAction, SharedRequest, SharedScope};
use super::step::{Step, step};

mod text;

pub(crate) use text::document;

pub(crate) fn plan(text: &str) -> Plan {
    Plan::new(&document(text), &Stands).unwrap()
}

/// The stand-in definitions.
#[derive(Debug)]
pub(crate) struct Stands;

#[derive(Debug)]
struct Stand {
    name: &'static str,
    works_on: WorksOn,
    runs: Runs,
    repeat: Repeat,
}

const STANDS: &[(&str, WorksOn, Runs, Repeat)] = &[
    ("set", WorksOn::Each, Runs::Inline, Repeat::Pure),
    ("if", WorksOn::Each, Runs::Inline, Repeat::Pure),
    ("filter", WorksOn::Each, Runs::Inline, Repeat::Pure),
    // Each element of `of` becomes an item.
    ("list", WorksOn::Each, Runs::Inline, Repeat::Pure),
    ("all", WorksOn::All, Runs::Inline, Repeat::Pure),
    ("merge", WorksOn::All, Runs::Inline, Repeat::Pure),
    ("wait", WorksOn::All, Runs::Inline, Repeat::Retryable),
    ("stop", WorksOn::All, Runs::Inline, Repeat::Pure),
    ("loop", WorksOn::All, Runs::Inline, Repeat::Pure),
    ("try", WorksOn::All, Runs::Inline, Repeat::Pure),
    ("break", WorksOn::All, Runs::Inline, Repeat::Pure),
    // Fails (`kind`), or panics.
    ("bad", WorksOn::Each, Runs::Inline, Repeat::Pure),
    ("job", WorksOn::Each, Runs::Outside, Repeat::Once),
    ("get", WorksOn::Each, Runs::Outside, Repeat::Retryable),
    ("bulk", WorksOn::All, Runs::Outside, Repeat::Once),
    // Asks for a shared value; the script replies.
    ("ask", WorksOn::Each, Runs::Inline, Repeat::Retryable),
    // Asks people; the script votes.
    ("sure", WorksOn::Each, Runs::Inline, Repeat::Retryable),
    // Waits for a lock, gives it back, lets others come.
    ("lock", WorksOn::All, Runs::Inline, Repeat::Retryable),
    ("free", WorksOn::All, Runs::Inline, Repeat::Retryable),
    ("calm", WorksOn::Each, Runs::Inline, Repeat::Retryable),
    // Deprecated, and needs a credential.
    ("old", WorksOn::Each, Runs::Inline, Repeat::Pure),
];

impl Kinds for Stands {
    fn find(&self, reference: &str) -> Option<Arc<dyn Kind>> {
        let (name, version) = reference.split_once('@').unwrap_or((reference, "1.0.0"));
        let found = STANDS.iter().find(|stand| stand.0 == name && version == "1.0.0")?;
        let &(name, works_on, runs, repeat) = found;
        Some(Arc::new(Stand { name, works_on, runs, repeat }))
    }
    fn names(&self) -> Vec<String> {
        STANDS.iter().map(|stand| stand.0.to_owned()).filter(|name| name != "old").collect()
    }
}

impl Kind for Stand {
    fn name(&self) -> &str {
        self.name
    }
    fn version(&self) -> &str {
        "1.0.0"
    }
    fn works_on(&self) -> WorksOn {
        self.works_on
    }
    fn runs(&self) -> Runs {
        self.runs
    }
    fn role(&self) -> Role {
        match self.name {
            "loop" => Role::Loop,
            "try" => Role::Try,
            "break" => Role::Break,
            _ => Role::Step,
        }
    }
    fn repeat(&self, _: &Value) -> Repeat {
        self.repeat
    }
    fn inputs(&self) -> Inputs {
        match self.name {
            "merge" => Inputs::Numbered,
            _ => Inputs::Named(vec!["input".into()]),
        }
    }
    fn outputs(&self, _: &Value) -> Vec<String> {
        match self.name {
            "if" => vec!["true".into(), "false".into()],
            "loop" => vec!["done".into(), "loop".into()],
            "try" => vec!["try".into(), "catch".into()],
            "stop" | "break" => Vec::new(),
            "sure" => vec!["approved".into(), "rejected".into()],
            _ => vec!["output".into()],
        }
    }
    fn settings_schema(&self) -> &Value {
        static ANY: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| json!({}));
        static FILTER: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| {
            json!({
                "type": "object",
                "properties": {"where": {"type": ["string", "boolean"]}},
                "required": ["where"],
                "additionalProperties": false,
            })
        });
        static JOB: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| {
            json!({
                "type": "object",
                "properties": {
                    "script": {"type": "string"},
                    "count": {"type": "integer", "minimum": 1},
                    "mode": {"enum": ["FAST", "SLOW"]},
                },
            })
        });
        match self.name {
            "filter" => &FILTER,
            "job" => &JOB,
            _ => &ANY,
        }
    }
    fn constant_paths(&self) -> &[&str] {
        if self.name == "job" { &["script"] } else { &[] }
    }
    fn is_deprecated(&self) -> bool {
        self.name == "old"
    }
    fn credentials(&self) -> NodeCredentials {
        match self.name {
            "old" => NodeCredentials { required: true, types: vec!["API_KEY".into()] },
            _ => NodeCredentials::default(),
        }
    }
    fn compute(&self, work: &Work) -> Result<Outcome, NodeError> {
        let items: Vec<Json> = work.items.values().flatten().cloned().collect();
        let to = |handle: &str, items| Outcome::Items(Handles::from([(handle.to_owned(), items)]));
        let truth = || work.config["where"] == json!(true);
        Ok(match self.name {
            "set" => {
                let mut map: Map<String, Value> = items[0].to().unwrap_or_default();
                map.extend(work.config.as_object().cloned().unwrap_or_default());
                to("output", vec![Json::of(&map)])
            }
            "if" => to(if truth() { "true" } else { "false" }, items),
            "filter" => to("output", if truth() { items } else { Vec::new() }),
            "list" => {
                let of = work.config["of"].as_array().cloned().unwrap_or_default();
                to("output", of.into_iter().map(Json::from).collect())
            }
            "wait" => {
                let until =
                    work.now.plus(Duration::from_millis(work.config["ms"].as_u64().unwrap()));
                Outcome::WaitUntil(until, Handles::from([("output".to_owned(), items)]))
            }
            "stop" => {
                let failed = work.config["status"] == json!("FAILED");
                let status =
                    if failed { ExecutionStatus::Failed } else { ExecutionStatus::Success };
                Outcome::Stop(status, work.config["message"].as_str().map(ToOwned::to_owned))
            }
            "loop" => {
                let over = match (work.config.get("forEach"), work.config.get("while")) {
                    (Some(list), _) => Over::List(Arc::new(Json::of(list).to().unwrap())),
                    (None, Some(_)) => Over::Rounds,
                    (None, None) => Over::Input,
                };
                let batch = work.config["batch"].as_u64().map_or(1, |n| u32::try_from(n).unwrap());
                let last_only = over == Over::Rounds;
                return Ok(Outcome::Loop(Iterations { over, batch, last_only }));
            }
            "try" => return Ok(Outcome::Try(items)),
            "break" => return Ok(Outcome::Break(items)),
            "ask" => Outcome::Request(Box::new(Request::Shared(SharedRequest {
                scope: SharedScope::Workflow,
                key: work.config["key"].as_str().unwrap_or("k").to_owned(),
                action: SharedAction::Get,
            }))),
            "sure" => Outcome::Request(Box::new(Request::Approval(Box::new(ApprovalRequest {
                message: "sure?".to_owned(),
                form: None,
                approvers: Approvers {
                    users: Vec::new(),
                    groups: Vec::new(),
                    roles: vec![UserRole::User],
                },
                quorum: work.config["quorum"].as_u64().and_then(|n| n.try_into().ok()).unwrap_or(1),
                no_self_approval: false,
                reason_required: false,
                until: work.config["ms"]
                    .as_u64()
                    .map(|ms| work.now.plus(Duration::from_millis(ms))),
                on_expiry: match work.config["onExpiry"].as_str() {
                    Some("APPROVE") => OnExpiry::Approve,
                    Some("REJECT") => OnExpiry::Reject,
                    _ => OnExpiry::Fail,
                },
                items: work.items.values().flatten().cloned().collect(),
                votes: Vec::new(),
            })))),
            "lock" => Outcome::Request(Box::new(Request::Lock(LockRequest {
                name: "l".to_owned(),
                limit: 1,
                permits: 1,
                then: Handles::from([("output".to_owned(), items)]),
            }))),
            "free" => {
                Outcome::Release("l".to_owned(), Handles::from([("output".to_owned(), items)]))
            }
            "calm" => Outcome::Request(Box::new(Request::Debounce(DebounceRequest {
                key: "k".to_owned(),
                until: work.now.plus(Duration::from_millis(100)),
                items,
            }))),
            "bad" => match work.config["kind"].as_str() {
                Some("PANIC") => panic!("as asked"),
                kind => return Err(NodeError::new(kind.unwrap_or("EXIT"), "it went wrong")),
            },
            _ => to("output", items),
        })
    }
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

impl<'p> Run<'p> {
    pub(crate) fn new(plan: &'p Plan) -> Self {
        Self::with(plan, start())
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
        for fact in &done.facts {
            writeln!(self.journal, "  {}", fact_text(fact)).unwrap();
        }
        self.folded += done.folded.len();
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
        let voter = Voter {
            user: UserId::from_bytes([name.as_bytes()[0]; 16]),
            name: name.to_owned(),
            also: Vec::new(),
            groups: Vec::new(),
            role: UserRole::User,
            may_run: true,
            is_starter: false,
        };
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

/// Plays a script over a workflow and gives only where it ended.
pub(crate) fn check_end(workflow: &str, script: &str) -> String {
    let plan = plan(workflow);
    let mut run = Run::new(&plan);
    run.play(script);
    run.outcome()
}

fn node_text(key: &NodeKey) -> String {
    match key.iteration.as_str() {
        "" => key.node.clone(),
        path => format!("{}[{path}]", key.node),
    }
}

pub(crate) fn unit_text(unit: &UnitKey) -> String {
    let item = unit.item.map(|item| format!("#{item}")).unwrap_or_default();
    node_text(&unit.node) + &item
}

fn timer_text(key: &TimerKey) -> String {
    match key {
        TimerKey::Timeout => "timeout".to_owned(),
        TimerKey::Wait(unit) => format!("wait {}", unit_text(unit)),
        TimerKey::Retry(unit) => format!("retry {}", unit_text(unit)),
        TimerKey::Request(unit) => format!("request {}", unit_text(unit)),
    }
}

fn request_text(request: &Request) -> String {
    match request {
        Request::Shared(shared) => format!("shared `{}`", shared.key),
        Request::Approval(approval) => approval.detail(),
        Request::Emit(emit) => format!("emit {}", emit.event_type),
        Request::Event(event) => event.detail(),
        Request::Child(child) => format!("workflow `{}`", child.workflow),
        Request::Lock(lock) => format!("{} of lock `{}`", lock.permits, lock.name),
        Request::Throttle(throttle) => format!("throttle `{}`", throttle.key),
        Request::Debounce(debounce) => format!("debounce `{}`", debounce.key),
    }
}

pub(crate) fn fact_text(fact: &Fact) -> String {
    match fact {
        Fact::Began { .. } => "began".into(),
        Fact::NodeStarted { node, units, each, .. } => {
            let units = if *each { format!(" {units} items") } else { String::new() };
            format!("{} started{units}", node_text(node))
        }
        Fact::NodeSkipped { node, .. } => format!("{} skipped", node_text(node)),
        Fact::AttemptStarted { unit, n, .. } => format!("{} attempt {n}", unit_text(unit)),
        Fact::AttemptEnded { unit, n, error, lost, .. } => {
            let how = error.as_ref().map_or("ok", |error| &error.kind);
            let lost = if *lost { " lost" } else { "" };
            format!("{} attempt {n} ended {how}{lost}", unit_text(unit))
        }
        Fact::UnitTakenOver { unit, .. } => format!("{} taken over", unit_text(unit)),
        Fact::UnitDone { unit, output } => format!("{} done {}", unit_text(unit), Json::of(output)),
        Fact::UnitFailed { unit, error, .. } => format!("{} failed: {error}", unit_text(unit)),
        Fact::UnitBackoff { unit, until } => {
            format!("{} again at {}", unit_text(unit), until.as_unix_ms())
        }
        Fact::UnitWaiting { unit, until, .. } => {
            format!("{} waits until {}", unit_text(unit), until.as_unix_ms())
        }
        Fact::UnitRequested { unit, request, .. } => {
            format!("{} asks: {}", unit_text(unit), request_text(request))
        }
        Fact::LockTaken { held } => {
            format!("{} holds {} of `{}`", unit_text(&held.unit), held.permits, held.name)
        }
        Fact::LockReleased { name } => format!("`{name}` is free"),
        Fact::UnitInDoubt { unit, .. } => format!("{} in doubt", unit_text(unit)),
        Fact::UnitInside { unit, output } => {
            format!("{} goes in{}", unit_text(unit), sent_text(output))
        }
        Fact::Caught { node, caught } => format!("{} caught {}", node_text(node), caught.item),
        Fact::LoopBegan { node, .. } => format!("loop {} began", node_text(node)),
        Fact::LoopSkipped { node, .. } => format!("loop {} passed by", node_text(node)),
        Fact::IterationBegan { node, index, .. } => {
            format!("loop {} iteration {index}", node_text(node))
        }
        Fact::IterationEnded { node, index, left, result } => {
            let left = left
                .iter()
                .map(|((node, handle), sent)| format!(" {node}.{handle}:{}", sent.items.len()));
            let back = result.as_ref().map(|sent| format!(" back:{}", sent.items.len()));
            let left = left.collect::<String>() + &back.unwrap_or_default();
            format!("loop {} iteration {index} over{left}", node_text(node))
        }
        Fact::IterationFolded { node, index, .. } => {
            format!("loop {} iteration {index} put away", node_text(node))
        }
        Fact::LoopClosing { node, broken } => {
            let how = if broken.is_some() { "broken" } else { "closing" };
            format!("loop {} {how}", node_text(node))
        }
        Fact::LoopEnded { node } => format!("loop {} over", node_text(node)),
        Fact::FinallyBegan { status } => format!("came to {status:?}, now what runs at the end"),
        Fact::FinallyFailed { failure } => {
            format!("{} failed at the end", node_text(&failure.node))
        }
        Fact::FinallyStopped { why } => format!("ending at the end: {}", ending_text(why)),
        Fact::UnitReady { unit } => format!("{} ready", unit_text(unit)),
        Fact::UnitCancelled { unit } => format!("{} cancelled", unit_text(unit)),
        Fact::NodeEnded { node, status, output, .. } => {
            format!("{} {status:?}{}", node_text(node), sent_text(output))
        }
        Fact::Progressed { node, percent, .. } => format!("{} at {percent} %", node_text(node)),
        Fact::FailureNoted { failure } => format!("failure noted: {}", node_text(&failure.node)),
        Fact::EndingBegan { why } => format!("ending: {}", ending_text(why)),
        Fact::PauseAsked { .. } => "pause asked".into(),
        Fact::PauseLifted => "pause lifted".into(),
        Fact::Paused { reason, ran_ms } => format!("paused {reason:?} after {ran_ms}"),
        Fact::Resumed { ran_ms, .. } => format!("running, {ran_ms} so far"),
        Fact::Ended { status, .. } => format!("ended {status:?}"),
    }
}

fn sent_text(output: &super::execution::Output) -> String {
    let sent = output.handles.iter();
    sent.map(|(handle, sent)| format!(" {handle}:{}", sent.items.len())).collect()
}

fn ending_text(why: &super::execution::Ending) -> String {
    use super::execution::Ending;
    match why {
        Ending::Cancelled { .. } => "cancelled".into(),
        Ending::Failed(failure) => format!("{} failed", failure.node.node),
        Ending::TimedOut { after_ms } => format!("timed out after {after_ms}"),
        Ending::Stopped { node, status, .. } => format!("{} stopped it {status:?}", node.node),
    }
}
