//! A whole daemon without its process: every method over a store, logs and a machine in memory, and
//! connections to it that are real sockets.
//!
//! One world serves many inputs, since making one costs more than most inputs do; it is made anew
//! after [`INPUTS`] of them. After every input it has to answer a ping on another connection.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use a2n_daemon::engine::driving::driver::{Driver, Parts};
use a2n_daemon::engine::driving::handle::{Observer, Tuning};
use a2n_daemon::engine::driving::inbox::Inbox;
use a2n_daemon::engine::driving::plans::Plans;
use a2n_daemon::engine::driving::safe_mode::SafeMode;
use a2n_daemon::engine::driving::start::Starter;
use a2n_daemon::engine::driving::stuck::Stuck;
use a2n_daemon::nodes::{self, Nodes, Registry};
use a2n_daemon::operations::health::Health;
use a2n_daemon::operations::metrics::{Looks, Metrics};
use a2n_daemon::operations::settings::{Layers, Settings};
use a2n_daemon::rpc::{Context, Dispatcher, Identity, Limits, Pages, Probe, Server, Turns};
use a2n_daemon::rpc::{methods, openrpc};
use a2n_daemon::store::logs::{self, LogStore, SystemLogs};
use a2n_daemon::store::{self, Caller, Drive, Store, account};
use a2n_daemon::system::attachments::{self, Attachments};
use a2n_daemon::system::disk::SimDisk;
use a2n_daemon::system::sim::Sim;
use a2n_daemon::system::{Later, NoMark, System, Usage};
use a2n_daemon::triggers::schedule::Zone;
use a2n_daemon::triggers::{Plan, StartError, Started, Starts, service};
use a2n_daemon::workflows::{self, Workflows};
use a2n_proto::api::auth::Via;
use a2n_proto::api::system::{InfoAnswer, Mode, StatsAnswer};
use a2n_proto::execution::Execution;
use a2n_proto::identity::Role;
use a2n_proto::{AccountId, ExecutionId, InstallId, Timestamp, UserId, WorkflowTriggerId};
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// So many inputs share a world.
const INPUTS: usize = 200;
/// How long an answer may be on its way when nothing more comes: calls that wait for something are
/// left then, as by a client that vanishes.
const QUIET: Duration = Duration::from_millis(20);
/// Longest silence after the ping afterwards; only a daemon that hangs takes as long.
const HANG: Duration = Duration::from_secs(20);

/// The daemon and the runtime it lives on.
struct World {
    runtime: Runtime,
    server: Server,
    dispatcher: Arc<Dispatcher>,
    stop: CancellationToken,
    inputs: usize,
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Sends `parts` one after the other on one connection and answers all that came back.
///
/// # Panics
/// Where a body panicked, or the daemon does not answer afterwards.
pub(super) fn converse(parts: &[&[u8]]) -> Vec<u8> {
    WORLD.with_borrow_mut(|place| {
        if place.as_ref().is_none_or(|world| world.inputs >= INPUTS) {
            if let Some(old) = place.take() {
                old.end();
            }
            *place = Some(World::new());
        }
        let world = place.as_mut().expect("it was made above");
        world.inputs += 1;
        let said = world.converse(parts);
        assert_eq!(world.dispatcher.counts().n_panics(), 0, "a method's body panicked");
        said
    })
}

impl World {
    fn new() -> Self {
        // As the daemon's start does: a client that is gone is an error and not the end.
        a2n_daemon::app::ignore_signals();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        let stop = CancellationToken::new();
        let dispatcher = runtime.block_on(async { wire(&stop) });
        let server =
            Server::new(Arc::clone(&dispatcher), Arc::new(Quiet), openrpc::document, stop.clone());
        Self { runtime, server, dispatcher, stop, inputs: 0 }
    }

