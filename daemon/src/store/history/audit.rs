//! Moves audit rows from state to history, some at a time and only behind a checkpoint: the number and
//! hash of the last row that may go are written down, durably and in the daemon's log, before the
//! first one is copied. So a row that is missing later, or another one in its place, shows.
//!
//! Files follow each other as the rows do: a month is that of the row's time, or of the newest file
//! where the clock was set back.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use a2n_proto::system::AuditLog;

use super::{FileName, Kind, Rows, in_slices, month_at, raw};
use crate::store::audit::{self, Head};
use crate::store::keys::{Key, KeyRange};
use crate::store::schema::AUDIT;
use crate::store::{Error, Origin, Read, Snapshot, Store, Tx, rows};

/// Moves at most `batch` rows beyond the newest `keep`, of which one always stays: it carries the
/// chain. Answers how many are now in history only; fewer than `batch` means that there are no more,
/// or that the chain does not hold there. Waits for the disk.
pub fn move_some(store: &Store, origin: &Origin, keep: u64, batch: usize) -> Result<usize, Error> {
    let read = store.read()?;
    let old = old(&read, keep, batch)?;
    let Some(last) = old.last().map(|(row, _)| Head { seq: row.seq, hash: row.hash.clone() })
    else {
        return Ok(0);
    };
    tracing::info!(seq = last.seq, hash = last.hash, "audit checkpoint");
    store.write_blocking(origin.clone(), move |tx| audit::put_checkpoint(tx, &last))?;
    copy(store, &old)?;
    drop(read);
    let copies = old.into_iter().map(|(row, bytes)| (row.seq, bytes)).collect();
    in_slices(store, origin, copies, take_out)
}

