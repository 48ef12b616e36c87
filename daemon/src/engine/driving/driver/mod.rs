//! The driver owns every live execution. It brings inputs to the pure step one at a time, hands
//! what came of it to the store, and does the effects after that commit.
//!
//! The state in memory runs ahead of the store, never beside it: writes go to the store in the
//! order of the steps, and nothing is answered, started or shown before its write is committed.
//! Where a write fails, the execution's state is read again from the store before it goes on.

mod acting;
mod admitting;
mod asks;
mod crossing;
mod deciding;
mod mending;
mod parking;
mod quarantine;
mod requests;

pub(in crate::engine::driving) use quarantine::told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::execution::Execution;
use a2n_proto::{ExecutionId, Timestamp, WorkflowId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::alarm::Alarm;
use super::desk::Desk;
use super::handle::{Ask, Engine, Gauges, Load, Observer, Tuning};
use super::inbox::Inbox;
use super::live::Live;
use super::parked::Parked;
use super::places::Places;
use super::plans::Plans;
use super::rates::Rates;
use super::runner::Runner;
use super::safe_mode::SafeMode;
use super::slots::{self, Slots};
use super::start::Starter;
use super::stuck::Stuck;
use super::timers::Timers;
use crate::engine::effect::Effect;
use crate::engine::execution::UnitKey;
use crate::engine::job::{Executor, JobEnd, JobKey};
use crate::engine::request::Reply;
use crate::store::logs::LogStore;
use crate::store::{self, Store};
use crate::system::{Later, Mark, System};

/// Asks that may wait for the driver. A caller beyond it waits in its own task, so the socket's
/// in-flight limits bound memory.
const ASKS: usize = 1_024;
/// Asks and ends taken in one round before timers are looked at again.
const ROUND: usize = 256;
/// How long after a failed write an execution's state is read again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How much longer than its steps a daemon that stops waits for a store that takes no writes.
const LAST_CHANCE: Duration = Duration::from_secs(3);

/// What comes back to the driver: from the store's writer and from running attempts. Unbounded as
/// a channel, bounded by the writes and the attempts that are under way.
#[derive(Debug)]
pub(in crate::engine::driving) enum Back {
    Written {
        id: ExecutionId,
        effects: Vec<Effect>,
        /// The attempt whose end was written.
        carries: Option<JobKey>,
        /// Whether it accepted the execution.
        accepts: bool,
        result: Result<(), store::Error>,
    },
    /// An execution made the engine fail: how often by now.
    Counted(ExecutionId, Result<u32, store::Error>),
    /// It is put aside.
    PutAside(ExecutionId, String, Result<(), store::Error>),
    /// The execution turned out to be another one, accepted earlier.
    Withdrawn(ExecutionId),
    JobEnded(JobKey, Box<JobEnd>),
    Progress(JobKey, u8, Option<String>),
    /// A request is answered.
    Replied {
        id: ExecutionId,
        unit: UnitKey,
        n: u32,
        reply: Box<Reply>,
    },
    /// A wish for permits of a lock is granted.
    Granted {
        id: ExecutionId,
        unit: UnitKey,
        n: u32,
    },
    /// Another one came after one that waits to be the last.
    Superseded {
        id: ExecutionId,
        unit: UnitKey,
        n: u32,
    },
    /// A request of this execution could not be answered now.
    Unanswered(ExecutionId, store::Error),
}

/// Everything the driver works with.
#[derive(Debug)]
pub struct Parts {
    /// Where executions are kept.
    pub store: Store,
    /// Where events are told.
    pub inbox: Inbox,
    /// Where their lines are kept.
    pub logs: LogStore,
    /// The world.
    pub system: System,
    /// Who carries attempts out.
    pub executor: Arc<dyn Executor>,
    /// Plans of workflow versions.
    pub plans: Arc<Plans>,
    /// Whether nodes that touch the world may run in workflows that executions start.
    pub outside_steps: bool,
    /// Which boot of the machine this is.
    pub boot: String,
    /// How the engine is tuned; read at each step.
    pub tuning: watch::Receiver<Arc<Tuning>>,
    /// Who is told what happens.
    pub observer: Arc<dyn Observer>,
    /// How long running attempts may take to end when the daemon stops.
    pub stop_grace: Duration,
    /// Whether nothing is accepted for now.
    pub safe_mode: SafeMode,
    /// Where those are listed that can't go on.
    pub stuck: Stuck,
    /// Tells the next start which execution the engine was deciding about when it died.
    pub mark: Arc<dyn Mark>,
}

/// The owner of all live executions.
#[derive(Debug)]
pub struct Driver {
    parts: Parts,
    runner: Runner,
    desk: Desk,
    asks: mpsc::Receiver<Ask>,
    backs: mpsc::UnboundedReceiver<Back>,
    back: mpsc::UnboundedSender<Back>,
    live: BTreeMap<ExecutionId, Live>,
    timers: Timers,
    /// Bytes that live executions were started with.
    live_bytes: usize,
    /// Who has slots, and executions with work that waits for one.
    slots: Slots,
    /// How often node definitions may be used, and executions with work that waits for that.
    rates: Rates,
    /// Who of each workflow's executions may run.
    places: Places,
    /// The timers of executions that are not in memory.
    parked: Parked,
    /// Executions that were read into memory in this round.
    woken: Vec<ExecutionId>,
    /// Workflows with a limit whose holders of places are known.
    known: BTreeSet<WorkflowId>,
    /// The workflow that last had its turn when there was room in memory.
    last_filled: Option<WorkflowId>,
    /// How many unfinished executions the store had when it was last asked, and how many were accepted
    /// since.
    unfinished: u64,
    /// Whom to tell when an execution's end is committed.
    waiters: BTreeMap<ExecutionId, Vec<oneshot::Sender<Execution>>>,
    /// Workflows where somebody who waits may find a place now.
    freed: BTreeSet<WorkflowId>,
    /// Executions whose state is to be read again, and when.
    again: BTreeMap<ExecutionId, Duration>,
    gauges: Arc<Gauges>,
    stopping: bool,
    interrupting: bool,
    /// How long a stop waits, with nothing else left to do, for what failed writes left.
    last_chance: Option<Duration>,
}

impl Driver {
    /// A driver that nothing runs in yet, and its handle.
    pub fn new(parts: Parts) -> (Self, Engine) {
        let (asks_in, asks) = mpsc::channel(ASKS);
        let gauges = Arc::new(Gauges::default());
        let (back, backs) = mpsc::unbounded_channel();
        let runner = Runner::new(
            Arc::clone(&parts.executor),
            parts.logs.clone(),
            parts.system.clone(),
            back.clone(),
        );
        let mut rates = Rates::default();
        rates.set(&parts.tuning.borrow().rates);
        let engine = Engine { asks: asks_in, gauges: Arc::clone(&gauges) };
        let starter = Starter {
            store: parts.store.clone(),
            plans: Arc::clone(&parts.plans),
            engine: engine.clone(),
            system: parts.system.clone(),
            outside_steps: parts.outside_steps,
        };
        let desk = Desk::new(starter, parts.inbox.clone(), parts.tuning.clone(), back.clone());
        let driver = Self {
            parts,
            runner,
            desk,
            asks,
            backs,
            back,
            live: BTreeMap::new(),
            timers: Timers::default(),
            live_bytes: 0,
            slots: Slots::default(),
            rates,
            places: Places::default(),
            freed: BTreeSet::new(),
            parked: Parked::default(),
            woken: Vec::new(),
            known: BTreeSet::new(),
            last_filled: None,
            unfinished: 0,
            waiters: BTreeMap::new(),
            again: BTreeMap::new(),
            gauges,
            stopping: false,
            interrupting: false,
            last_chance: None,
        };
        (driver, engine)
    }

    /// Runs until `stop`, then lets running attempts end within the grace, then stops them.
    /// `hurry` cuts the grace short.
    pub async fn run(mut self, stop: CancellationToken, hurry: CancellationToken) {
        let mut alarm = Alarm::default();
        let mut grace: Option<Later<'static, ()>> = None;
        let mut untuned = false;
        loop {
            if self.stopping && self.is_idle() {
                if self.is_settled() {
                    return;
                }
                if self.last_chance.is_none() {
                    self.take_last_chance();
                    // Perhaps that was all, and nothing would wake it up.
                    continue;
                }
            }
            self.gauges.set(self.load());
            alarm.set(self.next_wall(), self.next_running(), &self.parts.system);
            tokio::select! {
                biased;
                Some(back) = self.backs.recv() => {
                    self.take_back(back);
                    for _ in 1..ROUND {
                        match self.backs.try_recv() {
                            Ok(back) => self.take_back(back),
                            Err(_) => break,
                        }
                    }
                }
                () = stop.cancelled(), if !self.stopping => {
                    self.stopping = true;
                    grace = Some(self.parts.system.clock.sleep(self.parts.stop_grace));
                }
                () = hurry.cancelled(), if grace.is_some() => {
                    grace = None;
                    self.interrupt();
                }
                () = async { match grace.as_mut() { Some(g) => g.await, None => std::future::pending().await } } => {
                    grace = None;
                    self.interrupt();
                }
                Some(ask) = self.asks.recv() => {
                    self.take_ask(ask);
                    for _ in 1..ROUND {
                        match self.asks.try_recv() {
                            Ok(ask) => self.take_ask(ask),
                            Err(_) => break,
                        }
                    }
                }
                () = alarm.ring() => self.take_timers(),
                () = std::future::ready(()), if self.has_places_to_give() => {}
                changed = self.parts.tuning.changed(), if !untuned => match changed {
                    Ok(()) => self.rates.set(&self.parts.tuning.borrow().rates),
                    // Nobody will tune it any more.
                    Err(_) => untuned = true,
                },
            }
            // Not only an attempt's end frees a slot: a start that was not stored does, and an
            // execution that is let go.
            self.feed_hungry();
            self.feed_limited();
            self.wake_due();
            self.fill_places();
            self.let_woken_go();
        }
    }

    fn load(&self) -> Load {
        Load {
            live: self.live.len(),
            jobs: self.slots.taken(),
            slots: self.parts.tuning.borrow().parallel_jobs as usize,
            hungry: self.slots.waiting(),
            limited: self.rates.waiting(),
            queued: self.places.queued(),
            timers: self.timers.len() + self.parked.len(),
            again: self.again.len(),
        }
    }

    fn is_idle(&self) -> bool {
        // What a failed write left is worth waiting for until the grace is over.
        let settled = self.again.is_empty() || self.interrupting;
        self.slots.taken() == 0 && settled && self.live.values().all(|live| live.writes == 0)
    }

    fn slot_limits(&self, tuning: &Tuning) -> slots::Limits {
        slots::Limits {
            all: tuning.parallel_jobs as usize,
            per_workflow: tuning.parallel_jobs_per_workflow as usize,
        }
    }

    fn next_wall(&self) -> Option<Timestamp> {
        // While memory is full nothing is woken, and what ends wakes the loop.
        let parked = self.parked.next().filter(|_| !self.stopping && !self.is_full());
        [self.timers.next_wall(), parked].into_iter().flatten().min()
    }

    fn next_running(&self) -> Option<Duration> {
        let again = self.again.values().min().copied();
        [self.timers.next_running(), again, self.rates.due()].into_iter().flatten().min()
    }

    fn engine_origin(&self) -> store::Origin {
        store::Origin::daemon(self.parts.system.now(), "ENGINE")
    }
}
