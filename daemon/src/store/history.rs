//! History: what ended long ago, in one file per month and kind, beside the live state.
//!
//! A row's month is that of its UUIDv7 or of its first instant, so a get opens the files of one month
//! only, and retention is deleting files. The movers put rows here (durably) before they take them
//! out of state; a read looks at state first, so it sees each row at least once, and lists drop the
//! second sight. A file is opened when it is first asked for, and closed when many others were.

pub mod audit;
mod file;
mod joined;
pub mod ledger;
pub mod mover;
mod name;
pub mod past;
pub mod purge;
pub mod rollups;
mod slices;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use a2n_proto::InstallId;
use redb::ReadableDatabase;

pub use name::{FileName, Kind, month_at, month_of};
pub use slices::in_slices;

pub(crate) use file::{Rows, raw};
pub(crate) use joined::{Joined, page};

use super::Error;
use super::read::{Quarantine, Source};
use crate::system::disk::{Disk, How};
use file::{Opened, Slot};

/// Files that stay open for the next read; one that is written to or read from stays open anyhow.
const MOST_OPEN: usize = 12;

/// The history files.
#[derive(Debug)]
pub struct History {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    cache_bytes: usize,
    install_id: InstallId,
    quarantine: Arc<Quarantine>,
    /// Held for moments only: files are opened and removed outside of it.
    files: Mutex<BTreeMap<FileName, Arc<Slot>>>,
    uses: AtomicU64,
}

impl History {
    pub(crate) fn new(
        folder: PathBuf,
        disk: Arc<dyn Disk>,
        cache_bytes: usize,
        install_id: InstallId,
        quarantine: Arc<Quarantine>,
        names: impl Iterator<Item = FileName>,
    ) -> Self {
        let files = Mutex::new(names.map(|name| (name, Arc::default())).collect());
        Self { folder, disk, cache_bytes, install_id, quarantine, files, uses: AtomicU64::new(0) }
    }

    /// The files there are, newest month first.
    pub fn files(&self) -> Vec<FileName> {
        lock(&self.files).keys().rev().copied().collect()
    }

    /// Those of a kind, newest month first.
    pub fn files_of(&self, kind: Kind) -> Vec<FileName> {
        self.files().into_iter().filter(|name| name.kind == kind).collect()
    }

    /// Whether there are files with executions.
    pub(crate) fn has_executions(&self) -> bool {
        lock(&self.files).keys().any(|name| Kind::EXECUTIONS.contains(&name.kind))
    }

    /// How many files are open.
    pub fn n_open(&self) -> usize {
        let slots: Vec<Arc<Slot>> = lock(&self.files).values().cloned().collect();
        slots.iter().filter(|slot| lock(&slot.open).is_some()).count()
    }

    /// One file as it is now; none where there is no such file.
    pub(crate) fn source(&self, name: FileName) -> Result<Option<Source>, Error> {
        let Some((database, failed)) = self.open(name)? else { return Ok(None) };
        let transaction = Error::guarded("beginning a read of history", || database.begin_read())?;
        let quarantine = Arc::clone(&self.quarantine);
        Ok(Some(Source::of_file(transaction, quarantine, failed, database)))
    }

    /// The files that may hold an execution that was accepted at this time.
    pub(crate) fn executions_of(&self, unix_ms: u64) -> Result<Vec<Source>, Error> {
        let month = month_of(unix_ms);
        let mut sources = Vec::new();
        for kind in Kind::EXECUTIONS {
            sources.extend(self.source(FileName { month, kind })?);
        }
        Ok(sources)
    }

    /// Changes a file in one durable transaction; makes it where it is not there. Waits for the
    /// disk.
    pub(crate) fn write(&self, name: FileName, rows: &Rows) -> Result<(), Error> {
        let database = match self.open(name)? {
            Some((database, _)) => database,
            None => {
                let path = self.folder.join(name.to_string());
                file::make(&*self.disk, &path, name, self.install_id, self.cache_bytes)?;
                lock(&self.files).entry(name).or_default();
                self.open(name)?.ok_or(Error::Closed)?.0
            }
        };
        let done = file::write(&database, rows, &[]);
        if done.is_err() {
            // Nothing is tried again on a handle that failed.
            drop(database);
            self.forget(name);
        }
        done
    }

    /// The database of a file, opened once and kept until it could not be read, which who reads it
    /// has to note; none where there is no such file.
    fn open(&self, name: FileName) -> Result<Option<Opened>, Error> {
        let Some(slot) = lock(&self.files).get(&name).cloned() else { return Ok(None) };
        slot.used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        let mut open = lock(&slot.open);
        open.take_if(|open| open.1.load(Ordering::Acquire));
        if let Some(found) = &*open {
            return Ok(Some(found.clone()));
        }
        let path = self.folder.join(name.to_string());
        let database = Arc::new(file::open(&*self.disk, &path, How::Write, self.cache_bytes)?);
        let opened = (database, Arc::default());
        *open = Some(opened.clone());
        drop(open);
        self.close_some();
        Ok(Some(opened))
    }

    /// Closes files beyond [`MOST_OPEN`] that nobody is using, those first that were not asked for
    /// the longest.
    fn close_some(&self) {
        let slots: Vec<Arc<Slot>> = lock(&self.files).values().cloned().collect();
        let mut idle: Vec<&Arc<Slot>> =
            slots.iter().filter(|slot| lock(&slot.open).is_some()).collect();
        let mut too_many = idle.len().saturating_sub(MOST_OPEN);
        idle.sort_by_key(|slot| slot.used.load(Ordering::Relaxed));
        for slot in idle {
            if too_many == 0 {
                return;
            }
            let mut open = lock(&slot.open);
            if open.as_ref().is_some_and(|open| Arc::strong_count(&open.0) == 1) {
                *open = None;
                too_many -= 1;
            }
        }
    }

    /// Lets go of a file after a failure, so that the next use opens it anew.
    fn forget(&self, name: FileName) {
        let slot = lock(&self.files).get(&name).cloned();
        if let Some(slot) = slot {
            *lock(&slot.open) = None;
        }
    }

    /// Closes every file.
    pub(crate) fn close(&self) {
        let slots: Vec<Arc<Slot>> = lock(&self.files).values().cloned().collect();
        slots.iter().for_each(|slot| *lock(&slot.open) = None);
    }

    /// Deletes the files of a kind whose month was over by this time; answers which.
    pub fn drop_before(
        &self,
        kind: Kind,
        before: a2n_proto::Timestamp,
    ) -> Result<Vec<FileName>, Error> {
        let month = month_at(before);
        let mut old = self.files_of(kind);
        old.retain(|name| name.month < month);
        for name in &old {
            self.drop_file(*name)?;
        }
        Ok(old)
    }

    /// Deletes a file: all its rows are gone. What still reads it reads on to its end.
    pub fn drop_file(&self, name: FileName) -> Result<bool, Error> {
        if lock(&self.files).remove(&name).is_none() {
            return Ok(false);
        }
        let path = self.folder.join(name.to_string());
        let failed = |e| Error::storage("removing a history file", redb::Error::Io(e));
        self.disk.remove(&path).map_err(failed)?;
        self.disk.sync_folder(&self.folder).map_err(failed)?;
        Ok(true)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
