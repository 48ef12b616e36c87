//! The state file: made whole under another name, opened for writing, opened again after a failure.

use std::io;
use std::sync::Arc;

use redb::{Builder, Database, ReadableDatabase};

use super::refusal::open_failed;
use super::{OpenError, Options};
use crate::store::meta::{self, Identity};
use crate::store::read::{Quarantine, Source};
use crate::store::{Error, migrations};
use crate::system::disk::{Backend, How, Place};

/// The same while it is being made.
pub(super) const STATE_NEW: &str = "state.redb.new";
/// Makes the state file under another name, so that half of one is never taken for a store.
pub(super) fn make_state(options: &Options) -> Result<(), OpenError> {
    let new = options.folder().join(STATE_NEW);
    let failed = |e: &io::Error| OpenError::io("making", &new, e);
    if options.disk.look(&new).map_err(|e| failed(&e))? != Place::Absent {
        options.disk.remove(&new).map_err(|e| failed(&e))?;
    }
    let made = (|| {
        let backend = options
            .disk
            .open(&new, How::Create)
            .map_err(|e| Error::storage("making the store", redb::Error::Io(e)))?;
        let database = build(options, backend, false)?;
        migrations::make(&database, options)?;
        drop(database);
        options
            .disk
            .rename(&new, &options.state())
            .map_err(|e| Error::storage("naming the store", redb::Error::Io(e)))
    })();
    made.map_err(|e| {
        // Nothing was ever promised about it.
        let _ = options.disk.remove(&new);
        open_failed(&new, &e)
    })
}

/// Opens a database on a file, whatever it holds; a panic of redb is a damaged file.
pub(super) fn build(options: &Options, backend: Backend, check: bool) -> Result<Database, Error> {
    let mut builder = Builder::new();
    builder.set_cache_size(options.cache_bytes).set_check_integrity_on_open(check);
    Error::guarded("opening the store", || builder.create_with_backend(backend))
}

/// Opens the state file for writing.
pub(super) fn open_database(options: &Options, check: bool) -> Result<Database, Error> {
    let backend = options
        .disk
        .open(&options.state(), How::Write)
        .map_err(|e| Error::storage("opening the store", redb::Error::Io(e)))?;
    build(options, backend, check)
}

/// Opens the state file again after a failure: what the system has cached of it is dropped first,
/// since pages that could not be written may still look clean.
pub(crate) fn reopen(options: &Options) -> Result<Database, Error> {
    options
        .disk
        .forget(&options.state())
        .map_err(|e| Error::storage("reopening the store", redb::Error::Io(e)))?;
    open_database(options, true)
}

/// What an open store says about itself.
pub(super) fn identity_of(
    database: &Database,
    quarantine: &Arc<Quarantine>,
) -> Result<Option<Identity>, Error> {
    let transaction = database
        .begin_read()
        .map_err(|e| Error::storage("beginning a read", redb::Error::from(e)))?;
    meta::identity(&Source::new(transaction, Arc::clone(quarantine)))
}
