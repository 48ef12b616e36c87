//! Who carries attempts out in the made-up world, and the witness of it: what began is written down
//! outside A2N's control, as a real step's effect would be.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2n_daemon::engine::driving::packed;
use a2n_daemon::engine::execution::UnitKey;
use a2n_daemon::engine::job::{Executor, Job, JobEnd, JobKey, JobVoice, Measured, Printed};
use a2n_daemon::engine::kind::{Handles, NodeError, Outcome};
use a2n_daemon::store::{Store, execution};
use a2n_daemon::system::Clock;
use a2n_daemon::system::sim::SimClock;
use a2n_proto::execution::{LogLevel, LogStream, MetricType};
use a2n_proto::{ExecutionId, Json};
use a2n_tests::history::Begun;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::scenarios::{LOCKED, Rule};

/// What an attempt does, one after the other.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Say(String),
    Progress(u8),
    Sleep(Duration),
    /// Goes on until it is told to end, and then takes this long.
    Hang(Duration),
}

/// All that an attempt does.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) acts: Vec<Act>,
    pub(crate) result: Result<(), NodeError>,
}

/// Decides what an attempt does; told how many failures of its unit are recorded.
pub(crate) type Director = Arc<dyn Fn(&Job, u32) -> Script + Send + Sync>;

/// What happened in the world.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) begun: Vec<Begun>,
    /// What runs now.
    pub(crate) running: BTreeSet<JobKey>,
    /// Lines that an attempt has said, once it came to its end.
    pub(crate) said: BTreeMap<JobKey, u64>,
    /// What must not have happened.
    pub(crate) wrong: Vec<String>,
}

impl Witness {
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Attempts that may run at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parallel {
    pub(crate) all: u32,
    pub(crate) per_execution: u32,
}

/// Carries attempts out as the director says.
pub(crate) struct SimExecutor {
    pub(crate) clock: SimClock,
    pub(crate) store: Store,
    pub(crate) witness: Arc<Witness>,
    pub(crate) director: Director,
    pub(crate) parallel: Parallel,
    pub(crate) rules: Arc<BTreeMap<(String, String), Rule>>,
}

impl SimExecutor {
    /// Failures of the unit that are recorded; none where the start of this attempt is not.
    fn recorded_failures(&self, key: &JobKey) -> Option<u32> {
        let snapshot = self.store.read().ok()?;
        let bytes = execution::state(&snapshot, key.execution).ok()??;
        let state = packed::unpack(&bytes)?;
        if !state.running().contains(key) {
            return None;
        }
        let node = UnitKey::of(key).node;
        let unit = state.node(&node)?.units.get(key.item.unwrap_or(0) as usize)?;
        let failed = unit.attempts.iter().filter(|a| a.error.is_some() && !a.lost);
        u32::try_from(failed.count()).ok()
    }

