//! A running execution, as the engine keeps it: a fold of [`Fact`]s over its beginning.
//!
//! The step is the only one that makes facts; [`State::apply`] is the only one that changes a state.
//!
//! | execution from | to |
//! |---|---|
//! | PENDING | RUNNING, CANCELLED |
//! | RUNNING | PAUSED, SUCCESS, FAILED, CANCELLED |
//! | PAUSED | RUNNING, SUCCESS, FAILED, CANCELLED |

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::execution::{ExecutionStatus, NodeStatus, PausedReason};
use a2n_proto::{ExecutionId, Json, Timestamp, WorkflowId};
use serde::{Deserialize, Serialize};

use super::fact::Fact;
use super::job::JobKey;
use super::kind::{Handles, Item, NodeError};

/// Everything about one execution that the engine needs to go on after a crash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub(super) start: Start,
    pub(super) status: ExecutionStatus,
    pub(super) paused: Option<PausedReason>,
    pub(super) pause_asked: bool,
    pub(super) started_at: Option<Timestamp>,
    pub(super) ended_at: Option<Timestamp>,
    /// Running time up to `running_since`, milliseconds.
    pub(super) ran_ms: u64,
    pub(super) running_since: Option<Moment>,
    /// Nodes that are not PENDING; those are left out.
    pub(super) nodes: BTreeMap<NodeKey, NodeState>,
    pub(super) failure: Option<Failure>,
    pub(super) ending: Option<Ending>,
}

/// How an execution begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The execution.
    pub execution: ExecutionId,
    /// Its workflow.
    pub workflow: WorkflowId,
    /// The version it runs.
    pub version: u32,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// What the trigger brought (`trigger` in expressions).
    pub trigger: Json,
    /// The inputs (`inputs` in expressions).
    pub inputs: Json,
    /// The one item that start nodes get.
    pub payload: Json,
    /// The execution it retries.
    pub retry_of: Option<ExecutionId>,
    /// Results taken over from that one; moved into the nodes when the state is made.
    pub carried: BTreeMap<NodeKey, NodeState>,
}

/// A point on the clock that measures running time: CLOCK_MONOTONIC of one boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Which boot.
    pub boot: String,
    /// Milliseconds since it.
    pub ms: u64,
}

/// Which node, in which iteration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeKey {
    /// The node's id in the document.
    pub node: String,
    /// Path of loop iterations as text, empty outside loops.
    pub iteration: String,
}

impl NodeKey {
    /// A node outside loops.
    pub fn outside_loops(node: &str) -> Self {
        Self { node: node.to_owned(), iteration: String::new() }
    }
}

/// Which unit of work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnitKey {
    /// The node.
    pub node: NodeKey,
    /// The item's index; none where the node works on ALL.
    pub item: Option<u32>,
}

impl UnitKey {
    /// The job key of one of its attempts.
    pub fn job(&self, execution: ExecutionId, attempt: u32) -> JobKey {
        JobKey {
            execution,
            node: self.node.node.clone(),
            iteration: self.node.iteration.clone(),
            item: self.item,
            attempt,
        }
    }
    /// The unit that a job key is about.
    pub fn of(job: &JobKey) -> Self {
        Self {
            node: NodeKey { node: job.node.clone(), iteration: job.iteration.clone() },
            item: job.item,
        }
    }
    fn index(&self) -> usize {
        self.item.map_or(0, |item| item as usize)
    }
}

/// One node that is not PENDING.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeState {
    /// Where it stands.
    pub status: NodeStatus,
    /// When it became ready.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Whether each unit is one item; else there is one unit.
    pub each: bool,
    /// Its units of work.
    pub units: Vec<UnitState>,
    /// What it sent on, once it ended.
    pub output: Arc<Output>,
    /// Why it failed.
    pub error: Option<NodeError>,
    /// How far it is.
    pub progress: Option<(u8, Option<String>)>,
    /// Whether the result was taken over from the execution that this one retries.
    pub carried: bool,
}

/// One unit of work: one item of a node that works on EACH, or everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitState {
    /// Where it stands.
    pub phase: Phase,
    /// Its tries. Empty where it was computed at once and well.
    pub attempts: Vec<AttemptState>,
}

