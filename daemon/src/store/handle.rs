//! The handle that everybody has: hand writes over, take snapshots, follow the feed.

use std::fmt;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use a2n_proto::{InstallId, WorkflowId};
use tokio::sync::oneshot;

use super::history::{FileName, History, Kind};
use super::lanes::Lanes;
use super::shared::{Shared, Size};
use super::writer::{QUEUE, Writer};
use super::{Drive, Error, Feed, Limits, Origin, Snapshot, Tx, Write, meta, open};
use crate::system::disk::Space;

/// The store; cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    /// Gone once the store is closed.
    sender: Mutex<Option<SyncSender<Write>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The write side where no thread owns it.
    by_hand: Option<Mutex<ByHand>>,
}

struct ByHand {
    writer: Writer,
    inbox: Receiver<Write>,
    waiting: Lanes,
}

/// How the store is, for the health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Why writes are refused; none where they are not.
    pub refusing: Option<String>,
    /// Rows that failed their checksum: table and key in hexadecimal.
    pub damaged: Vec<(&'static str, String)>,
    /// Room on the disk, where it could be asked.
    pub space: Option<Space>,
    /// Whether new work is accepted.
    pub accepting: bool,
    /// How it stands to the size that it may have.
    pub size: Size,
    /// The last acknowledged commit.
    pub commit: u64,
}

impl Store {
    pub(crate) fn start(shared: Arc<Shared>, heads: meta::Heads) -> std::io::Result<Self> {
        let (sender, inbox) = sync_channel(QUEUE);
        let writer = Writer::new(Arc::clone(&shared), heads);
        let (thread, by_hand) = match shared.options.drive {
            Drive::Thread => {
                let thread = std::thread::Builder::new().name("store-writer".into());
                (Some(thread.spawn(move || writer.run(&inbox))?), None)
            }
            Drive::ByHand => {
                (None, Some(Mutex::new(ByHand { writer, inbox, waiting: Lanes::default() })))
            }
        };
        let (sender, thread) = (Mutex::new(Some(sender)), Mutex::new(thread));
        Ok(Self { inner: Arc::new(Inner { shared, sender, thread, by_hand }) })
    }

    /// A consistent read of everything. Where a failure of the disk closed the store, the writer
    /// tries to open it again: without a read there may be nobody left who would write.
    pub fn read(&self) -> Result<Snapshot, Error> {
        let read = self.inner.shared.snapshot();
        if read.is_err() && self.inner.shared.refusal().is_some_and(|refusal| !refusal.for_good) {
            self.submit(Write::new(Origin::default(), |_| false, |_| ()));
        }
        read
    }

    /// The feed of changes.
    pub fn feed(&self) -> Feed {
        Feed::new(Arc::clone(&self.inner.shared))
    }

    /// Hands a write over without waiting. Where the queue is full, its `done` hears so at once.
    pub fn submit(&self, write: Write) {
        let sender = self.inner.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = match sender.as_ref() {
            Some(sender) => sender.try_send(write),
            None => Err(TrySendError::Disconnected(write)),
        };
        drop(sender);
        match sent {
            Ok(()) => {}
            Err(TrySendError::Full(write)) => write.refuse(Error::Overloaded),
            Err(TrySendError::Disconnected(write)) => write.refuse(Error::Closed),
        }
    }

