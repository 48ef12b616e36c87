//! Deletions that are carried out in slices: the thing is hidden at once in one small transaction,
//! its children go afterwards, some at a time, so that no writer waits for a big delete.

use a2n_proto::{
    ExecutionId, ExecutionScheduleId, Timestamp, WorkflowCommentId, WorkflowId, WorkflowShareId,
    WorkflowTriggerId, WorkflowVersionId,
};

use super::history::History;
use super::keys::{Key, KeyRange, KeyReader, last_id};
use super::schema::{
    COMMENT_BY_WORKFLOW, EXECUTION_BY_TRIGGER, EXECUTION_BY_WORKFLOW, SCHEDULE_BY_INSTANT,
    SCHEDULE_BY_WORKFLOW, SHARE_BY_WORKFLOW, TOMBSTONE, TRIGGER, TRIGGER_BY_WORKFLOW, Table,
    VERSION_BY_WORKFLOW, WORKFLOW,
};
use super::{
    Error, Read, Tx, execution, execution_schedule, rows, shared_value, workflow_comment,
    workflow_share, workflow_trigger, workflow_version,
};

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Workflow = 1,
    Trigger = 2,
    /// A workflow of which nothing is left but executions in history.
    PastWorkflow = 3,
}

/// Notes that a thing is gone and its children are to go.
pub(crate) fn put(tx: &mut Tx<'_>, kind: Kind, id: &[u8; 16]) -> Result<(), Error> {
    let at: Timestamp = tx.at();
    rows::put_as(tx, TOMBSTONE, &Key::new().u8(kind as u8).id(id), &at)
}

/// Whether there is something to carry out.
pub fn is_pending(read: &impl Read) -> Result<bool, Error> {
    rows::some_keys(read, TOMBSTONE, &KeyRange::all(), 1).map(|keys| !keys.is_empty())
}

/// Whether a row is missing because it was deleted and its children are still to go.
pub(crate) fn covers(read: &impl Read, table: Table, id: &[u8; 16]) -> Result<bool, Error> {
    let kind = if table == WORKFLOW {
        Kind::Workflow
    } else if table == TRIGGER {
        Kind::Trigger
    } else {
        return Ok(false);
    };
    rows::has(read, TOMBSTONE, Key::new().u8(kind as u8).id(id).as_bytes())
}

/// The deleted workflows whose executions are to go out of history.
pub(crate) fn past_workflows(read: &impl Read) -> Result<Vec<[u8; 16]>, Error> {
    let range = Key::new().u8(Kind::PastWorkflow as u8).under();
    let keys = rows::some_keys(read, TOMBSTONE, &range, usize::MAX)?;
    Ok(keys.iter().filter_map(|key| last_id(key)).collect())
}

/// History has nothing of a deleted workflow any more.
pub(crate) fn forget_past(tx: &mut Tx<'_>, workflow: &[u8; 16]) -> Result<bool, Error> {
    rows::remove(tx, TOMBSTONE, &Key::new().u8(Kind::PastWorkflow as u8).id(workflow))
}

/// Removes at most `slice` children of deleted things from state, fewer where they are large.
/// Answers how many went; none means that everything is carried out.
pub fn carry_out(tx: &mut Tx<'_>, slice: usize) -> Result<usize, Error> {
    let live = KeyRange::all().before(&Key::new().u8(Kind::PastWorkflow as u8));
    let mut gone = 0;
    while gone < slice && !tx.slice_is_full() {
        let Some(tombstone) = rows::some_keys(tx, TOMBSTONE, &live, 1)?.pop() else {
            break;
        };
        let mut reader = KeyReader::new(&tombstone);
        let (kind, id) = (reader.u8(), reader.id());
        let more = match (kind, id) {
            (Some(1), Some(id)) => workflow(tx, id, slice - gone)?,
            (Some(2), Some(id)) => trigger(tx, id, slice - gone)?,
            _ => 0,
        };
        gone += more;
        if more == 0 {
            rows::remove(tx, TOMBSTONE, &Key::of_bytes(&tombstone))?;
            if let (Some(1), Some(id)) = (kind, id)
                && tx.history().is_some_and(History::has_executions)
            {
                put(tx, Kind::PastWorkflow, &id)?;
            }
        }
    }
    Ok(gone)
}

