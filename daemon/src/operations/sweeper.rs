//! Carries out the cleaner's sweeps on the store and the logs, one short transaction each.

use std::collections::BTreeSet;
use std::sync::Arc;

use a2n_proto::execution::ExecutionStatus;
use a2n_proto::{ChangeKind, Json, Timestamp};

use super::retention::{Sweep, Sweeper, What};
use crate::store::history::mover::{Limits, move_some};
use crate::store::history::purge::purge_some;
use crate::store::history::{Kind, month_of};
use crate::store::logs::{LogStore, SystemLogs};
use crate::store::{
    Error, Origin, Paging, Store, Tx, execution, execution_metrics, execution_schedule, feed,
    idempotency, tombstone,
};
use crate::system::{Clock, Later};

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
        match what {
            What::MoveToHistory => {
                let keep = at_most.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
                let limits = Limits { keep, batch };
                let origin = Origin::daemon(self.clock.now(), "RETENTION");
                let store = self.store.clone();
                let moved = tokio::task::spawn_blocking(move || move_some(&store, origin, &limits))
                    .await??;
                // The cleaner asks again as long as a whole batch went.
                Ok(if moved.more { batch } else { moved.moved.min(batch.saturating_sub(1)) })
            }
            What::SuccessfulExecutions => {
                self.drop_files(Kind::ExecutionsSuccess, before)?;
                let ended = [ExecutionStatus::Success];
                Ok(self.write(move |tx| executions(tx, &ended, before, batch)).await?)
            }
            What::FailedExecutions => {
                self.drop_files(Kind::ExecutionsOther, before)?;
                let ended = [ExecutionStatus::Failed, ExecutionStatus::Cancelled];
                Ok(self.write(move |tx| executions(tx, &ended, before, batch)).await?)
            }
            What::ExecutionLogs => {
                let live: BTreeSet<_> =
                    execution::unfinished_ids(&self.store.read()?)?.into_iter().collect();
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
                Ok(self.write(move |tx| feed::trim(tx, before, keep, batch)).await?)
            }
            What::Deleted => {
                let gone = self.write(move |tx| tombstone::carry_out(tx, batch)).await?;
                if gone >= batch {
                    return Ok(gone);
                }
                // The live store is done with; the rest is in the history's files.
                let store = self.store.clone();
                let purged =
                    tokio::task::spawn_blocking(move || purge_some(&store, batch)).await??;
                Ok(gone.max(purged))
            }
            What::Rollups => {
                Ok(self.write(move |tx| execution_metrics::trim(tx, before, batch)).await?)
            }
            What::Schedules => {
                Ok(self.write(move |tx| execution_schedule::trim(tx, before, batch)).await?)
            }
            What::Idempotency => {
                let both = move |tx: &mut Tx<'_>| {
                    let keys = execution::trim_keys(tx, batch)?;
                    Ok(keys.max(idempotency::trim(tx, before, batch)?))
                };
                Ok(self.write(both).await?)
            }
        }
    }

    async fn write<F>(&self, body: F) -> Result<usize, Error>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<usize, Error> + Send + 'static,
    {
        self.store.write(Origin::daemon(self.clock.now(), "RETENTION"), body).await
    }

    /// Whole months of history that lie before the time.
    fn drop_files(&self, kind: Kind, before: Timestamp) -> Result<(), Error> {
        let month = month_of(u64::try_from(before.as_unix_ms()).unwrap_or(0));
        let history = self.store.history();
        for file in history.files() {
            if file.kind == kind && file.month < month {
                history.drop_file(file)?;
            }
        }
        Ok(())
    }
}

/// Removes ended executions from the live store, the oldest first.
fn executions(
    tx: &mut Tx<'_>,
    ended: &[ExecutionStatus],
    before: Timestamp,
    batch: usize,
) -> Result<usize, Error> {
    let query = execution::Query {
        status: ended.to_vec(),
        to: Some(before),
        ..execution::Query::default()
    };
    let paging = Paging { limit: batch, cursor: None, newest_first: false };
    let old = execution::list(tx, &query, &paging)?.items;
    for one in &old {
        execution::remove(tx, one.id)?;
        tx.change(
            "execution",
            one.id,
            one.revision,
            ChangeKind::Deleted,
            Json::object(),
            Some(one.id),
            Some(one.workflow_id),
        );
    }
    Ok(old.len())
}
