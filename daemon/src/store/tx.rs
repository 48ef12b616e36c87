//! A write transaction as a closure sees it: rows, changes for the feed, rows for the audit chain.
//!
//! Many closures share one redb transaction. Each runs under an undo log that keeps the old bytes
//! of every key it touches; one that errs or panics is unrolled and leaves no trace. Savepoints are
//! not used: redb has had corruption bugs in them.

use std::cell::{OnceCell, RefCell};
use std::fmt;

use a2n_proto::execution::Execution;
use a2n_proto::{Change, ChangeKind, ExecutionId, Json, Timestamp, UserId, WorkflowId};
use redb::WriteTransaction;

use super::audit::{self, Head, Pending};
use super::history::History;
use super::keys::{Key, KeyRange};
use super::read::{Quarantine, See, SeeRow, look_in, scan_table};
use super::schema::{TABLES, Table};
use super::shared::Shared;
use super::tally::{Ended, Tally};
use super::{Error, Read, execution_metrics, open};

/// Rows and index entries that one write of a cleaner changes. `just bench-history` measures what
/// others wait for such a commit; see `docs/performance.md`.
pub(crate) const SLICE_ROWS: usize = 300;
/// Bytes of values that one write of a cleaner changes.
const SLICE_BYTES: usize = 1 << 20;

/// Who writes, when, from where; goes into audit rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The commit's time.
    pub at: Timestamp,
    /// Whose rights; none for the daemon itself.
    pub user: Option<UserId>,
    /// The peer's user in the operating system.
    pub uid: Option<u32>,
    /// The door: `UNIX`, `HTTP`, `WEBSOCKET`, `ENGINE`, …
    pub source: String,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// Which call it was.
    pub request_id: Option<String>,
}

impl Origin {
    /// The daemon itself, at this moment.
    pub fn daemon(at: Timestamp, source: &str) -> Self {
        Self { at, source: source.to_owned(), ..Self::default() }
    }
}

type Open<'t> = redb::Table<'t, &'static [u8], &'static [u8]>;

/// A write transaction, shared by all writes of one commit.
pub struct Tx<'t> {
    transaction: &'t WriteTransaction,
    /// None while a store is being made or migrated.
    shared: Option<&'t Shared>,
    quarantine: &'t Quarantine,
    tables: Vec<OnceCell<RefCell<Open<'t>>>>,
    origin: Origin,
    undo: Vec<Undo>,
    /// Bytes of the values that the undo log keeps.
    undo_bytes: usize,
    changes: Vec<Change>,
    audit: Vec<Pending>,
    ended: Vec<Ended>,
    batch: Batch,
    /// The failure of the disk that ended this transaction.
    broken: Option<Error>,
}

/// What all writes of one commit left so far.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Changes in the order of their numbers.
    pub(crate) changes: Vec<Change>,
    /// The number of the next change.
    pub(crate) next_change: u64,
    /// The end of the audit chain.
    pub(crate) audit: Head,
    /// Bytes written.
    pub(crate) bytes: usize,
    /// Counts that are written once per commit.
    pub(crate) tally: Tally,
}

struct Undo {
    table: Table,
    key: Vec<u8>,
    old: Option<Vec<u8>>,
}

impl<'t> Tx<'t> {
    pub(crate) fn new(
        transaction: &'t WriteTransaction,
        shared: &'t Shared,
        next_change: u64,
        audit: Head,
    ) -> Self {
        Self {
            shared: Some(shared),
            ..Self::bare(transaction, &shared.quarantine, next_change, audit)
        }
    }

    /// Whether new work may be taken on, by the room on the disk.
    pub fn room(&self) -> Result<(), Error> {
        self.shared.map_or(Ok(()), |shared| open::room(&shared.options, shared.limits()))
    }

    /// A transaction outside a running store: making one, migrating one.
    pub(crate) fn alone(
        transaction: &'t WriteTransaction,
        quarantine: &'t Quarantine,
        audit: Head,
    ) -> Self {
        Self::bare(transaction, quarantine, 1, audit)
    }

