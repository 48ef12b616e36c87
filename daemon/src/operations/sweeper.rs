//! Carries out the cleaner's sweeps on the store and the logs. What is to go is looked for in a
//! snapshot, beside the writers; it goes in slices that nobody waits long for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::Timestamp;
use a2n_proto::execution::ExecutionStatus;

use super::retention::{Sweep, Sweeper, What};
use crate::store::history::mover::{self, Limits};
use crate::store::history::purge::purge_some;
use crate::store::history::{Kind, audit, in_slices, ledger, rollups};
use crate::store::logs::{LogStore, SystemLogs};
use crate::store::{Error, Origin, Store, event, execution, feed, idempotency, tombstone};
use crate::system::attachments::Attachments;
use crate::system::{Clock, Later};

/// What became of due instants stays in the live store for so long, for those who retry or look.
const SCHEDULES_LIVE: Duration = Duration::from_secs(7 * 86_400);
/// Measured values stay in the live store for so long: most runs that add to a minute have ended.
const ROLLUPS_LIVE: Duration = Duration::from_secs(2 * 86_400);
/// So many of the newest audit rows stay in the live store.
const AUDIT_LIVE: u64 = 10_000;
/// Idempotency keys that one look finds; there is no index by time, so a look sees all of them.
const KEYS: usize = 100_000;

/// Lets go of old rows and files.
#[derive(Debug)]
pub struct StoreSweeper {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The rows.
    pub store: Store,
    /// The output of steps.
    pub logs: Arc<LogStore>,
    /// The daemon's own log.
    pub system_logs: Option<Arc<SystemLogs>>,
    /// Files and other bytes of steps.
    pub attachments: Attachments,
}

impl Sweeper for StoreSweeper {
    fn sweep(&self, sweep: Sweep) -> Later<'_, Result<usize, String>> {
        Box::pin(async move { self.carry_out(sweep).await.map_err(|error| error.to_string()) })
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl StoreSweeper {
    async fn carry_out(&self, sweep: Sweep) -> Result<usize, Failure> {
        let Sweep { what, before, at_most, batch } = sweep;
        let now = self.clock.now();
        match what {
            What::MoveToHistory => {
                let keep = at_most.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
                self.on_store(move |store, origin| {
                    let moved = mover::move_some(store, origin, &Limits { keep, batch })?;
                    // The cleaner asks again as long as a whole batch went.
                    let more = moved.more && moved.moved > 0;
                    Ok(if more { batch } else { moved.moved.min(batch.saturating_sub(1)) })
                })
                .await
            }
            What::SuccessfulExecutions => {
                self.on_store(move |store, origin| {
                    drop_files(store, Kind::ExecutionsSuccess, before)?;
                    forget_executions(store, origin, ExecutionStatus::Success, before, batch)
                })
                .await
            }
            What::FailedExecutions => {
                self.on_store(move |store, origin| {
                    drop_files(store, Kind::ExecutionsOther, before)?;
                    let forget = |status| forget_executions(store, origin, status, before, batch);
                    Ok(forget(ExecutionStatus::Failed)?.max(forget(ExecutionStatus::Cancelled)?))
                })
                .await
            }
            What::ExecutionLogs => {
                let live: BTreeSet<_> = self
                    .on_store(|store, _| execution::unfinished_ids(&store.read()?))
                    .await?
                    .into_iter()
                    .collect();
                self.logs.expire(Some(before), at_most, &live).await?;
                Ok(0)
            }
            What::SystemLog => {
                if let Some(logs) = &self.system_logs {
                    logs.expire(Some(before), at_most).await?;
                }
                Ok(0)
            }
            What::Feed => {
                let keep = at_most.unwrap_or(u64::MAX);
                self.on_store(move |store, origin| {
                    let old = feed::old(&store.read()?, before, keep, batch)?;
                    in_slices(store, origin, old, |tx, first| feed::forget(tx, *first))
                })
                .await
            }
            What::Events => {
                let keep = at_most.unwrap_or(u64::MAX);
                self.on_store(move |store, origin| {
                    let old = event::old(&store.read()?, before, keep, batch)?;
                    in_slices(store, origin, old, |tx, seq| event::forget(tx, *seq))
                })
                .await
            }
            What::Deleted => {
                self.on_store(move |store, origin| carry_out_deletions(store, origin, batch)).await
            }
            What::Rollups => {
                self.on_store(move |store, origin| {
                    drop_files(store, Kind::Rollup, before)?;
                    rollups::move_some(store, origin, now.minus(ROLLUPS_LIVE), batch)
                })
                .await
            }
            What::Audit => {
                self.on_store(move |store, origin| {
                    audit::move_some(store, origin, AUDIT_LIVE, batch)
                })
                .await
            }
            What::Schedules => {
                self.on_store(move |store, origin| {
                    drop_files(store, Kind::Ledger, before)?;
                    ledger::move_some(store, origin, now.minus(SCHEDULES_LIVE), batch)
                })
                .await
            }
            What::Idempotency => {
                self.on_store(move |store, origin| {
                    let keys = execution::keys_before(&store.read()?, before, KEYS)?;
                    in_slices(store, origin, keys, execution::forget_key)?;
                    let old = idempotency::old(&store.read()?, before, batch)?;
                    in_slices(store, origin, old, |tx, entry| idempotency::forget(tx, entry))
                })
                .await
            }
            What::StoreSize => {
                self.on_store(move |store, _| {
                    for file in store.keep_below(at_most.unwrap_or(0))? {
                        tracing::warn!(%file, "history removed: the store is above store.maxBytes");
                    }
                    Ok(0)
                })
                .await
            }
            What::Attachments => {
                let (store, attachments) = (self.store.clone(), self.attachments.clone());
                let sweep = move || execution::drop_unnamed(&store, &attachments, batch);
                Ok(tokio::task::spawn_blocking(sweep).await??)
            }
        }
    }

    /// Work that waits for the disk, on a thread that may.
    async fn on_store<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Store, &Origin) -> Result<T, Error> + Send + 'static,
    {
        let (store, origin) = (self.store.clone(), Origin::daemon(self.clock.now(), "RETENTION"));
        Ok(tokio::task::spawn_blocking(move || work(&store, &origin)).await??)
    }
}

