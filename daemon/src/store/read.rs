//! Reading: what a snapshot and a write transaction have in common, and the snapshot itself.
//!
//! Entity functions take `&impl Read`, so the same code answers a client and checks a reference
//! inside a write. Invariant: a snapshot sees state as of one commit; history is looked at after
//! state, so a row that moves meanwhile is seen at least once.

use std::fmt;
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata, TableError,
};

use super::history::History;
use super::keys::KeyRange;
use super::schema::{TABLES, Table};
use super::shared::Shared;
use super::{Error, codec, keys};

/// Rows by key and by range, in state and (through [`Read::history`]) in the history files.
pub trait Read {
    /// Shows the value under a key to `see`; answers whether there is one.
    fn look(&self, table: Table, key: &[u8], see: &mut See<'_>) -> Result<bool, Error>;
    /// Shows the rows of a range, ascending or descending, until `see` breaks off.
    fn scan(
        &self,
        table: Table,
        range: &KeyRange,
        descending: bool,
        see: &mut SeeRow<'_>,
    ) -> Result<(), Error>;
    /// The files of what ended long ago; none where this is such a file itself.
    fn history(&self) -> Option<&History>;
    /// Remembers that a row is damaged, and says so.
    fn damaged(&self, table: Table, key: &[u8]) -> Error;
}

/// Is shown one value.
pub type See<'s> = dyn FnMut(&[u8]) -> Result<(), Error> + 's;
/// Is shown one row; breaks off when it has seen enough.
pub type SeeRow<'s> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Error> + 's;

/// The bounds of a range, as redb takes them.
pub(crate) fn bounds(range: &KeyRange) -> (Bound<&[u8]>, Bound<&[u8]>) {
    let to = range.to().map_or(Bound::Unbounded, Bound::Excluded);
    (Bound::Included(range.from()), to)
}

/// Looks into a redb table of either sort.
pub(crate) fn look_in(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: &[u8],
    see: &mut See<'_>,
) -> Result<bool, Error> {
    let doing = "reading a row";
    let Some(value) = Error::guarded(doing, || table.get(key))? else { return Ok(false) };
    see(Error::guarded(doing, || Ok::<_, redb::Error>(value.value()))?).map(|()| true)
}

/// Walks a redb table of either sort.
pub(crate) fn scan_table(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    range: &KeyRange,
    descending: bool,
    see: &mut SeeRow<'_>,
) -> Result<(), Error> {
    if range.to().is_some_and(|to| to <= range.from()) {
        return Ok(());
    }
    let doing = "reading a range";
    let mut rows = Error::guarded(doing, || table.range::<&[u8]>(bounds(range)))?;
    loop {
        // redb may skip unreadable entries after an error: the first one ends the walk.
        let row = Error::guarded(doing, || {
            let row = if descending { rows.next_back() } else { rows.next() };
            row.transpose()
        })?;
        let Some((key, value)) = row else { return Ok(()) };
        let bytes = || Ok::<_, redb::Error>((key.value(), value.value()));
        let (key, value) = Error::guarded(doing, bytes)?;
        if see(key, value)?.is_break() {
            return Ok(());
        }
    }
}

type Open = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// One database file as of one commit, tables opened when first asked for.
pub(crate) struct Source {
    transaction: ReadTransaction,
    /// Boxed: most reads open one table or two of forty.
    tables: Vec<OnceLock<Option<Box<Open>>>>,
    quarantine: Arc<Quarantine>,
    /// Set when the file could not be read: redb gives nothing more from this handle then.
    failed: Arc<AtomicBool>,
    /// A history file stays open as long as somebody reads it. Dropped after the transaction.
    _file: Option<Arc<Database>>,
}

impl Source {
    pub(crate) fn new(transaction: ReadTransaction, quarantine: Arc<Quarantine>) -> Self {
        Self::watched(transaction, quarantine, Arc::default())
    }

    /// The same where somebody has to hear that the file can't be read.
    pub(crate) fn watched(
        transaction: ReadTransaction,
        quarantine: Arc<Quarantine>,
        failed: Arc<AtomicBool>,
    ) -> Self {
        let tables = TABLES.iter().map(|_| OnceLock::new()).collect();
        Self { transaction, tables, quarantine, failed, _file: None }
    }

    /// The same for a history file.
    pub(crate) fn of_file(
        transaction: ReadTransaction,
        quarantine: Arc<Quarantine>,
        failed: Arc<AtomicBool>,
        file: Arc<Database>,
    ) -> Self {
        Self { _file: Some(file), ..Self::watched(transaction, quarantine, failed) }
    }