/// Where a unit of work stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Phase {
    /// May be started.
    Ready,
    /// An attempt runs: its start is recorded, its end is not.
    Running {
        /// The attempt.
        n: u32,
    },
    /// Will be tried again.
    Backoff {
        /// When.
        until: Timestamp,
    },
    /// Only waits.
    Waiting {
        /// Until when.
        until: Timestamp,
        /// What it then passes on.
        then: Handles,
    },
    /// A person has to say how it ended.
    InDoubt {
        /// The attempt whose end is not known.
        n: u32,
    },
    /// Done.
    Done {
        /// What came out; moved to the node when that ends.
        output: Handles,
    },
    /// Its last attempt failed.
    Failed {
        /// Why.
        error: NodeError,
        /// The last attempt.
        n: u32,
    },
    /// Stopped before its end.
    Cancelled,
}

impl Phase {
    /// Whether nothing more happens with it.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed { .. } | Self::Cancelled)
    }
}

/// One try.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptState {
    /// From 1.
    pub n: u32,
    /// When its start was committed.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Exit code or HTTP status.
    pub exit: Option<i32>,
    /// Why it failed.
    pub error: Option<NodeError>,
    /// Whether its real end is not known; it then does not count as a failure.
    pub lost: bool,
}

/// What a node sent on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// By handle.
    pub handles: BTreeMap<String, Sent>,
    /// Whether items were cut away after the end; then it can't be used again.
    pub cut: bool,
}

/// What left through one handle.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// The items.
    pub items: Vec<Item>,
    /// For each item the number of the input item it came from, over all input handles in order.
    /// Empty where that is lost (nodes that work on ALL).
    pub from: Vec<u32>,
}

/// A failure of one node that fails the execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The node.
    pub node: NodeKey,
    /// Why.
    pub error: NodeError,
    /// Attempts after the first.
    pub retries: u32,
}

/// Why an execution is to end before every node is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Ending {
    /// Someone cancelled it.
    Cancelled {
        /// Who.
        by: Option<String>,
        /// Why.
        reason: Option<String>,
    },
    /// A node failed it.
    Failed(Failure),
    /// It ran longer than `settings.timeout`.
    TimedOut {
        /// The limit, milliseconds.
        after_ms: u64,
    },
    /// A node said so (`stop`).
    Stopped {
        /// The node.
        node: NodeKey,
        /// SUCCESS or FAILED.
        status: ExecutionStatus,
        /// For people.
        message: Option<String>,
    },
}

impl Ending {
    /// The status it leads to.
    pub fn status(&self) -> ExecutionStatus {
        match self {
            Self::Cancelled { .. } => ExecutionStatus::Cancelled,
            Self::Failed(_) | Self::TimedOut { .. } => ExecutionStatus::Failed,
            Self::Stopped { status, .. } => *status,
        }
    }
}