    fn bare(
        transaction: &'t WriteTransaction,
        quarantine: &'t Quarantine,
        next_change: u64,
        audit: Head,
    ) -> Self {
        Self {
            transaction,
            shared: None,
            quarantine,
            tables: TABLES.iter().map(|_| OnceCell::new()).collect(),
            origin: Origin::default(),
            undo: Vec::new(),
            undo_bytes: 0,
            changes: Vec::new(),
            audit: Vec::new(),
            ended: Vec::new(),
            batch: Batch {
                changes: Vec::new(),
                next_change,
                audit,
                bytes: 0,
                tally: Tally::default(),
            },
            broken: None,
        }
    }

    /// Who writes, and when.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The commit's time.
    pub fn at(&self) -> Timestamp {
        self.origin.at
    }

    /// Notes a change for the feed; it gets its number at commit.
    #[expect(clippy::too_many_arguments, reason = "these are a change's members, in their order")]
    pub fn change(
        &mut self,
        entity: &str,
        id: impl fmt::Display,
        revision: u64,
        kind: ChangeKind,
        fields: Json,
        execution: Option<ExecutionId>,
        workflow: Option<WorkflowId>,
    ) {
        self.changes.push(Change {
            seq: 0,
            at: self.origin.at,
            entity: entity.to_owned(),
            id: id.to_string(),
            revision,
            change: kind,
            fields,
            execution_id: execution,
            workflow_id: workflow,
        });
    }

    /// Notes a row for the audit chain: what was done to what, with the values before and after
    /// (secrets masked).
    pub fn audit(
        &mut self,
        action: &str,
        resource: &str,
        resource_id: impl fmt::Display,
        old: Json,
        new: Json,
    ) {
        self.audit.push(Pending {
            action: action.to_owned(),
            resource: resource.to_owned(),
            resource_id: resource_id.to_string(),
            old,
            new,
        });
    }

    /// An execution ended in this write: its counts are joined over the commit. What is measured
    /// later in the same write still counts.
    pub(crate) fn note_ended(&mut self, execution: &Execution) {
        self.ended.push(Ended::of(execution));
    }

    /// How many rows and index entries this write has changed so far.
    pub fn n_touched(&self) -> usize {
        self.undo.len()
    }

    /// Whether a write that nobody is in a hurry for has done enough for one commit.
    pub fn slice_is_full(&self) -> bool {
        self.n_touched() >= SLICE_ROWS || self.undo_bytes >= SLICE_BYTES
    }

    /// How long a caller's idempotency key holds.
    pub(crate) fn idempotency_ms(&self) -> u64 {
        self.shared.map_or(u64::MAX, |shared| shared.limits().idempotency_ms)
    }

    /// Makes every table there is, so that a reader finds it.
    pub(crate) fn open_all(&mut self) -> Result<(), Error> {
        TABLES.iter().try_for_each(|table| self.table(*table).map(|_| ()))
    }

    pub(crate) fn put_raw(&mut self, table: Table, key: &Key, value: &[u8]) -> Result<(), Error> {
        self.batch.bytes += key.as_bytes().len() + value.len();
        let done = self.table(table).and_then(|open| {
            let mut open = open.borrow_mut();
            Error::guarded("writing a row", || {
                let old = open.insert(key.as_bytes(), value)?;
                Ok::<_, redb::StorageError>(old.map(|old| old.value().to_vec()))
            })
        });
        let old = self.keep(done)?;
        self.undo_bytes += value.len() + old.as_ref().map_or(0, Vec::len);
        self.undo.push(Undo { table, key: key.as_bytes().to_vec(), old });
        Ok(())
    }

