//! executionSchedule: planned runs and what became of them, the ledger that lets one due instant
//! start one execution: (trigger, nominal instant) is unique.

use a2n_proto::execution::{ExecutionSchedule, ScheduleStatus};
use a2n_proto::{ExecutionScheduleId, Timestamp, WorkflowId, WorkflowTriggerId};

use super::history::{self, FileName, Joined, Kind, month_at, month_of};
use super::keys::{Key, KeyReader, last_id};
use super::rows::{self, Page, Paging, Stored, Unique};
use super::schema::{
    self, SCHEDULE, SCHEDULE_BY_INSTANT, SCHEDULE_BY_NEXT, SCHEDULE_BY_STATUS, SCHEDULE_BY_TIME,
    SCHEDULE_BY_WORKFLOW, Table,
};
use super::{Error, Read, Tx, user, workflow, workflow_trigger};

impl Stored for ExecutionSchedule {
    const TABLE: Table = SCHEDULE;
    const ENTITY: &'static str = "executionSchedule";
}

/// Which plans a list wants.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Standing so.
    pub status: Option<ScheduleStatus>,
    /// Of one workflow.
    pub workflow: Option<WorkflowId>,
    /// Of one trigger.
    pub trigger: Option<WorkflowTriggerId>,
    /// Due at or after.
    pub from: Option<Timestamp>,
    /// Due before.
    pub to: Option<Timestamp>,
}

/// The plan with this id, from state or from history.
pub fn get(read: &impl Read, id: ExecutionScheduleId) -> Result<Option<ExecutionSchedule>, Error> {
    if let Some(found) = rows::get(read, id.as_bytes())? {
        return Ok(Some(found));
    }
    let Some(history) = read.history() else { return Ok(None) };
    // A plan is made not long before its instant, so its month is the first to look at.
    let mut files = history.files_of(Kind::Ledger);
    let made = month_of(id.unix_ms());
    files.sort_by_key(|name| name.month.abs_diff(made));
    for name in files {
        let Some(source) = history.source(name)? else { continue };
        if let Some(found) = rows::get(&source, id.as_bytes())? {
            return Ok(is_kept(read, &found)?.then_some(found));
        }
    }
    Ok(None)
}

/// The same, or *not found*.
pub fn require(read: &impl Read, id: ExecutionScheduleId) -> Result<ExecutionSchedule, Error> {
    let missing = || Error::NotFound { entity: "executionSchedule", id: id.to_string() };
    get(read, id)?.ok_or_else(missing)
}

/// History is not rewritten when a workflow or a trigger goes; its plans go with it all the same.
fn is_kept(read: &impl Read, plan: &ExecutionSchedule) -> Result<bool, Error> {
    let is_gone = match plan.trigger_id {
        Some(trigger) => !rows::has(read, schema::TRIGGER, trigger.as_bytes())?,
        None => false,
    };
    Ok(!is_gone && rows::has(read, schema::WORKFLOW, plan.workflow_id.as_bytes())?)
}

/// What stands in the ledger for a trigger's nominal instant.
pub fn find(
    read: &impl Read,
    trigger: WorkflowTriggerId,
    instant: Timestamp,
) -> Result<Option<ExecutionSchedule>, Error> {
    let key = Key::of_id(trigger.as_bytes()).i64(instant.as_unix_ms());
    if let Some(id) = rows::unique_id(read, SCHEDULE_BY_INSTANT, &key)? {
        return rows::get(read, &id);
    }
    // The last instant stays in state, so only one before it may have moved.
    let may_have_moved = last_instant(read, trigger)?.is_some_and(|last| instant < last);
    let Some(history) = read.history().filter(|_| may_have_moved) else { return Ok(None) };
    let name = FileName { month: month_at(instant), kind: Kind::Ledger };
    let Some(source) = history.source(name)? else { return Ok(None) };
    match rows::unique_id(&source, SCHEDULE_BY_INSTANT, &key)? {
        Some(id) => rows::get(&source, &id),
        None => Ok(None),
    }
}

/// The latest nominal instant that the ledger has for a trigger.
pub fn last_instant(
    read: &impl Read,
    trigger: WorkflowTriggerId,
) -> Result<Option<Timestamp>, Error> {
    let mut last = None;
    let range = Key::of_id(trigger.as_bytes()).under();
    read.scan(SCHEDULE_BY_INSTANT, &range, true, &mut |key, _| {
        let mut reader = KeyReader::new(key);
        let _ = reader.id();
        last = reader.i64().map(Timestamp::from_unix_ms);
        Ok(std::ops::ControlFlow::Break(()))
    })?;
    Ok(last)
}

/// Plans that fit, by their instant: the latest first unless asked otherwise.
pub fn list(
    read: &impl Read,
    query: &Query,
    paging: &Paging,
) -> Result<Page<ExecutionSchedule>, Error> {
    list_where(read, query, paging, &mut |_| Ok(true))
}