impl State {
    /// An execution that was accepted and has not begun.
    pub fn new(mut start: Start) -> Self {
        let nodes = std::mem::take(&mut start.carried);
        Self {
            start,
            status: ExecutionStatus::Pending,
            paused: None,
            pause_asked: false,
            started_at: None,
            ended_at: None,
            ran_ms: 0,
            running_since: None,
            nodes,
            failure: None,
            ending: None,
        }
    }
    /// How it began.
    pub fn start(&self) -> &Start {
        &self.start
    }
    /// Where it stands.
    pub fn status(&self) -> ExecutionStatus {
        self.status
    }
    /// Why it is PAUSED.
    pub fn paused_reason(&self) -> Option<PausedReason> {
        self.paused
    }
    /// When it first was RUNNING.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started_at
    }
    /// When it ended.
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.ended_at
    }
    /// Whether it is to end or has ended; then nothing starts any more.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some() || self.status.is_ended()
    }
    /// A node's state; none while it is PENDING.
    pub fn node(&self, key: &NodeKey) -> Option<&NodeState> {
        self.nodes.get(key)
    }
    /// Whether some unit of work could start if there were room for it.
    pub fn has_ready(&self) -> bool {
        !self.is_ending()
            && self.nodes.values().any(|node| {
                node.status == NodeStatus::Running
                    && node.units.iter().any(|unit| unit.phase == Phase::Ready)
            })
    }
    /// Attempts with a recorded start and no recorded end.
    pub fn running(&self) -> Vec<JobKey> {
        let mut keys = Vec::new();
        for (node, state) in &self.nodes {
            for (unit, n) in state.running() {
                keys.push(UnitKey { node: node.clone(), item: unit }.job(self.start.execution, n));
            }
        }
        keys
    }
    /// Running time so far.
    pub fn ran(&self, now: &Moment) -> Duration {
        // The stretch before a reboot that had no end recorded is not counted: nobody measured it.
        let stretch = match &self.running_since {
            Some(since) if since.boot == now.boot => now.ms.saturating_sub(since.ms),
            _ => 0,
        };
        Duration::from_millis(self.ran_ms.saturating_add(stretch))
    }
    /// Cuts outputs larger than `limit_bytes` after the end; says whether any was.
    pub fn cut(&mut self, limit_bytes: usize) -> bool {
        let mut any = false;
        for node in self.nodes.values_mut() {
            if !node.output.cut && node.output.size_bytes() > limit_bytes {
                node.output = Arc::new(Output { handles: BTreeMap::new(), cut: true });
                any = true;
            }
        }
        any
    }

    /// Folds one fact in.
    pub fn apply(&mut self, fact: &Fact) {
        match fact {
            Fact::Began { at, moment } => {
                self.status = ExecutionStatus::Running;
                self.started_at = Some(*at);
                self.running_since = Some(moment.clone());
            }
            Fact::FailureNoted { failure } => self.failure = Some(failure.clone()),
            Fact::EndingBegan { why } => self.ending = Some(why.clone()),
            Fact::PauseAsked { .. } => self.pause_asked = true,
            Fact::PauseLifted => self.pause_asked = false,
            Fact::Paused { reason, ran_ms } => {
                self.status = ExecutionStatus::Paused;
                self.paused = Some(*reason);
                self.ran_ms = *ran_ms;
                self.running_since = None;
            }
            Fact::Resumed { moment, ran_ms } => {
                self.status = ExecutionStatus::Running;
                self.paused = None;
                self.ran_ms = *ran_ms;
                self.running_since = Some(moment.clone());
            }
            Fact::Ended { at, status } => {
                self.status = *status;
                self.ended_at = Some(*at);
                self.paused = None;
                self.running_since = None;
            }
            _ => self.apply_to_node(fact),
        }
    }

    fn apply_to_node(&mut self, fact: &Fact) {
        match fact {
            Fact::NodeStarted { node, at, units, each } => {
                self.nodes.insert(node.clone(), NodeState::started(*at, *units, *each));
            }
            Fact::NodeSkipped { node, at } => {
                self.nodes.insert(node.clone(), NodeState::skipped(*at));
            }
            Fact::NodeEnded { node, at, status, output, error } => {
                let state = self.nodes.entry(node.clone()).or_insert_with(NodeState::unstarted);
                state.status = *status;
                state.ended_at = Some(*at);
                state.output = Arc::clone(output);
                state.error.clone_from(error);
                for unit in &mut state.units {
                    // The items stand in the node's output now.
                    if let Phase::Done { output } = &mut unit.phase {
                        output.clear();
                    }
                }
            }
            Fact::Progressed { node, percent, detail } => {
                if let Some(state) = self.nodes.get_mut(node) {
                    state.progress = Some((*percent, detail.clone()));
                }
            }
            _ => self.apply_to_unit(fact),
        }
    }

    fn apply_to_unit(&mut self, fact: &Fact) {
        match fact {
            Fact::AttemptStarted { unit, n, at } => self.with_unit(unit, |state| {
                state.phase = Phase::Running { n: *n };
                state.attempts.push(AttemptState {
                    n: *n,
                    started_at: *at,
                    ended_at: None,
                    exit: None,
                    error: None,
                    lost: false,
                });
            }),
            Fact::AttemptEnded { unit, n, at, exit, error, lost } => {
                self.with_unit(unit, |state| {
                    if let Some(attempt) = state.attempts.iter_mut().rfind(|a| a.n == *n) {
                        attempt.ended_at = Some(*at);
                        attempt.exit = *exit;
                        attempt.error.clone_from(error);
                        attempt.lost = *lost;
                    }
                });
            }
            Fact::UnitDone { unit, output } => {
                self.set_phase(unit, Phase::Done { output: output.clone() });
            }
            Fact::UnitFailed { unit, n, error } => {
                self.set_phase(unit, Phase::Failed { error: error.clone(), n: *n });
            }
            Fact::UnitBackoff { unit, until } => {
                self.set_phase(unit, Phase::Backoff { until: *until });
            }
            Fact::UnitWaiting { unit, until, then } => {
                self.set_phase(unit, Phase::Waiting { until: *until, then: then.clone() });
            }
            Fact::UnitInDoubt { unit, n } => self.set_phase(unit, Phase::InDoubt { n: *n }),
            Fact::UnitReady { unit } => self.set_phase(unit, Phase::Ready),
            Fact::UnitCancelled { unit } => self.set_phase(unit, Phase::Cancelled),
            _ => {}
        }
    }

    fn set_phase(&mut self, unit: &UnitKey, phase: Phase) {
        self.with_unit(unit, |state| state.phase = phase);
    }

    fn with_unit(&mut self, unit: &UnitKey, change: impl FnOnce(&mut UnitState)) {
        if let Some(state) =
            self.nodes.get_mut(&unit.node).and_then(|node| node.units.get_mut(unit.index()))
        {
            change(state);
        }
    }

    pub(super) fn unit(&self, unit: &UnitKey) -> Option<&UnitState> {
        self.nodes.get(&unit.node)?.units.get(unit.index())
    }
}

