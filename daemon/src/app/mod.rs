//! The start-up story, and the only place that wires: open, recover, wire, serve, stop.

mod counting;
mod identities;
mod looks;
mod marker;
mod schedules;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::api::system::{InfoAnswer, Mode};
use a2n_proto::{AccountId, InstallId, PROTOCOL, Timestamp, UserId};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{OnceCell, watch};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::engine::driver::{Driver, Parts};
use crate::engine::handle::Tuning;
use crate::engine::plans::Plans;
use crate::engine::recover;
use crate::engine::start::Starter;
use crate::nodes::{Nodes, Registry as Definitions};
use crate::operations::health::Health;
use crate::operations::logbook::{self, Logbook};
use crate::operations::metrics::Metrics;
use crate::operations::retention::Cleaner;
use crate::operations::settings::{Settings, table};
use crate::operations::sweeper::StoreSweeper;
use crate::rpc::{Context, Dispatcher, Limits, Server, methods, openrpc};
use crate::store::logs::{Folder, LogStore, Options as LaneOptions, SystemLogs};
use crate::store::{self, Origin, Store, account, app_setting};
use crate::system::listen::Socket;
use crate::system::{System, host, systemd};
use crate::tasks::{OnEnd, Tasks};
use crate::triggers::service;
use crate::workflows::{self, Workflows};

use counting::Counting;
use identities::Identities;
use looks::{Eyes, Pages, Watcher};
use schedules::{Arming, LateStarts, Running, ScheduleStarts};

/// Why the daemon did not start: one line for people, and the exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct NotStarted {
    message: String,
    code: u8,
}

impl NotStarted {
    /// It may work later (EX_TEMPFAIL): systemd tries again.
    fn later(what: &str, error: impl std::fmt::Display) -> Self {
        Self { message: format!("{what}: {error}"), code: 75 }
    }
}

/// A write to a file at its size limit, or to a closed pipe, is an error like any other and not the
/// daemon's end. Steps get the default back when they are started.
pub fn ignore_signals() {
    crate::system::host::ignore_file_signals();
}

/// Runs the daemon to its end.
pub async fn run(config: Config) -> ExitCode {
    let system = System::real();
    match start(config, &system).await {
        Ok(daemon) => daemon.serve().await,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(error.code)
        }
    }
}

/// A daemon that is ready to serve.
struct Daemon {
    tasks: Tasks,
    server: Server,
    socket: Socket,
    engine_stop: CancellationToken,
    engine_done: tokio::task::JoinHandle<()>,
    store: Store,
    logs: LogStore,
    system_logs: SystemLogs,
    settings: Settings,
    system: System,
    running_marker: RunningMarker,
}

