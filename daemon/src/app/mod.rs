//! The start-up story, and the only place that wires: open, recover, wire, serve, stop.

mod counting;
mod crashes;
mod descriptors;
mod identities;
mod looks;
mod marker;
mod not_started;
mod opening;
mod rules;
mod safety;
mod schedules;
mod signals;
mod tuning;
mod watchdog;
mod work;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::api::system::{InfoAnswer, Mode};
use a2n_proto::{PROTOCOL, Timestamp};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::engine::driving::driver::{Driver, Parts};
use crate::engine::driving::inbox::Inbox;
use crate::engine::driving::plans::Plans;
use crate::engine::driving::start::Starter;
use crate::engine::driving::stuck::Stuck;
use crate::nodes::{self, Nodes, Registry as Definitions};
use crate::operations::health::Health;
use crate::operations::metrics::Metrics;
use crate::operations::retention::{Cleaner, Pressure};
use crate::operations::settings::{Settings, table};
use crate::operations::sweeper::StoreSweeper;
use crate::rpc::{Context, Dispatcher, Server, Turns, methods, openrpc};
use crate::store::logs::{LogStore, SystemLogs};
use crate::store::{self, Store};
use crate::system::listen::Socket;
use crate::system::{System, host, systemd};
use crate::tasks::{OnEnd, Tasks};
use crate::triggers::service;
use crate::workflows::{self, Workflows};

use counting::Counting;
use crashes::Crashes;
use descriptors::Descriptors;
use identities::Identities;
use looks::{Eyes, Pages, Watcher};
use not_started::NotStarted;
use opening::{
    RunningMarker, listen, make_owner, open_attachments, open_logs, open_store,
    refuse_open_folders, refuse_taken_socket, start_log, stored_settings, warn_of_open_folders,
};
use rules::Rules;
use safety::Safety;
use schedules::{Arming, LateStarts, Running, ScheduleStarts};
use signals::Signals;
use tuning::{
    follow_attachment_limits, follow_log_level, follow_step_settings, follow_store_limits,
    follow_tuning, rpc_limits, step_settings,
};
use work::Work;

/// A write to a file at its size limit, or to a closed pipe, is an error like any other and not the
/// daemon's end. Steps get the default back when they are started.
pub fn ignore_signals() {
    crate::system::host::ignore_file_signals();
}

/// Lets clients of a passed socket go where only a person can help.
pub fn turn_away_waiting() {
    crate::system::listen::turn_away_waiting();
}

