//! The store under attack: power cuts with a second one during repair, flipped bits, files that are
//! cut off, a sync that waits, and a disk that lies, which has to be seen as such.
//!
//! `A2N_TORTURE=full` (or `long`) asks for more of each; `A2N_TORTURE_POWER_CUTS` and
//! `A2N_TORTURE_FLIPS` for a number. A failure names its seed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use a2n_proto::execution::ExecutionStatus;
use a2n_proto::{ChangeKind, Json};

use super::history::mover;
use super::testing::{
    Numbers, World, a_trigger, a_workflow, an_execution, at, count, everything, execution_id,
    options, trigger_id,
};
use super::{
    Drive, Error, FeedRead, Key, KeyRange, Options, Origin, Read, Store, TABLES, Tx, Write, audit,
    execution, idempotency, rows, schema, verify, workflow, workflow_trigger,
};
use crate::system::disk::SimDisk;

const STATE: &str = "/data/store/state.redb";

/// How many keys the writes of a power cut share, so that most of them replace something.
const KEYS: u64 = 13;

fn key(n: u64) -> Key {
    Key::new().text("torture").u64(n)
}

/// What write `n` puts under its key: of many sizes, some larger than a page.
fn filler(n: u64) -> Vec<u8> {
    let mut numbers = Numbers(n);
    let len = numbers.next() % 9000;
    (0..len).map(|i| (n.wrapping_mul(31).wrapping_add(i) % 251) as u8).collect()
}

/// The key that write `n` removes, where it removes one.
fn removes(n: u64) -> Option<u64> {
    n.is_multiple_of(5).then_some(n.wrapping_mul(7) % KEYS)
}

/// Write `n`: how far it came, a value, now and then one less, an execution that begins or ends.
fn step(tx: &mut Tx<'_>, n: u64) -> Result<(), Error> {
    rows::put_as(tx, schema::META, &key(u64::MAX), &n)?;
    rows::put_as(tx, schema::META, &key(n % KEYS), &filler(n))?;
    if let Some(gone) = removes(n) {
        rows::remove(tx, schema::META, &key(gone))?;
    }
    let place = i64::try_from(n / 2).expect("a small number");
    if n.is_multiple_of(2) {
        execution::insert(tx, &an_execution(place, ExecutionStatus::Pending), filler(n))?;
    } else if n > 1 {
        let mut ended = an_execution(place, ExecutionStatus::Success);
        ended.revision = 2;
        execution::save(tx, &ended, filler(n))?;
    }
    tx.change("thing", n, 1, ChangeKind::Created, Json::object(), None, None);
    tx.audit("thing.create", "thing", n, Json::null(), Json::object());
    Ok(())
}

/// What stands under the keys after the first `n` writes.
fn expected(n: u64) -> BTreeMap<u64, Vec<u8>> {
    let mut rows = BTreeMap::new();
    for n in 1..=n {
        rows.insert(n % KEYS, filler(n));
        if let Some(gone) = removes(n) {
            rows.remove(&gone);
        }
    }
    rows
}

/// The store is as after one of the writes from `acknowledged` to `submitted`, as a whole.
fn check(world: &World, acknowledged: u64, submitted: u64) -> Result<u64, String> {
    let read = world.read();
    let told = |e: Error| e.to_string();
    let came = rows::get_as::<u64>(&read, schema::META, key(u64::MAX).as_bytes()).map_err(told)?;
    let came = came.unwrap_or(0);
    if came < acknowledged || came > submitted {
        return Err(format!("it ends at {came}, not between {acknowledged} and {submitted}"));
    }
    let expected = expected(came);
    for place in 0..KEYS {
        let found = rows::get_as::<Vec<u8>>(&read, schema::META, key(place).as_bytes());
        if found.map_err(told)?.as_ref() != expected.get(&place) {
            return Err(format!("another value under {place} after {came} writes"));
        }
    }
    for n in (2..=submitted).filter(|n| n.is_multiple_of(2)) {
        let id = execution_id(i64::try_from(n / 2).expect("a small number"));
        let status = execution::get(&read, id).map_err(told)?.map(|found| found.status);
        let expected = match came {
            came if came < n => None,
            came if came == n => Some(ExecutionStatus::Pending),
            _ => Some(ExecutionStatus::Success),
        };
        if status != expected {
            return Err(format!("execution {n} is {status:?}, not {expected:?}, at {came}"));
        }
    }
    let report = verify::verify(&world.store).map_err(told)?;
    if !report.is_ok() {
        return Err(format!("{:?}", report.problems));
    }
    let chain = audit::verify(&read).map_err(told)?;
    let feed = world.store.feed();
    match feed.read_from(1, usize::MAX).map_err(told)? {
        FeedRead::Items(items) if items.len() as u64 == feed.last() => {}
        other => return Err(format!("the feed has holes: {other:?}")),
    }
    if chain.problems.is_empty() { Ok(came) } else { Err(format!("{:?}", chain.problems)) }
}