async fn start(config: Config, system: &System) -> Result<Daemon, NotStarted> {
    let started_at = system.now();
    let settings = Settings::new(config.layers.clone());
    let logbook = start_log(&config, &settings, system)?;
    let boot = host::boot_id();
    let counting = Counting::new(Arc::clone(&system.clock));
    let (store, running_marker) = open_store(&config, &settings, system, &boot, &counting)?;
    for fault in settings.begin(stored_settings(&store)?) {
        tracing::warn!(%fault, "setting of the store ignored");
    }
    let (logs, system_logs) = open_logs(&config, &store, system, &boot)?;
    logbook.keep_in(system_logs.clone());
    make_owner(&config, &store, system).await?;

    let tasks = Tasks::new(CancellationToken::new());
    let definitions = Arc::new(Definitions::built_in());
    let plans = Arc::new(Plans::new(definitions.clone()));
    let eyes = Arc::new(Eyes {
        store: store.clone(),
        logs: logs.clone(),
        data_dir: config.data_dir.clone(),
        clock: Arc::clone(&system.clock),
        started_at,
        engine: OnceCell::new(),
        clients: OnceCell::new(),
    });
    let metrics = Metrics::new(settings.clone(), eyes.clone());
    counting.count_in(metrics.clone());

    // The schedule service needs somebody who starts, who needs the engine, who tells the service
    // what ended: the circle is closed by a handle that exists before its service runs.
    let running = Arc::new(Running::default());
    let late = Arc::new(LateStarts::default());
    let (schedule_service, schedules) = service::Service::new(service::Config {
        clock: Arc::clone(&system.clock),
        starts: late.clone(),
        catch_up_per_second: settings.get(&table::SCHEDULE_CATCH_UP),
    });
    let watcher = Arc::new(Watcher {
        metrics: metrics.clone(),
        running: Arc::clone(&running),
        schedules: schedules.clone(),
    });
    let executor = Arc::new(Nodes::new(
        system.clone(),
        Arc::clone(&definitions),
        step_settings(&config, &settings),
    ));
    let tuning = follow_tuning(&tasks, &settings, &config);
    let (driver, engine) = Driver::new(Parts {
        store: store.clone(),
        logs: logs.clone(),
        system: system.clone(),
        executor,
        boot,
        tuning,
        observer: watcher,
        stop_grace: Duration::from_millis(settings.get(&table::SHUTDOWN_GRACE)),
    });
    let _ = eyes.engine.set(engine.clone());
    let engine_stop = CancellationToken::new();
    let engine_done = tokio::spawn(driver.run(engine_stop.clone()));
    let starter = Starter {
        store: store.clone(),
        plans: Arc::clone(&plans),
        engine: engine.clone(),
        system: system.clone(),
        outside_steps: config.mode == Mode::User,
    };
    late.set(ScheduleStarts {
        starter: starter.clone(),
        system: system.clone(),
        running,
        metrics: metrics.clone(),
    });
    let recovered = recover::recover(&store, &plans, &engine)
        .await
        .map_err(|error| NotStarted::later("executions not taken up again", error))?;
    if recovered != recover::Recovered::default() {
        tracing::info!(live = recovered.live, stuck = recovered.stuck, "executions taken up again");
    }

    let stop = tasks.stop_token();
    tasks.spawn("schedules", OnEnd::StopDaemon, schedule_service.run(stop.clone()));
    let arming = Arming {
        store: store.clone(),
        schedules: schedules.clone(),
        zone: config.zone.clone(),
        system: system.clone(),
    };
    spawn_until_stop(&tasks, "arming", arming.run());
    let sweeper = Arc::new(StoreSweeper {
        store: store.clone(),
        logs: Arc::new(logs.clone()),
        system_logs: Some(Arc::new(system_logs.clone())),
        clock: Arc::clone(&system.clock),
    });
    let cleaner = Cleaner { clock: Arc::clone(&system.clock), settings: settings.clone(), sweeper };
    tasks.spawn("cleaner", OnEnd::StopDaemon, cleaner.run(stop.clone()));
    spawn_until_stop(&tasks, "marker", marker::keep(store.clone(), Arc::clone(&system.clock)));
    follow_log_level(&tasks, &settings, logbook);

    let health = Health::new(
        Arc::clone(&system.clock),
        looks::probes(&store, &logs, &engine, &schedules, &settings, config.data_dir.clone()),
    );
    let socket = listen(&config)?;
    let openrpc = openrpc::document();
    let context = Arc::new(Context {
        store: store.clone(),
        logs: logs.clone(),
        system_logs: system_logs.clone(),
        engine: engine.clone(),
        starter,
        plans: Arc::clone(&plans),
        workflows: Workflows {
            store: store.clone(),
            plans,
            system: system.clone(),
            zone: config.zone.clone(),
            limits: workflows::Limits {
                nodes: settings.get(&table::WORKFLOW_NODES),
                bytes: settings.get(&table::WORKFLOW_BYTES),
            },
        },
        definitions,
        settings: settings.clone(),
        schedules,
        health: health.clone(),
        metrics: metrics.clone(),
        looks: eyes.clone(),
        system: system.clone(),
        zone: config.zone.clone(),
        info: Arc::new(info(&config, &socket, started_at)),
        openrpc: openrpc.clone(),
    });
    let identities = Identities::new(store.clone(), config.mode, host::uid());
    spawn_until_stop(&tasks, "identities", Arc::clone(&identities).follow());
    let tag = format!("{:x}", started_at.as_unix_ms());
    let dispatcher = Dispatcher::new(
        methods::registry(context),
        Arc::new(move |peer| identities.identify(peer)),
        rpc_limits(&settings),
        tag,
        Some(counting),
    );
    let pages = Arc::new(Pages { health, metrics, store: store.clone() });
    let server = Server::new(dispatcher, pages, Arc::from(openrpc.as_str()), stop);
    let _ = eyes.clients.set(Box::new(server.connections()));
    Ok(Daemon {
        tasks,
        server,
        socket,
        engine_stop,
        engine_done,
        store,
        logs,
        system_logs,
        settings,
        system: system.clone(),
        running_marker,
    })
}