/// Children of a workflow, one sort after the other; the first sort that has some gives them.
fn workflow(tx: &mut Tx<'_>, id: [u8; 16], slice: usize) -> Result<usize, Error> {
    type Remove = fn(&mut Tx<'_>, [u8; 16]) -> Result<(), Error>;
    let unique: [(Table, Remove); 3] = [
        (TRIGGER_BY_WORKFLOW, |tx, id| {
            workflow_trigger::remove(tx, WorkflowTriggerId::from_bytes(id))
        }),
        (VERSION_BY_WORKFLOW, |tx, id| {
            workflow_version::remove(tx, WorkflowVersionId::from_bytes(id))
        }),
        (SHARE_BY_WORKFLOW, |tx, id| workflow_share::remove(tx, WorkflowShareId::from_bytes(id))),
    ];
    let range = Key::of_id(&id).under();
    for (table, remove) in unique {
        let keys = rows::some_keys(tx, table, &range, slice)?;
        let gone = some(tx, &keys, &mut |tx, key| match rows::unique_id(
            tx,
            table,
            &Key::of_bytes(key),
        )? {
            Some(child) => remove(tx, child),
            None => Ok(()),
        })?;
        if gone > 0 {
            return Ok(gone);
        }
    }
    let marked: [(Table, Remove); 3] = [
        (COMMENT_BY_WORKFLOW, |tx, id| {
            workflow_comment::remove_row(tx, WorkflowCommentId::from_bytes(id)).map(|_| ())
        }),
        (SCHEDULE_BY_WORKFLOW, |tx, id| {
            execution_schedule::remove(tx, ExecutionScheduleId::from_bytes(id)).map(|_| ())
        }),
        (EXECUTION_BY_WORKFLOW, |tx, id| {
            execution::remove(tx, ExecutionId::from_bytes(id)).map(|_| ())
        }),
    ];
    for (table, remove) in marked {
        let keys = rows::some_keys(tx, table, &range, slice)?;
        let gone = some(tx, &keys, &mut |tx, key| match last_id(key) {
            Some(child) => remove(tx, child),
            None => Ok(()),
        })?;
        if gone > 0 {
            return Ok(gone);
        }
    }
    shared_value::forget_workflow(tx, WorkflowId::from_bytes(id), slice)
}

/// Removes what an entry of an index leads to.
type Each<'e> = dyn FnMut(&mut Tx<'_>, &[u8]) -> Result<(), Error> + 'e;

/// Carries out `each` for the first of the keys, until the slice is full. Answers for how many.
fn some(tx: &mut Tx<'_>, keys: &[Vec<u8>], each: &mut Each<'_>) -> Result<usize, Error> {
    for (n, key) in keys.iter().enumerate() {
        if n > 0 && tx.slice_is_full() {
            return Ok(n);
        }
        each(tx, key)?;
    }
    Ok(keys.len())
}

/// A trigger's plans go, its executions forget it.
fn trigger(tx: &mut Tx<'_>, id: [u8; 16], slice: usize) -> Result<usize, Error> {
    let range = Key::of_id(&id).under();
    let plans = rows::some_keys(tx, SCHEDULE_BY_INSTANT, &range, slice)?;
    let gone = some(tx, &plans, &mut |tx, key| match rows::unique_id(
        tx,
        SCHEDULE_BY_INSTANT,
        &Key::of_bytes(key),
    )? {
        Some(plan) => {
            execution_schedule::remove(tx, ExecutionScheduleId::from_bytes(plan)).map(|_| ())
        }
        None => Ok(()),
    })?;
    if gone > 0 {
        return Ok(gone);
    }
    let executions = rows::some_keys(tx, EXECUTION_BY_TRIGGER, &range, slice)?;
    some(tx, &executions, &mut |tx, key| match last_id(key) {
        Some(one) => execution::forget_trigger(tx, ExecutionId::from_bytes(one)),
        None => Ok(()),
    })
}
