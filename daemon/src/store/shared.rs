//! What the writer, the readers and the feed share: the open database, options, and how we are.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use a2n_proto::InstallId;
use redb::{Database, ReadableDatabase};

use super::feed::Live;
use super::history::History;
use super::read::{Quarantine, Source};
use super::{Error, Limits, Options, Snapshot};
use crate::system::disk::Lock;

/// Everything that outlives a transaction.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) install_id: InstallId,
    /// None while the writer reopens it after a failure of the disk.
    pub(crate) database: RwLock<Option<Database>>,
    pub(crate) history: History,
    pub(crate) live: Live,
    pub(crate) quarantine: Arc<Quarantine>,
    /// What the readers since the last commit share: beginning a read and finding its tables costs
    /// more than most reads. Let go at the next commit, since it holds its pages. Locked after
    /// `database`.
    pub(crate) recent: Mutex<Option<(u64, Arc<Source>)>>,
    /// Set when a reader could not read the file: the writer has to open it again.
    pub(crate) unreadable: Mutex<Arc<AtomicBool>>,
    /// The number of the last commit that anybody was told of.
    pub(crate) acknowledged: AtomicU64,
    /// Why writes are refused; none where they are not.
    pub(crate) refusing: Mutex<Option<Refusal>>,
    /// What the settings say now.
    pub(crate) limits: Mutex<Limits>,
    /// What the cleaner found about the store's size.
    pub(crate) size: Mutex<Size>,
    /// Held as long as the store is open.
    pub(crate) lock: Mutex<Option<Box<dyn Lock>>>,
}

/// How the store stands to the size that it may have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Size {
    /// Whether it is above it though all history of executions is gone: then no new work comes.
    pub too_large: bool,
    /// The last history file since the start that was removed to stay below it.
    pub dropped: Option<String>,
}

/// Why writes are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: String,
    /// Whether only a person can end it: what is on the disk is not what was acknowledged.
    pub(crate) for_good: bool,
}

impl Shared {
    /// The database; an error while it is being reopened.
    pub(crate) fn database(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A consistent read.
    pub(crate) fn snapshot(self: &Arc<Self>) -> Result<Snapshot, Error> {
        let guard = self.database();
        let database = guard.as_ref().ok_or_else(|| self.refused())?;
        let unreadable =
            Arc::clone(&self.unreadable.lock().unwrap_or_else(PoisonError::into_inner));
        if unreadable.load(Ordering::Acquire) {
            return Err(self.distrust());
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let commit = self.acknowledged();
        if let Some((at, source)) = &*recent
            && *at == commit
        {
            return Ok(Snapshot::new(Arc::clone(source), Arc::clone(self)));
        }
        let transaction = Error::guarded("beginning a read", || database.begin_read())?;
        let source =
            Arc::new(Source::watched(transaction, Arc::clone(&self.quarantine), unreadable));
        *recent = Some((commit, Arc::clone(&source)));
        Ok(Snapshot::new(source, Arc::clone(self)))
    }

    /// A read failed: nothing is refused for good, but the file has to be opened again first.
    fn distrust(&self) -> Error {
        if self.refusal().is_none() {
            tracing::error!("store can't be read, to be reopened");
            let reason = "the disk failed while it was read, and it is being reopened".to_owned();
            self.set_refusal(Some(Refusal { reason, for_good: false }));
        }
        self.refused()
    }

    /// A new handle: what was read from the old one says nothing about it.
    pub(crate) fn trust(&self) {
        *self.unreadable.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }

    /// There is a newer commit, or the file is closed: nobody begins with the last snapshot again.
    pub(crate) fn forget_snapshot(&self) {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Why writes are refused, as an error.
    pub(crate) fn refused(&self) -> Error {
        let refusal = self.refusing.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = refusal.as_ref().map_or("it is being reopened", |r| r.reason.as_str());
        Error::Refusing { reason: reason.to_owned() }
    }

    pub(crate) fn set_refusal(&self, refusal: Option<Refusal>) {
        *self.refusing.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }

    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refusing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }
}
