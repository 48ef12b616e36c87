//! What the daemon says about itself: numbers, health, and the pages on the socket.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use a2n_proto::Timestamp;
use a2n_proto::api::system::StatsAnswer;
use a2n_proto::execution::{Execution, ExecutionStatus};
use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

use super::schedules::Running;
use crate::engine::driving::handle::{Busy, Engine, Load, Observer};
use crate::engine::driving::safe_mode::SafeMode;
use crate::engine::driving::stuck::{Stuck, Why};
use crate::operations::health::{self, Finding, Health, Probe, counted};
use crate::operations::metrics::{Looks, Metrics};
use crate::operations::retention::Pressure;
use crate::rpc::{self, Dispatcher};
use crate::store::Store;
use crate::store::logs::LogStore;
use crate::system::{self, Clock, Later, Usage, listen};
use crate::triggers::service::Handle as Schedules;

/// Looks things up when somebody asks.
pub(super) struct Eyes {
    pub(super) store: Store,
    pub(super) logs: LogStore,
    pub(super) data_dir: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) started_at: Timestamp,
    /// The engine's load; known once the engine is made.
    pub(super) engine: OnceCell<Engine>,
    /// How many clients there are; known once the server is made.
    pub(super) clients: OnceCell<Box<dyn Fn() -> usize + Send + Sync>>,
    /// The calls and subscriptions on the socket; known once the dispatcher is made.
    pub(super) dispatcher: OnceCell<Weak<Dispatcher>>,
}

impl std::fmt::Debug for Eyes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Eyes").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

impl Looks for Eyes {
    fn stats(&self) -> StatsAnswer {
        let mut executions = BTreeMap::new();
        let mut rows = BTreeMap::new();
        let mut queued_longest = None;
        if let Ok(read) = self.store.read() {
            // A million may wait: those are not counted one by one.
            let running = ExecutionStatus::Running;
            let running = crate::store::execution::count_status(&read, running).unwrap_or(0);
            let (queued, paused) = crate::store::execution::counts(&read).unwrap_or_default();
            for (status, n) in [("PENDING", queued), ("RUNNING", running), ("PAUSED", paused)] {
                executions.insert(status.to_owned(), n);
            }
            let mut oldest =
                crate::store::execution::with_status(&read, ExecutionStatus::Pending, 1);
            let oldest = oldest.as_mut().ok().and_then(Vec::pop);
            queued_longest = oldest.map(|id| {
                let now = u64::try_from(self.clock.now().as_unix_ms()).unwrap_or(0);
                now.saturating_sub(id.unix_ms())
            });
            rows = read.row_counts().unwrap_or_default();
        }
        let load = self.engine.get().map(Engine::last_load).unwrap_or_default();
        let uptime = self.clock.now().since(self.started_at);
        StatsAnswer {
            rows,
            executions,
            jobs_waiting: load.hungry as u64,
            jobs_running: load.jobs as u64,
            jobs_limited: load.limited as u64,
            jobs_at_most: load.slots as u64,
            executions_in_memory: load.live as u64,
            queued_longest,
            timers: load.timers as u64,
            clients: self.clients.get().map_or(0, |n| n() as u64),
            subscriptions: self
                .dispatcher
                .get()
                .and_then(Weak::upgrade)
                .map_or(0, |d| d.counts().n_subscriptions() as u64),
            feed_seq: self.store.feed().last(),
            store_bytes: self.store.size_bytes(),
            log_bytes: self.logs.totals().bytes,
            disk_free_bytes: system::space(&self.data_dir).ok().map(|space| space.free_bytes),
            memory_bytes: Some(system::usage().memory_bytes),
            uptime: u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
        }
    }
    fn usage(&self) -> Usage {
        system::usage()
    }
    fn log_lines(&self) -> u64 {
        self.logs.stored()
    }
}

/// Tells the counters, the metrics and the schedules what happens in the engine.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) pressure: Arc<Pressure>,
    pub(super) metrics: Metrics,
    pub(super) running: Arc<Running>,
    pub(super) schedules: Schedules,
}

impl Observer for Watcher {
    fn began(&self, execution: &Execution) {
        self.running.began(execution);
    }
    fn accepted(&self, _: &Execution) {
        self.metrics.execution_accepted();
    }
    fn ended(&self, execution: &Execution) {
        self.metrics.execution_ended(&execution.workflow_name, execution.status);
    }
    fn gone(&self, execution: &Execution) {
        self.pressure.ended();
        self.running.ended(execution);
        if let Some(trigger) = execution.trigger_id
            && !self.schedules.try_ended(trigger)
        {
            let schedules = self.schedules.clone();
            tokio::spawn(async move { schedules.ended(trigger).await });
        }
    }
    fn attempt_ended(&self, kind: &str, error: Option<&str>) {
        self.metrics.attempt_ended(kind, error.unwrap_or("OK"));
    }
}

/// What `/healthz`, `/readyz` and `/metrics` answer.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) health: Health,
    pub(super) metrics: Metrics,
    pub(super) store: Store,
    pub(super) safe_mode: SafeMode,
}

impl rpc::Pages for Pages {
    fn health(&self) -> BoxFuture<'_, rpc::Probe> {
        Box::pin(async move {
            let ok = self.health.is_alive().await;
            let text = if ok { "ok" } else { "not well: see `a2n health`" };
            rpc::Probe { ok, text: text.into() }
        })
    }
    fn ready(&self) -> BoxFuture<'_, rpc::Probe> {
        Box::pin(async move {
            let ok = self.store.accepting() && self.safe_mode.why().is_none();
            let text = if ok { "ready" } else { "takes no work: see `a2n health`" };
            rpc::Probe { ok, text: text.into() }
        })
    }
    fn metrics(&self) -> BoxFuture<'_, String> {
        Box::pin(async move { self.metrics.text() })
    }
}

