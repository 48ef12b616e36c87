//! One connection's side of the conversation: who it is, and its open subscriptions.
//!
//! A subscription is a task that sends notes into the connection's bounded channel; the connection
//! reads them when its client reads. So a slow client slows its own subscriptions and nothing else.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::caller::Way;
use crate::system::peer::Peer;

/// How many notes wait for a connection to take them: enough to keep it busy, few enough that a
/// client that does not read holds at most this many times 64 KiB. When full, the subscription waits.
const NOTES: usize = 8;

/// A connection, shared by its loop, its calls and its subscriptions.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) peer: Peer,
    pub(crate) way: Way,
    pub(crate) user_agent: Option<Arc<str>>,
    pub(crate) stopping: CancellationToken,
    notes: mpsc::Sender<Note>,
    next_id: AtomicU64,
    active: Mutex<BTreeMap<u64, Active>>,
}

/// One notification on its way out.
#[derive(Debug)]
pub(crate) struct Note {
    /// The whole JSON text.
    pub(crate) text: Vec<u8>,
    /// On the last note of a subscription: which one.
    pub(crate) ended: Option<u64>,
}

#[derive(Debug)]
struct Active {
    unsubscribe: &'static str,
    end: Option<oneshot::Sender<&'static str>>,
    /// Whether its task runs: before that there is no last note to wait for.
    started: bool,
    /// Dropped when the last note has gone out: who waits for that is told so.
    waiting: Vec<oneshot::Sender<()>>,
}

impl Session {
    /// A session and the notes that are to go out on it.
    pub(crate) fn new(
        peer: Peer,
        way: Way,
        user_agent: Option<Arc<str>>,
        stopping: CancellationToken,
    ) -> (Arc<Self>, mpsc::Receiver<Note>) {
        let (notes, outgoing) = mpsc::channel(NOTES);
        let session = Self {
            peer,
            way,
            user_agent,
            stopping,
            notes,
            next_id: AtomicU64::new(1),
            active: Mutex::default(),
        };
        (Arc::new(session), outgoing)
    }

    /// Where a subscription's notes go in.
    pub(crate) fn notes(&self) -> mpsc::Sender<Note> {
        self.notes.clone()
    }

    /// Opens a subscription, unless there are `most` already.
    pub(crate) fn open(
        &self,
        unsubscribe: &'static str,
        most: usize,
    ) -> Option<(u64, oneshot::Receiver<&'static str>)> {
        let mut active = self.lock();
        if active.len() >= most {
            return None;
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (end, ended) = oneshot::channel();
        let waiting = Vec::new();
        active.insert(id, Active { unsubscribe, end: Some(end), started: false, waiting });
        Some((id, ended))
    }

    /// Asks one subscription of the namespace to end; the receiver resolves when its last note is
    /// out. `None` where there is no such subscription.
    pub(crate) fn unsubscribe(&self, id: u64, unsubscribe: &str) -> Option<oneshot::Receiver<()>> {
        let mut active = self.lock();
        let subscription = active.get_mut(&id).filter(|open| open.unsubscribe == unsubscribe)?;
        if let Some(end) = subscription.end.take() {
            let _ = end.send("UNSUBSCRIBED");
        }
        let (waiting, gone) = oneshot::channel();
        if subscription.started {
            subscription.waiting.push(waiting);
        }
        Some(gone)
    }

    /// Asks all subscriptions to end.
    pub(crate) fn end_all(&self, reason: &'static str) {
        for subscription in self.lock().values_mut() {
            if let Some(end) = subscription.end.take() {
                let _ = end.send(reason);
            }
        }
    }

    /// Its task runs from now on.
    pub(crate) fn started(&self, id: u64) {
        if let Some(subscription) = self.lock().get_mut(&id) {
            subscription.started = true;
        }
    }

    /// Its last note is out, or it never started.
    pub(crate) fn forget(&self, id: u64) {
        self.lock().remove(&id);
    }

    /// The connection is gone: subscriptions end without a word.
    pub(crate) fn close(&self) {
        self.lock().clear();
    }

    pub(crate) fn n_subscriptions(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
