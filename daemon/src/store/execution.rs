//! execution: one run. Its row, its data and the engine's packed state, in state or in history.
//!
//! The engine's state is opaque bytes here. Data and state stay in the row while they are small and
//! have rows of their own beyond 4 KiB. Lists are ordered by id, which is the order of acceptance,
//! so that an index entry moves only when a status changes. The commit that ends an execution also
//! counts it (see `tally`).

mod attachments;
mod iterations;
mod kept;
mod list;
mod once;
mod pieces;
mod recovery;
mod state;
mod waiting;

use a2n_proto::execution::{Execution, ExecutionStatus};
use a2n_proto::{ExecutionId, Json, WorkflowId, WorkflowTriggerId};

pub use attachments::{Naming, drop_unnamed};
pub use iterations::{Place, iteration, iterations, put_iteration};
pub use list::{Query, list};
pub use once::{find_by_key, forget_key, keys_before};
pub use pieces::Pieces;
pub use recovery::{count_recovery, forget_recoveries, recoveries};
pub use state::Written;
pub use waiting::{Queued, Wait, asking, by_due, counts, in_doubt, paused_of, queued, with_status};

pub(crate) use attachments::{attachment_marks, hash_at, marks as marks_of, named};
pub(crate) use iterations::iteration_keys;
pub(crate) use kept::{Bytes, Kept, Packed};
pub(crate) use list::{list_where, marks};
pub(crate) use once::is_over;
pub(crate) use waiting::wait_marks;

use kept::Data;
use once::{idempotency_of, key_taken};
use waiting::Kinds;

use super::keys::{Key, last_id};
use super::rows;
use super::schema::{
    self, EXECUTION, EXECUTION_BY_KEY, EXECUTION_BY_STATUS, EXECUTION_BY_WORKFLOW_STATUS,
    EXECUTION_DATA, EXECUTION_ITERATION, EXECUTION_METRICS, EXECUTION_STATE,
};
use super::{
    Error, Read, Tx, execution_approval, execution_failed, execution_metrics, execution_reply,
    user, workflow,
};

fn key(id: ExecutionId) -> Key {
    Key::of_id(id.as_bytes())
}

/// Writes a new execution with its indexes. *Taken* where its idempotency key was used for this
/// workflow and source within the window (`by` is the execution that was accepted then).
pub fn insert(tx: &mut Tx<'_>, execution: &Execution, state: Vec<u8>) -> Result<(), Error> {
    insert_waiting(tx, execution, state.into(), Wait::default())
}

/// The same of one that may only wait now, and for what.
pub fn insert_waiting(
    tx: &mut Tx<'_>,
    execution: &Execution,
    state: Written,
    wait: Wait,
) -> Result<(), Error> {
    workflow::check(tx, execution.workflow_id, "execution")?;
    user::check(tx, execution.user_id, "execution", "userId")?;
    if let Some(trigger) = execution.trigger_id
        && !rows::has(tx, schema::TRIGGER, trigger.as_bytes())?
    {
        return Err(dangling("triggerId", &trigger));
    }
    for (field, other) in
        [("parentExecutionId", execution.parent_execution_id), ("retryOf", execution.retry_of)]
    {
        if let Some(other) = other
            && !is_there(tx, other)?
        {
            return Err(dangling(field, &other));
        }
    }
    if let Some((key, text)) = idempotency_of(execution) {
        if let Some(by) = key_taken(tx, &key)? {
            return Err(Error::Taken {
                entity: "execution",
                field: "idempotencyKey",
                value: text.to_owned(),
                by: by.to_string(),
            });
        }
        let at = tx.at().as_unix_ms();
        rows::put_as(tx, EXECUTION_BY_KEY, &key, &(execution.id.as_bytes(), at))?;
    }
    if rows::has(tx, EXECUTION, execution.id.as_bytes())? {
        return Err(Error::Taken {
            entity: "execution",
            field: "id",
            value: execution.id.to_string(),
            by: execution.id.to_string(),
        });
    }
    for (table, key) in marks(execution) {
        rows::mark(tx, table, &key)?;
    }
    write(tx, execution, state, wait.of(execution), None)?;
    if execution.status.is_ended() {
        tx.note_ended(execution);
    }
    Ok(())
}

/// Writes a changed execution and its state. The commit that ends it counts it.
pub fn save(tx: &mut Tx<'_>, execution: &Execution, state: Vec<u8>) -> Result<(), Error> {
    save_waiting(tx, execution, state.into(), Wait::default())
}