/// What is under way, and what waits for what.
fn told(load: &Load) -> String {
    let mut text = format!(
        "{} in memory, {} of {} running",
        counted(load.live, "execution"),
        load.jobs,
        counted(load.slots, "step")
    );
    for (n, what) in
        [(load.hungry, "for a slot"), (load.limited, "for a rate limit"), (load.queued, "to begin")]
    {
        if n > 0 {
            text.push_str(&format!(", {} waiting {what}", counted(n, "execution")));
        }
    }
    text
}

/// The workflows that have or want most; by id, since who asks may not see each of them.
async fn busiest(engine: &Engine) -> String {
    let all = engine.busiest().await.unwrap_or_default();
    let told = all.iter().filter(|one| one.hungry + one.queued > 0).map(|one| {
        let (id, Busy { jobs, hungry, queued, .. }) = (one.workflow, one);
        format!("; workflow {id}: {jobs} running, {hungry} waiting for a slot, {queued} to begin")
    });
    told.collect()
}

/// Places of the machine that are looked at.
pub(super) struct Paths {
    pub(super) data_dir: PathBuf,
    pub(super) socket: PathBuf,
}

/// The probes of `system.health`.
pub(super) fn probes(
    store: &Store,
    logs: &LogStore,
    engine: &Engine,
    stuck: &Stuck,
    schedules: &Schedules,
    safe_mode: &SafeMode,
    Paths { data_dir, socket }: Paths,
) -> Vec<(&'static str, Probe)> {
    let (store, logs, stuck) = (store.clone(), logs.clone(), stuck.clone());
    let (reads, gate) = (store.clone(), store.clone());
    let (engine, schedules, safe_mode) = (engine.clone(), schedules.clone(), safe_mode.clone());
    let held = safe_mode.clone();
    let now = |finding: Finding| -> Later<'static, Finding> { Box::pin(async move { finding }) };
    vec![
        (
            "store",
            Box::new(move || {
                let found = store.health();
                now(match (&found.refusing, found.damaged.len()) {
                    (Some(why), _) => Finding::unhealthy(format!("refuses writes: {why}")),
                    (None, _) if found.size.too_large => {
                        Finding::unhealthy("larger than `store.maxBytes`: nothing new is accepted")
                    }
                    (None, 0) => match found.size.dropped {
                        Some(file) => Finding::degraded(format!(
                            "history was removed to stay below `store.maxBytes`, {file} last"
                        )),
                        None => {
                            Finding::healthy(format!("writes and reads, commit {}", found.commit))
                        }
                    },
                    (None, n) => Finding::unhealthy(format!("{n} damaged rows: see `a2n verify`")),
                })
            }),
        ),
        (
            "socket",
            Box::new(move || {
                let path = socket.display();
                now(if listen::is_there(&socket) {
                    Finding::healthy(format!("clients connect to {path}"))
                } else {
                    Finding::unhealthy(format!("{path} is gone: nobody new can connect; restart"))
                })
            }),
        ),
        (
            "disk",
            Box::new(move || {
                let space = system::space(&data_dir);
                let least = space.as_ref().map_or(0, |space| gate.least_free(space.total_bytes));
                now(health::disk(space, least))
            }),
        ),
        (
            "queue",
            Box::new(move || {
                let engine = engine.clone();
                if let Some(why) = safe_mode.why() {
                    return now(Finding::unhealthy(format!(
                        "safe mode, nothing is started or resumed: {why}; look at what it did last \
                         (`a2n ps`, the log), `a2n cancel` what is to blame, then `a2n safe-mode off`"
                    )));
                }
                Box::pin(async move {
                    match engine.load().await {
                        Ok(load) if load.again > 0 => Finding::unhealthy(format!(
                            "{} could not be stored, to be read again",
                            counted(load.again, "execution")
                        )),
                        Ok(load) => {
                            let told = format!("{}{}", told(&load), busiest(&engine).await);
                            match load.hungry {
                                0 => Finding::healthy(told),
                                _ => Finding::degraded(told),
                            }
                        }
                        Err(error) => Finding::unhealthy(error.to_string()),
                    }
                })
            }),
        ),
        (
            "executions",
            Box::new(move || {
                let found = reads.read().and_then(|read| {
                    let in_doubt = crate::store::execution::in_doubt(&read)?;
                    let (aside, stuck): (Vec<_>, Vec<_>) = stuck
                        .unfinished(&read)
                        .into_iter()
                        .partition(|(_, why)| matches!(why, Why::Quarantined(_)));
                    Ok(health::executions(&stuck, &aside, &in_doubt))
                });
                now(match found {
                    Ok(found) => found,
                    Err(error) => Finding::unhealthy(format!("can't be read: {error}")),
                })
            }),
        ),
        (
            "timers",
            Box::new(move || {
                if held.why().is_some() {
                    // The service of the schedules begins when it is left.
                    return now(Finding::unhealthy(
                        "safe mode: no schedule and no timer is followed; `a2n safe-mode off` lets them",
                    ));
                }
                let schedules = schedules.clone();
                Box::pin(async move { health::timers(schedules.lag().await) })
            }),
        ),
        (
            "logs",
            Box::new(move || {
                let lost = logs.lost();
                now(if lost == 0 {
                    Finding::healthy(format!("{} bytes of lines", logs.totals().bytes))
                } else {
                    Finding::degraded(format!("{lost} lines lost since the start"))
                })
            }),
        ),
    ]
}
