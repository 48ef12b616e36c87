//! What can go wrong with the store, for each caller: asked wrongly, world failed, data damaged.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Why a read or a write did not happen. A write that answers this has left no trace, except for
/// [`Error::Unknown`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is none, or none that the caller may see.
    #[error("no {entity} `{id}`")]
    NotFound {
        /// The entity's name.
        entity: &'static str,
        /// What was asked for.
        id: String,
    },
    /// The caller sees it, but lacks a permission.
    #[error("{entity} `{id}` needs the permission {need}")]
    Forbidden {
        /// The entity's name.
        entity: &'static str,
        /// What was asked for.
        id: String,
        /// The permission or role that is missing.
        need: &'static str,
    },
    /// A value that must be unique is taken.
    #[error("{field} `{value}` is taken by another {entity}")]
    Taken {
        /// The entity's name.
        entity: &'static str,
        /// The member, or members, that must be unique.
        field: &'static str,
        /// The value.
        value: String,
        /// The id of the one that has it.
        by: String,
    },
    /// The revision that the caller saw is not the present one.
    #[error("revision {given} is stale")]
    Stale {
        /// The entity's name.
        entity: &'static str,
        /// Which one.
        id: String,
        /// What the caller saw.
        given: u64,
        /// What it is.
        current: u64,
    },
    /// A reference leads nowhere.
    #[error("{entity}.{field} names `{id}`, which does not exist")]
    Dangling {
        /// The entity that refers.
        entity: &'static str,
        /// The member that refers.
        field: &'static str,
        /// What it names.
        id: String,
    },
    /// The thing is in a state that does not allow it.
    #[error("{message}")]
    Precondition {
        /// What stands in the way.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Several visible ones have this name.
    #[error("several visible {entity}s are called `{name}`")]
    Ambiguous {
        /// The entity's name.
        entity: &'static str,
        /// The name.
        name: String,
        /// What they are fully called: `owner/name`.
        candidates: Vec<String>,
    },
    /// A cursor that this list did not give.
    #[error("the cursor is not one of this list")]
    BadCursor,
    /// A stored value fails its checksum or can't be read.
    #[error("the row `{key}` of table {table} is damaged")]
    Damaged {
        /// The table's stored name.
        table: &'static str,
        /// The key in hexadecimal.
        key: String,
    },
    /// A value is larger than a row may be.
    #[error("a row of table {table} would be {size} bytes; at most {limit} are kept")]
    TooLarge {
        /// The table's stored name.
        table: &'static str,
        /// How large it is.
        size: usize,
        /// How large it may be.
        limit: usize,
    },
    /// More writes wait than the queue holds; nothing was accepted.
    #[error("the store's queue is full")]
    Overloaded,
    /// The disk is full; nothing was accepted.
    #[error("the disk is full")]
    Full,
    /// There is less room on the disk than new work may have; nothing was accepted.
    #[error("{} MiB are free on the disk, below {} MiB nothing new is accepted", free >> 20, least >> 20)]
    NoRoom {
        /// Bytes that are free.
        free: u64,
        /// Bytes that have to be.
        least: u64,
    },
    /// The disk or the database file failed; nothing was accepted.
    #[error("the store failed while {doing}")]
    Storage {
        /// What it was doing.
        doing: &'static str,
        /// What redb says.
        #[source]
        source: Arc<redb::Error>,
    },
    /// The commit failed on its last step and the file can't be read: the write may be stored.
    #[error("the store failed while committing; whether this is stored is not known yet")]
    Unknown {
        /// What the commit failed with.
        #[source]
        source: Arc<Error>,
    },
    /// The writer does not accept writes; reads go on.
    #[error("the store refuses writes: {reason}")]
    Refusing {
        /// Why.
        reason: String,
    },
    /// The closure of a write panicked.
    #[error("a write panicked: {message}")]
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// A failure of the disk or of redb.
    pub(crate) fn storage(doing: &'static str, source: impl Into<redb::Error>) -> Self {
        let source = source.into();
        if is_full(&source) {
            return Self::Full;
        }
        Self::Storage { doing, source: Arc::new(source) }
    }

    /// Calls redb. It panics over files that are not what their headers say: that is an error like
    /// any other, and no reason for the daemon to end.
    pub(crate) fn guarded<T, E: Into<redb::Error>>(
        doing: &'static str,
        call: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, Self> {
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(done) => done.map_err(|e| Self::storage(doing, e)),
            Err(_) => {
                let what = "the file is not what its header says";
                Err(Self::storage(doing, redb::Error::Corrupted(what.into())))
            }
        }
    }

    /// A failed commit of which the outcome will only be known when the file can be read again.
    pub(crate) fn unknown(failure: Self) -> Self {
        Self::Unknown { source: Arc::new(failure) }
    }

    /// Whether the disk failed under redb, which then gives nothing more from that handle.
    pub(crate) fn is_io(&self) -> bool {
        matches!(self, Self::Storage { source, .. }
            if matches!(**source, redb::Error::Io(_) | redb::Error::PreviousIo))
    }

    /// Whether the shared transaction can't go on after this.
    pub(crate) fn is_storage(&self) -> bool {
        matches!(self, Self::Storage { .. } | Self::Full)
    }
}

/// Whether the disk had no room.
pub(crate) fn is_full(error: &redb::Error) -> bool {
    matches!(error, redb::Error::Io(e) if crate::system::files::is_full(e))
}