/// The oldest rows, as far as the chain holds.
fn old(read: &Snapshot, keep: u64, most: usize) -> Result<Vec<(AuditLog, Vec<u8>)>, Error> {
    let end = audit::head(read)?.seq.saturating_sub(keep.max(1));
    let range = KeyRange::all().before(&Key::of_u64(end.saturating_add(1)));
    let mut found: Vec<(AuditLog, Vec<u8>)> = Vec::new();
    read.scan(AUDIT, &range, false, &mut |key, value| {
        let Ok(row) = rows::decode::<AuditLog>(read, key, value) else {
            return Ok(ControlFlow::Break(()));
        };
        let follows = found
            .last()
            .is_none_or(|(before, _)| before.seq + 1 == row.seq && before.hash == row.prev_hash);
        if found.len() >= most || !follows || !audit::is_unchanged(&row) {
            return Ok(ControlFlow::Break(()));
        }
        found.push((row, value.to_vec()));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

fn copy(store: &Store, old: &[(AuditLog, Vec<u8>)]) -> Result<(), Error> {
    let mut month = store.history().files_of(Kind::Audit).first().map_or(0, |name| name.month);
    let mut files: BTreeMap<FileName, Rows> = BTreeMap::new();
    for (row, bytes) in old {
        month = month.max(month_at(row.timestamp));
        let file = files.entry(FileName { month, kind: Kind::Audit }).or_default();
        file.put(AUDIT, Key::of_u64(row.seq).as_bytes(), bytes.clone());
        audit::marks(row).iter().for_each(|(table, key)| file.mark(*table, key));
    }
    for (name, rows) in files {
        store.history().write(name, &rows)?;
    }
    Ok(())
}

/// What is still as it was copied leaves state.
fn take_out(tx: &mut Tx<'_>, (seq, bytes): &(u64, Vec<u8>)) -> Result<bool, Error> {
    let key = Key::of_u64(*seq);
    let is_same = raw(tx, AUDIT, key.as_bytes())?.as_ref() == Some(bytes);
    Ok(is_same && audit::remove_copied(tx, *seq)?)
}

#[cfg(test)]
mod tests {
    use a2n_proto::Json;

    use super::*;
    use crate::store::testing::{World, at};
    use crate::store::{Paging, verify};

    const MONTH: i64 = 31 * 86_400_000;

    fn origin() -> Origin {
        Origin::daemon(at(9 * MONTH), "RETENTION")
    }

    /// A row of the chain for each number, five a month.
    fn fill(world: &World, n: i64) {
        for n in 1..=n {
            world.write(n * MONTH / 5, move |tx| {
                tx.audit("thing.create", "thing", n % 3, Json::null(), Json::object());
                Ok(())
            });
        }
    }

    fn numbers(world: &World, newest_first: bool) -> Vec<u64> {
        let read = world.read();
        let mut paging = Paging { limit: 4, cursor: None, newest_first };
        let mut all = Vec::new();
        loop {
            let page = audit::list(&read, &audit::Query::default(), &paging, &|_| true).unwrap();
            all.extend(page.items.iter().map(|row| row.seq));
            match page.next_cursor {
                Some(cursor) => paging.cursor = Some(cursor),
                None => return all,
            }
        }
    }

    fn check_whole(world: &World, last: u64) {
        assert_eq!(numbers(world, false), (1..=last).collect::<Vec<_>>());
        assert_eq!(numbers(world, true), (1..=last).rev().collect::<Vec<_>>());
        let read = world.read();
        let found = audit::verify(&read).unwrap();
        assert_eq!(found.problems, []);
        assert_eq!((found.rows, found.from, found.to), (last, 1, last));
        assert!((1..=last).all(|seq| audit::get(&read, seq).unwrap().unwrap().seq == seq));
        let query = audit::Query {
            resource: Some("thing".into()),
            resource_id: Some("1".into()),
            ..audit::Query::default()
        };
        let own = audit::list(&read, &query, &Paging::first(1000), &|_| true).unwrap().items;
        assert_eq!(own.len() as u64, read_all(&read, |row| row.resource_id == "1"));
        let from = audit::Query { from: Some(at(MONTH)), ..audit::Query::default() };
        let since = audit::list(&read, &from, &Paging::first(1000), &|_| true).unwrap().items;
        assert_eq!(since.len() as u64, read_all(&read, |row| row.timestamp >= at(MONTH)));
    }

    fn read_all(read: &Snapshot, fits: impl Fn(&AuditLog) -> bool) -> u64 {
        let last = audit::head(read).unwrap().seq;
        let rows = (1..=last).map(|seq| audit::get(read, seq).unwrap().unwrap());
        rows.filter(|row| fits(row)).count() as u64
    }

    #[test]
    fn the_chain_holds_across_files_and_every_row_is_seen_once() {
        let world = World::new();
        fill(&world, 20);
        let last = audit::head(&world.read()).unwrap().seq;
        check_whole(&world, last);
        while move_some(&world.store, &origin(), 3, 4).unwrap() == 4 {
            check_whole(&world, last);
        }
        assert!(world.store.history().files_of(Kind::Audit).len() > 2);
        assert_eq!(world.read().row_counts().unwrap()["audit_log"], 3);
        assert_eq!(verify::verify(&world.store).unwrap().problems, []);
        let world = world.reopened();
        check_whole(&world, last);
        fill(&world, 2);
        check_whole(&world, last + 2);
    }

    #[test]
    fn a_power_cut_at_any_moment_of_a_move_keeps_the_chain() {
        let world = World::new();
        fill(&world, 12);
        let last = audit::head(&world.read()).unwrap().seq;
        let filled = world.disk.after_power_cut(&mut || true);
        let mut cut = 0;
        loop {
            let world = World::on(filled.after_power_cut(&mut || true));
            world.disk.fail_after(Some(cut));
            let done = move_some(&world.store, &origin(), 1, 100).is_ok();
            let mut bit = false;
            let image = world.disk.after_power_cut(&mut || {
                bit = !bit;
                bit
            });
            let world = World::on(image);
            check_whole(&world, last);
            move_some(&world.store, &origin(), 1, 100).unwrap();
            check_whole(&world, last);
            if done {
                break;
            }
            cut += 2;
        }
        assert!(cut > 20, "a move has more steps than {cut}");
    }

    #[test]
    fn what_is_missing_or_changed_in_history_shows() {
        let world = World::new();
        fill(&world, 20);
        while move_some(&world.store, &origin(), 3, 100).unwrap() == 100 {}
        let files = world.store.history().files_of(Kind::Audit);
        // The oldest file, one in the middle, and the newest.
        for name in [files[files.len() - 1], files[1], files[0]] {
            let world = World::on(world.disk.after_power_cut(&mut || true));
            world.store.history().drop_file(name).unwrap();
            assert_ne!(audit::verify(&world.read()).unwrap().problems, [], "{name}");
        }
        let world = World::on(world.disk.after_power_cut(&mut || true));
        let mut row = audit::get(&world.read(), 5).unwrap().unwrap();
        row.action = "thing.delete".into();
        let key = Key::of_u64(5);
        let mut changed = Rows::default();
        changed.put(AUDIT, key.as_bytes(), rows::encode_row(&key, &row).unwrap());
        let name = files.iter().find(|name| {
            let source = world.store.history().source(**name).unwrap().unwrap();
            raw(&source, AUDIT, key.as_bytes()).unwrap().is_some()
        });
        world.store.history().write(*name.unwrap(), &changed).unwrap();
        let found = audit::verify(&world.read()).unwrap().problems;
        assert_eq!(found.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [5]);
    }
}