/// Whole months of history that lie before the time.
fn drop_files(store: &Store, kind: Kind, before: Timestamp) -> Result<(), Error> {
    for file in store.history().drop_before(kind, before)? {
        tracing::info!(%file, "history beyond its time removed");
    }
    Ok(())
}

/// Ended executions that are still in the live store, the oldest first. Answers how many went.
fn forget_executions(
    store: &Store,
    origin: &Origin,
    status: ExecutionStatus,
    before: Timestamp,
    batch: usize,
) -> Result<usize, Error> {
    let old = execution::ended_before(&store.read()?, status, before, batch)?;
    in_slices(store, origin, old, |tx, id| execution::forget(tx, *id))
}

/// What belonged to deleted things: first in the live store, then in history.
fn carry_out_deletions(store: &Store, origin: &Origin, batch: usize) -> Result<usize, Error> {
    let mut gone = 0;
    while gone < batch {
        match store.write_blocking(origin.clone(), move |tx| tombstone::carry_out(tx, batch))? {
            0 => {
                let purged = purge_some(store, origin, batch)?;
                return Ok(gone.max(purged));
            }
            n => gone += n,
        }
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{World, a_trigger, an_execution, at, execution_id, trigger_id};
    use crate::store::{execution_schedule, workflow_trigger};
    use crate::system::attachments::Limits;
    use crate::system::sim::SimClock;
    use a2n_proto::execution::{ExecutionSchedule, ScheduleStatus};

    const DAY: i64 = 86_400_000;

    fn sweeper(world: &World, days: i64) -> StoreSweeper {
        let folder = tempfile::tempdir().unwrap().keep();
        let clock = Arc::new(SimClock::new(at(days * DAY)));
        let limits =
            Limits { each_bytes: 1, total_bytes: 1, least_free_bytes: 0, least_free_percent: 0 };
        let attachments = Attachments::open(&folder.join("a"), limits, clock.clone()).unwrap();
        let disk = crate::store::logs::Folder::create(folder).unwrap();
        let options = crate::store::logs::Options {
            disk: Arc::new(disk),
            file_bytes: 1 << 20,
            salt: 1,
            boot_id: "boot".into(),
            at: at(0),
            name: "logs",
            drive: crate::store::Drive::Thread,
        };
        StoreSweeper {
            clock,
            store: world.store.clone(),
            logs: Arc::new(LogStore::open(options, &[]).unwrap()),
            system_logs: None,
            attachments,
        }
    }

    fn sweep(what: What, before: Timestamp) -> Sweep {
        Sweep { what, before, at_most: Some(0), batch: 10 }
    }

    /// What happened: the month in which the limit lies has a history file, which stays until the
    /// month is over. Its executions were listed as old ones to be removed from the live store, where
    /// they are not: the sweep never ended and told the feed of deletions that were none.
    #[tokio::test]
    async fn a_month_that_is_not_over_stays_and_the_sweep_ends() {
        let world = World::new();
        world.write(0, |tx| {
            (0..40).try_for_each(|n| {
                let one = an_execution(n, ExecutionStatus::Success);
                execution::insert(tx, &one, vec![])
            })
        });
        let sweeper = sweeper(&world, 1);
        while sweeper.sweep(sweep(What::MoveToHistory, at(DAY))).await.unwrap() == 10 {}
        let last = world.store.feed().last();
        let gone = sweeper.sweep(sweep(What::SuccessfulExecutions, at(1000))).await;
        assert_eq!(gone, Ok(0));
        assert_eq!(world.store.feed().last(), last);
        assert!(execution::get(&world.read(), execution_id(3)).unwrap().is_some());
        // Two months later the whole file goes.
        assert_eq!(sweeper.sweep(sweep(What::SuccessfulExecutions, at(62 * DAY))).await, Ok(0));
        assert!(execution::get(&world.read(), execution_id(3)).unwrap().is_none());
        assert_eq!(world.store.history().files_of(Kind::ExecutionsSuccess), []);
    }

    /// What happened: `store.maxBytes` could be set and nobody looked at it.
    #[tokio::test]
    async fn the_oldest_history_goes_first_where_the_store_is_too_large() {
        let world = World::new();
        let month = 31 * DAY;
        world.write(0, move |tx| {
            (0..3).try_for_each(|n| {
                for (more, status) in [(1, ExecutionStatus::Success), (2, ExecutionStatus::Failed)]
                {
                    let one = an_execution(n * month + more, status);
                    execution::insert(tx, &one, vec![])?;
                }
                Ok(())
            })
        });
        let sweeper = sweeper(&world, 100);
        sweeper.sweep(sweep(What::MoveToHistory, at(DAY))).await.unwrap();
        let size = |most| Sweep { at_most: Some(most), ..sweep(What::StoreSize, at(DAY)) };
        let files = || {
            let mut files = world.store.history().files();
            files.sort();
            files
        };
        let all = files();
        assert_eq!(all.len(), 6);
        sweeper.sweep(size(0)).await.unwrap();
        assert_eq!(files(), all, "no limit");
        // A byte too much costs one file: successful ones of the first month.
        sweeper.sweep(size(world.store.size_bytes() - 1)).await.unwrap();
        assert_eq!(files(), all[1..]);
        assert!(world.store.accepting());
        assert_eq!(world.store.health().size.dropped, Some(all[0].to_string()));
        // The live store never goes: it refuses new work instead, until there is room again.
        sweeper.sweep(size(1)).await.unwrap();
        assert_eq!(files(), []);
        assert!(matches!(world.store.admit(), Err(Error::Refusing { .. })));
        sweeper.sweep(size(1 << 40)).await.unwrap();
        assert!(world.store.accepting());
    }

    /// What happened: the oldest plans were looked at, batch by batch; where a batch's worth of them
    /// had to stay, nothing behind them was ever removed.
    #[tokio::test]
    async fn plans_that_stay_do_not_keep_others() {
        let world = World::new();
        world.write(0, |tx| {
            for n in 1..=30 {
                workflow_trigger::put(tx, &a_trigger(n, &format!("t{n}")))?;
            }
            for n in 1..=60 {
                let trigger = trigger_id(if n <= 30 { n } else { 30 });
                execution_schedule::put(tx, &a_plan(n, trigger))?;
            }
            Ok(())
        });
        let sweeper = sweeper(&world, 8);
        let mut gone = 0;
        loop {
            let n = sweeper.sweep(sweep(What::Schedules, at(0))).await.unwrap();
            gone += n;
            if n < 10 {
                break;
            }
        }
        assert_eq!(gone, 30, "all but the last of each trigger");
        let rows = world.read().row_counts().unwrap();
        assert_eq!(rows["execution_schedule"], 30);
    }

    fn a_plan(n: u64, trigger: a2n_proto::WorkflowTriggerId) -> ExecutionSchedule {
        crate::store::testing::a_plan(n, trigger, ScheduleStatus::Completed)
    }
}
