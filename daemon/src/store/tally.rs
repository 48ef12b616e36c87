//! Counts that every ended execution adds to: a workflow's lifetime counters, its user's, and the
//! roll-ups of measured values per minute. They are joined over a commit and written once at its
//! end, since hundreds of executions that end together change the same few rows.

use std::collections::BTreeMap;

use a2n_proto::execution::{Execution, ExecutionMetric, ExecutionStatus};
use a2n_proto::{ExecutionId, Timestamp, UserId, WorkflowId};
use serde::{Deserialize, Serialize};

use super::execution_metrics::{Kept, Rollup, rollup_key};
use super::keys::Key;
use super::rows::{self, Stored};
use super::schema::{self, Table};
use super::{Error, Tx, user};

/// A workflow's lifetime counts, untouched by retention.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Ended executions.
    pub executions: u64,
    /// Of these: SUCCESS.
    pub successes: u64,
    /// Of these: FAILED.
    pub failures: u64,
    /// Milliseconds of all of them together.
    pub total_ms: u64,
    /// When one last ended.
    pub last_at: Option<Timestamp>,
}

impl Stored for Counters {
    const TABLE: Table = schema::WORKFLOW_COUNTERS;
    const ENTITY: &'static str = "workflow";
}

impl Counters {
    fn join(&mut self, more: &Self) {
        self.executions += more.executions;
        self.successes += more.successes;
        self.failures += more.failures;
        self.total_ms += more.total_ms;
        self.last_at = self.last_at.max(more.last_at);
    }
}

/// What counts of an execution that ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) id: ExecutionId,
    workflow: WorkflowId,
    user: UserId,
    status: ExecutionStatus,
    duration: Option<u64>,
    at: Timestamp,
}

impl Ended {
    pub(crate) fn of(execution: &Execution) -> Self {
        Self {
            id: execution.id,
            workflow: execution.workflow_id,
            user: execution.user_id,
            status: execution.status,
            duration: execution.duration,
            at: execution.end_time.unwrap_or(execution.updated_at),
        }
    }
}

/// What the writes of a commit add up to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counters: BTreeMap<WorkflowId, Counters>,
    /// Ended executions by whose they are.
    users: BTreeMap<UserId, u64>,
    rollups: BTreeMap<(WorkflowId, String, i64), Rollup>,
}

impl Tally {
    /// An execution ended.
    pub(crate) fn ended(&mut self, execution: Ended) {
        let at = execution.at;
        let one = |status| u64::from(execution.status == status);
        self.counters.entry(execution.workflow).or_default().join(&Counters {
            executions: 1,
            successes: one(ExecutionStatus::Success),
            failures: one(ExecutionStatus::Failed),
            total_ms: execution.duration.unwrap_or(0),
            last_at: Some(at),
        });
        *self.users.entry(execution.user).or_default() += 1;
        let workflow = execution.workflow;
        let outcome = match execution.status {
            ExecutionStatus::Success => "execution.success",
            ExecutionStatus::Failed => "execution.failed",
            _ => "execution.cancelled",
        };
        self.measure(workflow, outcome, at, 1.0);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run are below 2^53")]
        self.measure(workflow, "execution.duration", at, execution.duration.unwrap_or(0) as f64);
    }

    /// Some of what was measured in an execution that ended.
    pub(crate) fn measured(&mut self, execution: Ended, measured: &[ExecutionMetric]) {
        for metric in measured {
            let (name, at) = (&metric.metric_name, metric.timestamp);
            self.measure(execution.workflow, name, at, metric.metric_value);
        }
    }

    fn measure(&mut self, workflow: WorkflowId, metric: &str, at: Timestamp, value: f64) {
        let minute = at.as_unix_ms().div_euclid(60_000);
        self.rollups.entry((workflow, metric.to_owned(), minute)).or_default().add(value);
    }

    /// Adds it to what is stored, in this commit. A damaged count begins again from nothing: its row
    /// is in quarantine by then, and no execution may fail because of it.
    pub(crate) fn write(&self, tx: &mut Tx<'_>, commit: u64) -> Result<(), Error> {
        self.write_counters(tx)?;
        for (key, more) in self.rollups() {
            let stored = match rows::get::<Kept>(tx, key.as_bytes()) {
                Err(Error::Damaged { .. }) => None,
                stored => stored?,
            };
            let mut kept = stored.unwrap_or(Kept { born: commit, ..Kept::default() });
            kept.values.join(&more);
            rows::put(tx, &key, &kept)?;
        }
        Ok(())
    }

    /// Adds the lifetime counts to those of the workflows that are there.
    pub(crate) fn write_counters(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        for (workflow, more) in &self.counters {
            let key = Key::of_id(workflow.as_bytes());
            if !rows::has(tx, schema::WORKFLOW, key.as_bytes())? {
                continue;
            }
            let mut counters: Counters = or_none(rows::get(tx, key.as_bytes()))?;
            counters.join(more);
            rows::put(tx, &key, &counters)?;
        }
        for (user, executed) in &self.users {
            user::count(tx, *user, 0, *executed)?;
        }
        Ok(())
    }

    /// The roll-ups by their keys. The same values count for the workflow and for everything
    /// together.
    pub(crate) fn rollups(&self) -> Vec<(Key, Rollup)> {
        let mut all: BTreeMap<(Option<WorkflowId>, &str, i64), Rollup> = BTreeMap::new();
        for ((workflow, metric, minute), rollup) in &self.rollups {
            all.entry((None, metric, *minute)).or_default().join(rollup);
            all.entry((Some(*workflow), metric, *minute)).or_default().join(rollup);
        }
        let key = |(scope, metric, minute)| rollup_key(metric, scope, minute);
        all.into_iter().map(|(place, rollup)| (key(place), rollup)).collect()
    }
}

fn or_none<T: Default>(found: Result<Option<T>, Error>) -> Result<T, Error> {
    match found {
        Ok(found) => Ok(found.unwrap_or_default()),
        Err(Error::Damaged { .. }) => Ok(T::default()),
        Err(e) => Err(e),
    }
}
