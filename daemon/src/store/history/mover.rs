//! Moves ended executions from state to history, some at a time.
//!
//! Driven by retention. First the rows are inserted into their history file, durably; then they are
//! taken out of state, if they are still what was copied. A crash in between leaves them in both,
//! which a read sees once and the next round settles: moving again writes the same rows.

use std::collections::{BTreeMap, BTreeSet};

use a2n_proto::ExecutionId;
use a2n_proto::execution::ExecutionStatus;

use super::{FileName, Kind, Rows, in_slices, month_of, raw};
use crate::store::execution::{self, Kept, marks};
use crate::store::keys::{Key, last_id};
use crate::store::schema::{
    EXECUTION, EXECUTION_BY_STATUS, EXECUTION_DATA, EXECUTION_ITERATION, EXECUTION_METRICS,
    EXECUTION_METRICS_MORE, EXECUTION_STATE,
};
use crate::store::{Error, Origin, Read, Snapshot, Store, Tx, execution_metrics, rows};

/// How much is moved.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// This many of the newest ended executions stay in state.
    pub keep: usize,
    /// At most this many are moved in one round.
    pub batch: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { keep: 10_000, batch: 1_000 }
    }
}

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Executions that are now in history only.
    pub moved: usize,
    /// Whether another round has something to do.
    pub more: bool,
}

const ENDED: [ExecutionStatus; 3] =
    [ExecutionStatus::Success, ExecutionStatus::Failed, ExecutionStatus::Cancelled];

/// Bytes that are copied in one transaction.
const COPY_BYTES: usize = 8 << 20;

/// Moves some. Waits for the disk: call it where that is fine, not on an async worker.
pub fn move_some(store: &Store, origin: &Origin, limits: &Limits) -> Result<Moved, Error> {
    let read = store.read()?;
    let (candidates, more) = candidates(&read, limits)?;
    let copies = copy(store, &read, &candidates)?;
    drop(read);
    let moved = in_slices(store, origin, copies, take_out)?;
    Ok(Moved { moved, more })
}

/// What was copied: each execution with the bytes of its row.
type Copies = Vec<(ExecutionId, Vec<u8>)>;

/// The first half: rows go into history, durably.
pub(crate) fn copy(
    store: &Store,
    read: &Snapshot,
    candidates: &[ExecutionId],
) -> Result<Copies, Error> {
    let mut files: BTreeMap<FileName, Rows> = BTreeMap::new();
    let mut copies = Copies::new();
    for id in candidates {
        // A damaged one stays where it is noted as damaged.
        let Ok(Some(kept)) = rows::get::<Kept>(read, id.as_bytes()) else { continue };
        let Some(bytes) = raw(read, EXECUTION, id.as_bytes())? else { continue };
        let kind = Kind::of(kept.execution.status);
        let name = FileName { month: month_of(id.unix_ms()), kind };
        let file = files.entry(name).or_default();
        file.put(EXECUTION, id.as_bytes(), bytes.clone());
        for table in [EXECUTION_DATA, EXECUTION_STATE, EXECUTION_METRICS] {
            if let Some(bytes) = raw(read, table, id.as_bytes())? {
                file.put(table, id.as_bytes(), bytes);
            }
        }
        for key in execution::iteration_keys(read, *id)? {
            if let Some(bytes) = raw(read, EXECUTION_ITERATION, &key)? {
                file.put(EXECUTION_ITERATION, &key, bytes);
            }
        }
        for key in execution_metrics::more_keys(read, *id)? {
            if let Some(bytes) = raw(read, EXECUTION_METRICS_MORE, &key)? {
                file.put(EXECUTION_METRICS_MORE, &key, bytes);
            }
        }
        let attached = execution::attachment_marks(read, *id)?;
        marks(&kept.execution)
            .iter()
            .chain(&attached)
            .for_each(|(table, key)| file.mark(*table, key));
        if file.bytes() >= COPY_BYTES {
            store.history().write(name, &std::mem::take(file))?;
        }
        copies.push((*id, bytes));
    }
    for (name, rows) in files {
        store.history().write(name, &rows)?;
    }
    Ok(copies)
}

/// The second half: what is still as it was copied leaves state.
fn take_out(tx: &mut Tx<'_>, (id, bytes): &(ExecutionId, Vec<u8>)) -> Result<bool, Error> {
    Ok(raw(tx, EXECUTION, id.as_bytes())?.as_ref() == Some(bytes) && execution::remove(tx, *id)?)
}

