//! Executions that only wait: those that have not begun, by workflow in their turn, and those that are
//! paused, by their earliest timer. A start reads these keys and not the executions.

use a2n_proto::execution::{Execution, ExecutionStatus};
use a2n_proto::{ExecutionId, Timestamp, WorkflowId};
use serde::{Deserialize, Serialize};

use super::Kept;
use crate::store::keys::{Key, KeyRange, KeyReader, last_id};
use crate::store::read::Snapshot;
use crate::store::rows;
use crate::store::schema::{
    EXECUTION_ASKING, EXECUTION_BY_DUE, EXECUTION_BY_STATUS, EXECUTION_BY_WORKFLOW_STATUS,
    EXECUTION_IN_DOUBT, EXECUTION_QUEUED, Table,
};
use crate::store::{Error, Read};

/// Where one stands that has no timer: behind all that have one.
const NEVER: i64 = i64::MAX;

/// An execution that has not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    /// Its workflow.
    pub workflow: WorkflowId,
    /// Higher first.
    pub priority: i32,
    /// Which.
    pub id: ExecutionId,
}

/// What an execution waits for, as the engine knows it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wait {
    /// Its earliest timer.
    pub due: Option<Timestamp>,
    /// Whether it asks something of the daemon, or holds what others ask for: a start has to read it.
    pub asks: bool,
}

/// The same as it is kept: only while the execution is paused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kinds {
    due: Option<i64>,
    asks: bool,
}

impl Wait {
    pub(super) fn of(self, execution: &Execution) -> Kinds {
        if execution.status != ExecutionStatus::Paused {
            return Kinds::default();
        }
        let due = Some(self.due.map_or(NEVER, Timestamp::as_unix_ms));
        Kinds { due, asks: self.asks }
    }
}

/// The entries of one that is paused.
pub(crate) fn wait_marks(kept: &Kept) -> impl Iterator<Item = (Table, Key)> + use<> {
    let id = *kept.execution.id.as_bytes();
    let Kinds { due, asks } = kept.wait;
    let due = due.map(|due| (EXECUTION_BY_DUE, Key::new().i64(due).id(&id)));
    due.into_iter().chain(asks.then(|| (EXECUTION_ASKING, Key::of_id(&id))))
}

/// The paused executions that a start has to read: they ask something of the daemon.
pub fn asking(read: &impl Read) -> Result<Vec<ExecutionId>, Error> {
    let keys = rows::some_keys(read, EXECUTION_ASKING, &KeyRange::all(), usize::MAX)?;
    Ok(keys.iter().filter_map(|key| last_id(key)).map(ExecutionId::from_bytes).collect())
}

/// The entry of one that has not begun: by workflow, highest priority first, then oldest.
pub(super) fn turn(execution: &Execution) -> Key {
    let key = Key::of_id(execution.workflow_id.as_bytes());
    key.i64(-i64::from(execution.priority)).id(execution.id.as_bytes())
}

/// At most `most` paused executions that have a timer, by it; behind `after` where that is given.
pub fn by_due(
    read: &impl Read,
    after: Option<(Timestamp, ExecutionId)>,
    most: usize,
) -> Result<Vec<(Timestamp, ExecutionId)>, Error> {
    let mut range = KeyRange::all().before(&Key::new().i64(NEVER));
    if let Some((due, id)) = after {
        range = range.after(&Key::new().i64(due.as_unix_ms()).id(id.as_bytes()));
    }
    let keys = rows::some_keys(read, EXECUTION_BY_DUE, &range, most)?;
    let entry = |key: &Vec<u8>| {
        let mut reader = KeyReader::new(key);
        let due = Timestamp::from_unix_ms(reader.i64()?);
        Some((due, ExecutionId::from_bytes(reader.id()?)))
    };
    Ok(keys.iter().filter_map(entry).collect())
}

/// At most `most` executions that have not begun, in the order of workflows and turns.
pub fn queued(read: &impl Read, most: usize) -> Result<Vec<Queued>, Error> {
    let mut found = Vec::new();
    read.scan(EXECUTION_QUEUED, &KeyRange::all(), false, &mut |key, _| {
        let mut reader = KeyReader::new(key);
        let parts = (reader.id(), reader.i64(), reader.id());
        if let (Some(workflow), Some(priority), Some(id)) = parts {
            found.push(Queued {
                workflow: WorkflowId::from_bytes(workflow),
                priority: i32::try_from(-priority).unwrap_or(0),
                id: ExecutionId::from_bytes(id),
            });
        }
        Ok(match found.len() < most {
            true => std::ops::ControlFlow::Continue(()),
            false => std::ops::ControlFlow::Break(()),
        })
    })?;
    Ok(found)
}

/// The executions with this status, oldest first, at most `most`.
pub fn with_status(
    read: &impl Read,
    status: ExecutionStatus,
    most: usize,
) -> Result<Vec<ExecutionId>, Error> {
    let range = Key::new().u8(status as u8).under();
    let keys = rows::some_keys(read, EXECUTION_BY_STATUS, &range, most)?;
    Ok(keys.iter().filter_map(|key| last_id(key)).map(ExecutionId::from_bytes).collect())
}

/// The paused executions of a workflow.
pub fn paused_of(read: &impl Read, workflow: WorkflowId) -> Result<Vec<ExecutionId>, Error> {
    let range = Key::of_id(workflow.as_bytes()).u8(ExecutionStatus::Paused as u8).under();
    let keys = rows::some_keys(read, EXECUTION_BY_WORKFLOW_STATUS, &range, usize::MAX)?;
    Ok(keys.iter().filter_map(|key| last_id(key)).map(ExecutionId::from_bytes).collect())
}

/// Those that wait for a person to say how a step ended, oldest first.
pub fn in_doubt(read: &impl Read) -> Result<Vec<ExecutionId>, Error> {
    let keys = rows::some_keys(read, EXECUTION_IN_DOUBT, &KeyRange::all(), usize::MAX)?;
    Ok(keys.iter().filter_map(|key| last_id(key)).map(ExecutionId::from_bytes).collect())
}

/// How many executions only wait: not begun, and paused. Counted without reading them.
pub fn counts(read: &Snapshot) -> Result<(u64, u64), Error> {
    Ok((read.row_count(EXECUTION_QUEUED)?, read.row_count(EXECUTION_BY_DUE)?))
}