impl Daemon {
    /// Serves until asked to stop, then stops in order: no new calls and triggers, running attempts
    /// to their end within the grace, everything committed, store and logs closed.
    async fn serve(self) -> ExitCode {
        let stop = self.tasks.stop_token();
        // Before anybody is told that we are here: who knows may ask us to stop at once.
        let signals = Signals::catch();
        let server = tokio::spawn(self.server.run(self.socket));
        systemd::ready("serving");
        tracing::info!("ready");
        let signals = tokio::spawn(signals.wait(stop.clone(), self.engine_stop.clone()));
        stop.cancelled().await;
        systemd::stopping("finishing what runs");
        tracing::info!("stopping");
        self.engine_stop.cancel();
        let grace = Duration::from_millis(self.settings.get(&table::SHUTDOWN_GRACE));
        let _ = self.engine_done.await;
        let _ = server.await;
        for name in self.tasks.stop(grace).await {
            tracing::warn!(task = name, "task did not end in time");
        }
        self.logs.close().await;
        let store = self.store.clone();
        let _ = tokio::task::spawn_blocking(move || store.close()).await;
        self.running_marker.clear();
        signals.abort();
        let culprit = self.tasks.culprit();
        tracing::info!(uptime_ended_at = %self.system.now(), "stopped");
        self.system_logs.close().await;
        match culprit {
            None => ExitCode::SUCCESS,
            Some(_) => ExitCode::FAILURE,
        }
    }
}

/// The signals that ask the daemon to stop, caught from when this is made.
struct Signals {
    caught: std::io::Result<(Signal, Signal)>,
}

impl Signals {
    fn catch() -> Self {
        let caught = signal(SignalKind::terminate())
            .and_then(|term| Ok((term, signal(SignalKind::interrupt())?)));
        Self { caught }
    }

