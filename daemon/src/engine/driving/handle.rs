//! The handle of the driver: what the rest of the daemon may ask of the engine.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use a2n_proto::execution::Execution;
use a2n_proto::nodes::RateLimit;
use a2n_proto::{ExecutionId, Timestamp, WorkflowId};
use tokio::sync::{mpsc, oneshot};

use super::packed::Size;
use super::places::Rule;
use crate::engine::execution::State;
use crate::engine::input::Input;
use crate::engine::plan::Plan;
use crate::engine::steering::Refusal;
use crate::store::{self, Origin, Tx, execution};

/// What is written in the same transaction as an execution's acceptance, before it: a ledger row,
/// a caller's key, an audit row.
pub type Within = Box<dyn FnOnce(&mut Tx<'_>) -> Result<Admission, store::Error> + Send>;

/// How far those are counted that wait before an execution; behind that nobody counts.
pub const COUNTED: usize = 1_000;

/// Whether an execution is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is.
    New,
    /// It was accepted before under the same key: this is it.
    Already(ExecutionId),
}

/// An execution that is to be accepted.
pub struct Beginning {
    /// The header as it is answered: PENDING, revision 1.
    pub execution: Execution,
    /// The plan of its version.
    pub plan: Arc<Plan>,
    /// How it begins.
    pub state: State,
    /// How many of its workflow's executions may run at once.
    pub rule: Rule,
    /// Who starts it.
    pub origin: Origin,
    /// What is written with it.
    pub within: Option<Within>,
    /// Who is told of its end.
    pub waiter: Option<oneshot::Sender<Execution>>,
    /// Whether it belongs to what was accepted before: then it is not held up by how much is live.
    pub is_owed: bool,
}

impl fmt::Debug for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beginning").field("execution", &self.execution.id).finish_non_exhaustive()
    }
}

/// An execution that runs, as it was read from the store.
#[derive(Debug)]
pub struct Revived {
    /// Its header.
    pub execution: Execution,
    /// Its plan.
    pub plan: Arc<Plan>,
    /// Its state.
    pub state: State,
    /// How many bytes that is kept in.
    pub size: Size,
    /// How often it was taken up after it had made the engine fail.
    pub recoveries: u32,
}

/// What a start found in the store.
#[derive(Debug, Default)]
pub struct Found {
    /// Executions that run.
    pub running: Vec<Revived>,
    /// Those that have not begun.
    pub queued: Vec<execution::Queued>,
    /// The earliest timers of those that are paused.
    pub timers: Vec<(Timestamp, ExecutionId)>,
    /// How many executions of a workflow may run at once, for all workflows of the above.
    pub rules: Vec<(WorkflowId, Rule)>,
}

/// How the engine may be tuned while it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuning {
    /// Attempts that run outside at once, over all executions.
    pub parallel_jobs: u32,
    /// Attempts of one workflow's executions that run outside at once.
    pub parallel_jobs_per_workflow: u32,
    /// Attempts of one execution that run outside at once.
    pub parallel_jobs_per_execution: u32,
    /// Executions that are in memory at once; above it what is accepted waits in the store.
    pub max_live: usize,
    /// Bytes that executions in memory were started with; the same.
    pub max_live_bytes: usize,
    /// Executions that were accepted and have not ended; above it nothing is accepted.
    pub max_unfinished: u64,
    /// Largest output of a node that is kept whole after its execution ended, bytes.
    pub output_cut_bytes: usize,
    /// Outputs of an ended execution larger than this together are not all in its header.
    pub output_data_bytes: usize,
    /// Bytes that all results of an execution may come to.
    pub result_bytes: u64,
    /// How often an execution may make the engine fail without getting on; 0 without end.
    pub quarantine_after: u32,
    /// Largest inputs that an execution is started with.
    pub max_input_bytes: usize,
    /// Environment variables that expressions may see.
    pub allowed_env: Arc<BTreeMap<String, String>>,
    /// How often node definitions may be used, by name, as the administrator says.
    pub rates: Arc<BTreeMap<String, RateLimit>>,
    /// How much executions may share.
    pub shared: SharedLimits,
    /// Whether loopback and private addresses and Unix sockets may be called.
    pub private_addresses: bool,
}

/// How much the executions of a workflow, or of all workflows of an owner, may share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedLimits {
    /// Longest name of a value.
    pub key_bytes: usize,
    /// Largest value.
    pub value_bytes: usize,
    /// Most values.
    pub keys: u64,
}

impl Default for SharedLimits {
    fn default() -> Self {
        Self { key_bytes: 256, value_bytes: 64 * 1024, keys: 10_000 }
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            parallel_jobs: 64,
            parallel_jobs_per_workflow: 64,
            parallel_jobs_per_execution: 64,
            max_live: 10_000,
            max_live_bytes: 64 << 20,
            max_unfinished: 2_000_000,
            output_cut_bytes: 64 * 1024,
            output_data_bytes: 4 * 1024 * 1024,
            result_bytes: 24 << 20,
            quarantine_after: 3,
            max_input_bytes: 1024 * 1024,
            allowed_env: Arc::default(),
            rates: Arc::default(),
            shared: SharedLimits::default(),
            private_addresses: true,
        }
    }
}

