//! A running execution, as the engine keeps it: its beginning and all [facts](super::fact::Fact)
//! since.
//!
//! The step is the only one that makes facts; [`State::apply`] is the only one that changes a state.
//!
//! | execution from | to |
//! |---|---|
//! | PENDING | RUNNING, PAUSED (and back), CANCELLED |
//! | RUNNING | PAUSED, SUCCESS, FAILED, CANCELLED |
//! | PAUSED | RUNNING, SUCCESS, FAILED, CANCELLED |

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::execution::{ExecutionStatus, PausedReason};
use a2n_proto::{ExecutionId, Json, Timestamp, UserId, WorkflowId};
use serde::{Deserialize, Serialize};

use super::job::JobKey;
use super::kind::NodeError;
use super::plan::{Plan, PlanNode};
use super::request::Request;

mod fold;
mod frame;
mod node;
mod nodes;
mod units;

pub use frame::{Finally, Folded, Frame, Round, below, depth, index, prefix};
pub(in crate::engine) use node::handles_bytes;
pub use node::{AttemptState, DoneItem, NodeState, Output, Phase, Sent, UnitState};
pub use nodes::Nodes;
pub use units::Units;

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
    pub(super) nodes: Nodes,
    /// Loops that were come to.
    pub(in crate::engine) frames: BTreeMap<NodeKey, Frame>,
    /// What each `try` that is not over has caught.
    pub(super) caught: BTreeMap<NodeKey, Caught>,
    pub(super) failure: Option<Failure>,
    pub(super) ending: Option<Ending>,
    /// Set once all else is over and nodes with `finally` run.
    pub(super) finally: Option<Finally>,
    /// What the results of all nodes come to.
    pub(super) result_bytes: u64,
    /// Permits that it holds, in the order in which it got them.
    pub(super) held: Vec<Held>,
}

/// How an execution begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The execution.
    pub execution: ExecutionId,
    /// Its workflow.
    pub workflow: WorkflowId,
    /// Whose workflow that is: who shares what is kept and locked by name.
    pub owner: UserId,
    /// The person who started it; none where a trigger did.
    pub started_by: Option<UserId>,
    /// The number of the newest event when it was accepted.
    pub inbox: u64,
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
    /// The execution that had it started.
    pub parent: Option<Parent>,
    /// Results taken over from that one; moved into the nodes when the state is made.
    pub carried: BTreeMap<NodeKey, NodeState>,
    /// What that one did with single items of nodes that run again; forgotten as those nodes end.
    pub done_before: BTreeMap<NodeKey, Vec<DoneItem>>,
}

/// The execution that had another one started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parent {
    /// Which.
    pub execution: ExecutionId,
    /// The attempt that waits for the end; none where nothing does.
    pub asker: Option<(UnitKey, u32)>,
    /// How many executions stand above the one that was started.
    pub depth: u32,
    /// Whether it was started because another one failed, or stands below one that was: then no
    /// error workflow is started for it.
    pub handles_error: bool,
}

impl Parent {
    /// The same for an execution that nothing waits for.
    pub fn without_asker(&self) -> Self {
        Self { asker: None, ..self.clone() }
    }
}

/// Permits of a lock that an execution holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The lock's name.
    pub name: String,
    /// Which unit got them.
    pub unit: UnitKey,
    /// In which attempt.
    pub n: u32,
    /// How many.
    pub permits: u32,
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

/// What a `try` caught.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Caught {
    /// What failed, and why.
    pub failure: Failure,
    /// The item as it leaves through the handle `catch`.
    pub item: Json,
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

/// Loops that are over, and failures that a `try` has taken, of an earlier execution: what its nodes'
/// results do not tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Finished {
    /// The loops.
    pub frames: BTreeMap<NodeKey, Frame>,
    /// The failures.
    pub caught: BTreeMap<NodeKey, Caught>,
}

impl State {
    /// An execution that was accepted and has not begun, and has taken over whole loops and the like.
    pub fn taking_over(start: Start, finished: Finished) -> Self {
        let mut state = Self::new(start);
        let sent = finished.frames.values().map(Frame::size_bytes).sum::<u64>();
        state.result_bytes = state.result_bytes.saturating_add(sent);
        (state.frames, state.caught) = (finished.frames, finished.caught);
        state
    }

