//! Who this store is: schema, least reader and writer, install id, number of the last commit.

use a2n_proto::InstallId;
use redb::{Database, ReadableDatabase};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::audit::{self, Head};
use super::keys::Key;
use super::read::{Quarantine, Source};
use super::rows;
use super::schema::META;
use super::{Error, Read, Tx, feed};

/// What stands in the store about itself. Its form never changes: every version must be able to
/// read it to know that it can't read the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The layout.
    pub schema: u32,
    /// The oldest layout number of a daemon that may read it.
    pub min_reader: u32,
    /// The oldest layout number of a daemon that may write to it.
    pub min_writer: u32,
    /// The installation.
    pub install_id: InstallId,
    /// The daemon's version that wrote it last.
    pub version: String,
}

/// Where the numbered things end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heads {
    /// The last commit's number.
    pub(crate) commit: u64,
    /// The last change's number.
    pub(crate) last_change: u64,
    /// The end of the audit chain.
    pub(crate) audit: Head,
}

fn key(name: &str) -> Key {
    Key::new().text(name)
}

/// What the store says about itself; none in an empty one.
pub(crate) fn identity(read: &impl Read) -> Result<Option<Identity>, Error> {
    rows::get_as(read, META, key("identity").as_bytes())
}

/// Writes what the store says about itself.
pub(crate) fn put_identity(tx: &mut Tx<'_>, identity: &Identity) -> Result<(), Error> {
    rows::put_as(tx, META, &key("identity"), identity)
}

/// The last commit's number.
pub(crate) fn commit(read: &impl Read) -> Result<u64, Error> {
    Ok(rows::get_as(read, META, key("commit").as_bytes())?.unwrap_or(0))
}

/// Writes the commit's number.
pub(crate) fn put_commit(tx: &mut Tx<'_>, commit: u64) -> Result<(), Error> {
    rows::put_as(tx, META, &key("commit"), &commit)
}

/// Where the numbered things end.
pub(crate) fn heads(read: &impl Read) -> Result<Heads, Error> {
    Ok(Heads {
        commit: commit(read)?,
        last_change: feed::last_stored(read)?,
        audit: audit::head(read)?,
    })
}

/// Where the numbered things end in an open database.
pub(crate) fn heads_of(database: &Database, quarantine: &Arc<Quarantine>) -> Result<Heads, Error> {
    let transaction = database
        .begin_read()
        .map_err(|e| Error::storage("beginning a read", redb::Error::from(e)))?;
    heads(&Source::new(transaction, Arc::clone(quarantine)))
}
