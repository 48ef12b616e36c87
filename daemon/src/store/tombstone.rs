//! Deletions that are carried out in slices: the thing is hidden at once in one small transaction,
//! its children go afterwards, some at a time, so that no writer waits for a big delete.

use a2n_proto::{
    ExecutionId, ExecutionScheduleId, Timestamp, WorkflowCommentId, WorkflowShareId,
    WorkflowTriggerId, WorkflowVersionId,
};

use super::keys::{Key, KeyRange, KeyReader, last_id};
use super::schema::{
    COMMENT_BY_WORKFLOW, EXECUTION_BY_TRIGGER, EXECUTION_BY_WORKFLOW, SCHEDULE_BY_INSTANT,
    SCHEDULE_BY_WORKFLOW, SHARE_BY_WORKFLOW, TOMBSTONE, TRIGGER, TRIGGER_BY_WORKFLOW, Table,
    VERSION_BY_WORKFLOW, WORKFLOW,
};
use super::{
    Error, Read, Tx, execution, execution_schedule, rows, workflow_comment, workflow_share,
    workflow_trigger, workflow_version,
};

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Workflow = 1,
    Trigger = 2,
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

/// Removes at most `slice` children of deleted things. Answers how many went; fewer than `slice`
/// means that everything is carried out.
pub fn carry_out(tx: &mut Tx<'_>, slice: usize) -> Result<usize, Error> {
    let mut gone = 0;
    while gone < slice {
        let Some(tombstone) = rows::some_keys(tx, TOMBSTONE, &KeyRange::all(), 1)?.pop() else {
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
        for key in &keys {
            if let Some(child) = rows::unique_id(tx, table, &Key::of_bytes(key))? {
                remove(tx, child)?;
            }
        }
        if !keys.is_empty() {
            return Ok(keys.len());
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
        for key in &keys {
            if let Some(child) = last_id(key) {
                remove(tx, child)?;
            }
        }
        if !keys.is_empty() {
            return Ok(keys.len());
        }
    }
    Ok(0)
}

/// A trigger's plans go, its executions forget it.
fn trigger(tx: &mut Tx<'_>, id: [u8; 16], slice: usize) -> Result<usize, Error> {
    let range = Key::of_id(&id).under();
    let plans = rows::some_keys(tx, SCHEDULE_BY_INSTANT, &range, slice)?;
    for key in &plans {
        if let Some(plan) = rows::unique_id(tx, SCHEDULE_BY_INSTANT, &Key::of_bytes(key))? {
            execution_schedule::remove(tx, ExecutionScheduleId::from_bytes(plan))?;
        }
    }
    if !plans.is_empty() {
        return Ok(plans.len());
    }
    let executions = rows::some_keys(tx, EXECUTION_BY_TRIGGER, &range, slice)?;
    for key in &executions {
        if let Some(one) = last_id(key) {
            execution::forget_trigger(tx, ExecutionId::from_bytes(one))?;
        }
    }
    Ok(executions.len())
}