/// Runs the daemon to its end.
pub async fn run(config: Config) -> ExitCode {
    let system = System::real();
    match start(config, &system).await {
        Ok(daemon) => daemon.serve().await,
        Err(error) => {
            tracing::error!("{error}");
            if error.code == 78 {
                turn_away_waiting();
            }
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
    /// Cuts the grace of running attempts short.
    hurry: CancellationToken,
    engine_done: tokio::task::JoinHandle<()>,
    store: Store,
    logs: LogStore,
    system_logs: SystemLogs,
    settings: Settings,
    system: System,
    running_marker: RunningMarker,
    crashes: Crashes,
}

async fn start(config: Config, system: &System) -> Result<Daemon, NotStarted> {
    let started_at = system.now();
    let settings = Settings::new(config.layers.clone());
    let logbook = start_log(&config, &settings, system)?;
    let steps = system.process.ready();
    steps.map_err(|error| NotStarted { message: error.to_string(), code: 78 })?;
    refuse_open_folders(&config)?;
    refuse_taken_socket(&config)?;
    #[cfg(debug_assertions)]
    if config.environment.contains_key("A2N_FAIL_POINTS") {
        crate::engine::fail_point::switch_on();
    }
    let boot = host::boot_id();
    let counting = Counting::new(Arc::clone(&system.clock));
    let (store, running_marker) = open_store(&config, &settings, system, &boot, &counting)?;
    for fault in settings.begin(stored_settings(&store)?) {
        tracing::warn!(%fault, "setting of the store ignored");
    }
    let Safety { safe_mode, crashes, mark } =
        safety::look_back(&config, &settings, &store, system, &running_marker).await?;
    let shares = Descriptors::raised(&settings);
    let (logs, system_logs) = open_logs(&config, &store, system, &boot)?;
    let attachments = open_attachments(&config, &settings, system)?;
    logbook.keep_in(system_logs.clone());
    make_owner(&config, &store, system).await?;

    let tasks = Tasks::new(CancellationToken::new());
    follow_store_limits(&tasks, &settings, store.clone());
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
        dispatcher: OnceCell::new(),
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
    let pressure = Arc::new(Pressure::default());
    let watcher = Arc::new(Watcher {
        pressure: Arc::clone(&pressure),
        metrics: metrics.clone(),
        running: Arc::clone(&running),
        schedules: schedules.clone(),
    });
    nodes::remove_left_folders(system, &config.steps_dir()).await;
    let executor = Arc::new(Nodes::new(
        system.clone(),
        Arc::clone(&definitions),
        attachments.clone(),
        step_settings(&config, &settings),
    ));
    follow_step_settings(&tasks, &settings, &config, Arc::clone(&executor));
    let tuning = follow_tuning(&tasks, &settings, &config, shares);
    let stuck = Stuck::default();
    let inbox = Inbox::open(store.clone());
    let inbox = inbox.map_err(|error| NotStarted::later("events not read", &error))?;
    let (driver, engine) = Driver::new(Parts {
        store: store.clone(),
        inbox: inbox.clone(),
        logs: logs.clone(),
        system: system.clone(),
        executor: executor.clone(),
        plans: Arc::clone(&plans),
        outside_steps: config.mode == Mode::User,
        boot,
        tuning,
        observer: watcher,
        stop_grace: Duration::from_millis(settings.get(&table::SHUTDOWN_GRACE)),
        safe_mode: safe_mode.clone(),
        stuck: stuck.clone(),
        mark,
    });
    let _ = eyes.engine.set(engine.clone());
    let (engine_stop, hurry) = (CancellationToken::new(), CancellationToken::new());
    let engine_done = tokio::spawn(driver.run(engine_stop.clone(), hurry.clone()));
    let starter = Starter {
        store: store.clone(),
        plans: Arc::clone(&plans),
        engine: engine.clone(),
        system: system.clone(),
        outside_steps: config.mode == Mode::User,
    };
    running
        .look(&store)
        .map_err(|error| NotStarted::later("executions of schedules not read", &error))?;
    late.set(ScheduleStarts {
        starter: starter.clone(),
        system: system.clone(),
        running,
        metrics: metrics.clone(),
    });
    let rules = Rules::new(store.clone(), Arc::clone(&plans), engine.clone());
    let stop = tasks.stop_token();
    let arming = Arming {
        store: store.clone(),
        schedules: schedules.clone(),
        zone: config.zone.clone(),
        system: system.clone(),
    };
    let sweeper = Arc::new(StoreSweeper {
        store: store.clone(),
        logs: Arc::new(logs.clone()),
        system_logs: Some(Arc::new(system_logs.clone())),
        attachments: attachments.clone(),
        clock: Arc::clone(&system.clock),
    });
    let (clock, settings_of) = (Arc::clone(&system.clock), settings.clone());
    let cleaner = Cleaner { clock, settings: settings_of, sweeper, pressure };
    let work = Work {
        store: store.clone(),
        plans: Arc::clone(&plans),
        engine: engine.clone(),
        stuck: stuck.clone(),
        schedules: schedule_service,
        arming,
        rules,
        cleaner,
    };
    work.begin(&tasks, safe_mode.clone(), Crashes::new(config.crashes_file())).await?;
    spawn_until_stop(&tasks, "marker", marker::keep(store.clone(), Arc::clone(&system.clock)));
    follow_attachment_limits(&tasks, &settings, attachments.clone());
    follow_log_level(&tasks, &settings, logbook);

    let socket = listen(&config)?;
    let paths = looks::Paths { data_dir: config.data_dir.clone(), socket: socket.path.clone() };
    let health = Health::new(
        Arc::clone(&system.clock),
        looks::probes(&store, &logs, &engine, &stuck, &schedules, &safe_mode, paths),
    );
    let context = Arc::new(Context {
        store: store.clone(),
        logs: logs.clone(),
        system_logs: system_logs.clone(),
        attachments,
        engine: engine.clone(),
        executor,
        environment: Arc::new(config.environment.clone()),
        stuck,
        safe_mode: safe_mode.clone(),
        inbox,
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
        turns: Turns::default(),
    });
    let identities = Identities::new(store.clone(), system.clone(), config.mode, host::uid());
    let follower = Arc::clone(&identities);
    if let Some(every) = systemd::watchdog_interval() {
        let feeding = watchdog::feed(engine.clone(), Arc::clone(&system.clock), every);
        spawn_until_stop(&tasks, "watchdog", feeding);
    }
    let tag = format!("{:x}", started_at.as_unix_ms());
    let dispatcher = Dispatcher::new(
        methods::registry(context),
        Arc::new(move |peer| identities.identify(peer)),
        rpc_limits(&settings, shares),
        tag,
        Some(counting),
    );
    let pages = Arc::new(Pages { health, metrics, store: store.clone(), safe_mode });
    let _ = eyes.dispatcher.set(Arc::downgrade(&dispatcher));
    let told = Arc::downgrade(&dispatcher);
    let tell = move || {
        if let Some(dispatcher) = told.upgrade() {
            dispatcher.people_changed();
        }
    };
    spawn_until_stop(&tasks, "identities", follower.follow(tell));
    let server = Server::new(dispatcher, pages, openrpc::document, stop);
    let _ = eyes.clients.set(Box::new(server.connections()));
    running_marker.tell();
    warn_of_open_folders(&config);
    Ok(Daemon {
        tasks,
        server,
        socket,
        engine_stop,
        hurry,
        engine_done,
        store,
        logs,
        system_logs,
        settings,
        system: system.clone(),
        running_marker,
        crashes,
    })
}

impl Daemon {
    /// Serves until asked to stop, then stops in order: no new calls and triggers, running attempts
    /// to their end within the grace, everything committed, store and logs closed.
    async fn serve(self) -> ExitCode {
        let stop = self.tasks.stop_token();
        // Before anybody is told that we are here: who knows may ask us to stop at once.
        let signals = Signals::catch();
        let socket = self.socket.path.display().to_string();
        let server = tokio::spawn(self.server.run(self.socket));
        systemd::ready("serving");
        tracing::info!(version = env!("CARGO_PKG_VERSION"), pid = host::pid(), %socket, "ready");
        let signals = tokio::spawn(signals.wait(stop.clone(), self.hurry.clone()));
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
        if self.tasks.culprit().is_none() {
            self.crashes.forget();
        }
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