    /// An execution that was accepted and has not begun.
    pub fn new(mut start: Start) -> Self {
        let nodes = std::mem::take(&mut start.carried);
        let done = start.done_before.values().flatten().map(|done| handles_bytes(&done.output));
        let carried = nodes.values().map(|node| node.size_bytes() as u64);
        let result_bytes = carried.chain(done).sum();
        Self {
            result_bytes,
            start,
            status: ExecutionStatus::Pending,
            paused: None,
            pause_asked: false,
            started_at: None,
            ended_at: None,
            ran_ms: 0,
            running_since: None,
            nodes: nodes.into(),
            frames: BTreeMap::new(),
            caught: BTreeMap::new(),
            failure: None,
            ending: None,
            finally: None,
            held: Vec::new(),
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
    /// Whether it is to end or has ended; then nothing starts any more. What runs at the end
    /// whatever happened starts all the same, until it is to end too.
    pub fn is_ending(&self) -> bool {
        let stopped = match &self.finally {
            Some(finally) => finally.stopped.is_some(),
            None => self.ending.is_some(),
        };
        stopped || self.status.is_ended()
    }
    /// A node's state; none while it is PENDING.
    pub fn node(&self, key: &NodeKey) -> Option<&NodeState> {
        self.nodes.get(key)
    }
    /// Whether some unit of work could start if there were room for it.
    pub fn has_ready(&self) -> bool {
        !self.is_ending()
            && !self.pause_asked
            && self.nodes.working().any(|(_, node)| node.units.n_ready() > 0)
    }
    /// The highest priority of the nodes of which a unit could start outside if nothing but room, or
    /// the rate of its definition, held it up; of those of this definition, where one is named.
    pub fn foremost(&self, plan: &Plan, definition: Option<&str>) -> Option<i32> {
        if self.is_ending() || self.pause_asked {
            return None;
        }
        let is_meant =
            |node: &&PlanNode| definition.is_none_or(|definition| node.kind.name() == definition);
        let waits = |(key, state): (&NodeKey, &NodeState)| {
            let node = plan.node(&key.node).filter(is_meant).filter(|node| !node.is_inline())?;
            let is_busy = |(_, unit): &(u32, &UnitState)| {
                matches!(unit.phase, Phase::Running { .. } | Phase::Backoff { .. })
            };
            let busy = state.units.under_way().filter(is_busy).count();
            let waits = state.units.n_ready() > 0 && busy < node.concurrency as usize;
            waits.then_some(node.priority)
        };
        self.nodes.working().filter_map(waits).max()
    }
    /// Attempts with a recorded start and no recorded end.
    pub fn running(&self) -> Vec<JobKey> {
        let mut keys = Vec::new();
        for (node, state) in self.nodes.working() {
            for (unit, n) in state.running() {
                keys.push(UnitKey { node: node.clone(), item: unit }.job(self.start.execution, n));
            }
        }
        keys
    }
    /// The earliest moment at which it goes on by itself; none where it does not.
    pub fn next_due(&self, plan: &Plan) -> Option<Timestamp> {
        let dues = self.nodes.working().flat_map(|(key, node)| {
            let timeout = plan.node(&key.node).and_then(|node| node.timeout);
            node.units.under_way().filter_map(move |(_, unit)| match unit.phase {
                Phase::Waiting { until, .. } | Phase::Backoff { until } => Some(until),
                _ => unit.requested().and_then(|(_, at, request)| request.due(at, timeout)),
            })
        });
        dues.min()
    }
    /// It is accepted; the newest event has this number.
    pub fn accepted_at(&mut self, inbox: u64) {
        self.start.inbox = inbox;
    }
    /// Permits that it holds, in the order in which it got them.
    pub fn held(&self) -> &[Held] {
        &self.held
    }
    /// Units whose request has no answer yet, with its attempt, when it was made, and what it is.
    pub fn requests(&self) -> impl Iterator<Item = (UnitKey, u32, Timestamp, &Request)> {
        self.nodes.working().flat_map(|(node, state)| {
            state.units.under_way().filter_map(|(index, unit)| {
                let (n, at, request) = unit.requested()?;
                let item = state.each.then_some(index);
                Some((UnitKey { node: node.clone(), item }, n, at, request))
            })
        })
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
    /// Taken as cancelled where it stands: for a retry of one that can't go on.
    pub fn give_up(&mut self) {
        if !self.status.is_ended() {
            self.ending.get_or_insert(Ending::Cancelled { by: None, reason: None });
            self.status = ExecutionStatus::Cancelled;
        }
    }
    /// Cuts results of nodes larger than `limit_bytes` after the end; says whether any was.
    pub fn cut(&mut self, limit_bytes: usize) -> bool {
        let is_cut = |node: &NodeState| !node.output.cut && node.size_bytes() > limit_bytes;
        let large = self.nodes.iter().filter(|(_, node)| is_cut(node));
        let large: Vec<NodeKey> = large.map(|(key, _)| key.clone()).collect();
        for key in &large {
            self.nodes.with(key, |node| {
                node.cut_bytes = u64::try_from(node.size_bytes()).unwrap_or(u64::MAX);
                node.output = Arc::new(Output { handles: BTreeMap::new(), cut: true });
                node.units.forget_results();
            });
        }
        !large.is_empty()
    }
}
