//! Opening: what is refused, with which exit code, and that nothing was touched.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use a2n_proto::InstallId;

use super::testing::{World, at, everything, options};
use super::{Options, Store};
use crate::system::disk::{Disk, RealDisk, SimDisk};

const STATE: &str = "/data/store/state.redb";

/// Opens it, expecting a refusal with this code that names all these words, and nothing touched.
fn refused(disk: &SimDisk, code: u8, words: &[&str]) {
    let before = everything(disk);
    let error = Store::open(options(disk)).expect_err("refused");
    assert_eq!(error.exit_code(), code, "{error}");
    let line = error.to_string();
    assert!(!line.contains('\n'), "one line: {line}");
    for word in words {
        assert!(line.contains(word), "{line:?} does not say {word:?}");
    }
    assert_eq!(everything(disk), before, "something was touched");
}

fn used() -> SimDisk {
    let world = World::new();
    world.store.close();
    world.disk.clone()
}

fn without(disk: &SimDisk, path: &str) -> SimDisk {
    disk.remove(Path::new(path)).unwrap();
    disk.clone()
}

#[test]
fn a_first_start_makes_everything_and_a_second_one_goes_on() {
    let disk = SimDisk::new();
    let world = World::on(disk.clone());
    let id = world.store.install_id();
    assert_eq!(world.store.identity().unwrap().unwrap().schema, super::SCHEMA);
    let world = world.reopened();
    assert_eq!(world.store.install_id(), id);
    let steps = super::migrations::list(&world.read()).unwrap();
    assert_eq!(steps.len(), 1);
}

#[test]
fn a_second_daemon_is_told_to_wait() {
    let world = World::new();
    refused(&world.disk, 75, &["in use", "/data"]);
}

#[test]
fn a_store_that_is_gone_though_marked_is_refused() {
    refused(&without(&used(), STATE), 78, &["is gone", "initialised", "backup"]);
    let disk = SimDisk::new();
    disk.put(Path::new("/data/initialised"), b"{}".to_vec());
    disk.make_folder(Path::new("/data")).unwrap();
    refused(&disk, 78, &["is gone"]);
}

#[test]
fn an_empty_file_is_refused() {
    let disk = used();
    disk.put(Path::new(STATE), Vec::new());
    refused(&disk, 78, &["is empty"]);
}

#[test]
fn an_empty_database_in_place_of_the_store_is_refused() {
    let disk = used();
    let path = PathBuf::from("/data/store/other.redb");
    let backend = disk.open(&path, crate::system::disk::How::Create).unwrap();
    drop(redb::Builder::new().create_with_backend(backend).unwrap());
    disk.put(Path::new(STATE), disk.bytes(&path).unwrap());
    disk.remove(&path).unwrap();
    refused(&disk, 78, &["empty store"]);
}

#[test]
fn what_is_not_ours_is_refused() {
    let disk = used();
    disk.put(Path::new(STATE), b"Dear diary, today I wrote a text file.\n".to_vec());
    refused(&disk, 78, &["is not a store of A2N"]);
    disk.put(Path::new(STATE), b"SQLite format 3\0............................".to_vec());
    refused(&disk, 78, &["is not a store of A2N"]);
    // The same without a marker: still somebody's file.
    refused(&without(&disk, "/data/initialised"), 78, &["is not a store of A2N"]);
}

#[test]
fn somebody_elses_database_is_refused() {
    let disk = SimDisk::new();
    disk.make_folder(Path::new("/data/store")).unwrap();
    let backend = disk.open(Path::new(STATE), crate::system::disk::How::Create).unwrap();
    let database = redb::Builder::new().create_with_backend(backend).unwrap();
    let transaction = database.begin_write().unwrap();
    let table: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("prices");
    transaction.open_table(table).unwrap().insert("tea", 3).unwrap();
    transaction.commit().unwrap();
    drop(database);
    refused(&disk, 78, &["another program's database"]);
}

#[test]
fn a_truncated_file_is_refused_at_every_length() {
    let whole = used();
    let bytes = whole.bytes(Path::new(STATE)).unwrap();
    let mut cut = 0;
    while cut < bytes.len() {
        let disk = whole.after_power_cut(&mut || true);
        disk.put(Path::new(STATE), bytes[..cut].to_vec());
        let before = everything(&disk);
        let error = Store::open(options(&disk)).expect_err("refused");
        assert_eq!(error.exit_code(), 78, "cut at {cut}: {error}");
        assert_eq!(everything(&disk), before, "touched at {cut}");
        cut += 128 * 1024 + 4096;
    }
}

