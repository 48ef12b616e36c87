//! What a step leaves behind, as one write to the store: the header, the packed state, what was
//! measured, and the changes for the feed.

use std::cmp::Reverse;

use a2n_proto::execution::{Execution, ExecutionMetric};
use a2n_proto::{ChangeKind, ExecutionId, Json, Timestamp};
use serde_json::json;

use super::desk::asker;
use super::handle::{Admission, Within};
use super::live::Live;
use super::packed::{self, Size};
use super::places::Rank;
use crate::engine::execution::{Folded, State};
use crate::engine::fact::Fact;
use crate::engine::job::JobKey;
use crate::engine::step::Step;
use crate::engine::view::{self, Changed};
use crate::store::{self, Origin, Store, Tx, execution, execution_failed, execution_reply};

/// An execution's record after a step.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) execution: Execution,
    state: execution::Written,
    folded: Vec<Folded>,
    wait: execution::Wait,
    measured: Vec<ExecutionMetric>,
    changes: Vec<Changed>,
    /// It got on after it had made the engine fail.
    recovered: bool,
    /// The request whose answer is in the state now.
    replied: Option<JobKey>,
    /// The workflow that is to be started because this one failed.
    error_workflow: Option<String>,
    origin: Origin,
}

impl Kept {
    pub(super) fn of(
        live: &mut Live,
        step: &mut Step,
        replied: Option<JobKey>,
        origin: Origin,
    ) -> Self {
        let recovered = live.recoveries > 0 && step.facts.iter().any(Fact::is_progress);
        if recovered {
            live.recoveries = 0;
        }
        Self {
            execution: live.execution.clone(),
            state: live.size.written(&live.state, &step.facts),
            wait: execution::Wait {
                due: live.state.next_due(&live.plan),
                asks: live.state.requests().next().is_some() || !live.state.held().is_empty(),
            },
            measured: std::mem::take(&mut live.measured),
            changes: view::changes(&live.plan, &live.state, &step.facts, &step.folded),
            folded: std::mem::take(&mut step.folded),
            recovered,
            replied,
            error_workflow: live.error_workflow(&step.facts).map(str::to_owned),
            origin,
        }
    }

    fn rest(self, tx: &mut Tx<'_>) -> Result<(), store::Error> {
        if self.recovered {
            execution::forget_recoveries(tx, self.execution.id)?;
        }
        if !self.measured.is_empty() {
            store::execution_metrics::add(tx, self.execution.id, &self.measured)?;
        }
        for folded in &self.folded {
            execution::put_iteration(
                tx,
                self.execution.id,
                &place(folded),
                packed::iteration(folded),
            )?;
        }
        if let Some(key) = &self.replied {
            execution_reply::remove(tx, asker(key))?;
        }
        if let Some(workflow) = &self.error_workflow {
            execution_failed::put(tx, self.execution.id, workflow)?;
        }
        for change in self.changes {
            let kind = if change.created { ChangeKind::Created } else { ChangeKind::Updated };
            let revision = if change.entity == "execution" { self.execution.revision } else { 0 };
            tx.change(
                change.entity,
                &change.id,
                revision,
                kind,
                change.fields,
                Some(self.execution.id),
                Some(self.execution.workflow_id),
            );
        }
        Ok(())
    }
}

type Apply<T> = Box<dyn FnOnce(&mut Tx<'_>) -> Result<T, store::Error> + Send>;

/// A write that is ready to be handed over.
pub(super) struct Write<T> {
    pub(super) origin: Origin,
    pub(super) apply: Apply<T>,
}

/// What became of an insert.
#[derive(Debug)]
pub(super) enum Inserted {
    New(Box<Execution>),
    Already(ExecutionId),
}

/// The write that accepts an execution; its record already holds what its first step did.
pub(super) fn insert(kept: Kept, accepted: Execution, within: Option<Within>) -> Write<Inserted> {
    let origin = kept.origin.clone();
    let apply = Box::new(move |tx: &mut Tx<'_>| {
        let mut kept = kept;
        if let Some(within) = within
            && let Admission::Already(other) = within(tx)?
        {
            return Ok(Inserted::Already(other));
        }
        tx.room()?;
        let state = std::mem::replace(&mut kept.state, execution::Written::unchanged());
        execution::insert_waiting(tx, &kept.execution, state, kept.wait)?;
        let fields = Json::from(json!({
            "status": accepted.status,
            "workflowName": accepted.workflow_name,
            "workflowVersion": accepted.workflow_version,
            "createdAt": accepted.created_at,
            "triggerId": accepted.trigger_id,
            "retryOf": accepted.retry_of,
            "userId": accepted.user_id,
        }));
        tx.change(
            "execution",
            accepted.id,
            accepted.revision,
            ChangeKind::Created,
            fields,
            Some(accepted.id),
            Some(accepted.workflow_id),
        );
        kept.rest(tx)?;
        Ok(Inserted::New(Box::new(accepted)))
    });
    Write { origin, apply }
}

/// The write that records a step.
pub(super) fn save(kept: Kept, within: Option<Within>) -> Write<()> {
    let origin = kept.origin.clone();
    let apply = Box::new(move |tx: &mut Tx<'_>| {
        let mut kept = kept;
        if let Some(within) = within {
            within(tx)?;
        }
        let state = std::mem::replace(&mut kept.state, execution::Written::unchanged());
        execution::save_waiting(tx, &kept.execution, state, kept.wait)?;
        kept.rest(tx)
    });
    Write { origin, apply }
}

/// An execution's place in the order in which executions get what there is too little of. Ids are
/// given in the order of time.
pub(super) fn rank(execution: &Execution) -> Rank {
    rank_of(execution.priority, execution.id)
}

/// The same from what an index has.
pub(super) fn rank_of(priority: i32, id: ExecutionId) -> Rank {
    let ms = i64::try_from(id.unix_ms()).unwrap_or(i64::MAX);
    (Reverse(priority), Timestamp::from_unix_ms(ms), id)
}

/// What the store has of an execution.
pub(super) enum Stored {
    /// Nothing: it was never accepted.
    Nothing,
    /// Its header and its state, with what that is kept in.
    This(Box<(Execution, State, Size)>),
    /// Something that can't be read now.
    Unreadable,
}

/// An execution and its state as the store has them.
pub(super) fn read(store: &Store, id: ExecutionId) -> Stored {
    let read = || -> Result<Stored, store::Error> {
        let snapshot = store.read()?;
        let Some(header) = execution::get(&snapshot, id)? else { return Ok(Stored::Nothing) };
        let state = execution::state(&snapshot, id)?.and_then(|bytes| packed::read(&bytes));
        Ok(match state {
            Some((state, size)) => Stored::This(Box::new((header, state, size))),
            None => Stored::Unreadable,
        })
    };
    read().unwrap_or(Stored::Unreadable)
}

/// Where an iteration is kept.
fn place(folded: &Folded) -> execution::Place {
    let mut path = view::numbers(&folded.frame.iteration);
    path.push(folded.iteration);
    execution::Place { path, node: folded.frame.node.clone() }
}
