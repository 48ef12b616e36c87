//! The driver owns every live execution. It brings inputs to the pure step one at a time, hands
//! what came of it to the store, and does the effects after that commit.
//!
//! The state in memory runs ahead of the store, never beside it: writes go to the store in the
//! order of the steps, and nothing is answered, started or shown before its write is committed.
//! Where a write fails, the execution's state is read again from the store before it goes on.

mod acting;
mod asks;
mod deciding;
mod mending;
mod requests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::{ExecutionId, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::alarm::Alarm;
use super::desk::Desk;
use super::handle::{Ask, Engine, Gauges, Load, Observer, Tuning};
use super::inbox::Inbox;
use super::live::Live;
use super::plans::Plans;
use super::runner::Runner;
use super::start::Starter;
use super::timers::Timers;
use crate::engine::effect::Effect;
use crate::engine::execution::UnitKey;
use crate::engine::job::{Executor, JobEnd, JobKey};
use crate::engine::request::Reply;
use crate::store::logs::LogStore;
use crate::store::{self, Store};
use crate::system::{Later, System};

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
    /// Plans of the workflows that executions start.
    pub plans: Arc<Plans>,
    /// Whether nodes that touch the world may run in those.
    pub outside_steps: bool,
    /// Which boot of the machine this is.
    pub boot: String,
    /// How the engine is tuned; read at each step.
    pub tuning: watch::Receiver<Arc<Tuning>>,
    /// Who is told what happens.
    pub observer: Arc<dyn Observer>,
    /// How long running attempts may take to end when the daemon stops.
    pub stop_grace: Duration,
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
    n_jobs: usize,
    /// Bytes that live executions were started with.
    live_bytes: usize,
    /// Executions with work that waits for a slot: highest priority first, then oldest.
    hungry: BTreeSet<(Reverse<i32>, Timestamp, ExecutionId)>,
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
            n_jobs: 0,
            live_bytes: 0,
            hungry: BTreeSet::new(),
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
            }
            // Not only an attempt's end frees a slot: a start that was not stored does, and an
            // execution that is let go.
            self.feed_hungry();
        }
    }

    fn load(&self) -> Load {
        Load {
            live: self.live.len(),
            jobs: self.n_jobs,
            hungry: self.hungry.len(),
            timers: self.timers.len(),
            again: self.again.len(),
        }
    }

    fn is_idle(&self) -> bool {
        // What a failed write left is worth waiting for until the grace is over.
        let settled = self.again.is_empty() || self.interrupting;
        self.n_jobs == 0 && settled && self.live.values().all(|live| live.writes == 0)
    }

    fn free_slots(&self) -> usize {
        let all = self.parts.tuning.borrow().parallel_jobs as usize;
        all.saturating_sub(self.n_jobs)
    }

    fn next_wall(&self) -> Option<Timestamp> {
        self.timers.next_wall()
    }

    fn next_running(&self) -> Option<Duration> {
        [self.timers.next_running(), self.again.values().min().copied()].into_iter().flatten().min()
    }

    fn engine_origin(&self) -> store::Origin {
        store::Origin::daemon(self.parts.system.now(), "ENGINE")
    }
}