    /// Runs a closure in the next commit and answers after it. Where the closure errs or panics,
    /// nothing of it is kept.
    pub async fn write<T, F>(&self, origin: Origin, body: F) -> Result<T, Error>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        self.write_as(origin, body).await
    }

    /// The same for a closure with an error type of its own.
    pub async fn write_as<T, E, F>(&self, origin: Origin, body: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        self.hand_over(origin, body, move |result| {
            // Whoever asked may have gone; the write stands all the same.
            let _ = tell.send(result);
        });
        self.commit_waiting();
        told.await.unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    /// The same for callers without async: waits on the calling thread.
    pub fn write_blocking<T, E, F>(&self, origin: Origin, body: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        self.hand_over(origin, body, move |result| {
            let _ = tell.send(result);
        });
        self.commit_waiting();
        told.recv().unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    /// Submits a closure; `done` gets its answer after the commit, on the writer's thread. Where no
    /// thread drives the writer it waits for [`Store::commit_waiting`].
    pub fn hand_over<T, E, F, D>(&self, origin: Origin, body: F, done: D)
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        D: FnOnce(Result<T, E>) + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.submit(write_of(origin, body, done));
    }

    /// The same among the writes of a workflow: they keep their order, and workflows take turns.
    pub fn hand_over_in<T, E, F, D>(&self, workflow: WorkflowId, origin: Origin, body: F, done: D)
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        D: FnOnce(Result<T, E>) + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.submit(write_of(origin, body, done).in_lane(*workflow.as_bytes()));
    }

    /// Where no thread drives the writer: commits everything that waits, and answers how many
    /// writes that were. With a thread it does nothing.
    pub fn commit_waiting(&self) -> usize {
        let Some(by_hand) = &self.inner.by_hand else { return 0 };
        // A callback that writes again finds the lock taken; its write is committed by this call.
        let Ok(mut hand) = by_hand.try_lock() else { return 0 };
        let mut taken = 0;
        loop {
            while let Ok(write) = hand.inbox.try_recv() {
                hand.waiting.push(write);
            }
            let ByHand { writer, waiting, .. } = &mut *hand;
            match writer.commit_batch(waiting) {
                0 => return taken,
                n => taken += n,
            }
        }
    }

    /// Whether new work may be accepted: writes work and there is room.
    pub fn accepting(&self) -> bool {
        self.admit().is_ok()
    }

    /// The same, as an error that says why not. What was accepted goes on all the same.
    pub fn admit(&self) -> Result<(), Error> {
        let shared = &self.inner.shared;
        let full = |reason: &str| Err(Error::Refusing { reason: reason.to_owned() });
        if shared.refusal().is_some() {
            return Err(shared.refused());
        }
        if shared.size().too_large {
            return full("it is larger than `store.maxBytes`, and nothing is left to let go");
        }
        open::room(&shared.options, shared.limits())
    }

    /// Follows the settings: holds for the next write that asks.
    pub fn set_limits(&self, limits: Limits) {
        let mut place = self.inner.shared.limits.lock().unwrap_or_else(PoisonError::into_inner);
        *place = limits;
    }

    /// Below this much free on a disk of this size nothing new is accepted.
    pub fn least_free(&self, total_bytes: u64) -> u64 {
        self.inner.shared.limits().least_free(total_bytes)
    }

    /// Lets go of the oldest executions in history, month by month and successful ones first, until
    /// all files together have no more than so many bytes; 0 is no limit. Audit rows and the live
    /// store never go: where they alone are larger, no new work is accepted. Answers which files
    /// went. Waits for the disk.
    pub fn keep_below(&self, most_bytes: u64) -> Result<Vec<FileName>, Error> {
        let is_above = || most_bytes > 0 && self.size_bytes() > most_bytes;
        let mut gone = Vec::new();
        while is_above() {
            let files = self.history().files().into_iter();
            let Some(oldest) = files.filter(|name| Kind::EXECUTIONS.contains(&name.kind)).min()
            else {
                break;
            };
            self.history().drop_file(oldest)?;
            gone.push(oldest);
        }
        let mut size = self.inner.shared.size();
        size.too_large = is_above();
        if let Some(name) = gone.last() {
            size.dropped = Some(name.to_string());
        }
        Ok(gone)
    }

    /// How the store is.
    pub fn health(&self) -> Health {
        let shared = &self.inner.shared;
        Health {
            refusing: shared
                .refusal()
                .map(|refusal| refusal.reason)
                .or_else(|| open::gone(&shared.options)),
            damaged: shared.quarantine.rows(),
            space: shared.options.disk.space(&shared.options.data_folder).ok(),
            accepting: self.accepting(),
            size: shared.size().clone(),
            commit: shared.acknowledged(),
        }
    }

    /// The installation that this store belongs to.
    pub fn install_id(&self) -> InstallId {
        self.inner.shared.install_id
    }

    /// What the store says about itself.
    pub fn identity(&self) -> Result<Option<super::Identity>, Error> {
        meta::identity(&self.read()?)
    }

    /// The history files.
    pub fn history(&self) -> &History {
        &self.inner.shared.history
    }

    /// Bytes of all files of the store, history included.
    pub fn size_bytes(&self) -> u64 {
        use crate::system::disk::Place;
        let options = &self.inner.shared.options;
        let folder = options.data_folder.join("store");
        let names = options.disk.list(&folder).unwrap_or_default();
        names
            .iter()
            .filter_map(|name| match options.disk.look(&folder.join(name)) {
                Ok(Place::File { len }) if name.ends_with(".redb") => Some(len),
                _ => None,
            })
            .sum()
    }

    /// Writes the number of the last commit into the marker outside the store, so that an older
    /// copy put in its place is noticed. Call it hourly; closing does it too.
    pub fn write_marker(&self) -> Result<(), Error> {
        let shared = &self.inner.shared;
        open::write_marker(&shared.options, shared.install_id, shared.acknowledged())
            .map_err(|e| Error::storage("writing the marker", redb::Error::Io(e)))
    }

    /// Takes no more writes, commits those that wait, closes the file. Snapshots that are still
    /// held read on to their end.
    pub fn close(&self) {
        let sender = self.inner.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        let was_open = sender.is_some();
        drop(sender);
        let thread = self.inner.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        if !was_open {
            return;
        }
        self.commit_waiting();
        if let Err(e) = self.write_marker() {
            tracing::warn!(error = %e, "marker not written");
        }
        let shared = &self.inner.shared;
        shared.set_refusal(Some(super::shared::Refusal {
            reason: "it is closed".into(),
            for_good: true,
        }));
        let mut place = shared.database.write().unwrap_or_else(PoisonError::into_inner);
        *place = None;
        shared.forget_snapshot();
        shared.history.close();
        drop(place);
        shared.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("install_id", &self.install_id()).finish_non_exhaustive()
    }
}

/// A write whose body has an answer of its own.
fn write_of<T, E, F, D>(origin: Origin, body: F, done: D) -> Write
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    D: FnOnce(Result<T, E>) + Send + 'static,
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let answer = Arc::new(Mutex::new(None));
    let put = Arc::clone(&answer);
    let body = move |tx: &mut Tx<'_>| {
        let result = body(tx);
        let keep = result.is_ok();
        *put.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        keep
    };
    let done = move |committed: Result<(), Error>| {
        let ran = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        done(match (ran, committed) {
            // What the closure itself found wrong says more than a failed commit.
            (Some(Err(e)), _) => Err(e),
            (_, Err(e)) => Err(e.into()),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(Error::Closed.into()),
        });
    };
    Write::new(origin, body, done)
}