/// Writes until the power is cut, and again where the seed says so while it comes up; then looks.
fn cut_power(base: &SimDisk, seed: u64, lies: bool) -> Result<bool, String> {
    let mut numbers = Numbers(seed);
    let disk = base.after_power_cut(&mut || true);
    let world = World::on(disk);
    if lies {
        world.disk.lie_about_syncs();
    }
    world.disk.fail_after(Some(numbers.next() % 90));
    let acknowledged = Arc::new(Mutex::new(0));
    let mut submitted = 0;
    for _ in 0..10 {
        for _ in 0..=numbers.next() % 4 {
            submitted += 1;
            let n = submitted;
            let told = Arc::clone(&acknowledged);
            let body = move |tx: &mut Tx<'_>| step(tx, n).is_ok();
            let done = move |result: Result<(), Error>| {
                if result.is_ok() {
                    *told.lock().unwrap() = n;
                }
            };
            world.store.submit(Write::new(Origin::daemon(at(1), "TEST"), body, done));
        }
        world.store.commit_waiting();
    }
    let acknowledged = *acknowledged.lock().unwrap();
    let mut image = world.disk.after_power_cut(&mut || numbers.coin());
    let again = seed.is_multiple_of(2);
    if again {
        image.fail_after(Some(numbers.next() % 25));
        drop(Store::open(options(&image)));
        image = image.after_power_cut(&mut || numbers.coin());
    }
    let opened = Store::open(options(&image)).map_err(|e| format!("it does not open: {e}"))?;
    let world = World { disk: image, store: opened };
    let came = check(&world, acknowledged, submitted)?;
    world.try_write(2, move |tx| step(tx, came + 1)).map_err(|e| e.to_string())?;
    check(&world, came + 1, came + 1)?;
    Ok(again)
}

fn a_base() -> SimDisk {
    let world = World::new();
    world.store.close();
    world.disk.after_power_cut(&mut || true)
}

#[test]
fn no_power_cut_loses_invents_or_spoils_anything() {
    let base = a_base();
    let images = count("POWER_CUTS", 100, 2000, 20_000);
    let mut twice = 0;
    for seed in 0..images {
        match cut_power(&base, seed, false) {
            Ok(again) => twice += u64::from(again),
            Err(what) => panic!("power cut of seed {seed}: {what}"),
        }
    }
    eprintln!("torture: {images} power cuts, {twice} of them cut again during repair");
}

/// Were this not to fail, the test above would see nothing.
#[test]
fn a_disk_that_lies_about_syncs_is_seen() {
    let base = a_base();
    let tried = 20;
    let seen = (0..tried).filter(|seed| {
        let ended = catch_unwind(AssertUnwindSafe(|| cut_power(&base, *seed, true)));
        !matches!(ended, Ok(Ok(_)))
    });
    let seen = seen.count();
    assert!(seen > 10, "only {seen} of {tried} lies were seen");
}