/// The same, without those that `sees` leaves out.
pub(crate) fn list_where(
    read: &impl Read,
    query: &Query,
    paging: &Paging,
    sees: &mut dyn FnMut(&ExecutionSchedule) -> Result<bool, Error>,
) -> Result<Page<ExecutionSchedule>, Error> {
    let (table, prefix) = match query {
        Query { trigger: Some(trigger), .. } => {
            (SCHEDULE_BY_INSTANT, Key::of_id(trigger.as_bytes()))
        }
        Query { workflow: Some(workflow), .. } => {
            (SCHEDULE_BY_WORKFLOW, Key::of_id(workflow.as_bytes()))
        }
        Query { status: Some(status), .. } => (SCHEDULE_BY_STATUS, Key::new().u8(*status as u8)),
        _ => (SCHEDULE_BY_TIME, Key::new()),
    };
    let mut range = prefix.clone().under();
    if let Some(from) = query.from {
        range = range.starting_at(&prefix.clone().i64(from.as_unix_ms()));
    }
    if let Some(to) = query.to {
        range = range.before(&prefix.clone().i64(to.as_unix_ms()));
    }
    let instant_at = prefix.as_bytes().len();
    let month = |key: &[u8]| {
        let instant = key.get(instant_at..).and_then(|rest| KeyReader::new(rest).i64());
        instant.map(|ms| month_at(Timestamp::from_unix_ms(ms)))
    };
    let newest_first = paging.newest_first;
    let precedes = |key: &[u8], file: u32| {
        month(key).is_some_and(|m| if newest_first { m > file } else { m < file })
    };
    let months = query.from.map_or(0, month_at)..=query.to.map_or(u32::MAX, month_at);
    let joined = Joined { kind: Kind::Ledger, months, table, range, precedes: &precedes };
    history::page(read, &joined, paging, &mut |place, key| {
        let id = if table == SCHEDULE_BY_INSTANT {
            rows::unique_id(place, table, &Key::of_bytes(key))?
        } else {
            last_id(key)
        };
        let id = id.ok_or_else(|| read.damaged(table, key))?;
        let Some(plan) = rows::get::<ExecutionSchedule>(place, &id)? else {
            return Err(read.damaged(table, key));
        };
        let fits = query.status.is_none_or(|status| plan.status == status)
            && query.workflow.is_none_or(|workflow| plan.workflow_id == workflow)
            && is_kept(read, &plan)?
            && sees(&plan)?;
        Ok(fits.then_some(plan))
    })
}

/// Writes a plan with its indexes; *taken* where the trigger's instant has another one.
pub fn put(tx: &mut Tx<'_>, plan: &ExecutionSchedule) -> Result<(), Error> {
    workflow::check(tx, plan.workflow_id, "executionSchedule")?;
    user::check(tx, plan.user_id, "executionSchedule", "userId")?;
    if let Some(trigger) = plan.trigger_id
        && workflow_trigger::get(tx, trigger)?.is_none()
    {
        let (entity, field) = ("executionSchedule", "triggerId");
        return Err(Error::Dangling { entity, field, id: trigger.to_string() });
    }
    let old: Option<ExecutionSchedule> = rows::get(tx, plan.id.as_bytes())?;
    rows::move_unique(
        tx,
        &Unique {
            table: SCHEDULE_BY_INSTANT,
            entity: "executionSchedule",
            field: "scheduledTime",
            value: &plan.scheduled_time.to_string(),
        },
        old.as_ref().and_then(by_instant),
        by_instant(plan),
        plan.id.as_bytes(),
    )?;
    for (table, key) in INDEXES {
        rows::move_mark(tx, table, old.as_ref().and_then(key), key(plan))?;
    }
    rows::put(tx, &Key::of_id(plan.id.as_bytes()), plan)
}

/// Removes a plan from state. Answers whether it was there.
pub fn remove(tx: &mut Tx<'_>, id: ExecutionScheduleId) -> Result<bool, Error> {
    let Some(old) = rows::get::<ExecutionSchedule>(tx, id.as_bytes())? else { return Ok(false) };
    if let Some(key) = by_instant(&old) {
        rows::remove(tx, SCHEDULE_BY_INSTANT, &key)?;
    }
    for (table, key) in INDEXES {
        if let Some(key) = key(&old) {
            rows::remove(tx, table, &key)?;
        }
    }
    rows::remove(tx, schema::SCHEDULE, &Key::of_id(id.as_bytes()))
}

pub(crate) fn by_instant(plan: &ExecutionSchedule) -> Option<Key> {
    let trigger = plan.trigger_id?;
    Some(Key::of_id(trigger.as_bytes()).i64(plan.scheduled_time.as_unix_ms()))
}

type KeyOf = fn(&ExecutionSchedule) -> Option<Key>;

/// The indexes that only point back, and their keys.
pub(crate) const INDEXES: [(Table, KeyOf); 4] = [
    (SCHEDULE_BY_TIME, |plan| Some(at(Key::new(), plan))),
    (SCHEDULE_BY_STATUS, |plan| Some(at(Key::new().u8(plan.status as u8), plan))),
    (SCHEDULE_BY_WORKFLOW, |plan| Some(at(Key::of_id(plan.workflow_id.as_bytes()), plan))),
    (SCHEDULE_BY_NEXT, |plan| {
        let next = plan.next_attempt_at?;
        Some(Key::new().i64(next.as_unix_ms()).id(plan.id.as_bytes()))
    }),
];

fn at(key: Key, plan: &ExecutionSchedule) -> Key {
    key.i64(plan.scheduled_time.as_unix_ms()).id(plan.id.as_bytes())
}