/// The oldest ended executions beyond those that stay, and whether there are more than these.
fn candidates(read: &Snapshot, limits: &Limits) -> Result<(Vec<ExecutionId>, bool), Error> {
    let mut newest: BTreeSet<[u8; 16]> = BTreeSet::new();
    for status in ENDED {
        let range = Key::new().u8(status as u8).under();
        let mut n = 0;
        read.scan(EXECUTION_BY_STATUS, &range, true, &mut |key, _| {
            newest.extend(last_id(key));
            n += 1;
            let enough = n > limits.keep;
            Ok(if enough {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue(())
            })
        })?;
    }
    // The oldest that stays; everything below it goes.
    let boundary = match limits.keep {
        0 => None,
        keep => match newest.iter().rev().nth(keep - 1) {
            Some(boundary) if newest.len() > keep => Some(*boundary),
            _ => return Ok((Vec::new(), false)),
        },
    };
    let mut found = BTreeSet::new();
    for status in ENDED {
        let start = Key::new().u8(status as u8);
        let mut range = start.clone().under();
        if let Some(boundary) = &boundary {
            range = range.before(&start.id(boundary));
        }
        for key in rows::some_keys(read, EXECUTION_BY_STATUS, &range, limits.batch + 1)? {
            found.extend(last_id(&key));
        }
    }
    let more = found.len() > limits.batch;
    let ids = found.into_iter().take(limits.batch).map(ExecutionId::from_bytes);
    Ok((ids.collect(), more))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use a2n_proto::execution::ExecutionStatus;

    use super::*;
    use crate::store::testing::{World, an_execution, at, execution_id};
    use crate::store::{Paging, execution};

    fn with_ended(n: i64) -> World {
        let world = World::new();
        for n in 0..n {
            let status =
                if n % 3 == 0 { ExecutionStatus::Failed } else { ExecutionStatus::Success };
            world.write(n, move |tx| {
                execution::insert(
                    tx,
                    &an_execution(n, status),
                    vec![u8::try_from(n).unwrap(); 5000],
                )
            });
        }
        world
    }

    fn origin() -> Origin {
        Origin::daemon(at(1000), "MOVER")
    }

    fn all(world: &World, newest_first: bool) -> Vec<ExecutionId> {
        let mut paging = Paging { limit: 4, cursor: None, newest_first };
        let mut ids = Vec::new();
        loop {
            let query = execution::Query::default();
            let page = execution::list(&world.read(), &query, &paging).unwrap();
            ids.extend(page.items.iter().map(|execution| execution.id));
            match page.next_cursor {
                Some(cursor) => paging.cursor = Some(cursor),
                None => return ids,
            }
        }
    }

    fn check_whole(world: &World, n: i64) {
        let expected: Vec<_> = (0..n).map(execution_id).collect();
        assert_eq!(all(world, false), expected);
        let mut backwards = all(world, true);
        backwards.reverse();
        assert_eq!(backwards, expected);
        let read = world.read();
        for n in 0..n {
            let status =
                if n % 3 == 0 { ExecutionStatus::Failed } else { ExecutionStatus::Success };
            let found = execution::require(&read, execution_id(n)).unwrap();
            assert_eq!(found, an_execution(n, status));
            let state = execution::state(&read, execution_id(n)).unwrap().unwrap();
            assert_eq!(state, vec![u8::try_from(n).unwrap(); 5000]);
        }
    }

    #[test]
    fn the_oldest_move_and_everything_is_seen_once() {
        let world = with_ended(20);
        let limits = Limits { keep: 5, batch: 6 };
        let mut rounds = Vec::new();
        loop {
            let moved = move_some(&world.store, &origin(), &limits).unwrap();
            check_whole(&world, 20);
            rounds.push(moved.moved);
            if !moved.more {
                break;
            }
        }
        assert_eq!(rounds, [6, 6, 3]);
        assert_eq!(move_some(&world.store, &origin(), &limits).unwrap(), Moved::default());
        let world = world.reopened();
        check_whole(&world, 20);
        assert_eq!(world.store.history().files().len(), 2);
    }

    #[test]
    fn a_crash_between_the_two_commits_loses_and_doubles_nothing() {
        let world = with_ended(10);
        let read = world.read();
        let ids: Vec<_> = (0..4).map(execution_id).collect();
        copy(&world.store, &read, &ids).unwrap();
        drop(read);
        check_whole(&world, 10);
        let world = world.reopened();
        check_whole(&world, 10);
        let moved = move_some(&world.store, &origin(), &Limits { keep: 2, batch: 100 }).unwrap();
        assert_eq!(moved.moved, 8);
        check_whole(&world, 10);
    }

    #[test]
    fn what_changed_since_it_was_copied_stays() {
        let world = with_ended(3);
        let read = world.read();
        let copies = copy(&world.store, &read, &[execution_id(0)]).unwrap();
        drop(read);
        let mut changed = an_execution(0, ExecutionStatus::Failed);
        changed.revision = 2;
        let sent = changed.clone();
        world.write(50, move |tx| execution::save(tx, &sent, vec![]));
        assert_eq!(in_slices(&world.store, &origin(), copies, take_out).unwrap(), 0);
        assert_eq!(execution::require(&world.read(), changed.id).unwrap(), changed);
        let ids: BTreeSet<_> = all(&world, true).into_iter().collect();
        assert_eq!(ids.len(), 3);
    }
}
