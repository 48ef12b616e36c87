//! What a step leaves behind, as one write to the store: the header, the packed state, what was
//! measured, and the changes for the feed.

use a2n_proto::execution::{Execution, ExecutionMetric};
use a2n_proto::{ChangeKind, ExecutionId, Json};
use serde_json::json;

use super::desk::asker;
use super::handle::{Admission, Within};
use super::live::Live;
use crate::engine::execution::State;
use crate::engine::fact::Fact;
use crate::engine::job::JobKey;
use crate::engine::view::{self, Changed};
use crate::store::{self, Origin, Store, Tx, execution, execution_failed, execution_reply};

/// The version of the packed state's form.
const STATE_VERSION: u8 = 2;

/// An execution's record after a step.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) execution: Execution,
    state: Vec<u8>,
    measured: Vec<ExecutionMetric>,
    changes: Vec<Changed>,
    /// The request whose answer is in the state now.
    replied: Option<JobKey>,
    /// The workflow that is to be started because this one failed.
    error_workflow: Option<String>,
    origin: Origin,
}

impl Kept {
    pub(super) fn of(
        live: &mut Live,
        facts: &[Fact],
        replied: Option<JobKey>,
        origin: Origin,
    ) -> Self {
        Self {
            execution: live.execution.clone(),
            state: pack(&live.state),
            measured: std::mem::take(&mut live.measured),
            changes: view::changes(&live.plan, &live.state, facts),
            replied,
            error_workflow: live.error_workflow(facts).map(str::to_owned),
            origin,
        }
    }

    fn rest(self, tx: &mut Tx<'_>) -> Result<(), store::Error> {
        if !self.measured.is_empty() {
            store::execution_metrics::add(tx, self.execution.id, &self.measured)?;
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
        let state = std::mem::take(&mut kept.state);
        execution::insert(tx, &kept.execution, state)?;
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
        let state = std::mem::take(&mut kept.state);
        execution::save(tx, &kept.execution, state)?;
        kept.rest(tx)
    });
    Write { origin, apply }
}

/// What the store has of an execution.
pub(super) enum Stored {
    /// Nothing: it was never accepted.
    Nothing,
    /// Its header and its state.
    This(Box<(Execution, State)>),
    /// Something that can't be read now.
    Unreadable,
}

/// An execution and its state as the store has them.
pub(super) fn read(store: &Store, id: ExecutionId) -> Stored {
    let read = || -> Result<Stored, store::Error> {
        let snapshot = store.read()?;
        let Some(header) = execution::get(&snapshot, id)? else { return Ok(Stored::Nothing) };
        let state = execution::state(&snapshot, id)?.and_then(|bytes| unpack(&bytes));
        Ok(match state {
            Some(state) => Stored::This(Box::new((header, state))),
            None => Stored::Unreadable,
        })
    };
    read().unwrap_or(Stored::Unreadable)
}

/// A state's bytes for the store.
pub(super) fn pack(state: &State) -> Vec<u8> {
    let mut bytes = vec![STATE_VERSION];
    bincode::serde::encode_into_std_write(state, &mut bytes, bincode::config::standard())
        .expect("a state has only types that bincode carries");
    bytes
}

/// The state in bytes from the store; none where they are of another version or damaged.
pub fn unpack(bytes: &[u8]) -> Option<State> {
    let (version, body) = bytes.split_first()?;
    if *version != STATE_VERSION {
        return None;
    }
    bincode::serde::decode_from_slice(body, bincode::config::standard().with_limit::<{ 1 << 30 }>())
        .ok()
        .map(|(state, _)| state)
}
