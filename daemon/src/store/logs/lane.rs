//! One folder of segments with one writer thread.
//!
//! Callers hand records over and go on; the thread sleeps until there is something, takes all that
//! waits, writes it in one go, wakes the readers, and syncs once for all who asked. Records in
//! flight are bounded in bytes: who prints faster than the disk takes waits. A disk that refuses
//! costs the lines that waited, which is counted and told in the log itself, and nothing else.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use a2n_proto::Timestamp;
use a2n_segment::{
    Catalogue, Disk, Expired, Group, Options as SegmentOptions, Stream, Totals, Writer,
    above_reserved,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::error::Error;
use super::last_run::LastRun;
use super::watch::{Key, Watch, Watchers};
use super::work::{Account, Work};
use crate::store::Drive;

/// So many bytes of records may wait for the writer; beyond it callers wait.
const IN_FLIGHT_BYTES: usize = 4 * 1024 * 1024;
/// So many messages may wait: with small records this is reached before the bytes.
const IN_FLIGHT: usize = 8 * 1024;
/// What records of one moment cost beside their bytes.
const OVERHEAD: usize = 64;

/// How a lane is opened.
#[derive(Debug)]
pub struct Options {
    /// The folder.
    pub disk: Arc<dyn Disk>,
    /// Files are sealed when they are larger than this.
    pub file_bytes: u64,
    /// Random, from the entropy port.
    pub salt: u64,
    /// The kernel's boot id: another one than last time means that the power may have been cut.
    pub boot_id: String,
    /// Now.
    pub at: Timestamp,
    /// The name of the thread.
    pub name: &'static str,
    /// Who drives the writer.
    pub drive: Drive,
}

/// Records of one moment as they go into a segment.
#[derive(Debug, Clone)]
pub(super) struct Encoded {
    pub(super) time: i64,
    pub(super) flags: u16,
    /// One behind the other.
    pub(super) bytes: Vec<u8>,
    /// Where each of them ends.
    pub(super) ends: Vec<usize>,
}

impl Encoded {
    /// The bytes of each record.
    pub(super) fn records(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, &end)| &self.bytes[begin..end])
    }
    /// About what they cost while they wait.
    fn size(&self) -> usize {
        self.bytes.len() + OVERHEAD + self.ends.len() * size_of::<usize>()
    }
}

/// Makes the record that says how many were lost, and why.
pub(super) type Notice = fn(lines: u64, why: &str, time: i64) -> Encoded;

/// A folder of segments with its writer. A cheap clone; the thread ends with [`Lane::close`] or with
/// the last clone.
#[derive(Debug, Clone)]
pub struct Lane {
    inbox: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
    catalogue: Catalogue,
    watchers: Arc<Watchers>,
    lost: Arc<AtomicU64>,
    stored: Arc<AtomicU64>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
    /// The thread's work where there is no thread; gone once the lane is closed.
    by_hand: Arc<Mutex<Option<Work>>>,
}

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Message {
    Append { to: (Stream, Group), records: Vec<Encoded>, _room: OwnedSemaphorePermit },
    Sync { stream: Stream, done: oneshot::Sender<Result<(), Error>> },
    Expire { what: Expire, done: oneshot::Sender<Result<Expired, Error>> },
    Close { done: oneshot::Sender<()> },
}

#[derive(Debug)]
pub(super) struct Expire {
    pub(super) before: Option<i64>,
    pub(super) max_bytes: Option<u64>,
    pub(super) live: BTreeSet<Stream>,
}

/// Says which streams may get more records.
pub(super) type LiveKeys<'l> = dyn FnMut() -> Result<Vec<(Stream, Group)>, Error> + 'l;

