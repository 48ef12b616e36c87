//! Moves planned runs that were dealt with from state to history, some at a time, by the month of
//! their instant. What waits or runs stays, and each trigger's last instant does: it says up to where
//! the trigger was planned, so an instant in history is never planned again.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use a2n_proto::execution::{ExecutionSchedule, ScheduleStatus};
use a2n_proto::{ExecutionScheduleId, Timestamp};

use super::{FileName, Kind, Rows, in_slices, month_at, raw};
use crate::store::execution_schedule::{self, INDEXES, by_instant, last_instant};
use crate::store::keys::{Key, KeyRange, last_id};
use crate::store::schema::{SCHEDULE, SCHEDULE_BY_INSTANT, SCHEDULE_BY_TIME};
use crate::store::{Error, Origin, Read, Snapshot, Store, Tx, rows};

/// Moves at most `batch` that were due before a time. Answers how many are now in history only;
/// fewer than `batch` means that there are no more. Waits for the disk.
pub fn move_some(
    store: &Store,
    origin: &Origin,
    before: Timestamp,
    batch: usize,
) -> Result<usize, Error> {
    let read = store.read()?;
    let copies = copy(store, &read, &old(&read, before, batch)?)?;
    drop(read);
    in_slices(store, origin, copies, take_out)
}

fn old(read: &Snapshot, before: Timestamp, most: usize) -> Result<Vec<ExecutionSchedule>, Error> {
    let range = KeyRange::all().before(&Key::new().i64(before.as_unix_ms()));
    let mut found = Vec::new();
    read.scan(SCHEDULE_BY_TIME, &range, false, &mut |key, _| {
        let plan = match last_id(key).map(|id| rows::get::<ExecutionSchedule>(read, &id)) {
            Some(Ok(Some(plan))) => plan,
            // Damaged, or an entry that leads nowhere: left to whoever looks after the damage.
            _ => return Ok(ControlFlow::Continue(())),
        };
        let is_done = !matches!(plan.status, ScheduleStatus::Pending | ScheduleStatus::Running);
        let is_last = match plan.trigger_id {
            Some(trigger) => last_instant(read, trigger)? == Some(plan.scheduled_time),
            None => false,
        };
        if is_done && !is_last {
            found.push(plan);
        }
        let enough = found.len() >= most;
        Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

type Copies = Vec<(ExecutionScheduleId, Vec<u8>)>;

fn copy(store: &Store, read: &Snapshot, plans: &[ExecutionSchedule]) -> Result<Copies, Error> {
    let mut files: BTreeMap<FileName, Rows> = BTreeMap::new();
    let mut copies = Copies::new();
    for plan in plans {
        let id = plan.id.as_bytes();
        let Some(bytes) = raw(read, SCHEDULE, id)? else { continue };
        let name = FileName { month: month_at(plan.scheduled_time), kind: Kind::Ledger };
        let file = files.entry(name).or_default();
        file.put(SCHEDULE, id, bytes.clone());
        if let Some(key) = by_instant(plan)
            && let Some(entry) = raw(read, SCHEDULE_BY_INSTANT, key.as_bytes())?
        {
            file.put(SCHEDULE_BY_INSTANT, key.as_bytes(), entry);
        }
        for (table, key) in INDEXES {
            if let Some(key) = key(plan) {
                file.mark(table, &key);
            }
        }
        copies.push((plan.id, bytes));
    }
    for (name, rows) in files {
        store.history().write(name, &rows)?;
    }
    Ok(copies)
}

/// What is still as it was copied leaves state.
fn take_out(tx: &mut Tx<'_>, copy: &(ExecutionScheduleId, Vec<u8>)) -> Result<bool, Error> {
    let (id, bytes) = copy;
    let is_same = raw(tx, SCHEDULE, id.as_bytes())?.as_ref() == Some(bytes);
    Ok(is_same && execution_schedule::remove(tx, *id)?)
}
