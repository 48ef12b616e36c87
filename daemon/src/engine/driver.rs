//! The driver owns every live execution. It brings inputs to the pure step one at a time, hands
//! what came of it to the store, and does the effects after that commit.
//!
//! The state in memory runs ahead of the store, never beside it: writes go to the store in the
//! order of the steps, and nothing is answered, started or shown before its write is committed.
//! Where a write fails, the execution's state is read again from the store before it goes on.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use a2n_proto::execution::Execution;
use a2n_proto::{ExecutionId, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::alarm::Alarm;
use super::effect::Effect;
use super::handle::{
    Accepted, Ask, Beginning, Engine, Error, Gauges, Load, Observer, Revived, Tuning, Within,
};
use super::input::{Env, Input, Limits};
use super::job::{Executor, JobEnd, JobKey};
use super::kind::NodeError;
use super::live::Live;
use super::persist::{self, Kept};
use super::runner::Runner;
use super::step::{Step, step};
use super::timers::Timers;
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

/// What comes back to the driver: from the store's writer and from running attempts. Unbounded as
/// a channel, bounded by the writes and the attempts that are under way.
#[derive(Debug)]
pub(super) enum Back {
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
}

/// Everything the driver works with.
#[derive(Debug)]
pub struct Parts {
    /// Where executions are kept.
    pub store: Store,
    /// Where their lines are kept.
    pub logs: LogStore,
    /// The world.
    pub system: System,
    /// Who carries attempts out.
    pub executor: Arc<dyn Executor>,
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
    asks: mpsc::Receiver<Ask>,
    backs: mpsc::UnboundedReceiver<Back>,
    back: mpsc::UnboundedSender<Back>,
    live: BTreeMap<ExecutionId, Live>,
    timers: Timers,
    n_jobs: usize,
    /// Executions with work that waits for a slot: highest priority first, then oldest.
    hungry: BTreeSet<(Reverse<i32>, Timestamp, ExecutionId)>,
    /// Executions whose state is to be read again, and when.
    again: BTreeMap<ExecutionId, Duration>,
    gauges: Arc<Gauges>,
    stopping: bool,
    interrupting: bool,
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
        let driver = Self {
            parts,
            runner,
            asks,
            backs,
            back,
            live: BTreeMap::new(),
            timers: Timers::default(),
            n_jobs: 0,
            hungry: BTreeSet::new(),
            again: BTreeMap::new(),
            gauges: Arc::clone(&gauges),
            stopping: false,
            interrupting: false,
        };
        (driver, Engine { asks: asks_in, gauges })
    }

    /// Runs until `stop`, then lets running attempts end within the grace, then stops them.
    /// `hurry` cuts the grace short.
    pub async fn run(mut self, stop: CancellationToken, hurry: CancellationToken) {
        let mut alarm = Alarm::default();
        let mut grace: Option<Later<'static, ()>> = None;
        loop {
            if self.stopping && self.is_idle() {
                return;
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

    fn take_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Start(beginning, reply) => self.accept(*beginning, reply),
            Ask::Tell { id, input, origin, within, reply } => {
                self.tell(id, *input, origin, within, reply);
            }
            Ask::Wait(id, reply) => {
                // Dropping the reply says that it is not live.
                if let Some(live) = self.live.get_mut(&id) {
                    live.waiters.push(reply);
                }
            }
            Ask::Snapshot(id, reply) => {
                let live = self.live.get(&id);
                let _ = reply.send(live.map(|l| (Arc::clone(&l.plan), l.state.clone())));
            }
            Ask::Recover(revived, reply) => {
                for one in revived {
                    self.revive(one);
                }
                let _ = reply.send(());
            }
            Ask::Load(reply) => {
                let _ = reply.send(self.load());
            }
        }
    }

    fn accept(&mut self, beginning: Beginning, reply: oneshot::Sender<Result<Accepted, Error>>) {
        let limit = self.parts.tuning.borrow().max_live;
        if self.stopping || self.live.len() >= limit {
            let error = if self.stopping { Error::Stopping } else { Error::Overloaded { limit } };
            let _ = reply.send(Err(error));
            return;
        }
        let Beginning { execution, plan, state, origin, within } = beginning;
        let id = execution.id;
        let accepted = execution.clone();
        self.parts.observer.began(&accepted);
        self.live.insert(id, Live::new(plan, state, execution));
        let Some((step, kept)) = self.decide(id, Input::Begin, origin) else {
            let _ = reply.send(Err(Error::Panicked));
            return;
        };
        let write = persist::insert(kept, accepted, within);
        let back = self.back.clone();
        let effects = step.effects;
        self.hand_over(id, write, move |result| match result {
            Ok(persist::Inserted::New(header)) => {
                let (carries, accepts) = (None, true);
                let _ = back.send(Back::Written { id, effects, carries, accepts, result: Ok(()) });
                let _ = reply.send(Ok(Accepted::New(header)));
            }
            Ok(persist::Inserted::Already(other)) => {
                let _ = back.send(Back::Withdrawn(id));
                let _ = reply.send(Ok(Accepted::Already(other)));
            }
            Err(error) => {
                // Where nobody knows whether it is stored, the store is asked before it is let go.
                let _ = back.send(match &error {
                    store::Error::Unknown { .. } => {
                        let (carries, accepts) = (None, true);
                        Back::Written { id, effects, carries, accepts, result: Err(error.clone()) }
                    }
                    _ => Back::Withdrawn(id),
                });
                let _ = reply.send(Err(Error::Store(error)));
            }
        });
    }

    fn tell(
        &mut self,
        id: ExecutionId,
        input: Input,
        origin: store::Origin,
        within: Within,
        reply: oneshot::Sender<Result<Execution, Error>>,
    ) {
        if self.live.get(&id).is_none_or(|live| live.state.status().is_ended()) {
            let _ = reply.send(Err(Error::NotLive(id)));
            return;
        }
        if self.live.get(&id).is_some_and(|live| live.held.is_some()) {
            let reason = "an earlier write of this execution failed; it is being read again";
            let error = store::Error::Refusing { reason: reason.into() };
            let _ = reply.send(Err(Error::Store(error)));
            return;
        }
        let Some((step, kept)) = self.decide(id, input, origin) else {
            let _ = reply.send(Err(Error::Panicked));
            return;
        };
        if step.facts.is_empty() {
            let _ = reply.send(Err(Error::Refused));
            return;
        }
        let header = kept.execution.clone();
        let write = persist::save(kept, Some(within));
        let back = self.back.clone();
        let effects = step.effects;
        self.hand_over(id, write, move |result| {
            let _ = reply.send(result.clone().map(|()| header).map_err(Error::Store));
            let (carries, accepts) = (None, false);
            let _ = back.send(Back::Written { id, effects, carries, accepts, result });
        });
    }

    fn revive(&mut self, revived: Revived) {
        let Revived { execution, plan, state } = revived;
        let id = execution.id;
        if self.live.contains_key(&id) {
            return;
        }
        self.parts.observer.began(&execution);
        self.live.insert(id, Live::new(plan, state, execution));
        let input = Input::Recovered { alive: BTreeSet::new(), not_begun: BTreeSet::new() };
        self.advance(id, input);
    }

    /// Brings an input to an execution and hands what came of it to the store.
    fn advance(&mut self, id: ExecutionId, input: Input) {
        self.advance_carrying(id, input, None);
    }

    fn advance_carrying(&mut self, id: ExecutionId, input: Input, carries: Option<JobKey>) {
        let origin = self.engine_origin();
        let Some((step, kept)) = self.decide(id, input, origin) else { return };
        let effects = step.effects;
        if step.facts.is_empty() {
            self.saved(id, carries);
            self.act(id, effects);
            return;
        }
        let write = persist::save(kept, None);
        let back = self.back.clone();
        self.hand_over(id, write, move |result| {
            let _ = back.send(Back::Written { id, effects, carries, accepts: false, result });
        });
    }

    /// The end of an attempt needs to be remembered no longer.
    fn saved(&mut self, id: ExecutionId, carries: Option<JobKey>) {
        if let (Some(live), Some(key)) = (self.live.get_mut(&id), carries) {
            live.ends.remove(&key);
        }
    }

    /// The pure part: one step, and the execution's record after it. None where the execution is
    /// not live or its inputs are held back.
    fn decide(
        &mut self,
        id: ExecutionId,
        input: Input,
        origin: store::Origin,
    ) -> Option<(Step, Kept)> {
        let tuning = Arc::clone(&self.parts.tuning.borrow());
        let live = self.live.get(&id)?;
        let place = (Reverse(live.execution.priority), live.execution.created_at, id);
        // Who waits and stands before this one by priority and age has the free slots first.
        let free = self.free_slots();
        let free = free - self.hungry.range(..place).take(free).count();
        let live = self.live.get_mut(&id)?;
        if let Some(held) = &mut live.held {
            held.push(input);
            return None;
        }
        let running = u32::try_from(live.jobs.len()).unwrap_or(u32::MAX);
        let room = if self.stopping { 0 } else { u32::try_from(free).unwrap_or(u32::MAX) };
        let parallel = tuning.parallel_jobs_per_execution.min(running.saturating_add(room));
        let env = Env {
            now: origin.at,
            boot: self.parts.boot.clone(),
            monotonic: self.parts.system.clock.monotonic(),
            allowed: Arc::clone(&tuning.allowed_env),
            limits: Limits { parallel, ..Limits::default() },
        };
        let decided =
            catch_unwind(AssertUnwindSafe(|| step(&live.plan, &mut live.state, input, &env)));
        let Ok(decided) = decided else {
            tracing::error!(execution_id = %id, "step panicked; the execution is left as it was stored");
            self.forget(id);
            return None;
        };
        for effect in &decided.effects {
            if let Effect::Start(job) = effect
                && live.jobs.insert(job.key.clone(), CancellationToken::new()).is_none()
            {
                self.n_jobs += 1;
            }
        }
        if !decided.facts.is_empty() {
            live.refresh(origin.at, tuning.output_cut_bytes);
        }
        let kept = Kept::of(live, &decided.facts, origin);
        // Only where slots of the whole daemon are what is missing: a node's own concurrency brings
        // its next unit on by itself.
        let is_short = live.jobs.len() >= parallel as usize
            && parallel < tuning.parallel_jobs_per_execution
            && live.state.has_ready();
        if is_short {
            self.hungry.insert(place);
        } else {
            self.hungry.remove(&place);
        }
        Some((decided, kept))
    }

    fn hand_over<T: Send + 'static>(
        &mut self,
        id: ExecutionId,
        write: persist::Write<T>,
        done: impl FnOnce(Result<T, store::Error>) + Send + 'static,
    ) {
        let Some(live) = self.live.get_mut(&id) else { return };
        live.writes += 1;
        let (before, after) = (Arc::clone(&live.failed), Arc::clone(&live.failed));
        let apply = move |tx: &mut store::Tx<'_>| {
            if before.load(Ordering::Acquire) {
                let reason = "an earlier write of this execution failed";
                return Err(store::Error::Refusing { reason: reason.into() });
            }
            (write.apply)(tx)
        };
        let done = move |result: Result<T, store::Error>| {
            if result.is_err() {
                after.store(true, Ordering::Release);
            }
            done(result);
        };
        self.parts.store.hand_over(write.origin, apply, done);
    }

    fn take_back(&mut self, back: Back) {
        match back {
            Back::Written { id, effects, carries, accepts, result } => {
                if let Some(live) = self.live.get_mut(&id) {
                    live.writes = live.writes.saturating_sub(1);
                    if accepts && result.is_ok() {
                        self.parts.observer.accepted(&live.execution);
                    }
                }
                match result {
                    Ok(()) => {
                        self.saved(id, carries);
                        self.act(id, effects);
                    }
                    Err(error) => {
                        self.undo_starts(id, &effects);
                        self.lost(id, &error);
                    }
                }
                self.let_go(id);
            }
            Back::Withdrawn(id) => self.forget(id),
            Back::JobEnded(key, end) => self.job_ended(key, end),
            Back::Progress(key, percent, detail) => {
                self.advance(key.execution, Input::Progress { key, percent, detail });
            }
        }
    }

    fn job_ended(&mut self, key: JobKey, mut end: Box<JobEnd>) {
        let id = key.execution;
        let now = self.parts.system.now();
        let Some(live) = self.live.get_mut(&id) else { return };
        if live.jobs.remove(&key).is_none() {
            return;
        }
        self.n_jobs -= 1;
        if self.interrupting && matches!(&end.result, Err(e) if e.kind == "CANCELLED") {
            let message = "the daemon was stopped while it ran, and it was stopped with it";
            end.result = Err(NodeError::new("INTERRUPTED", message));
        }
        let kind = live.plan.node(&key.node).map_or("", |node| node.kind.name());
        let failed = end.result.as_ref().err().map(|e| e.kind.as_str());
        self.parts.observer.attempt_ended(kind, failed);
        live.note(&key, std::mem::take(&mut end.measured), now);
        live.ends.insert(key.clone(), (*end).clone());
        self.advance_carrying(id, Input::AttemptEnded { key: key.clone(), end }, Some(key));
        self.let_go(id);
        self.feed_hungry();
    }

    /// Gives free slots to executions that wait for one.
    fn feed_hungry(&mut self) {
        // Each is asked once: one that still finds no room puts itself back.
        let waiting: Vec<_> = self.hungry.iter().map(|place| place.2).collect();
        for id in waiting {
            if self.free_slots() == 0 || self.stopping {
                return;
            }
            self.advance(id, Input::Continue);
        }
    }

    /// Attempts whose start was not committed never begin.
    fn undo_starts(&mut self, id: ExecutionId, effects: &[Effect]) {
        let Some(live) = self.live.get_mut(&id) else { return };
        for effect in effects {
            if let Effect::Start(job) = effect
                && live.jobs.remove(&job.key).is_some()
            {
                self.n_jobs -= 1;
            }
        }
    }

    /// Does what a committed step asks for.
    fn act(&mut self, id: ExecutionId, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Start(job) => {
                    if let Some(live) = self.live.get(&id)
                        && let Some(token) = live.jobs.get(&job.key)
                    {
                        self.runner.start(*job, live.execution.workflow_id, token.clone());
                    }
                }
                Effect::Stop(key) => {
                    if let Some(token) = self.live.get(&id).and_then(|live| live.jobs.get(&key)) {
                        token.cancel();
                    }
                }
                Effect::SetTimer { key, due } => {
                    self.timers.set((id, key), due, self.parts.system.clock.monotonic());
                }
                Effect::ClearTimer(key) => self.timers.clear(&(id, key)),
                Effect::Continue => self.advance(id, Input::Continue),
                Effect::Ended(_) => self.ended(id),
            }
        }
    }

    /// The end of an execution is committed.
    fn ended(&mut self, id: ExecutionId) {
        self.timers.clear_all(id);
        let Some(live) = self.live.get_mut(&id) else { return };
        self.parts.observer.ended(&live.execution);
        for waiter in std::mem::take(&mut live.waiters) {
            let _ = waiter.send(live.execution.clone());
        }
        tracing::debug!(
            execution_id = %id,
            workflow = live.execution.workflow_name,
            status = ?live.execution.status,
            took_ms = live.execution.duration,
            "execution ended"
        );
    }

    fn let_go(&mut self, id: ExecutionId) {
        if self.live.get(&id).is_some_and(Live::is_over) {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: ExecutionId) {
        self.timers.clear_all(id);
        if let Some(live) = self.live.remove(&id) {
            self.parts.observer.gone(&live.execution);
            self.again.remove(&id);
            self.n_jobs -= live.jobs.len();
            for token in live.jobs.values() {
                token.cancel();
            }
            self.hungry.remove(&(Reverse(live.execution.priority), live.execution.created_at, id));
        }
    }

    /// A write failed: memory is ahead of the store. Inputs are held until the state is read again.
    fn lost(&mut self, id: ExecutionId, error: &store::Error) {
        let Some(live) = self.live.get_mut(&id) else { return };
        if live.held.is_none() {
            tracing::warn!(execution_id = %id, %error, "execution not stored; its state will be read again");
            live.held = Some(Vec::new());
        }
        self.timers.clear_all(id);
        self.again.insert(id, self.parts.system.clock.monotonic() + AGAIN_AFTER);
    }

    fn take_timers(&mut self) {
        let (now, monotonic) = (self.parts.system.now(), self.parts.system.clock.monotonic());
        while let Some((id, key)) = self.timers.take_due(now, monotonic) {
            self.advance(id, Input::TimerFired { key });
        }
        let due: Vec<ExecutionId> =
            self.again.iter().filter(|(_, at)| **at <= monotonic).map(|(id, _)| *id).collect();
        for id in due {
            self.again.remove(&id);
            self.read_again(id, monotonic);
        }
    }

    /// Goes on from what the store has. Attempts that run on are known, and so are the ends that a
    /// failed write held: nothing is in doubt.
    fn read_again(&mut self, id: ExecutionId, monotonic: Duration) {
        let Some(live) = self.live.get_mut(&id) else { return };
        let stored = if live.writes > 0 {
            persist::Stored::Unreadable
        } else {
            persist::read(&self.parts.store, id)
        };
        match stored {
            persist::Stored::Nothing => self.forget(id),
            persist::Stored::Unreadable => {
                self.again.insert(id, monotonic + AGAIN_AFTER);
            }
            persist::Stored::This(found) => {
                (live.execution, live.state) = *found;
                live.failed = Arc::default();
                let held = live.held.take().unwrap_or_default();
                if live.state.status().is_ended() {
                    self.ended(id);
                    self.let_go(id);
                    return;
                }
                let ends = live.ends.clone();
                let alive = live.jobs.keys().chain(ends.keys()).cloned().collect();
                self.advance(id, Input::Recovered { alive, not_begun: BTreeSet::new() });
                for (key, end) in ends {
                    let input = Input::AttemptEnded { key: key.clone(), end: Box::new(end) };
                    self.advance_carrying(id, input, Some(key));
                }
                for input in held {
                    // Ends were brought above, from where none is lost.
                    if !matches!(input, Input::AttemptEnded { .. }) {
                        self.advance(id, input);
                    }
                }
                self.let_go(id);
            }
        }
    }

    /// The grace is over: running attempts are stopped.
    fn interrupt(&mut self) {
        self.interrupting = true;
        for live in self.live.values() {
            for token in live.jobs.values() {
                token.cancel();
            }
        }
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