/// Writes a changed execution whose state stays as it is.
pub fn save_header(tx: &mut Tx<'_>, execution: &Execution) -> Result<(), Error> {
    save_waiting(tx, execution, Written::unchanged(), Wait::default())
}

/// The same of one that may only wait now, and for what.
pub fn save_waiting(
    tx: &mut Tx<'_>,
    execution: &Execution,
    state: Written,
    wait: Wait,
) -> Result<(), Error> {
    let old: Kept = rows::require(tx, execution.id.as_bytes(), &execution.id)?;
    move_marks(tx, &old.execution, execution)?;
    let was_ended = old.execution.status.is_ended();
    write(tx, execution, state, wait.of(execution), Some(&old))?;
    if execution.status.is_ended() && !was_ended {
        execution_reply::remove_all(tx, execution.id)?;
        execution_approval::remove_all(tx, execution.id)?;
        tx.note_ended(execution);
    }
    Ok(())
}

/// The execution with its data, from state or from history.
pub fn get(read: &impl Read, id: ExecutionId) -> Result<Option<Execution>, Error> {
    if let Some(found) = whole(read, id)? {
        return Ok(Some(found));
    }
    let Some(history) = read.history() else { return Ok(None) };
    for source in history.executions_of(id.unix_ms())? {
        if let Some(mut found) = whole(&source, id)? {
            return Ok(forget_gone(read, &mut found)?.then_some(found));
        }
    }
    Ok(None)
}

/// The same, or *not found*.
pub fn require(read: &impl Read, id: ExecutionId) -> Result<Execution, Error> {
    get(read, id)?.ok_or_else(|| Error::NotFound { entity: "execution", id: id.to_string() })
}

/// The execution without its data.
pub fn head(read: &impl Read, id: ExecutionId) -> Result<Option<Execution>, Error> {
    if let Some(kept) = rows::get::<Kept>(read, id.as_bytes())? {
        return Ok(Some(kept.execution));
    }
    let Some(history) = read.history() else { return Ok(None) };
    for source in history.executions_of(id.unix_ms())? {
        if let Some(kept) = rows::get::<Kept>(&source, id.as_bytes())? {
            let mut found = kept.execution;
            return Ok(forget_gone(read, &mut found)?.then_some(found));
        }
    }
    Ok(None)
}

