//! The inside of a daemon on a made-up machine: store, log, driver and recovery as the real one
//! wires them, on one thread, with nobody but the test to move time and to commit.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use a2n_daemon::engine::driving::driver::{Driver, Parts};
use a2n_daemon::engine::driving::handle::{
    Accepted, Admission, Engine, Error as EngineError, Observer, Tuning,
};
use a2n_daemon::engine::driving::inbox::Inbox;
use a2n_daemon::engine::driving::plans::Plans;
use a2n_daemon::engine::driving::recover;
use a2n_daemon::engine::driving::safe_mode::SafeMode;
use a2n_daemon::engine::driving::start::{Error, Starter, Version, Wanted};
use a2n_daemon::engine::driving::stuck::Stuck;
use a2n_daemon::engine::input::Input;
use a2n_daemon::store::logs::{LogStore, Options as LaneOptions};
use a2n_daemon::store::{Drive, Origin, Store, Tx, execution, idempotency, workflow};
use a2n_daemon::system::{NoMark, System};
use a2n_proto::execution::{Execution, ExecutionMetadata};
use a2n_proto::workflow::Workflow;
use a2n_proto::{ExecutionId, Json};
use a2n_tests::history::History;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::executor::{Director, Parallel, SimExecutor};
use crate::machine::{Machine, made};

/// A daemon that runs.
pub(crate) struct Daemon {
    runtime: Runtime,
    idle: Arc<Idle>,
    pub(crate) store: Store,
    pub(crate) logs: LogStore,
    pub(crate) system: System,
    pub(crate) engine: Engine,
    pub(crate) starter: Starter,
    pub(crate) workflows: Vec<Workflow>,
    driver: tokio::task::JoinHandle<()>,
    stop: CancellationToken,
    hurry: CancellationToken,
}

/// What clients know, in all lives of the daemon.
pub(crate) type Told = Arc<Mutex<History>>;

pub(crate) fn told(history: &Told) -> MutexGuard<'_, History> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Nobody;

impl Observer for Nobody {
    fn began(&self, _: &Execution) {}
    fn accepted(&self, _: &Execution) {}
    fn ended(&self, _: &Execution) {}
    fn gone(&self, _: &Execution) {}
    fn attempt_ended(&self, _: &str, _: Option<&str>) {}
}

impl Daemon {
    /// What every start does: open, recover. An error says what stands in the way.
    pub(crate) fn start(
        machine: &mut Machine,
        director: Director,
        tuning: Tuning,
    ) -> Result<Self, String> {
        let store = Store::open(machine.store_options()).map_err(|e| format!("store: {e}"))?;
        machine.was_cut = false;
        let unfinished = store.read().and_then(|read| execution::unfinished(&read));
        let live: Vec<_> = unfinished
            .map_err(|e| format!("executions: {e}"))?
            .into_iter()
            .map(|one| (one.id, one.workflow_id))
            .collect();
        let boot = format!("boot-{}", machine.boot);
        let system = machine.system();
        let lane = LaneOptions {
            disk: Arc::new(machine.log_disk.clone()),
            file_bytes: 64 << 10,
            salt: machine.dice.number(),
            boot_id: boot.clone(),
            at: system.now(),
            name: "logs",
            drive: Drive::ByHand,
        };
        let logs = LogStore::open(lane, &live).map_err(|e| format!("log: {e}"))?;
        let plans = Arc::new(Plans::new(made().kinds.clone()));
        let executor = SimExecutor {
            clock: machine.clock.clone(),
            store: store.clone(),
            witness: Arc::clone(&machine.witness),
            director,
            parallel: Parallel {
                all: tuning.parallel_jobs,
                per_execution: tuning.parallel_jobs_per_execution,
            },
            rules: Arc::clone(&made().rules),
        };
        // The sender may go: the last value stays.
        let (_, tuning) = watch::channel(Arc::new(tuning));
        let stuck = Stuck::default();
        let inbox = Inbox::open(store.clone()).map_err(|e| format!("inbox: {e}"))?;
        let (driver, engine) = Driver::new(Parts {
            inbox,
            store: store.clone(),
            logs: logs.clone(),
            system: system.clone(),
            executor: Arc::new(executor),
            plans: Arc::clone(&plans),
            outside_steps: true,
            boot,
            tuning,
            observer: Arc::new(Nobody),
            stop_grace: Duration::from_secs(5),
            safe_mode: SafeMode::default(),
            stuck: stuck.clone(),
            mark: Arc::new(NoMark),
        });
        let starter = Starter {
            store: store.clone(),
            plans: Arc::clone(&plans),
            engine: engine.clone(),
            system: system.clone(),
            outside_steps: true,
        };
        let workflows = store
            .read()
            .and_then(|read| {
                let query = workflow::Query::default();
                let all = workflow::list(&read, &query, &a2n_daemon::store::Paging::first(1000))?;
                Ok(all.items)
            })
            .map_err(|e| format!("workflows: {e}"))?;
        let idle = Arc::new(Idle::default());
        let runtime = idle.runtime();
        let (stop, hurry) = (CancellationToken::new(), CancellationToken::new());
        let driver = runtime.spawn(driver.run(stop.clone(), hurry.clone()));
        runtime
            .block_on(recover::recover(&store, &plans, &engine, &stuck))
            .map_err(|e| format!("recovery: {e}"))?;
        let read = store.read().map_err(|e| format!("recovery: {e}"))?;
        let stuck = stuck.unfinished(&read);
        if !stuck.is_empty() {
            return Err(format!("executions that can't go on: {stuck:?}"));
        }
        drop(read);
        Ok(Self {
            runtime,
            idle,
            store,
            logs,
            system,
            engine,
            starter,
            workflows,
            driver,
            stop,
            hurry,
        })
    }

