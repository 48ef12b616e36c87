//! Moves roll-ups of past days from state to history, some at a time, by the month of their minute.
//!
//! A run that ends late may add to a minute that has moved: then state has a new row for it, and both
//! count. A row that was copied and not yet taken out counts once: rows carry the commit in which
//! they came to be, and history remembers which one it has.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::ControlFlow;

use a2n_proto::Timestamp;

use super::{FileName, Kind, Rows, in_slices, month_at, raw};
use crate::store::execution_metrics::{Kept, Rollup, minute_of, time_of};
use crate::store::keys::{Key, KeyRange, KeyReader};
use crate::store::read::Source;
use crate::store::schema::ROLLUP;
use crate::store::{Error, Origin, Read, Snapshot, Store, Tx, rows};

/// Moves at most `batch` from before a time. Answers how many are now in history only; fewer than
/// `batch` means that there are no more. Waits for the disk.
pub fn move_some(
    store: &Store,
    origin: &Origin,
    before: Timestamp,
    batch: usize,
) -> Result<usize, Error> {
    let read = store.read()?;
    let copies = copy(store, &read, old(&read, minute_of(before), batch)?)?;
    drop(read);
    in_slices(store, origin, copies, take_out)
}

/// The keys of rows from before a minute. Each metric's scope is looked at from its oldest row on,
/// so what is not old costs nothing.
fn old(read: &impl Read, minute: i64, most: usize) -> Result<Vec<Vec<u8>>, Error> {
    let mut found = Vec::new();
    let mut range = KeyRange::all();
    while found.len() < most {
        let Some(first) = rows::some_keys(read, ROLLUP, &range, 1)?.pop() else { break };
        let Some((scope, _)) = first.split_last_chunk::<8>() else { break };
        let scope = Key::of_bytes(scope);
        let rows_before = scope.clone().under().before(&scope.clone().i64(minute));
        found.extend(rows::some_keys(read, ROLLUP, &rows_before, most - found.len())?);
        let Some(next) = scope.under().to().map(Key::of_bytes) else { break };
        range = KeyRange::all().starting_at(&next);
    }
    Ok(found)
}

type Copies = Vec<(Vec<u8>, Vec<u8>)>;

pub(crate) fn copy(store: &Store, read: &Snapshot, keys: Vec<Vec<u8>>) -> Result<Copies, Error> {
    let mut copies = Copies::new();
    let mut rows = Vec::new();
    for key in keys {
        // A damaged one stays where it is noted as damaged.
        let Ok(Some(live)) = rows::get::<Kept>(read, &key) else { continue };
        let Some(bytes) = raw(read, ROLLUP, &key)? else { continue };
        rows.push((key.clone(), live));
        copies.push((key, bytes));
    }
    join(store, rows)?;
    Ok(copies)
}

/// Puts values that were joined elsewhere straight into history, as rows of this commit.
pub(super) fn put(store: &Store, commit: u64, values: Vec<(Key, Rollup)>) -> Result<(), Error> {
    let kept = |values| Kept { born: commit, values, ..Kept::default() };
    let rows = values.into_iter();
    join(store, rows.map(|(key, values)| (key.as_bytes().to_vec(), kept(values))).collect())
}

/// Adds rows to what history has for their minutes.
fn join(store: &Store, rows: Vec<(Vec<u8>, Kept)>) -> Result<(), Error> {
    let mut files: BTreeMap<FileName, (Option<Source>, Rows)> = BTreeMap::new();
    for (key, live) in rows {
        let Some(minute) = key.last_chunk::<8>().and_then(|part| KeyReader::new(part).i64()) else {
            continue;
        };
        let name = FileName { month: month_at(time_of(minute)), kind: Kind::Rollup };
        let (source, file) = match files.entry(name) {
            Entry::Occupied(file) => file.into_mut(),
            Entry::Vacant(place) => place.insert((store.history().source(name)?, Rows::default())),
        };
        let past = match source {
            Some(source) => rows::get::<Kept>(source, &key)?,
            None => None,
        };
        let kept = past.map_or_else(|| live.clone(), |past| past.followed_by(&live));
        let encoded = rows::encode_row(&Key::of_bytes(&key), &kept)?;
        file.put(ROLLUP, &key, encoded);
    }
    for (name, (source, rows)) in files {
        drop(source);
        store.history().write(name, &rows)?;
    }
    Ok(())
}