    pub(crate) fn remove_raw(&mut self, table: Table, key: &Key) -> Result<bool, Error> {
        let done = self.table(table).and_then(|open| {
            let mut open = open.borrow_mut();
            Error::guarded("removing a row", || {
                let old = open.remove(key.as_bytes())?;
                Ok::<_, redb::StorageError>(old.map(|old| old.value().to_vec()))
            })
        });
        match self.keep(done)? {
            Some(old) => {
                let key = key.as_bytes().to_vec();
                self.undo_bytes += old.len();
                self.undo.push(Undo { table, key, old: Some(old) });
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// The table, opened once per commit.
    fn table(&self, table: Table) -> Result<&RefCell<Open<'t>>, Error> {
        let cell = &self.tables[table.number];
        if let Some(open) = cell.get() {
            return Ok(open);
        }
        let opened =
            Error::guarded("opening a table", || self.transaction.open_table(table.definition()))?;
        Ok(cell.get_or_init(|| RefCell::new(opened)))
    }

    /// Remembers a failure of the disk: nothing of this transaction may be committed after it.
    fn keep<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(e) = &result
            && e.is_storage()
        {
            self.broken = Some(e.clone());
        }
        result
    }

    /// A closure begins.
    pub(crate) fn begin(&mut self, origin: Origin) {
        self.origin = origin;
        self.undo.clear();
        self.undo_bytes = 0;
        self.changes.clear();
        self.audit.clear();
        self.ended.clear();
    }

    /// A closure ended well: its changes get their numbers, its audit rows their hashes.
    pub(crate) fn seal(&mut self) -> Result<(), Error> {
        for pending in std::mem::take(&mut self.audit) {
            let head = audit::append(self, self.batch.audit.clone(), pending)?;
            self.batch.audit = head;
        }
        for mut change in self.changes.drain(..) {
            change.seq = self.batch.next_change;
            self.batch.next_change += 1;
            self.batch.changes.push(change);
        }
        for execution in std::mem::take(&mut self.ended) {
            let mut tally = std::mem::take(&mut self.batch.tally);
            tally.ended(execution);
            let read = execution_metrics::each(self, execution.id, &mut |some| {
                tally.measured(execution, &some);
            });
            self.batch.tally = tally;
            match read {
                Err(Error::Damaged { .. }) => {}
                read => read?,
            }
        }
        self.undo.clear();
        Ok(())
    }

    /// A closure ended badly: every key it touched gets its old bytes back.
    pub(crate) fn unroll(&mut self) -> Result<(), Error> {
        self.changes.clear();
        self.audit.clear();
        self.ended.clear();
        let undo = std::mem::take(&mut self.undo);
        let done = undo.into_iter().rev().try_for_each(|step| {
            let mut open = self.table(step.table)?.borrow_mut();
            Error::guarded("undoing a write", || match &step.old {
                Some(old) => open.insert(step.key.as_slice(), old.as_slice()).map(|_| ()),
                None => open.remove(step.key.as_slice()).map(|_| ()),
            })
        });
        self.keep(done)
    }

    /// The disk's failure that ended this transaction, if one did.
    pub(crate) fn broken(&self) -> Option<&Error> {
        self.broken.as_ref()
    }

    pub(crate) fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Takes the counts of the whole commit, to be written.
    pub(crate) fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.batch.tally)
    }

    /// Takes the commit's changes, to be written; they come back by [`Tx::give_changes`].
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.batch.changes)
    }

    pub(crate) fn give_changes(&mut self, changes: Vec<Change>) {
        self.batch.changes = changes;
    }

    /// Ends the borrow of the transaction.
    pub(crate) fn into_batch(self) -> Batch {
        self.batch
    }

    /// All rows of a table, for tests.
    #[cfg(test)]
    pub(crate) fn rows_of(&self, table: Table) -> std::collections::BTreeMap<Vec<u8>, Vec<u8>> {
        let mut rows = std::collections::BTreeMap::new();
        self.scan(table, &KeyRange::all(), false, &mut |key, value| {
            rows.insert(key.to_vec(), value.to_vec());
            Ok(std::ops::ControlFlow::Continue(()))
        })
        .expect("in memory");
        rows
    }
}

impl Read for Tx<'_> {
    fn look(&self, table: Table, key: &[u8], see: &mut See<'_>) -> Result<bool, Error> {
        let open = self.table(table)?.borrow();
        look_in(&*open, key, see)
    }

    fn scan(
        &self,
        table: Table,
        range: &KeyRange,
        descending: bool,
        see: &mut SeeRow<'_>,
    ) -> Result<(), Error> {
        let open = self.table(table)?.borrow();
        scan_table(&*open, range, descending, see)
    }

    fn history(&self) -> Option<&History> {
        self.shared.map(|shared| &shared.history)
    }

    fn damaged(&self, table: Table, key: &[u8]) -> Error {
        self.quarantine.note_damage(table, key)
    }
}

impl fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").field("origin", &self.origin).finish_non_exhaustive()
    }
}