/// The engine's packed state of an execution, with what was added to it.
pub fn state(read: &impl Read, id: ExecutionId) -> Result<Option<Vec<u8>>, Error> {
    if let Some(found) = state_here(read, id)? {
        return Ok(Some(found));
    }
    let Some(history) = read.history() else { return Ok(None) };
    for source in history.executions_of(id.unix_ms())? {
        if let Some(found) = state_here(&source, id)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Every execution that is not over, oldest first, with its data: what a start has to go on with.
/// One whose row is damaged is left out; the damage is noted for health.
pub fn unfinished(read: &impl Read) -> Result<Vec<Execution>, Error> {
    let mut found = Vec::new();
    for id in unfinished_ids(read)? {
        match whole(read, id) {
            Ok(execution) => found.extend(execution),
            Err(Error::Damaged { .. }) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(found)
}

/// The ids of every execution that is not over, oldest first.
pub fn unfinished_ids(read: &impl Read) -> Result<Vec<ExecutionId>, Error> {
    let mut ids = Vec::new();
    for status in UNFINISHED {
        let range = Key::new().u8(status as u8).under();
        for key in rows::some_keys(read, EXECUTION_BY_STATUS, &range, usize::MAX)? {
            ids.extend(last_id(&key).map(ExecutionId::from_bytes));
        }
    }
    ids.sort_unstable();
    Ok(ids)
}

/// How many executions have a status that is not over.
pub fn count_status(read: &impl Read, status: ExecutionStatus) -> Result<u64, Error> {
    let range = Key::new().u8(status as u8).under();
    let mut n = 0;
    read.scan(EXECUTION_BY_STATUS, &range, false, &mut |_, _| {
        n += 1;
        Ok(std::ops::ControlFlow::Continue(()))
    })?;
    Ok(n)
}

/// The unfinished executions that a trigger started, without their data.
pub fn unfinished_of_trigger(
    read: &impl Read,
    trigger: WorkflowTriggerId,
) -> Result<Vec<Execution>, Error> {
    let range = Key::of_id(trigger.as_bytes()).under();
    let mut found = Vec::new();
    for key in rows::some_keys(read, schema::EXECUTION_BY_TRIGGER, &range, usize::MAX)? {
        let Some(id) = last_id(&key) else { continue };
        match rows::get::<Kept>(read, &id) {
            Ok(Some(kept)) if !kept.execution.status.is_ended() => found.push(kept.execution),
            Ok(_) | Err(Error::Damaged { .. }) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(found)
}

/// Up to `limit` unfinished executions of a workflow.
pub fn unfinished_of(
    read: &impl Read,
    workflow: WorkflowId,
    limit: usize,
) -> Result<Vec<ExecutionId>, Error> {
    let mut ids = Vec::new();
    for status in UNFINISHED {
        let range = Key::of_id(workflow.as_bytes()).u8(status as u8).under();
        let more = limit - ids.len();
        for key in rows::some_keys(read, EXECUTION_BY_WORKFLOW_STATUS, &range, more)? {
            ids.extend(last_id(&key).map(ExecutionId::from_bytes));
        }
    }
    ids.sort_unstable();
    Ok(ids)
}

/// Removes an ended execution from state with everything of its own. Answers whether it was there.
pub fn remove(tx: &mut Tx<'_>, id: ExecutionId) -> Result<bool, Error> {
    let Some(old) = rows::get::<Kept>(tx, id.as_bytes())? else { return Ok(false) };
    for (table, key) in marks(&old.execution).into_iter().chain(wait_marks(&old)) {
        rows::remove(tx, table, &key)?;
    }
    for table in [EXECUTION_DATA, EXECUTION_STATE, EXECUTION_METRICS] {
        rows::remove(tx, table, &key(id))?;
    }
    state::forget_added(tx, id)?;
    pieces::forget(tx, id, None)?;
    execution_metrics::forget_more(tx, id)?;
    for iteration in iteration_keys(tx, id)? {
        rows::remove(tx, EXECUTION_ITERATION, &Key::of_bytes(&iteration))?;
    }
    forget_recoveries(tx, id)?;
    attachments::forget(tx, id)?;
    execution_reply::remove_all(tx, id)?;
    execution_approval::remove_all(tx, id)?;
    execution_failed::remove(tx, id)?;
    rows::remove(tx, EXECUTION, &key(id))
}

/// Whether an execution that has no row is named as unfinished by an index: then its row is lost.
pub fn is_listed(read: &impl Read, id: ExecutionId) -> Result<bool, Error> {
    for status in UNFINISHED {
        let entry = Key::new().u8(status as u8).id(id.as_bytes());
        if rows::has(read, EXECUTION_BY_STATUS, entry.as_bytes())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// At most `most` executions of state that ended with this status and were accepted before a time,
/// the oldest first.
pub fn ended_before(
    read: &impl Read,
    status: ExecutionStatus,
    before: a2n_proto::Timestamp,
    most: usize,
) -> Result<Vec<ExecutionId>, Error> {
    if !status.is_ended() {
        return Ok(Vec::new());
    }
    let start = Key::new().u8(status as u8);
    let ms = u64::try_from(before.as_unix_ms()).unwrap_or(0);
    let first_kept = start.clone().id(ExecutionId::from_parts(ms, [0; 10]).as_bytes());
    let range = start.under().before(&first_kept);
    let old = rows::some_keys(read, EXECUTION_BY_STATUS, &range, most)?;
    Ok(old.iter().filter_map(|key| last_id(key)).map(ExecutionId::from_bytes).collect())
}

/// Removes an ended execution from state for good, and says so in the feed. Answers whether it was
/// there.
pub fn forget(tx: &mut Tx<'_>, id: ExecutionId) -> Result<bool, Error> {
    let Some(old) = rows::get::<Kept>(tx, id.as_bytes())?.map(|kept| kept.execution) else {
        return Ok(false);
    };
    if !old.status.is_ended() {
        return Ok(false);
    }
    remove(tx, id)?;
    let (entity, gone) = ("execution", a2n_proto::ChangeKind::Deleted);
    tx.change(entity, id, old.revision, gone, Json::object(), Some(id), Some(old.workflow_id));
    Ok(true)
}

/// A trigger is gone: the execution does not name it any longer.
pub(crate) fn forget_trigger(tx: &mut Tx<'_>, id: ExecutionId) -> Result<(), Error> {
    let Some(mut kept) = rows::get::<Kept>(tx, id.as_bytes())? else { return Ok(()) };
    let changed = Execution { trigger_id: None, ..kept.execution.clone() };
    move_marks(tx, &kept.execution, &changed)?;
    kept.execution = changed;
    rows::put(tx, &key(id), &kept)
}

/// What is not over.
const UNFINISHED: [ExecutionStatus; 3] =
    [ExecutionStatus::Pending, ExecutionStatus::Running, ExecutionStatus::Paused];

fn write(
    tx: &mut Tx<'_>,
    execution: &Execution,
    state: Written,
    wait: Kinds,
    old: Option<&Kept>,
) -> Result<(), Error> {
    let key = key(execution.id);
    attachments::note(tx, execution.id, state.slices())?;
    let had_own_row = old.is_some_and(|old| old.state.is_none());
    let (whole, added) = match state::joined(tx, execution, old, state)? {
        Written::Whole(whole) => (Some(whole), None),
        Written::Added(added) => (None, Some(added)),
    };
    let Packed { kept, data, state } = Packed::of(execution, whole, wait)?;
    if old.map(|old| old.wait).unwrap_or_default() != kept.wait {
        for (table, key) in old.into_iter().flat_map(wait_marks) {
            rows::remove(tx, table, &key)?;
        }
        for (table, key) in wait_marks(&kept) {
            rows::mark(tx, table, &key)?;
        }
    }
    if old.is_none_or(|old| old.data_hash != kept.data_hash) {
        attachments::note(tx, execution.id, kept.data.as_ref().map(Bytes::as_slice))?;
        attachments::note(tx, execution.id, data.iter().flat_map(Data::texts))?;
    }
    let is_new = |old: &Kept| old.data.is_some() || old.data_hash != kept.data_hash;
    match &data {
        Some(data) if old.is_none_or(is_new) => rows::put_as(tx, EXECUTION_DATA, &key, data)?,
        None if old.is_some_and(|old| old.data.is_none()) => {
            rows::remove(tx, EXECUTION_DATA, &key)?;
        }
        _ => {}
    }
    match (state, added) {
        (_, Some(added)) => state::add(tx, execution.id, added)?,
        (state, None) => {
            if had_own_row {
                state::forget_added(tx, execution.id)?;
                pieces::forget(tx, execution.id, state.as_ref())?;
            }
            match state {
                Some(state) => pieces::put(tx, EXECUTION_STATE, &key, execution.id, state)?,
                None if had_own_row => drop(rows::remove(tx, EXECUTION_STATE, &key)?),
                None => {}
            }
        }
    }
    rows::put(tx, &key, &kept)
}

fn move_marks(tx: &mut Tx<'_>, old: &Execution, new: &Execution) -> Result<(), Error> {
    let (before, after) = (marks(old), marks(new));
    for (table, key) in before.iter().filter(|mark| !after.contains(mark)) {
        rows::remove(tx, *table, key)?;
    }
    for (table, key) in after.iter().filter(|mark| !before.contains(mark)) {
        rows::mark(tx, *table, key)?;
    }
    Ok(())
}

fn whole(read: &impl Read, id: ExecutionId) -> Result<Option<Execution>, Error> {
    let Some(kept) = rows::get::<Kept>(read, id.as_bytes())? else { return Ok(None) };
    let mut execution = kept.execution;
    let data: Data = match kept.data {
        Some(data) => {
            super::codec::body(&data.0).map_err(|_| read.damaged(EXECUTION, id.as_bytes()))?
        }
        None => rows::get_as(read, EXECUTION_DATA, id.as_bytes())?
            .ok_or_else(|| read.damaged(EXECUTION_DATA, id.as_bytes()))?,
    };
    data.give(&mut execution);
    Ok(Some(execution))
}

/// The packed state of an execution of this file.
pub(crate) fn state_here(read: &impl Read, id: ExecutionId) -> Result<Option<Vec<u8>>, Error> {
    let Some(kept) = rows::get::<Kept>(read, id.as_bytes())? else { return Ok(None) };
    state::of_row(read, id, &kept).map(Some)
}

fn is_there(read: &impl Read, id: ExecutionId) -> Result<bool, Error> {
    if rows::has(read, EXECUTION, id.as_bytes())? {
        return Ok(true);
    }
    let Some(history) = read.history() else { return Ok(false) };
    for source in history.executions_of(id.unix_ms())? {
        if rows::has(&source, EXECUTION, id.as_bytes())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// History is not rewritten when a trigger or a workflow goes: the reference to the one is cleared
/// when it is read, and with the other the execution is gone too (then this answers false).
pub(crate) fn forget_gone(read: &impl Read, execution: &mut Execution) -> Result<bool, Error> {
    if let Some(trigger) = execution.trigger_id
        && !rows::has(read, schema::TRIGGER, trigger.as_bytes())?
    {
        execution.trigger_id = None;
    }
    rows::has(read, schema::WORKFLOW, execution.workflow_id.as_bytes())
}

fn dangling(field: &'static str, id: &dyn std::fmt::Display) -> Error {
    Error::Dangling { entity: "execution", field, id: id.to_string() }
}