    /// The first TERM or INT asks; the second shortens the grace to nothing; the third exits at once.
    async fn wait(self, stop: CancellationToken, engine: CancellationToken) {
        let (mut term, mut int) = match self.caught {
            Ok(caught) => caught,
            Err(error) => {
                tracing::error!(%error, "signals can't be caught");
                return;
            }
        };
        let mut asked = 0;
        loop {
            tokio::select! {
                Some(()) = term.recv() => {}
                Some(()) = int.recv() => {}
                else => return,
            }
            asked += 1;
            match asked {
                1 => stop.cancel(),
                2 => engine.cancel(),
                _ => exit_at_once(),
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "asked three times, a person wants it gone")]
fn exit_at_once() -> ! {
    std::process::exit(130)
}

fn start_log(config: &Config, settings: &Settings, system: &System) -> Result<Logbook, NotStarted> {
    let file = settings.get::<String>(&table::LOG_FILE);
    let options = logbook::Options {
        level: settings.get(&table::LOG_LEVEL),
        file: (!file.is_empty()).then(|| file.into()),
        files: settings.get(&table::LOG_FILES),
        json: settings.get::<String>(&table::LOG_FORMAT) == "JSON",
        journal_stream: config.environment.get("JOURNAL_STREAM").cloned(),
        colour: !config.environment.contains_key("NO_COLOR"),
    };
    let book = Logbook::start(&options, Arc::clone(&system.clock))
        .map_err(|error| NotStarted { message: format!("{error}"), code: 78 })?;
    logbook::report_panics();
    Ok(book)
}

fn open_store(
    config: &Config,
    settings: &Settings,
    system: &System,
    boot: &str,
    counting: &Arc<Counting>,
) -> Result<(Store, RunningMarker), NotStarted> {
    let marker = RunningMarker { path: config.data_dir.join("running") };
    let install = InstallId::from_bytes(system.new_id());
    let mut options = store::Options::new(config.data_dir.clone(), install, system.now());
    options.cache_bytes = settings.get(&table::STORE_CACHE);
    options.ballast_bytes = settings.get(&table::STORE_BALLAST);
    options.least_free_bytes = settings.get(&table::STORE_MIN_FREE);
    options.least_free_percent = settings.get(&table::STORE_MIN_FREE_PERCENT);
    options.idempotency_ms = settings.get::<u64>(&table::RPC_IDEMPOTENCY) * 24 * 3_600_000;
    options.observer = Some(counting.clone());
    options.check_all = marker.was_cut_off(boot);
    let disk = Arc::clone(&options.disk);
    let store = Store::open(options)
        .map_err(|error| NotStarted { message: error.to_string(), code: error.exit_code() })?;
    if let Err(error) = disk.replace(&marker.path, boot.as_bytes()) {
        tracing::warn!(%error, "a power cut from here on will not be noticed");
    }
    Ok((store, marker))
}

/// The file that says under which boot the daemon runs: it stays where the power goes.
struct RunningMarker {
    path: std::path::PathBuf,
}

impl RunningMarker {
    fn was_cut_off(&self, boot: &str) -> bool {
        use crate::system::disk::{Disk, RealDisk};
        RealDisk.read(&self.path, 100).is_ok_and(|before| before != boot.as_bytes())
    }
    fn clear(&self) {
        use crate::system::disk::{Disk, RealDisk};
        let _ = RealDisk.remove(&self.path);
    }
}

fn stored_settings(store: &Store) -> Result<Vec<(String, serde_json::Value)>, NotStarted> {
    let rows = store.read().and_then(|read| app_setting::list(&read));
    let rows = rows.map_err(|error| NotStarted::later("settings not read", error))?;
    Ok(rows.into_iter().filter_map(|row| Some((row.key, row.store_value?.to_value()))).collect())
}

fn open_logs(
    config: &Config,
    store: &Store,
    system: &System,
    boot: &str,
) -> Result<(LogStore, SystemLogs), NotStarted> {
    let open = |what: &'static str, folder: std::path::PathBuf, file_bytes: u64| {
        let mut salt = [0u8; 8];
        system.entropy.fill(&mut salt);
        let folder = Folder::create(folder).map_err(|e| NotStarted::later(what, e))?;
        Ok::<_, NotStarted>(LaneOptions {
            disk: Arc::new(folder),
            file_bytes,
            salt: u64::from_le_bytes(salt),
            boot_id: boot.to_owned(),
            at: system.now(),
            name: what,
        })
    };
    let live: Vec<_> = store
        .read()
        .and_then(|read| store::execution::unfinished(&read))
        .map_err(|error| NotStarted::later("executions not read", error))?
        .into_iter()
        .map(|execution| (execution.id, execution.workflow_id))
        .collect();
    let logs = LogStore::open(open("logs", config.logs_dir(), 64 << 20)?, &live)
        .map_err(|error| NotStarted::later("log store not opened", error))?;
    let system_logs =
        SystemLogs::open(open("system-logs", config.logs_dir().join("system"), 16 << 20)?)
            .map_err(|error| NotStarted::later("system log not opened", error))?;
    Ok((logs, system_logs))
}

/// The first start makes one OWNER: in user mode who runs the daemon, in system mode root.
async fn make_owner(config: &Config, store: &Store, system: &System) -> Result<(), NotStarted> {
    let owner = match config.mode {
        Mode::User => host::uid(),
        Mode::System => 0,
    };
    let name = host::login_name(owner);
    let ids = (UserId::from_bytes(system.new_id()), AccountId::from_bytes(system.new_id()));
    store
        .write(Origin::daemon(system.now(), "START"), move |tx| {
            account::first_start(tx, owner, &name, ids)
        })
        .await
        .map(|_| ())
        .map_err(|error| NotStarted::later("the owner's account was not made", error))
}

fn listen(config: &Config) -> Result<Socket, NotStarted> {
    let mode = match config.mode {
        Mode::User => 0o600,
        Mode::System => 0o660,
    };
    let inherited = Socket::inherited().map_err(|error| NotStarted::later("socket", error))?;
    match inherited {
        Some(socket) => Ok(socket),
        None => {
            Socket::bind(&config.socket, mode).map_err(|error| NotStarted::later("socket", error))
        }
    }
}

fn info(config: &Config, socket: &Socket, started_at: Timestamp) -> InfoAnswer {
    InfoAnswer {
        version: env!("CARGO_PKG_VERSION").into(),
        protocol: PROTOCOL,
        schema_version: store::SCHEMA.to_string(),
        pid: host::pid(),
        started_at,
        mode: config.mode,
        socket: socket.path.display().to_string(),
        data_dir: config.data_dir.display().to_string(),
        safe_mode: false,
    }
}

fn rpc_limits(settings: &Settings) -> Limits {
    Limits {
        max_frame_in_bytes: settings.get(&table::RPC_MAX_REQUEST),
        max_frame_out_bytes: settings.get(&table::RPC_MAX_RESPONSE),
        max_connections: settings.get(&table::RPC_MAX_CONNECTIONS),
        max_connections_per_uid: settings.get(&table::RPC_MAX_CONNECTIONS_PER_UID),
        max_in_flight: settings.get(&table::RPC_MAX_IN_FLIGHT),
        max_in_flight_per_connection: settings.get(&table::RPC_MAX_IN_FLIGHT_PER_CONNECTION),
        max_subscriptions_per_connection: settings.get(&table::RPC_MAX_SUBSCRIPTIONS),
        max_batch: settings.get(&table::RPC_MAX_BATCH),
        first_byte_within: Duration::from_secs(settings.get(&table::RPC_FIRST_BYTE)),
        write_stall: Duration::from_secs(settings.get(&table::RPC_SEND_TIMEOUT)),
        stop_grace: Duration::from_millis(settings.get(&table::SHUTDOWN_GRACE)),
    }
}

fn step_settings(config: &Config, settings: &Settings) -> crate::nodes::Settings {
    let mut steps = crate::nodes::Settings::new(config.steps_dir());
    steps.path = settings.get(&table::STEP_PATH);
    // In user mode every workflow is the OWNER's: private addresses are theirs to call.
    steps.private_addresses = config.mode == Mode::User || settings.get(&table::HTTP_PRIVATE);
    steps.grace = Duration::from_millis(settings.get(&table::ENGINE_CANCEL_GRACE));
    steps.max_output_bytes = settings.get(&table::STEP_OUTPUT);
    steps.max_file_bytes = settings.get(&table::STEP_FILE);
    steps.max_answer_bytes = settings.get(&table::HTTP_BODY);
    steps
}

/// The engine's tuning, and a task that brings it up to the settings when they change.
fn follow_tuning(
    tasks: &Tasks,
    settings: &Settings,
    config: &Config,
) -> watch::Receiver<Arc<Tuning>> {
    let (tell, tuning) = watch::channel(Arc::new(tuned(settings, &config.environment)));
    let (mut slots, mut kept) =
        (settings.watch(&table::ENGINE_PARALLEL), settings.watch(&table::ENGINE_NODE_STATE_KEPT));
    let mut allowed = settings.watch(&table::EXPRESSION_ENV);
    let (settings, environment) = (settings.clone(), config.environment.clone());
    spawn_until_stop(tasks, "tuning", async move {
        loop {
            tokio::select! {
                _ = slots.changed() => {}
                _ = kept.changed() => {}
                _ = allowed.changed() => {}
            }
            tell.send_replace(Arc::new(tuned(&settings, &environment)));
        }
    });
    tuning
}

fn tuned(settings: &Settings, environment: &BTreeMap<String, String>) -> Tuning {
    let allowed: Vec<String> = settings.get(&table::EXPRESSION_ENV);
    let slots = u32::try_from(settings.get::<usize>(&table::ENGINE_PARALLEL)).unwrap_or(u32::MAX);
    Tuning {
        parallel_jobs: slots,
        parallel_jobs_per_execution: slots,
        output_cut_bytes: settings.get(&table::ENGINE_NODE_STATE_KEPT),
        allowed_env: Arc::new(
            allowed
                .into_iter()
                .filter_map(|name| Some((name.clone(), environment.get(&name)?.clone())))
                .collect(),
        ),
        ..Tuning::default()
    }
}

fn follow_log_level(tasks: &Tasks, settings: &Settings, logbook: Logbook) {
    let mut level = settings.watch(&table::LOG_LEVEL);
    logbook.set_level(level.value());
    spawn_until_stop(tasks, "log level", async move {
        loop {
            let level = level.changed().await;
            logbook.set_level(&level);
        }
    });
}

/// A task that has no end of its own and keeps nothing that needs one.
fn spawn_until_stop(
    tasks: &Tasks,
    name: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
) {
    let stop = tasks.stop_token();
    tasks.spawn(name, OnEnd::StopDaemon, async move {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = task => {}
        }
    });
}
