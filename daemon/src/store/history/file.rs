//! A history file: made whole under another name, opened when first asked for, written in one durable
//! transaction of many rows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};

use a2n_proto::InstallId;
use redb::{Builder, Database, Durability};

use super::FileName;
use crate::store::keys::Key;
use crate::store::schema::{META, Table};
use crate::store::{Error, Read, codec, rows};
use crate::system::disk::{Disk, How, Place};

/// An open file, and what is set once it could not be read.
pub(super) type Opened = (Arc<Database>, Arc<AtomicBool>);

/// A file that is there, and its database while it is open, with what says that it failed.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) open: Mutex<Option<Opened>>,
    /// When it was last asked for, counted in uses of all files.
    pub(super) used: AtomicU64,
}

/// Rows to put into one history file or to take out of it, table by table in the order of keys, so
/// that each table is opened once and each of its pages is changed once.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: BTreeMap<Spot, Change>,
    bytes: usize,
}

impl Rows {
    /// The bytes of a row.
    pub(crate) fn put(&mut self, table: Table, key: &[u8], bytes: Vec<u8>) {
        self.bytes += key.len() + bytes.len();
        self.rows.insert((table.number, key.to_vec()), (table, Some(bytes)));
    }
    /// An index entry.
    pub(crate) fn mark(&mut self, table: Table, key: &Key) {
        self.put(table, key.as_bytes(), codec::mark(table.name, key.as_bytes()));
    }
    /// A row or an index entry goes.
    pub(crate) fn remove(&mut self, table: Table, key: &[u8]) {
        self.rows.insert((table.number, key.to_vec()), (table, None));
    }
    /// How large they are.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The table's number and the key.
type Spot = (usize, Vec<u8>);
/// The table, and the new bytes; none where the row goes.
type Change = (Table, Option<Vec<u8>>);

fn failed(e: impl Into<redb::Error>) -> Error {
    Error::storage("writing to history", e.into())
}

/// Opens a database on a file of any disk.
pub(super) fn open(
    disk: &dyn Disk,
    path: &Path,
    how: How,
    cache_bytes: usize,
) -> Result<Database, Error> {
    let what = "opening a history file";
    let backend = disk.open(path, how).map_err(|e| Error::storage(what, redb::Error::Io(e)))?;
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes);
    Error::guarded(what, || builder.create_with_backend(backend))
}

/// Makes a file under another name, so that half of one is never taken for one.
pub(super) fn make(
    disk: &dyn Disk,
    path: &Path,
    name: FileName,
    install: InstallId,
    cache_bytes: usize,
) -> Result<(), Error> {
    let new = path.with_extension("redb.new");
    let io = |e| failed(redb::Error::Io(e));
    if disk.look(&new).map_err(io)? != Place::Absent {
        disk.remove(&new).map_err(io)?;
    }
    let database = open(disk, &new, How::Create, cache_bytes)?;
    let key = Key::new().text("install_id");
    let mut first = Rows::default();
    first.put(META, key.as_bytes(), rows::encode(META, &key, 1, &install)?);
    write(&database, &first, name.kind.tables())?;
    drop(database);
    disk.rename(&new, path).map_err(io)
}

/// One durable transaction; makes the tables that are named and not there.
pub(super) fn write(database: &Database, rows: &Rows, make: &[Table]) -> Result<(), Error> {
    let mut transaction = database.begin_write().map_err(failed)?;
    transaction.set_durability(Durability::Immediate).map_err(failed)?;
    transaction.set_quick_repair(true);
    for table in make {
        transaction.open_table(table.definition()).map_err(failed)?;
    }
    let mut changes = rows.rows.iter().peekable();
    while let Some(((number, _), (table, _))) = changes.peek() {
        let mut open = transaction.open_table(table.definition()).map_err(failed)?;
        while let Some(((_, key), (_, bytes))) = changes.next_if(|((n, _), _)| n == number) {
            match bytes {
                Some(bytes) => open.insert(key.as_slice(), bytes.as_slice()).map(|_| ()),
                None => open.remove(key.as_slice()).map(|_| ()),
            }
            .map_err(failed)?;
        }
    }
    transaction.commit().map_err(failed)
}

/// The stored bytes of a row; values carry their table and key in their checksum, and these are the
/// same in state and in history, so bytes go over as they are.
pub(crate) fn raw(read: &impl Read, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let mut found = None;
    read.look(table, key, &mut |bytes| {
        found = Some(bytes.to_vec());
        Ok(())
    })?;
    Ok(found)
}