    fn begin(&self, job: &Job) -> u32 {
        let recorded = self.recorded_failures(&job.key);
        let rule = self.rules[&(job.workflow.clone(), job.key.node.clone())];
        let mut seen = self.witness.seen();
        let JobKey { execution, node, iteration, item, attempt } = &job.key;
        if recorded.is_none() {
            let what = format!("{:?} began before its start was recorded", job.key);
            seen.wrong.push(what);
        }
        seen.begun.push(Begun {
            execution: *execution,
            node: node.clone(),
            iteration: iteration.clone(),
            item: item.unwrap_or(0),
            attempt: *attempt,
            once: rule.once,
        });
        if !seen.running.insert(job.key.clone()) {
            seen.wrong.push(format!("{:?} began while it ran", job.key));
        }
        let of_execution = seen.running.iter().filter(|key| key.execution == *execution);
        let of_node = of_execution.clone().filter(|key| key.node == *node);
        let here = of_node.clone().filter(|key| key.iteration == *iteration).count();
        // Those of the same loop: of one that runs within another, each iteration of that has its own.
        let own = outer(iteration);
        let beside = of_node.filter(|key| outer(&key.iteration) == own);
        let beside: BTreeSet<&str> = beside.map(|key| key.iteration.as_str()).collect();
        let counts = [
            (seen.running.len(), self.parallel.all, "attempts ran at once"),
            (of_execution.count(), self.parallel.per_execution, "of one execution ran at once"),
            (here, rule.concurrency, "of one node ran at once"),
            (beside.len(), rule.iterations, "iterations of one loop ran at once"),
        ];
        let mut wrong: Vec<String> = counts
            .into_iter()
            .filter(|(n, most, _)| *n > *most as usize)
            .map(|(n, most, what)| format!("{n} {what}, at most {most} may ({:?})", job.key))
            .collect();
        for (name, most) in LOCKED {
            let within = seen.running.iter().filter(|key| key.node.starts_with(name));
            let within: BTreeSet<ExecutionId> = within.map(|key| key.execution).collect();
            if node.starts_with(name) && within.len() > *most {
                wrong.push(format!("{:?} began while others held the lock", job.key));
            }
        }
        seen.wrong.extend(wrong);
        recorded.unwrap_or(0)
    }
}

/// The iterations around the innermost one.
fn outer(iteration: &str) -> &str {
    iteration.rsplit_once('.').map_or("", |(outer, _)| outer)
}

impl Executor for SimExecutor {
    fn run(
        &self,
        job: Job,
        voice: Arc<dyn JobVoice>,
        stop: CancellationToken,
    ) -> Pin<Box<dyn Future<Output = JobEnd> + Send>> {
        let failures = self.begin(&job);
        let script = (self.director)(&job, failures);
        let attempt = Attempt {
            clock: self.clock.clone(),
            key: job.key.clone(),
            timeout: job.timeout,
            witness: Arc::clone(&self.witness),
        };
        Box::pin(async move {
            let result = attempt.play(script, voice, stop).await;
            let took = Measured {
                name: "step.wall_time".into(),
                value: 1.0,
                kind: MetricType::Gauge,
                unit: "ms".into(),
            };
            attempt.witness.seen().running.remove(&attempt.key);
            JobEnd { result, measured: vec![took] }
        })
    }
}

impl std::fmt::Debug for SimExecutor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimExecutor").field("parallel", &self.parallel).finish_non_exhaustive()
    }
}

struct Attempt {
    clock: SimClock,
    key: JobKey,
    timeout: Option<Duration>,
    witness: Arc<Witness>,
}

impl Attempt {
    async fn play(
        &self,
        script: Script,
        voice: Arc<dyn JobVoice>,
        stop: CancellationToken,
    ) -> Result<Outcome, NodeError> {
        let until = self.timeout.map(|after| self.clock.monotonic() + after);
        let mut said = 0;
        for act in script.acts {
            match act {
                Act::Say(text) => {
                    voice
                        .lines(
                            LogLevel::Info,
                            Some(LogStream::Stdout),
                            Printed::from_iter([&*text]),
                        )
                        .await;
                    said += 1;
                }
                Act::Progress(percent) => voice.progress(percent, None),
                Act::Sleep(after) => self.pause(Some(after), until, &stop).await?,
                Act::Hang(grace) => {
                    let ended = self.pause(None, until, &stop).await;
                    self.clock.sleep(grace).await;
                    ended?;
                }
            }
        }
        self.witness.seen().said.insert(self.key.clone(), said);
        script.result?;
        let ran = Json::from(json!({"ran": format!("{}#{:?}", self.key.node, self.key.item)}));
        Ok(Outcome::Items(Handles::from([("output".to_owned(), vec![ran])])))
    }

    /// Lets time pass, to the end of it, of the attempt's own, or until it is told to end.
    async fn pause(
        &self,
        after: Option<Duration>,
        until: Option<Duration>,
        stop: &CancellationToken,
    ) -> Result<(), NodeError> {
        let left = until.map(|until| until.saturating_sub(self.clock.monotonic()));
        let sleep = async {
            match after {
                Some(after) => self.clock.sleep(after).await,
                None => std::future::pending().await,
            }
        };
        let limit = async {
            match left {
                Some(left) => self.clock.sleep(left).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(NodeError::new("CANCELLED", "cancelled")),
            () = limit => Err(NodeError::new("TIMEOUT", "it took too long")),
            () = sleep => Ok(()),
        }
    }
}

/// The execution's attempts that run now.
pub(crate) fn running_of(seen: &Seen, id: ExecutionId) -> usize {
    seen.running.iter().filter(|key| key.execution == id).count()
}