    /// Lets everything run that can without a commit and without time.
    pub(crate) fn settle(&self) {
        self.runtime.block_on(self.idle.comes());
    }
    /// Whether the driver has ended, which it does only when asked to.
    pub(crate) fn has_ended(&self) -> bool {
        self.driver.is_finished()
    }
    /// Commits what waits, and lets what follows from it run. How many writes that were.
    pub(crate) fn commit(&self) -> usize {
        let n = self.store.commit_waiting();
        self.settle();
        n
    }
    /// As SIGTERM asks.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.cancel();
        self.settle();
    }
    /// As a second SIGTERM asks.
    pub(crate) fn ask_to_hurry(&self) {
        self.hurry.cancel();
        self.settle();
    }
    /// The end that was asked for: everything is closed in order.
    pub(crate) fn close(self) {
        self.runtime.block_on(self.logs.close());
        self.store.close();
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
        self.settle();
    }

    fn origin(&self) -> Origin {
        Origin::daemon(self.system.now(), "UNIX")
    }

    /// A client starts an execution under a key, and asks for its end where it is accepted.
    pub(crate) fn run(&self, workflow: &Workflow, key: String, priority: i32, history: &Told) {
        let (history, engine, starter) =
            (Arc::clone(history), self.engine.clone(), self.starter.clone());
        let inputs = Json::from(json!({"x": 1}));
        let wanted = Wanted {
            waiter: None,
            workflow: workflow.clone(),
            version: Version::Published,
            inputs: inputs.clone(),
            trigger_data: Json::null(),
            payload: inputs,
            trigger: None,
            priority,
            user: made().owner,
            metadata: ExecutionMetadata {
                source: Some("API".into()),
                idempotency_key: Some(key.clone()),
                ..ExecutionMetadata::default()
            },
        };
        let origin = self.origin();
        self.spawn(async move {
            let once = key.clone();
            let started = starter
                .start(wanted, origin, move |id| {
                    Some(Box::new(move |tx: &mut Tx<'_>| admit(tx, &once, id)))
                })
                .await;
            let id = match started {
                Ok(Accepted::New(header)) => header.id,
                Ok(Accepted::Already(id)) => id,
                // Not accepted, or not known to be: nothing was promised.
                Err(Error::Engine(_) | Error::Store(_)) => return,
                Err(other) => panic!("a published workflow starts: {other}"),
            };
            told(&history).accepted.push((key, id));
            if let Ok(ended) = engine.wait(id).await {
                told(&history).ended.insert(id, ended.status);
            }
        });
    }

    /// A person tells an execution something.
    pub(crate) fn tell(&self, id: ExecutionId, input: Input, history: &Told) {
        let (history, engine, origin) = (Arc::clone(history), self.engine.clone(), self.origin());
        if let Input::Answer { node, iteration, .. } = &input {
            // Noted before it is known to have been taken: it may be, though the answer gets lost.
            told(&history).answered.insert((id, node.clone(), iteration.clone()));
        }
        self.spawn(async move {
            let within = Box::new(move |tx: &mut Tx<'_>| {
                tx.audit("execution.tell", "execution", id, Json::null(), Json::null());
                Ok(Admission::New)
            });
            match engine.tell(id, input, origin, within).await {
                Ok(_)
                | Err(
                    EngineError::NotLive(_)
                    | EngineError::Refused(_)
                    | EngineError::NoDifference(_)
                    | EngineError::Stopping
                    | EngineError::Store(_),
                ) => {}
                Err(other) => panic!("{other}"),
            }
        });
    }
}

/// The same call twice is one execution.
fn admit(
    tx: &mut Tx<'_>,
    key: &str,
    id: ExecutionId,
) -> Result<Admission, a2n_daemon::store::Error> {
    if let Some(before) = idempotency::find_in(tx, "alice", "workflow.run", key)?
        && let Ok(before) = before.result_id.parse()
    {
        return Ok(Admission::Already(before));
    }
    idempotency::put(tx, "alice", "workflow.run", key, [0; 32], &id.to_string())?;
    Ok(Admission::New)
}

/// Knows when nothing is left to run: the runtime says so before it would sleep.
#[derive(Debug, Default)]
struct Idle {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    slept: u64,
    waker: Option<Waker>,
}

impl Idle {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// A runtime of one thread that tells this one.
    fn runtime(self: &Arc<Self>) -> Runtime {
        let this = Arc::clone(self);
        tokio::runtime::Builder::new_current_thread()
            .on_thread_park(move || {
                let mut waiting = this.lock();
                waiting.slept += 1;
                if let Some(waker) = waiting.waker.take() {
                    waker.wake();
                }
            })
            .build()
            .expect("a runtime without drivers")
    }
    async fn comes(&self) {
        let before = self.lock().slept;
        std::future::poll_fn(|context| {
            let mut waiting = self.lock();
            if waiting.slept > before {
                return Poll::Ready(());
            }
            waiting.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
