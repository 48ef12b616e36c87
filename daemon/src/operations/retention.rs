//! What is kept how long, and the cleaner that lets the rest go in small batches.
//!
//! The policy is pure: settings and time give a list of sweeps. The cleaner asks `app` (through
//! [`Sweeper`]) for one batch after the other, so that writers never wait for it, and sleeps until
//! hours have passed or many executions have ended.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use a2n_proto::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::settings::{Settings, table};
use crate::system::{Clock, Later};

/// How often everything is looked through.
const EVERY: Duration = Duration::from_secs(6 * 3600);

/// Executions that end before the cleaner is woken: about 150 MB of the live store, in which a commit
/// costs some hundredths of a millisecond more.
const MANY: usize = 50_000;
/// Rest between two batches, at most.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// What is let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Ended executions beyond the newest move from the live store to the history.
    MoveToHistory,
    /// Successful executions.
    SuccessfulExecutions,
    /// Failed and cancelled executions.
    FailedExecutions,
    /// Output of steps.
    ExecutionLogs,
    /// The daemon's own log.
    SystemLog,
    /// Changes in the feed.
    Feed,
    /// Events in the inbox.
    Events,
    /// What belonged to deleted workflows and triggers.
    Deleted,
    /// Measured values per minute.
    Rollups,
    /// Audit rows beyond the newest move to the history; none ever goes.
    Audit,
    /// What became of due instants.
    Schedules,
    /// Answers to idempotency keys.
    Idempotency,
    /// The oldest history, where the whole store is too large.
    StoreSize,
    /// Attachments that no execution names any longer.
    Attachments,
}

/// One sweep: rows of this sort that are older, or beyond what is kept, go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// What.
    pub what: What,
    /// Older ones go.
    pub before: Timestamp,
    /// Beyond so many (rows, or bytes for logs) the oldest go, whatever their age.
    pub at_most: Option<u64>,
    /// Rows in one commit.
    pub batch: usize,
}

/// Carries out sweeps.
pub trait Sweeper: Send + Sync + fmt::Debug {
    /// One batch, in one short transaction; how many rows went. Fewer than the batch ends it.
    fn sweep(&self, sweep: Sweep) -> Later<'_, Result<usize, String>>;
}

/// Everything that may go now.
pub fn sweeps(settings: &Settings, now: Timestamp) -> Vec<Sweep> {
    let batch = settings.get(&table::RETENTION_BATCH);
    let days = |n: u64| now.minus(Duration::from_secs(n.saturating_mul(86_400)));
    let sweep = |what, before, at_most| Sweep { what, before, at_most, batch };
    let kept = |setting| settings.get::<u64>(setting);
    let newest = settings.get(&table::HISTORY_NEWEST);
    vec![
        Sweep {
            what: What::MoveToHistory,
            before: now,
            at_most: u64::try_from(newest).ok(),
            batch: settings.get(&table::HISTORY_BATCH),
        },
        sweep(What::SuccessfulExecutions, days(kept(&table::RETENTION_SUCCESS)), None),
        sweep(What::FailedExecutions, days(kept(&table::RETENTION_FAILED)), None),
        sweep(
            What::ExecutionLogs,
            days(kept(&table::RETENTION_LOGS)),
            Some(kept(&table::RETENTION_LOG_BYTES)),
        ),
        sweep(
            What::SystemLog,
            days(kept(&table::RETENTION_SYSTEM_LOG)),
            Some(kept(&table::RETENTION_SYSTEM_LOG_BYTES)),
        ),
        sweep(What::Feed, days(kept(&table::FEED_DAYS)), Some(kept(&table::FEED_CHANGES))),
        sweep(
            What::Events,
            days(kept(&table::RETENTION_EVENT_DAYS)),
            Some(kept(&table::RETENTION_EVENTS)),
        ),
        sweep(What::Deleted, now, None),
        sweep(What::Rollups, days(kept(&table::RETENTION_ROLLUPS)), None),
        sweep(What::Audit, now, None),
        sweep(What::Schedules, days(kept(&table::RETENTION_SCHEDULE)), None),
        sweep(What::Idempotency, days(kept(&table::RPC_IDEMPOTENCY)), None),
        sweep(What::StoreSize, now, Some(kept(&table::STORE_MAX))),
        // After the executions that may have named them.
        sweep(What::Attachments, now, None),
    ]
}