/// Is told what happens with executions. Must not wait.
pub trait Observer: Send + Sync + fmt::Debug {
    /// An execution is live: about to be accepted, or taken up again.
    fn began(&self, execution: &Execution);
    /// An execution was accepted, durably.
    fn accepted(&self, execution: &Execution);
    /// An execution has ended, durably.
    fn ended(&self, execution: &Execution);
    /// An execution is no longer live: it has ended, or was not accepted.
    fn gone(&self, execution: &Execution);
    /// An attempt outside has ended: the kind of error, none where it went well.
    fn attempt_ended(&self, kind: &str, error: Option<&str>);
}

/// What the engine has under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Executions in memory.
    pub live: usize,
    /// Attempts that run outside.
    pub jobs: usize,
    /// Attempts that may run outside at once.
    pub slots: usize,
    /// Executions that wait for a slot.
    pub hungry: usize,
    /// Executions that wait until a node definition may be used again.
    pub limited: usize,
    /// Executions that wait for a place among their workflow's.
    pub queued: usize,
    /// Timers that are set.
    pub timers: usize,
    /// Executions whose state is read again, because a write failed.
    pub again: usize,
}

/// What a workflow has under way and wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// Which.
    pub workflow: WorkflowId,
    /// Attempts that run outside.
    pub jobs: usize,
    /// Executions that wait for a slot.
    pub hungry: usize,
    /// Executions that have not begun.
    pub queued: usize,
}

/// Why the engine did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Too many executions have not ended; nothing was accepted.
    #[error("{limit} executions have not ended already; nothing was accepted")]
    Overloaded {
        /// How many may be.
        limit: u64,
    },
    /// All places of the workflow are taken, and its policy is REJECT; nothing was accepted.
    #[error(
        "workflow `{workflow}` runs {limit} at once, and execution {by} has not ended; nothing was \
         accepted (policy REJECT)"
    )]
    Rejected {
        /// The workflow.
        workflow: String,
        /// How many may run at once.
        limit: usize,
        /// One that has not ended.
        by: ExecutionId,
    },
    /// As many executions of the workflow wait as may; nothing was accepted.
    #[error("{limit} executions of workflow `{workflow}` wait already; nothing was accepted")]
    QueueFull {
        /// The workflow.
        workflow: String,
        /// How many may wait.
        limit: usize,
    },
    /// All places of the workflow are held by executions that wait for this one; nothing was accepted.
    #[error(
        "workflow `{workflow}` runs {limit} at once, and execution {by}, which does, waits for this one \
         itself or through others: neither would ever end"
    )]
    Ring {
        /// The workflow.
        workflow: String,
        /// How many may run at once.
        limit: usize,
        /// One that holds a place.
        by: ExecutionId,
    },
    /// The daemon is stopping; nothing was accepted.
    #[error("the daemon is stopping; nothing was accepted")]
    Stopping,
    /// The execution that asked for it does not want it any more; nothing was accepted.
    #[error("nobody waits for it any more; nothing was accepted")]
    Unwanted,
    /// The execution is not live: it has ended, or there is none.
    #[error("execution {0} is not live")]
    NotLive(ExecutionId),
    /// The execution is in a state that does not allow it; nothing was changed.
    #[error(transparent)]
    Refused(Refusal),
    /// The input changed nothing.
    #[error("that makes no difference to execution {0} as it stands")]
    NoDifference(ExecutionId),
    /// The step panicked; the daemon's log has the place.
    #[error("the engine failed in this step; this is a fault of A2N")]
    Panicked,
    /// The daemon is in safe mode; nothing was accepted.
    #[error("the daemon is in safe mode: {0}")]
    SafeMode(String),
    /// The store did not take it.
    #[error("failed to store it")]
    Store(#[source] store::Error),
}

/// How a beginning was received.
#[derive(Debug)]
pub enum Accepted {
    /// It is durable; this is its header as accepted.
    New(Box<Execution>),
    /// It was accepted before under the same key.
    Already(ExecutionId),
}

/// What the driver is asked.
pub(super) enum Ask {
    Start(Box<Beginning>, oneshot::Sender<Result<Accepted, Error>>),
    Tell {
        id: ExecutionId,
        input: Box<Input>,
        origin: Origin,
        within: Within,
        reply: oneshot::Sender<Result<Execution, Error>>,
    },
    Wait(ExecutionId, oneshot::Sender<Execution>),
    Snapshot(ExecutionId, oneshot::Sender<Option<(Arc<Plan>, State)>>),
    Recover(Box<Found>, oneshot::Sender<()>),
    Rule(WorkflowId, Box<Rule>),
    Gone(WorkflowId),
    Over(WorkflowId, ExecutionId),
    Queued(execution::Queued, oneshot::Sender<Option<usize>>),
    Load(oneshot::Sender<Load>),
    Busiest(oneshot::Sender<Vec<Busy>>),
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start(..) => "Start",
            Self::Tell { .. } => "Tell",
            Self::Wait(..) => "Wait",
            Self::Snapshot(..) => "Snapshot",
            Self::Recover(..) => "Recover",
            Self::Rule(..) => "Rule",
            Self::Gone(..) => "Gone",
            Self::Over(..) => "Over",
            Self::Queued(..) => "Queued",
            Self::Load(..) => "Load",
            Self::Busiest(..) => "Busiest",
        })
    }
}