impl NodeState {
    fn unstarted() -> Self {
        Self {
            status: NodeStatus::Pending,
            started_at: None,
            ended_at: None,
            each: false,
            units: Vec::new(),
            output: Arc::new(Output::default()),
            error: None,
            progress: None,
            carried: false,
        }
    }
    fn started(at: Timestamp, units: u32, each: bool) -> Self {
        let unit = UnitState { phase: Phase::Ready, attempts: Vec::new() };
        Self {
            status: NodeStatus::Running,
            started_at: Some(at),
            each,
            units: vec![unit; units as usize],
            ..Self::unstarted()
        }
    }
    fn skipped(at: Timestamp) -> Self {
        Self { status: NodeStatus::Skipped, ended_at: Some(at), ..Self::unstarted() }
    }
    /// Whether it is over.
    pub fn is_settled(&self) -> bool {
        !matches!(self.status, NodeStatus::Pending | NodeStatus::Running)
    }
    /// Attempts after the first, over all units.
    pub fn retries(&self) -> u32 {
        self.units
            .iter()
            .map(|unit| u32::try_from(unit.attempts.len()).unwrap_or(u32::MAX).saturating_sub(1))
            .fold(0, u32::saturating_add)
    }
    /// The running attempts: item and number.
    pub(super) fn running(&self) -> impl Iterator<Item = (Option<u32>, u32)> + '_ {
        self.units.iter().zip(0_u32..).filter_map(|(unit, index)| match unit.phase {
            Phase::Running { n } => Some((self.each.then_some(index), n)),
            _ => None,
        })
    }
}

impl UnitState {
    /// Ended attempts that count as failures.
    pub(super) fn failures(&self) -> u32 {
        let failed = self.attempts.iter().filter(|a| a.error.is_some() && !a.lost).count();
        u32::try_from(failed).unwrap_or(u32::MAX)
    }
    /// The number of the next attempt.
    pub(super) fn next_attempt(&self) -> u32 {
        self.attempts.last().map_or(1, |a| a.n.saturating_add(1))
    }
}

impl Output {
    /// The items of one handle; none where nothing left through it.
    pub fn items(&self, handle: &str) -> &[Item] {
        self.handles.get(handle).map_or(&[], |sent| sent.items.as_slice())
    }
    /// Whether nothing left through any handle.
    pub fn is_empty(&self) -> bool {
        self.handles.values().all(|sent| sent.items.is_empty())
    }
    /// Size of the items' texts together.
    pub fn size_bytes(&self) -> usize {
        self.handles.values().flat_map(|sent| &sent.items).map(Json::size_bytes).sum()
    }
}