impl Lane {
    /// Opens the folder, repairs it, and starts the thread. `live` are the streams that may get
    /// more records: after a power cut they go on above anything a reader may have seen.
    pub(super) fn open(
        options: Options,
        live: &mut LiveKeys<'_>,
        notice: Notice,
    ) -> Result<Self, Error> {
        let disk = options.disk;
        let mut segments = SegmentOptions::new(options.salt);
        segments.file_bytes = options.file_bytes;
        let mut writer = Writer::open(disk.clone(), segments)?;
        let last_run = LastRun::read(&*disk)?;
        if last_run.may_have_lost_power(&options.boot_id) {
            for key in live()? {
                let last = writer.next_seq(key.0)? - 1;
                writer.mark(key, above_reserved(last) - 1, options.at.as_unix_ms())?;
            }
            writer.sync()?;
        }
        LastRun::write(&*disk, &options.boot_id, false)?;
        let (inbox, messages) = mpsc::channel(IN_FLIGHT);
        let lane = Self {
            inbox,
            room: Arc::new(Semaphore::new(IN_FLIGHT_BYTES)),
            catalogue: writer.catalogue(),
            watchers: Arc::default(),
            lost: Arc::default(),
            stored: Arc::default(),
            thread: Arc::default(),
            by_hand: Arc::default(),
        };
        let work = Work {
            writer,
            messages,
            disk,
            boot_id: options.boot_id,
            watchers: lane.watchers.clone(),
            lost: lane.lost.clone(),
            stored: lane.stored.clone(),
            notice,
            account: Account::default(),
        };
        match options.drive {
            Drive::Thread => {
                let thread = std::thread::Builder::new().name(options.name.to_owned());
                let thread =
                    thread.spawn(move || work.run()).map_err(|e| Error::Thread(Arc::new(e)))?;
                *lane.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
            }
            Drive::ByHand => {
                *lane.by_hand.lock().unwrap_or_else(PoisonError::into_inner) = Some(work);
            }
        }
        Ok(lane)
    }
    /// Tells the thread, or does its work where there is none.
    async fn tell(&self, message: Message) -> Result<(), Error> {
        self.inbox.send(message).await.map_err(|_| Error::Closed)?;
        let mut by_hand = self.by_hand.lock().unwrap_or_else(PoisonError::into_inner);
        if by_hand.as_mut().is_some_and(Work::turn) {
            *by_hand = None;
        }
        Ok(())
    }
    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }
    pub(super) fn watch(&self, key: Key) -> Watch {
        self.watchers.watch(key)
    }
    /// How much the folder holds.
    pub fn totals(&self) -> Totals {
        self.catalogue.totals()
    }
    /// Lines lost since the start, because the disk refused them.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
    /// Lines that went into a segment since the start.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Hands records over, when there is room.
    pub(super) async fn append(
        &self,
        to: (Stream, Group),
        records: Vec<Encoded>,
    ) -> Result<(), Error> {
        for records in parts(records) {
            let size = weight(&records);
            let room = self.room.clone().acquire_many_owned(size).await;
            let room = room.map_err(|_| Error::Closed)?;
            let message = Message::Append { to, records, _room: room };
            self.tell(message).await?;
        }
        Ok(())
    }
    /// Hands one record over if there is room now; whether there was.
    pub(super) fn try_append(&self, to: (Stream, Group), record: Encoded) -> bool {
        let records = vec![record];
        let Ok(room) = self.room.clone().try_acquire_many_owned(weight(&records)) else {
            return false;
        };
        self.inbox.try_send(Message::Append { to, records, _room: room }).is_ok()
    }
    /// Waits until all records handed over so far are durable.
    pub(super) async fn sync(&self, stream: Stream) -> Result<(), Error> {
        let (done, synced) = oneshot::channel();
        self.tell(Message::Sync { stream, done }).await?;
        synced.await.map_err(|_| Error::Closed)?
    }
    pub(super) async fn expire(&self, what: Expire) -> Result<Expired, Error> {
        let (done, expired) = oneshot::channel();
        self.tell(Message::Expire { what, done }).await?;
        expired.await.map_err(|_| Error::Closed)?
    }
    /// Writes what waits, syncs, says that this run ended well, and ends the thread.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.tell(Message::Close { done }).await.is_ok() {
            let _ = closed.await;
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It answered, so it is at its end.
        let _ = thread.map(JoinHandle::join);
    }
}

/// Parts that can have room each, however much is handed over at once.
fn parts(records: Vec<Encoded>) -> Vec<Vec<Encoded>> {
    if weight(&records) < (IN_FLIGHT_BYTES / 4) as u32 {
        return vec![records];
    }
    let (mut parts, mut part, mut size) = (Vec::new(), Vec::new(), 0);
    for record in records {
        size += record.size();
        part.push(record);
        if size >= IN_FLIGHT_BYTES / 4 {
            parts.push(std::mem::take(&mut part));
            size = 0;
        }
    }
    parts.push(part);
    parts
}

fn weight(records: &[Encoded]) -> u32 {
    let bytes: usize = records.iter().map(Encoded::size).sum();
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