/// The load as last seen by the driver, for those who may not wait for it.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    live: AtomicUsize,
    jobs: AtomicUsize,
    slots: AtomicUsize,
    hungry: AtomicUsize,
    limited: AtomicUsize,
    queued: AtomicUsize,
    timers: AtomicUsize,
    again: AtomicUsize,
}

impl Gauges {
    pub(super) fn set(&self, load: Load) {
        self.live.store(load.live, Ordering::Relaxed);
        self.jobs.store(load.jobs, Ordering::Relaxed);
        self.slots.store(load.slots, Ordering::Relaxed);
        self.hungry.store(load.hungry, Ordering::Relaxed);
        self.limited.store(load.limited, Ordering::Relaxed);
        self.queued.store(load.queued, Ordering::Relaxed);
        self.timers.store(load.timers, Ordering::Relaxed);
        self.again.store(load.again, Ordering::Relaxed);
    }
}

/// Cheap to clone; every method answers after the commit that makes its answer true.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) gauges: Arc<Gauges>,
}

impl Engine {
    async fn ask<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(make(reply)).await.map_err(|_| Error::Stopping)?;
        answer.await.map_err(|_| Error::Stopping)
    }

    /// Accepts an execution; it is durable when this answers.
    pub async fn start(&self, beginning: Box<Beginning>) -> Result<Accepted, Error> {
        self.ask(|reply| Ask::Start(beginning, reply)).await?
    }
    /// Brings a person's input (cancel, pause, resume, answer) to a live execution. `within` is
    /// written in the same transaction as what it changes.
    pub async fn tell(
        &self,
        id: ExecutionId,
        input: Input,
        origin: Origin,
        within: Within,
    ) -> Result<Execution, Error> {
        let input = Box::new(input);
        self.ask(|reply| Ask::Tell { id, input, origin, within, reply }).await?
    }
    /// Ends with the execution's header once its end is committed; an error where it is not live.
    pub async fn wait(&self, id: ExecutionId) -> Result<Execution, Error> {
        self.ask(|reply| Ask::Wait(id, reply)).await.map_err(|_| Error::NotLive(id))
    }
    /// The present state of a live execution, which may be one commit ahead of the store.
    pub async fn snapshot(&self, id: ExecutionId) -> Result<Option<(Arc<Plan>, State)>, Error> {
        self.ask(|reply| Ask::Snapshot(id, reply)).await
    }
    /// Takes up unfinished executions again.
    pub async fn recover(&self, found: Found) -> Result<(), Error> {
        self.ask(|reply| Ask::Recover(Box::new(found), reply)).await
    }
    /// A workflow's rule has changed: those that wait may find a place now.
    pub async fn rule(&self, workflow: WorkflowId, rule: Rule) {
        // An engine that has stopped reads it at the next start.
        let _ = self.asks.send(Ask::Rule(workflow, Box::new(rule))).await;
    }
    /// An execution that the engine does not hold was ended: its place is free.
    pub async fn over(&self, workflow: WorkflowId, id: ExecutionId) {
        let _ = self.asks.send(Ask::Over(workflow, id)).await;
    }
    /// A workflow was deleted: what waited for a place in it never begins.
    pub async fn workflow_gone(&self, workflow: WorkflowId) {
        let _ = self.asks.send(Ask::Gone(workflow)).await;
    }
    /// How many executions wait for a place before this one, counted up to [`COUNTED`]; none where
    /// it does not wait for one.
    pub async fn queued_before(&self, one: execution::Queued) -> Result<Option<usize>, Error> {
        self.ask(|reply| Ask::Queued(one, reply)).await
    }
    /// What was under way a moment ago; never waits.
    pub fn last_load(&self) -> Load {
        let of = |gauge: &AtomicUsize| gauge.load(Ordering::Relaxed);
        let Gauges { live, jobs, slots, hungry, limited, queued, timers, again } = &*self.gauges;
        Load {
            live: of(live),
            jobs: of(jobs),
            slots: of(slots),
            hungry: of(hungry),
            limited: of(limited),
            queued: of(queued),
            timers: of(timers),
            again: of(again),
        }
    }
    /// The few workflows that have or want most.
    pub async fn busiest(&self) -> Result<Vec<Busy>, Error> {
        self.ask(Ask::Busiest).await
    }
    /// What is under way; an answer shows that the driver is well.
    pub async fn load(&self) -> Result<Load, Error> {
        self.ask(Ask::Load).await
    }
}