/// Every row of the live file and of history, as it is stored.
type Rows = BTreeMap<(String, &'static str, Vec<u8>), Vec<u8>>;

/// A closed store with a bit of everything, and its rows.
fn full() -> (SimDisk, Rows) {
    let world = World::new();
    world.write(1, |tx| {
        workflow_trigger::put(tx, &a_trigger(1, "hourly"))?;
        for n in 0..60 {
            let mut one = an_execution(n, ExecutionStatus::Success);
            one.trigger_id = (n % 2 == 0).then(|| trigger_id(1));
            execution::insert(tx, &one, filler(n.unsigned_abs()))?;
        }
        idempotency::put(tx, "alice", "workflow.run", "k", [0; 32], "x")
    });
    for n in 2..40 {
        world.write(2, move |tx| {
            workflow::put(tx, &a_workflow(n, &format!("report {n}")))?;
            tx.change("thing", n, 1, ChangeKind::Created, Json::object(), None, None);
            tx.audit("thing.create", "thing", n, Json::null(), Json::object());
            Ok(())
        });
    }
    let limits = mover::Limits { keep: 30, batch: 100 };
    mover::move_some(&world.store, &Origin::daemon(at(9), "MOVER"), &limits).unwrap();
    let rows = stored(&world).unwrap();
    world.store.close();
    (world.disk.after_power_cut(&mut || true), rows)
}

fn stored(world: &World) -> Result<Rows, Error> {
    let mut rows = Rows::new();
    let read = world.read();
    collect("state", &read, &mut rows)?;
    for name in world.store.history().files() {
        if let Some(source) = world.store.history().source(name)? {
            collect("history", &source, &mut rows)?;
        }
    }
    Ok(rows)
}

fn collect(file: &str, read: &impl Read, rows: &mut Rows) -> Result<(), Error> {
    for table in TABLES {
        read.scan(*table, &KeyRange::all(), false, &mut |key, value| {
            rows.insert((file.to_owned(), table.name, key.to_vec()), value.to_vec());
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(())
}

/// What became of one flipped bit.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// The store was not opened.
    Refused,
    /// It hit what nobody reads.
    Harmless,
    /// A read or the look through everything said so.
    Told,
    /// A wrong answer that nobody notices.
    Believed(String),
}

fn flip(disk: &SimDisk, rows: &Rows, path: &Path, at_byte: usize, bit: u32) -> Fate {
    let copy = disk.after_power_cut(&mut || true);
    let mut bytes = copy.bytes(path).unwrap();
    bytes[at_byte] ^= 1 << bit;
    copy.put(path, bytes);
    let before = everything(&copy);
    let store = match Store::open(options(&copy)) {
        Ok(store) => store,
        Err(error) if error.exit_code() == 78 && everything(&copy) == before => {
            return Fate::Refused;
        }
        Err(error) => return Fate::Believed(format!("refused as {error}, or touched")),
    };
    let world = World { disk: copy, store };
    let told = !verify::verify(&world.store).is_ok_and(|report| report.is_ok());
    let fate = compare(&world, rows);
    match fate {
        // What is not there can only be missed by who looks through everything.
        Fate::Harmless | Fate::Believed(_) if told => match fate {
            Fate::Believed(what) if what.starts_with("wrong") => Fate::Believed(what),
            _ => Fate::Told,
        },
        fate => fate,
    }
}

/// Reads every row by its key and all rows in order, and compares with what was written.
fn compare(world: &World, rows: &Rows) -> Fate {
    let found = match stored(world) {
        Ok(found) => found,
        Err(_) => return Fate::Told,
    };
    let mut told = false;
    for ((file, table, key), value) in &found {
        if super::codec::open(table, key, value).is_err() {
            told = true;
        } else if rows.get(&(file.clone(), *table, key.clone())) != Some(value) {
            return Fate::Believed(format!("wrong: a row of {table} that was not written"));
        }
    }
    let read = world.read();
    for ((file, name, key), value) in rows.iter().filter(|((file, ..), _)| file == "state") {
        let table = TABLES.iter().find(|table| table.name == *name).unwrap();
        let mut seen = None;
        match read.look(*table, key, &mut |value| {
            seen = Some(value.to_vec());
            Ok(())
        }) {
            Err(_) => told = true,
            Ok(_) => match seen {
                Some(seen) if super::codec::open(name, key, &seen).is_err() => told = true,
                Some(seen) if seen == *value => {}
                Some(_) => return Fate::Believed(format!("wrong: another value in {name}")),
                None => return Fate::Believed(format!("missing: a row of {name} in {file}")),
            },
        }
    }
    if !told && found.len() != rows.len() {
        return Fate::Believed(format!("missing: {} rows of {}", found.len(), rows.len()));
    }
    if told { Fate::Told } else { Fate::Harmless }
}

#[test]
fn no_flipped_bit_is_believed() {
    let (disk, rows) = full();
    let flips = count("FLIPS", 50, 500, 10_000);
    let files: Vec<(PathBuf, Vec<u8>)> = everything(&disk)
        .into_iter()
        .filter(|(path, _)| path.extension().is_some_and(|e| e == "redb"))
        .filter_map(|(path, bytes)| Some((path, bytes?)))
        .collect();
    assert_eq!(files.len(), 2, "the live file and one of history");
    let mut fates = BTreeMap::<String, u64>::new();
    let mut believed = Vec::new();
    for seed in 0..flips {
        let mut numbers = Numbers(seed);
        let (path, bytes) = &files[(numbers.next() % 4 / 3) as usize];
        let mut place = numbers.next() as usize % bytes.len();
        // Most of a file is room that nothing was written to: look for something that was.
        while seed % 8 != 0 && bytes[place] == 0 {
            place = numbers.next() as usize % bytes.len();
        }
        let bit = (numbers.next() % 8) as u32;
        let fate = catch_unwind(AssertUnwindSafe(|| flip(&disk, &rows, path, place, bit)));
        let fate = fate.unwrap_or_else(|_| Fate::Believed("a panic".into()));
        if let Fate::Believed(what) = &fate {
            believed.push(format!("seed {seed}: {} byte {place}: {what}", path.display()));
        }
        let name = format!("{fate:?}").split('(').next().unwrap_or_default().to_owned();
        *fates.entry(name).or_default() += 1;
    }
    eprintln!("torture: {flips} flipped bits: {fates:?}");
    assert_eq!(believed, [] as [String; 0]);
}

#[test]
fn a_store_cut_off_at_any_page_is_refused_and_left_alone() {
    let (whole, _) = full();
    let bytes = whole.bytes(Path::new(STATE)).unwrap();
    let pages = bytes.len() / 4096;
    let cuts = count("TRUNCATIONS", 12, usize::MAX as u64, usize::MAX as u64);
    let stride = (pages as u64).div_ceil(cuts).max(1) as usize;
    for page in (0..pages).step_by(stride) {
        let disk = whole.after_power_cut(&mut || true);
        disk.put(Path::new(STATE), bytes[..page * 4096].to_vec());
        let before = everything(&disk);
        let error = Store::open(options(&disk)).expect_err("refused");
        assert_eq!(error.exit_code(), 78, "cut at page {page}: {error}");
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
        assert_eq!(everything(&disk), before, "touched at page {page}");
    }
    eprintln!("torture: cut off at {} of {pages} pages", pages.div_ceil(stride));
}

#[test]
fn reads_go_on_while_a_sync_takes_its_time() {
    let disk = SimDisk::new();
    let store = Store::open(Options { drive: Drive::Thread, ..options(&disk) }).unwrap();
    let origin = || Origin::daemon(at(1), "TEST");
    let write = |n: u64| move |tx: &mut Tx<'_>| step(tx, n);
    store.write_blocking(origin(), write(1)).unwrap();
    // Room within the file: redb makes it longer under the lock that begins reads, and syncs there.
    let room = |tx: &mut Tx<'_>| rows::put_as(tx, schema::META, &key(0), &vec![1u8; 6 << 20]);
    store.write_blocking(origin(), room).unwrap();
    let none = |tx: &mut Tx<'_>| rows::remove(tx, schema::META, &key(0)).map(|_| ());
    store.write_blocking(origin(), none).unwrap();
    store.write_blocking(origin(), write(1)).unwrap();
    disk.hold_syncs(true);
    let (tell, told) = std::sync::mpsc::channel();
    // More than what waits in the queue and what the writer has taken from it already.
    for n in 2..=3 * super::writer::QUEUE as u64 {
        let tell = tell.clone();
        let body = move |tx: &mut Tx<'_>| rows::put_as(tx, schema::META, &key(n), &n).is_ok();
        let done = move |result: Result<(), Error>| tell.send(result).unwrap();
        store.submit(Write::new(origin(), body, done));
    }
    // None of these waits for the sync: the old state is read, and whoever finds the queue full
    // hears so at once.
    for _ in 0..100 {
        let read = store.read().unwrap();
        let came = rows::get_as::<u64>(&read, schema::META, key(u64::MAX).as_bytes()).unwrap();
        assert_eq!(came, Some(1));
        assert!(store.accepting() && store.feed().last() > 0);
    }
    let refused = told.recv().unwrap();
    assert!(matches!(refused, Err(Error::Overloaded)), "{refused:?}");
    disk.hold_syncs(false);
    drop(tell);
    let committed = told.iter().filter(Result::is_ok).count();
    assert!(committed >= super::writer::QUEUE, "{committed}");
    store.close();
}