/// The cleaner.
#[derive(Debug)]
pub struct Cleaner {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What is kept.
    pub settings: Settings,
    /// Who lets go.
    pub sweeper: Arc<dyn Sweeper>,
    /// Whether it is time before its time.
    pub pressure: Arc<Pressure>,
}

/// Counts what ends, so that the live store stays small however much runs.
#[derive(Debug, Default)]
pub struct Pressure {
    ended: AtomicUsize,
    notify: Notify,
}

impl Pressure {
    /// An execution ended. Many of them wake the cleaner.
    pub fn ended(&self) {
        if self.ended.fetch_add(1, Ordering::Relaxed) + 1 == MANY {
            self.notify.notify_one();
        }
    }
}

impl Cleaner {
    /// Looks through everything at the start, every six hours, and whenever many executions have
    /// ended, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            let round = self.tick(&stop);
            let gone = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                gone = round => gone,
            };
            if gone > 0 {
                tracing::info!(rows = gone, "old rows removed");
            }
            let next = self.clock.now().plus(EVERY);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.clock.sleep_until(next) => {}
                () = self.pressure.notify.notified() => {}
            }
        }
    }

    /// One round; how many rows went.
    async fn tick(&self, stop: &CancellationToken) -> usize {
        self.pressure.ended.store(0, Ordering::Relaxed);
        let mut gone = 0;
        for sweep in sweeps(&self.settings, self.clock.now()) {
            while !stop.is_cancelled() {
                let began = self.clock.monotonic();
                match self.sweeper.sweep(sweep).await {
                    Ok(n) => {
                        gone += n;
                        if n < sweep.batch {
                            break;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(what = ?sweep.what, %error, "old rows not removed");
                        break;
                    }
                }
                // Nobody waits for this: it takes half of one processor at most.
                let took = self.clock.monotonic().saturating_sub(began);
                self.clock.sleep(took.min(LONGEST_REST)).await;
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::system::sim::SimClock;
    use serde_json::json;

    #[derive(Debug, Default)]
    struct Rows(Mutex<Vec<(What, usize)>>);
    impl Sweeper for Rows {
        fn sweep(&self, sweep: Sweep) -> Later<'_, Result<usize, String>> {
            Box::pin(async move {
                let mut rows = self.0.lock().unwrap();
                let Some((_, left)) = rows.iter_mut().find(|(what, _)| *what == sweep.what) else {
                    return Err("not there".into());
                };
                let n = sweep.batch.min(*left);
                *left -= n;
                Ok(n)
            })
        }
    }

    #[test]
    fn settings_say_what_may_go() {
        let settings = Settings::default();
        settings.apply("retention.failedDays", Some(json!(2))).unwrap();
        let now: Timestamp = "2026-03-10T00:00:00Z".parse().unwrap();
        let found = sweeps(&settings, now);
        let failed = found.iter().find(|s| s.what == What::FailedExecutions).unwrap();
        assert_eq!(failed.before.to_string(), "2026-03-08T00:00:00.000Z");
        assert!(found.iter().all(|sweep| sweep.batch > 0 && sweep.before <= now));
    }

    #[tokio::test]
    async fn a_round_goes_on_batch_by_batch_and_past_what_fails() {
        let rows = Rows(Mutex::new(vec![(What::SuccessfulExecutions, 1200), (What::Feed, 3)]));
        let cleaner = Cleaner {
            clock: Arc::new(SimClock::new(Timestamp::from_unix_ms(0))),
            settings: Settings::default(),
            sweeper: Arc::new(rows),
            pressure: Arc::default(),
        };
        assert_eq!(cleaner.tick(&CancellationToken::new()).await, 1203);
    }
}