/// What is still as it was copied leaves state.
fn take_out(tx: &mut Tx<'_>, (key, bytes): &(Vec<u8>, Vec<u8>)) -> Result<bool, Error> {
    let is_same = raw(tx, ROLLUP, key)?.as_ref() == Some(bytes);
    Ok(is_same && rows::remove(tx, ROLLUP, &Key::of_bytes(key))?)
}

/// Every row of a range in the files of these months, ascending by month.
pub(crate) fn scan(
    read: &impl Read,
    months: std::ops::RangeInclusive<u32>,
    range: &KeyRange,
    see: &mut dyn FnMut(&[u8], &Kept),
) -> Result<(), Error> {
    let Some(history) = read.history() else { return Ok(()) };
    for name in history.files_of(Kind::Rollup) {
        if !months.contains(&name.month) {
            continue;
        }
        let Some(source) = history.source(name)? else { continue };
        source.scan(ROLLUP, range, false, &mut |key, value| {
            match rows::decode::<Kept>(&source, key, value) {
                Ok(kept) => see(key, &kept),
                Err(Error::Damaged { .. }) => {}
                Err(e) => return Err(e),
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use a2n_proto::execution::ExecutionStatus;

    use super::*;
    use crate::store::testing::{World, an_execution, at};
    use crate::store::{execution, execution_metrics, verify};

    fn origin() -> Origin {
        Origin::daemon(at(0), "RETENTION")
    }

    fn end(world: &World, n: i64) {
        world.write(n, move |tx| {
            execution::insert(tx, &an_execution(n, ExecutionStatus::Success), vec![])
        });
    }

    fn counted(world: &World) -> u64 {
        let found = execution_metrics::query(
            &world.read(),
            "execution.success",
            None,
            at(-600_000),
            at(6_000_000),
            1,
        );
        found.unwrap().iter().map(|(_, rollup)| rollup.count).sum()
    }

    #[test]
    fn moved_minutes_count_once_and_late_ends_still_count() {
        let world = World::new();
        (0..4).for_each(|n| end(&world, n * 20_000));
        assert_eq!(counted(&world), 4);
        // Copied, and the machine stops before they are taken out.
        let read = world.read();
        let keys = old(&read, minute_of(at(6_000_000)), 1000).unwrap();
        copy(&world.store, &read, keys).unwrap();
        drop(read);
        assert_eq!(counted(&world), 4);
        let world = world.reopened();
        assert_eq!(counted(&world), 4);
        // One more ends in a minute that was copied, before the copy is settled.
        end(&world, 1);
        assert_eq!(counted(&world), 5);
        while move_some(&world.store, &origin(), at(6_000_000), 3).unwrap() > 0 {
            assert_eq!(counted(&world), 5);
        }
        // And after it was: the same values as before, which must not be taken for the copy.
        end(&world, 2);
        assert_eq!(counted(&world), 6);
        while move_some(&world.store, &origin(), at(6_000_000), 3).unwrap() > 0 {}
        assert_eq!(counted(&world), 6);
        end(&world, 3);
        assert_eq!(counted(&world), 7);
        let names = execution_metrics::names(&world.read(), at(0), at(9)).unwrap();
        assert_eq!(names, ["execution.duration", "execution.success"]);
        assert_eq!(verify::verify(&world.store).unwrap().problems, []);
    }

    #[test]
    fn what_is_not_old_stays() {
        let world = World::new();
        end(&world, 0);
        end(&world, 600_000);
        let moved = move_some(&world.store, &origin(), at(300_000), 100).unwrap();
        assert_eq!(moved, 4, "two metrics, for the workflow and for everything");
        assert_eq!(move_some(&world.store, &origin(), at(300_000), 100).unwrap(), 0);
        assert_eq!(counted(&world), 2);
    }
}