#[test]
fn a_folder_in_its_place_is_refused() {
    let disk = without(&used(), STATE);
    disk.make_folder(Path::new(STATE)).unwrap();
    refused(&disk, 78, &["state.redb is not a file"]);
    let disk = SimDisk::new();
    disk.make_folder(Path::new("/data")).unwrap();
    disk.put(Path::new("/data/store"), b"x".to_vec());
    refused(&disk, 78, &["store is not a folder"]);
}

#[test]
fn a_store_of_another_installation_or_an_older_copy_is_refused() {
    let world = World::new();
    let old = world.state_bytes();
    world.write(1, |tx| super::workflow::put(tx, &super::testing::a_workflow(2, "later")));
    world.store.close();
    let disk = world.disk.clone();
    drop(world);
    disk.put(Path::new(STATE), old);
    refused(&disk, 78, &["older than what was acknowledged"]);

    let disk = used();
    let other = SimDisk::new();
    let stranger = Options { install_id: InstallId::from_parts(5, [9; 10]), ..options(&other) };
    Store::open(stranger).unwrap().close();
    disk.put(Path::new(STATE), other.bytes(Path::new(STATE)).unwrap());
    refused(&disk, 78, &["belongs to installation"]);
}

#[test]
fn a_newer_store_is_refused() {
    let world = World::new();
    world.write(1, |tx| {
        let mut identity = super::meta::identity(tx)?.unwrap();
        (identity.schema, identity.min_reader, identity.version) = (9, 9, "9.0.0".into());
        super::meta::put_identity(tx, &identity)
    });
    world.store.close();
    let disk = world.disk.clone();
    drop(world);
    refused(&disk, 78, &["a2nd 9.0.0", "schema 9"]);
}

#[test]
fn a_lost_state_beside_history_is_refused_also_without_a_marker() {
    let disk = without(&without(&used(), STATE), "/data/initialised");
    disk.put(Path::new("/data/store/history-202611-executions-success.redb"), vec![1]);
    refused(&disk, 78, &["history files"]);
}

#[test]
fn a_lost_marker_is_written_again() {
    let disk = without(&used(), "/data/initialised");
    let world = World::on(disk);
    assert!(world.disk.bytes(Path::new("/data/initialised")).is_some());
}

#[test]
fn a_first_start_that_was_cut_off_begins_again() {
    // Cut the power after each operation of a first start.
    let full = {
        let disk = SimDisk::new();
        World::on(disk.clone());
        disk.operations()
    };
    for after in 0..full {
        let disk = SimDisk::new();
        disk.fail_after(Some(after));
        let first = Store::open(options(&disk));
        drop(first);
        let image = disk.after_power_cut(&mut || after % 2 == 0);
        let world = World::on(image);
        assert!(world.store.identity().unwrap().is_some(), "after {after} operations");
    }
}

#[test]
fn a_full_or_read_only_folder_is_tried_again_later() {
    let disk = SimDisk::new();
    disk.set_capacity(Some(100_000));
    let error = Store::open(options(&disk)).expect_err("refused");
    assert_eq!(error.exit_code(), 75, "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
    disk.set_capacity(None);
    World::on(disk);
}

#[test]
fn on_a_real_disk_folders_are_private_and_a_second_opening_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("made/by/us");
    let options = || Options {
        disk: Arc::new(RealDisk),
        ballast_bytes: 1 << 20,
        data_folder: data.clone(),
        ..options(&SimDisk::new())
    };
    let store = Store::open(options()).unwrap();
    for path in [data.clone(), data.join("store")] {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", path.display());
    }
    for name in ["store/state.redb", "initialised", "store/ballast"] {
        let mode = std::fs::metadata(data.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(Store::open(options()).expect_err("in use").exit_code(), 75);
    store.close();
    drop(store);
    let before = std::fs::read(data.join("store/state.redb")).unwrap();
    // Not closed cleanly and looked at by a daemon that must not touch it: still byte for byte.
    std::fs::write(data.join("initialised"), b"not a marker").unwrap();
    assert_eq!(Store::open(options()).expect_err("bad marker").exit_code(), 78);
    assert_eq!(std::fs::read(data.join("store/state.redb")).unwrap(), before);
    std::fs::remove_file(data.join("initialised")).unwrap();
    Store::open(options()).unwrap();
}

#[test]
fn an_open_store_that_was_killed_opens_without_loss() {
    let world = World::new();
    world.write(1, |tx| super::workflow::put(tx, &super::testing::a_workflow(2, "later")));
    // Everything that was written is there, but nothing was closed.
    let image = world.disk.after_power_cut(&mut || true);
    let killed = World::on(image);
    let found = super::workflow::find_by_name(&killed.read(), super::testing::user(1), "later");
    assert!(found.unwrap().is_some());
    assert!(at(0) <= at(1));
}