    fn converse(&self, parts: &[&[u8]]) -> Vec<u8> {
        self.runtime.block_on(async {
            let said = self.talk(parts, QUIET).await;
            let ping = br#"{"jsonrpc":"2.0","id":"after","method":"system.ping"}"#;
            let answer = self.talk(&[ping, b"\n"], HANG).await;
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.contains(r#""id":"after","result""#), "not served: {answer}");
            said
        })
    }

    async fn talk(&self, parts: &[&[u8]], quiet: Duration) -> Vec<u8> {
        let (near, far) = UnixStream::pair().expect("a pair of sockets can be made");
        self.server.welcome(near);
        let (mut from, mut to) = far.into_split();
        let send = async {
            for part in parts {
                // A daemon that has closed does not want the rest.
                if to.write_all(part).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let _ = to.shutdown().await;
        };
        let receive = async {
            let mut said = Vec::new();
            while let Ok(Ok(1..)) = tokio::time::timeout(quiet, from.read_buf(&mut said)).await {}
            said
        };
        tokio::pin!(receive);
        tokio::select! {
            biased;
            said = &mut receive => said,
            () = send => receive.await,
        }
    }

    fn end(self) {
        self.stop.cancel();
        self.runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

/// Puts all parts together as the daemon's start does, over things in memory.
fn wire(stop: &CancellationToken) -> Arc<Dispatcher> {
    let now = Timestamp::from_unix_ms(1_800_000_000_000);
    let system = Sim::new(7, now).system;
    let owner = UserId::from_bytes([7; 16]);
    let store = open_store(&system, owner);
    let (logs, system_logs) = open_logs(now);
    let settings = Settings::new(Layers::default());
    let definitions = Arc::new(Registry::built_in());
    let plans = Arc::new(Plans::new(definitions.clone()));
    let metrics = Metrics::new(settings.clone(), Arc::new(Quiet));
    let (service, schedules) = service::Service::new(service::Config {
        clock: Arc::clone(&system.clock),
        starts: Arc::new(Quiet),
        catch_up_per_second: 10,
    });
    tokio::spawn(service.run(stop.clone()));
    let steps = nodes::Settings::new(PathBuf::from("/steps"));
    let attachments = open_attachments(&system);
    let stuck = Stuck::default();
    let executor =
        Arc::new(Nodes::new(system.clone(), Arc::clone(&definitions), attachments.clone(), steps));
    let inbox = Inbox::open(store.clone()).expect("in memory");
    let (driver, engine) = Driver::new(Parts {
        inbox: inbox.clone(),
        store: store.clone(),
        logs: logs.clone(),
        system: system.clone(),
        executor: executor.clone(),
        plans: Arc::clone(&plans),
        outside_steps: true,
        boot: "boot".into(),
        tuning: tokio::sync::watch::channel(Arc::new(Tuning::default())).1,
        observer: Arc::new(Quiet),
        stop_grace: Duration::ZERO,
        safe_mode: SafeMode::default(),
        stuck: stuck.clone(),
        mark: Arc::new(NoMark),
    });
    tokio::spawn(driver.run(stop.clone(), stop.clone()));
    let context = Arc::new(Context {
        attachments,
        store: store.clone(),
        logs,
        system_logs,
        engine: engine.clone(),
        executor,
        environment: Arc::default(),
        safe_mode: SafeMode::default(),
        stuck,
        turns: Turns::default(),
        inbox,
        starter: Starter {
            store: store.clone(),
            plans: Arc::clone(&plans),
            engine,
            system: system.clone(),
            outside_steps: true,
        },
        plans: Arc::clone(&plans),
        workflows: Workflows {
            store,
            plans,
            system: system.clone(),
            zone: Zone::utc(),
            limits: workflows::Limits::default(),
        },
        definitions,
        settings,
        schedules,
        health: Health::new(Arc::clone(&system.clock), Vec::new()),
        metrics,
        looks: Arc::new(Quiet),
        system,
        zone: Zone::utc(),
        info: Arc::new(info(now)),
    });
    let caller =
        Caller { user: owner, name: "alice".into(), role: Role::Owner, uid: None, via: Via::Unix };
    let identity = Identity::Account(Arc::new(caller));
    let identify = Arc::new(move |_: &_| identity.clone());
    let registry = methods::registry(context);
    Dispatcher::new(registry, identify, Limits::default(), "fuzz".into(), None)
}

fn open_store(system: &System, owner: UserId) -> Store {
    let mut options = store::Options::new(
        PathBuf::from("/data"),
        InstallId::from_bytes(system.new_id()),
        system.now(),
    );
    options.disk = Arc::new(SimDisk::new());
    options.cache_bytes = 4 << 20;
    options.ballast_bytes = 1 << 20;
    options.limits.least_free_bytes = 1 << 20;
    let store = Store::open(options).expect("an empty disk takes a store");
    let origin = store::Origin::daemon(system.now(), "FUZZ");
    let account = AccountId::from_bytes([8; 16]);
    store
        .write_blocking(origin, move |tx| account::first_start(tx, 1000, "alice", (owner, account)))
        .expect("a new store takes its owner");
    store
}

/// A folder that nothing is put into: no step of a fuzzed workflow reaches the world.
fn open_attachments(system: &System) -> Attachments {
    let folder = std::env::temp_dir().join(format!("a2n-fuzz-{}", std::process::id()));
    let none = attachments::Limits {
        each_bytes: 0,
        total_bytes: 0,
        least_free_bytes: 0,
        least_free_percent: 0,
    };
    Attachments::open(&folder, none, Arc::clone(&system.clock)).expect("a temporary folder")
}

fn open_logs(now: Timestamp) -> (LogStore, SystemLogs) {
    let options = |name| logs::Options {
        disk: Arc::new(a2n_segment::sim::SimDisk::new()),
        file_bytes: 1 << 20,
        salt: 7,
        boot_id: "boot".into(),
        at: now,
        name,
        drive: Drive::Thread,
    };
    let logs = LogStore::open(options("logs"), &[]).expect("an empty folder takes logs");
    let system_logs = SystemLogs::open(options("records")).expect("an empty folder takes logs");
    (logs, system_logs)
}

fn info(now: Timestamp) -> InfoAnswer {
    InfoAnswer {
        version: "0".into(),
        protocol: a2n_proto::PROTOCOL,
        schema_version: store::SCHEMA.to_string(),
        pid: 1,
        started_at: now,
        mode: Mode::User,
        socket: "/run/a2nd.sock".into(),
        data_dir: "/data".into(),
        safe_mode: false,
    }
}

/// Everybody who is told something here and does nothing about it: nobody looks, no schedule fires.
#[derive(Debug)]
struct Quiet;

impl Pages for Quiet {
    fn health(&self) -> BoxFuture<'_, Probe> {
        Box::pin(async { Probe { ok: true, text: "HEALTHY".into() } })
    }
    fn ready(&self) -> BoxFuture<'_, Probe> {
        Box::pin(async { Probe { ok: true, text: "ready".into() } })
    }
    fn metrics(&self) -> BoxFuture<'_, String> {
        Box::pin(async { "a2n_up 1\n".into() })
    }
}

impl Looks for Quiet {
    fn stats(&self) -> StatsAnswer {
        StatsAnswer {
            rows: std::collections::BTreeMap::new(),
            executions: std::collections::BTreeMap::new(),
            jobs_waiting: 0,
            jobs_limited: 0,
            jobs_at_most: 0,
            executions_in_memory: 0,
            queued_longest: None,
            jobs_running: 0,
            timers: 0,
            clients: 0,
            subscriptions: 0,
            feed_seq: 0,
            store_bytes: 0,
            log_bytes: 0,
            disk_free_bytes: None,
            memory_bytes: None,
            uptime: 0,
        }
    }
    fn usage(&self) -> Usage {
        Usage::default()
    }
    fn log_lines(&self) -> u64 {
        0
    }
}

impl Observer for Quiet {
    fn began(&self, _: &Execution) {}
    fn accepted(&self, _: &Execution) {}
    fn ended(&self, _: &Execution) {}
    fn gone(&self, _: &Execution) {}
    fn attempt_ended(&self, _: &str, _: Option<&str>) {}
}

impl Starts for Quiet {
    fn running_of(&self, _: WorkflowTriggerId) -> Vec<ExecutionId> {
        Vec::new()
    }
    fn start(&self, _: Plan) -> Later<'_, Result<Started, StartError>> {
        Box::pin(async { Ok(Started::Before) })
    }
    fn record(&self, _: Vec<Plan>) -> Later<'_, Result<(), StartError>> {
        Box::pin(async { Ok(()) })
    }
    fn cancel(&self, _: Vec<ExecutionId>) -> Later<'_, ()> {
        Box::pin(async {})
    }
}
