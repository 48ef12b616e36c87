//! History: what ended long ago, in one file per month and kind, beside the live state.
//!
//! A row's month is that of its UUIDv7, so a get opens the files of one month only, and retention
//! is deleting files. The mover puts rows here (durably) before it takes them out of state; a read
//! looks at state first, so it sees each row at least once, and lists drop the second sight.

pub mod mover;
pub mod purge;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use a2n_proto::execution::ExecutionStatus;
use redb::{Builder, Database, ReadableDatabase};

use super::Error;
use super::read::{Quarantine, Source};
use crate::system::disk::{Disk, How};

/// What a history file holds; files of different kinds are kept for different times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Executions that ended with SUCCESS.
    ExecutionsSuccess,
    /// Executions that ended otherwise.
    ExecutionsOther,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::ExecutionsSuccess, Self::ExecutionsOther];

    const fn as_str(self) -> &'static str {
        match self {
            Self::ExecutionsSuccess => "executions-success",
            Self::ExecutionsOther => "executions-other",
        }
    }

    /// Where an execution that ended so belongs.
    pub const fn of(status: ExecutionStatus) -> Self {
        match status {
            ExecutionStatus::Success => Self::ExecutionsSuccess,
            _ => Self::ExecutionsOther,
        }
    }
}

/// One history file's name: `history-YYYYMM-<kind>.redb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName {
    /// Year × 100 + month, in UTC.
    pub month: u32,
    /// What it holds.
    pub kind: Kind,
}

impl FileName {
    /// What a name in the store's folder means; none where it is not such a file.
    pub fn parse(name: &str) -> Option<Self> {
        let (month, kind) =
            name.strip_prefix("history-")?.strip_suffix(".redb")?.split_once('-')?;
        let kind = Kind::ALL.into_iter().find(|k| k.as_str() == kind)?;
        let month = (month.len() == 6).then(|| month.parse().ok()).flatten()?;
        Some(Self { month, kind })
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "history-{:06}-{}.redb", self.month, self.kind.as_str())
    }
}

/// The month that an instant lies in.
pub fn month_of(unix_ms: u64) -> u32 {
    let at = a2n_proto::Timestamp::from_unix_ms(i64::try_from(unix_ms).unwrap_or(i64::MAX));
    let date = at.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date();
    u32::from(date.year().unsigned_abs()) * 100 + u32::from(date.month().unsigned_abs())
}

/// The history files.
#[derive(Debug)]
pub struct History {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    cache_bytes: usize,
    quarantine: Arc<Quarantine>,
    files: Mutex<BTreeMap<FileName, Option<Arc<Database>>>>,
}

impl History {
    pub(crate) fn new(
        folder: PathBuf,
        disk: Arc<dyn Disk>,
        cache_bytes: usize,
        quarantine: Arc<Quarantine>,
        names: impl Iterator<Item = FileName>,
    ) -> Self {
        let files = Mutex::new(names.map(|name| (name, None)).collect());
        Self { folder, disk, cache_bytes, quarantine, files }
    }

    /// The files there are, newest month first.
    pub fn files(&self) -> Vec<FileName> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.keys().rev().copied().collect()
    }

    /// One file as it is now; none where there is no such file.
    pub(crate) fn source(&self, name: FileName) -> Result<Option<Source>, Error> {
        let Some(database) = self.open(name, false)? else { return Ok(None) };
        let transaction = database
            .begin_read()
            .map_err(|e| Error::storage("beginning a read of history", redb::Error::from(e)))?;
        Ok(Some(Source::new(transaction, Arc::clone(&self.quarantine))))
    }

    /// The files that may hold a row made at this time.
    pub(crate) fn sources_of(&self, unix_ms: u64) -> Result<Vec<Source>, Error> {
        let month = month_of(unix_ms);
        let mut sources = Vec::new();
        for kind in Kind::ALL {
            sources.extend(self.source(FileName { month, kind })?);
        }
        Ok(sources)
    }

    /// The database of a file, opened once and kept; made where `create` says so.
    pub(crate) fn open(
        &self,
        name: FileName,
        create: bool,
    ) -> Result<Option<Arc<Database>>, Error> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let how = match files.get(&name) {
            Some(Some(open)) => return Ok(Some(Arc::clone(open))),
            Some(None) => How::Write,
            None if create => How::Create,
            None => return Ok(None),
        };
        let path = self.folder.join(name.to_string());
        let failed = |e: redb::Error| Error::storage("opening a history file", e);
        let backend = self.disk.open(&path, how).map_err(|e| failed(redb::Error::Io(e)))?;
        let database = Builder::new()
            .set_cache_size(self.cache_bytes)
            .create_with_backend(backend)
            .map_err(|e| failed(e.into()))?;
        if create {
            self.disk.sync_folder(&self.folder).map_err(|e| failed(redb::Error::Io(e)))?;
        }
        let database = Arc::new(database);
        files.insert(name, Some(Arc::clone(&database)));
        Ok(Some(database))
    }

    /// Lets go of a file after a failure, so that the next use opens it anew.
    pub(crate) fn forget(&self, name: FileName) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = files.get_mut(&name) {
            *open = None;
        }
    }

    /// Closes every file.
    pub(crate) fn close(&self) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.values_mut().for_each(|open| *open = None);
    }

    /// Deletes the files of a kind whose month was over by this time. Answers how many went.
    pub fn drop_before(&self, kind: Kind, unix_ms: u64) -> Result<usize, Error> {
        let month = month_of(unix_ms);
        let mut dropped = 0;
        for name in self.files() {
            if name.kind == kind && name.month < month {
                dropped += usize::from(self.drop_file(name)?);
            }
        }
        Ok(dropped)
    }

    /// Deletes a file: all its rows are gone. What still reads it reads on to its end.
    pub fn drop_file(&self, name: FileName) -> Result<bool, Error> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.remove(&name).is_none() {
            return Ok(false);
        }
        let path = self.folder.join(name.to_string());
        let failed = |e| Error::storage("removing a history file", redb::Error::Io(e));
        self.disk.remove(&path).map_err(failed)?;
        self.disk.sync_folder(&self.folder).map_err(failed)?;
        Ok(true)
    }
}
