//! Moves ended executions from state to history, some at a time.
//!
//! Driven by retention. First the rows are inserted into their history file, durably; then they are
//! taken out of state, if they are still what was copied. A crash in between leaves them in both,
//! which a read sees once and the next round settles: moving again writes the same rows.

use std::collections::{BTreeMap, BTreeSet};

use a2n_proto::ExecutionId;
use a2n_proto::execution::ExecutionStatus;
use redb::{Durability, WriteTransaction};

use super::{FileName, Kind, month_of};
use crate::store::execution::{self, Kept, marks};
use crate::store::keys::{Key, last_id};
use crate::store::schema::{
    EXECUTION, EXECUTION_BY_STATUS, EXECUTION_DATA, EXECUTION_METRICS, EXECUTION_STATE, HISTORY,
    META, Table,
};
use crate::store::{Error, Origin, Read, Snapshot, Store, codec, rows};

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

/// Moves some. Waits for the disk: call it where that is fine, not on an async worker.
pub fn move_some(store: &Store, origin: Origin, limits: &Limits) -> Result<Moved, Error> {
    let read = store.read()?;
    let (candidates, more) = candidates(&read, limits)?;
    let copies = copy(store, &read, &candidates)?;
    drop(read);
    let moved = take_out(store, origin, copies)?;
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
    let mut by_file: BTreeMap<FileName, Vec<(ExecutionId, Vec<u8>, Kept)>> = BTreeMap::new();
    for id in candidates {
        // A damaged one stays where it is noted as damaged.
        let Ok(Some(kept)) = rows::get::<Kept>(read, id.as_bytes()) else { continue };
        let Some(bytes) = raw(read, EXECUTION, *id)? else { continue };
        let kind = Kind::of(kept.execution.status);
        let name = FileName { month: month_of(id.unix_ms()), kind };
        by_file.entry(name).or_default().push((*id, bytes, kept));
    }
    let mut copies = Copies::new();
    for (name, executions) in by_file {
        if let Err(e) = insert(store, read, name, &executions) {
            store.history().forget(name);
            return Err(e);
        }
        copies.extend(executions.into_iter().map(|(id, bytes, _)| (id, bytes)));
    }
    Ok(copies)
}

/// The second half: what is still as it was copied leaves state.
fn take_out(store: &Store, origin: Origin, copies: Copies) -> Result<usize, Error> {
    if copies.is_empty() {
        return Ok(0);
    }
    store.write_blocking(origin, move |tx| {
        let mut moved = 0;
        for (id, bytes) in &copies {
            if raw(tx, EXECUTION, *id)?.as_ref() == Some(bytes) && execution::remove(tx, *id)? {
                moved += 1;
            }
        }
        Ok::<_, Error>(moved)
    })
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

/// One transaction of a history file. Values carry their table and key in their checksum, and these
/// are the same there, so the bytes go over as they are.
fn insert(
    store: &Store,
    read: &Snapshot,
    name: FileName,
    executions: &[(ExecutionId, Vec<u8>, Kept)],
) -> Result<(), Error> {
    let Some(database) = store.history().open(name, true)? else { return Err(Error::Closed) };
    let failed = |e: redb::Error| Error::storage("writing to history", e);
    let mut transaction = database.begin_write().map_err(|e| failed(e.into()))?;
    transaction.set_durability(Durability::Immediate).map_err(|e| failed(e.into()))?;
    transaction.set_quick_repair(true);
    for table in HISTORY {
        transaction.open_table(table.definition()).map_err(|e| failed(e.into()))?;
    }
    let install = Key::new().text("install_id");
    let id = rows::encode(META, &install, 1, &store.install_id())?;
    put(&transaction, META, &install, &id)?;
    for (id, bytes, kept) in executions {
        let key = Key::of_id(id.as_bytes());
        put(&transaction, EXECUTION, &key, bytes)?;
        for table in [EXECUTION_DATA, EXECUTION_STATE, EXECUTION_METRICS] {
            if let Some(bytes) = raw(read, table, *id)? {
                put(&transaction, table, &key, &bytes)?;
            }
        }
        for (table, key) in marks(&kept.execution) {
            put(&transaction, table, &key, &codec::mark(table.name, key.as_bytes()))?;
        }
    }
    transaction.commit().map_err(|e| failed(e.into()))
}

fn put(transaction: &WriteTransaction, table: Table, key: &Key, bytes: &[u8]) -> Result<(), Error> {
    let failed = |e: redb::Error| Error::storage("writing to history", e);
    let mut open = transaction.open_table(table.definition()).map_err(|e| failed(e.into()))?;
    open.insert(key.as_bytes(), bytes).map(|_| ()).map_err(|e| failed(e.into()))
}

/// The stored bytes of an execution's row in a table.
fn raw(read: &impl Read, table: Table, id: ExecutionId) -> Result<Option<Vec<u8>>, Error> {
    let mut found = None;
    read.look(table, id.as_bytes(), &mut |bytes| {
        found = Some(bytes.to_vec());
        Ok(())
    })?;
    Ok(found)
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
            let moved = move_some(&world.store, origin(), &limits).unwrap();
            check_whole(&world, 20);
            rounds.push(moved.moved);
            if !moved.more {
                break;
            }
        }
        assert_eq!(rounds, [6, 6, 3]);
        assert_eq!(move_some(&world.store, origin(), &limits).unwrap(), Moved::default());
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
        let moved = move_some(&world.store, origin(), &Limits { keep: 2, batch: 100 }).unwrap();
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
        assert_eq!(take_out(&world.store, origin(), copies).unwrap(), 0);
        assert_eq!(execution::require(&world.read(), changed.id).unwrap(), changed);
        let ids: BTreeSet<_> = all(&world, true).into_iter().collect();
        assert_eq!(ids.len(), 3);
    }

    #[test]
    fn months_and_names() {
        assert_eq!(month_of(0), 197_001);
        let name = FileName { month: 202_611, kind: Kind::ExecutionsSuccess };
        assert_eq!(name.to_string(), "history-202611-executions-success.redb");
        assert_eq!(FileName::parse(&name.to_string()), Some(name));
        assert_eq!(FileName::parse("history-2026-executions-success.redb"), None);
        assert_eq!(FileName::parse("state.redb"), None);
    }
}