    /// Notes that the file could not be read, where that is what went wrong.
    fn noted<T>(&self, read: Result<T, Error>) -> Result<T, Error> {
        if read.as_ref().is_err_and(Error::is_io) {
            self.failed.store(true, Ordering::Release);
        }
        read
    }

    fn table(&self, table: Table) -> Result<Option<&Open>, Error> {
        let cell = &self.tables[table.number];
        if cell.get().is_none() {
            let opened = Error::guarded("opening a table", || {
                match self.transaction.open_table(table.definition()) {
                    Ok(opened) => Ok(Some(Box::new(opened))),
                    Err(TableError::TableDoesNotExist(_)) => Ok(None),
                    Err(e) => Err(e),
                }
            })?;
            let _ = cell.set(opened);
        }
        Ok(cell.get().and_then(Option::as_deref))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

impl Read for Source {
    fn look(&self, table: Table, key: &[u8], see: &mut See<'_>) -> Result<bool, Error> {
        self.noted(self.table(table).and_then(|table| match table {
            Some(table) => look_in(table, key, see),
            None => Ok(false),
        }))
    }

    fn scan(
        &self,
        table: Table,
        range: &KeyRange,
        descending: bool,
        see: &mut SeeRow<'_>,
    ) -> Result<(), Error> {
        self.noted(self.table(table).and_then(|table| match table {
            Some(table) => scan_table(table, range, descending, see),
            None => Ok(()),
        }))
    }

    fn history(&self) -> Option<&History> {
        None
    }

    fn damaged(&self, table: Table, key: &[u8]) -> Error {
        self.quarantine.note_damage(table, key)
    }
}

/// A consistent read of state, and of history behind it.
#[derive(Debug)]
pub struct Snapshot {
    state: Arc<Source>,
    shared: Arc<Shared>,
}

impl Snapshot {
    pub(crate) fn new(state: Arc<Source>, shared: Arc<Shared>) -> Self {
        Self { state, shared }
    }
}

impl Snapshot {
    /// How many rows each table of the live file has, by stored name.
    pub fn row_counts(&self) -> Result<std::collections::BTreeMap<String, u64>, Error> {
        let count = |table: &Table| Ok((table.name.to_owned(), self.row_count(*table)?));
        TABLES.iter().map(count).collect()
    }
    /// How many rows a table of the live file has.
    pub(crate) fn row_count(&self, table: Table) -> Result<u64, Error> {
        match self.state.table(table)? {
            Some(open) => {
                open.len().map_err(|e| Error::storage("counting rows", redb::Error::from(e)))
            }
            None => Ok(0),
        }
    }
}

impl Read for Snapshot {
    fn look(&self, table: Table, key: &[u8], see: &mut See<'_>) -> Result<bool, Error> {
        self.state.look(table, key, see)
    }
    fn scan(
        &self,
        table: Table,
        range: &KeyRange,
        descending: bool,
        see: &mut SeeRow<'_>,
    ) -> Result<(), Error> {
        self.state.scan(table, range, descending, see)
    }
    fn history(&self) -> Option<&History> {
        Some(&self.shared.history)
    }
    fn damaged(&self, table: Table, key: &[u8]) -> Error {
        self.state.damaged(table, key)
    }
}

/// Rows that failed their checksum since the start; health looks here.
#[derive(Debug, Default)]
pub struct Quarantine {
    rows: std::sync::Mutex<std::collections::BTreeSet<(&'static str, String)>>,
}

/// Damaged rows that are remembered by name; further ones only add to the first ones' alarm.
const REMEMBERED: usize = 1000;

impl Quarantine {
    pub(crate) fn note_damage(&self, table: Table, key: &[u8]) -> Error {
        let key = keys::hex(key);
        let mut rows = self.rows.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if rows.len() < REMEMBERED && rows.insert((table.name, key.clone())) {
            tracing::error!(table = table.name, key, "row damaged");
        }
        Error::Damaged { table: table.name, key }
    }

    /// The damaged rows that were met: table and key in hexadecimal.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let rows = self.rows.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        rows.iter().cloned().collect()
    }
}

/// The body and version of a stored value, checked.
pub(crate) fn checked<'v>(
    read: &(impl Read + ?Sized),
    table: Table,
    key: &[u8],
    value: &'v [u8],
) -> Result<(u8, &'v [u8]), Error> {
    codec::open(table.name, key, value).map_err(|_| read.damaged(table, key))
}
