//! One folder of segments with one writer thread.
//!
//! Callers hand records over and go on; the thread sleeps until there is something, takes all that
//! waits, writes it in one go, wakes the readers, and syncs once for all who asked. Records in
//! flight are bounded in bytes: who prints faster than the disk takes waits. A disk that refuses
//! costs the lines that waited, which is counted and told in the log itself, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
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
use super::watch::{Key, Watch, Watchers};

/// So many bytes of records may wait for the writer; beyond it callers wait.
const IN_FLIGHT_BYTES: usize = 8 * 1024 * 1024;
/// So many messages may wait: with small records this is reached before the bytes.
const IN_FLIGHT: usize = 8 * 1024;
/// One round of the writer takes no more than this before it writes.
const ROUND_BYTES: usize = 4 * 1024 * 1024;
/// What a message costs beside its records.
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
}

/// A record as it goes into a segment.
#[derive(Debug, Clone)]
pub(super) struct Encoded {
    pub(super) time: i64,
    pub(super) flags: u16,
    pub(super) bytes: Vec<u8>,
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
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

#[derive(Debug)]
enum Message {
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

impl Lane {
    /// Opens the folder, repairs it, and starts the thread. `live` are the streams that may get
    /// more records: after a power cut they go on above anything a reader may have seen.
    pub(super) fn open(
        options: Options,
        live: &[(Stream, Group)],
        notice: Notice,
    ) -> Result<Self, Error> {
        let disk = options.disk;
        let mut segments = SegmentOptions::new(options.salt);
        segments.file_bytes = options.file_bytes;
        let mut writer = Writer::open(disk.clone(), segments)?;
        let last_run = LastRun::read(&*disk)?;
        if last_run.may_have_lost_power(&options.boot_id) {
            for &key in live {
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
            thread: Arc::default(),
        };
        let work = Work {
            writer,
            messages,
            disk,
            boot_id: options.boot_id,
            watchers: lane.watchers.clone(),
            lost: lane.lost.clone(),
            notice,
            pending: BTreeMap::new(),
            unsynced: BTreeMap::new(),
            losses: BTreeMap::new(),
        };
        let thread = std::thread::Builder::new().name(options.name.to_owned());
        let thread = thread.spawn(move || work.run()).map_err(|e| Error::Thread(Arc::new(e)))?;
        *lane.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(lane)
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

    /// Hands records over, when there is room.
    pub(super) async fn append(
        &self,
        to: (Stream, Group),
        records: Vec<Encoded>,
    ) -> Result<(), Error> {
        for records in parts(records) {
            let size = size_of(&records);
            let room = self.room.clone().acquire_many_owned(size).await;
            let room = room.map_err(|_| Error::Closed)?;
            let message = Message::Append { to, records, _room: room };
            self.inbox.send(message).await.map_err(|_| Error::Closed)?;
        }
        Ok(())
    }
    /// Hands one record over if there is room now; whether there was.
    pub(super) fn try_append(&self, to: (Stream, Group), record: Encoded) -> bool {
        let records = vec![record];
        let Ok(room) = self.room.clone().try_acquire_many_owned(size_of(&records)) else {
            return false;
        };
        self.inbox.try_send(Message::Append { to, records, _room: room }).is_ok()
    }
    /// Waits until all records handed over so far are durable.
    pub(super) async fn sync(&self, stream: Stream) -> Result<(), Error> {
        let (done, synced) = oneshot::channel();
        self.inbox.send(Message::Sync { stream, done }).await.map_err(|_| Error::Closed)?;
        synced.await.map_err(|_| Error::Closed)?
    }
    pub(super) async fn expire(&self, what: Expire) -> Result<Expired, Error> {
        let (done, expired) = oneshot::channel();
        self.inbox.send(Message::Expire { what, done }).await.map_err(|_| Error::Closed)?;
        expired.await.map_err(|_| Error::Closed)?
    }
    /// Writes what waits, syncs, says that this run ended well, and ends the thread.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.inbox.send(Message::Close { done }).await.is_ok() {
            let _ = closed.await;
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It answered, so it is at its end.
        let _ = thread.map(JoinHandle::join);
    }
}

/// Parts that can have room each, however much is handed over at once.
fn parts(records: Vec<Encoded>) -> Vec<Vec<Encoded>> {
    if size_of(&records) < (IN_FLIGHT_BYTES / 4) as u32 {
        return vec![records];
    }
    let (mut parts, mut part, mut size) = (Vec::new(), Vec::new(), 0);
    for record in records {
        size += record.bytes.len() + OVERHEAD;
        part.push(record);
        if size >= IN_FLIGHT_BYTES / 4 {
            parts.push(std::mem::take(&mut part));
            size = 0;
        }
    }
    parts.push(part);
    parts
}

fn size_of(records: &[Encoded]) -> u32 {
    let bytes: usize = records.iter().map(|r| r.bytes.len() + OVERHEAD).sum();
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// The thread's own things.
struct Work {
    writer: Writer,
    messages: mpsc::Receiver<Message>,
    disk: Arc<dyn Disk>,
    boot_id: String,
    watchers: Arc<Watchers>,
    lost: Arc<AtomicU64>,
    notice: Notice,
    /// Appended since the last flush that went well: how many per stream.
    pending: BTreeMap<(Stream, Group), u64>,
    /// Streams with records that may not be durable, and how many.
    unsynced: BTreeMap<Stream, u64>,
    losses: BTreeMap<Stream, Loss>,
}

/// Records of one stream that the disk did not take.
#[derive(Default)]
struct Loss {
    /// Not said in the log yet.
    unsaid: u64,
    /// Said in the log, which is not flushed yet.
    said: u64,
    /// Not told to a caller of sync yet.
    untold: u64,
    why: String,
}

#[derive(Default)]
struct Round {
    room: Vec<OwnedSemaphorePermit>,
    syncs: Vec<(Stream, oneshot::Sender<Result<(), Error>>)>,
    expires: Vec<(Expire, oneshot::Sender<Result<Expired, Error>>)>,
    close: Option<oneshot::Sender<()>>,
}

impl Work {
    fn run(mut self) {
        while let Some(first) = self.messages.blocking_recv() {
            let mut round = Round::default();
            self.take(first, &mut round);
            while round.close.is_none() && self.writer.pending_bytes() < ROUND_BYTES {
                match self.messages.try_recv() {
                    Ok(message) => self.take(message, &mut round),
                    Err(_) => break,
                }
            }
            if let Some(done) = self.end(round) {
                self.finish();
                let _ = done.send(());
                return;
            }
        }
        self.finish();
    }

    fn take(&mut self, message: Message, round: &mut Round) {
        match message {
            Message::Append { to, records, _room: room } => {
                round.room.push(room);
                self.append(to, records);
            }
            Message::Sync { stream, done } => round.syncs.push((stream, done)),
            Message::Expire { what, done } => round.expires.push((what, done)),
            Message::Close { done } => round.close = Some(done),
        }
    }
    fn append(&mut self, to: (Stream, Group), records: Vec<Encoded>) {
        if let Some(loss) = self.losses.get_mut(&to.0)
            && loss.unsaid > 0
            && let Some(first) = records.first()
        {
            let notice = (self.notice)(loss.unsaid, &loss.why, first.time);
            loss.said += std::mem::take(&mut loss.unsaid);
            self.put(to, &notice);
        }
        for record in &records {
            self.put(to, record);
        }
    }
    fn put(&mut self, to: (Stream, Group), record: &Encoded) {
        *self.pending.entry(to).or_default() += 1;
        let ready = if self.writer.has_failed() { self.writer.reopen() } else { Ok(()) };
        let put =
            ready.and_then(|()| self.writer.append(to, record.time, record.flags, &record.bytes));
        if let Err(error) = put {
            self.lose(&error);
        }
    }
    /// Everything that was pending is gone.
    fn lose(&mut self, error: &a2n_segment::Error) {
        let why = chain(error);
        for ((stream, _), lines) in std::mem::take(&mut self.pending) {
            let loss = self.losses.entry(stream).or_default();
            loss.unsaid += lines + std::mem::take(&mut loss.said);
            loss.untold += lines;
            loss.why.clone_from(&why);
            self.lost.fetch_add(lines, Ordering::Relaxed);
        }
    }
    /// Writes, wakes, syncs and answers; the answer to whoever closed.
    fn end(&mut self, round: Round) -> Option<oneshot::Sender<()>> {
        self.flush();
        drop(round.room);
        let needed = round.syncs.iter().any(|(stream, _)| self.unsynced.contains_key(stream));
        let synced = if needed { self.sync() } else { Ok(()) };
        for (stream, done) in round.syncs {
            let told = self.tell_loss(stream);
            let _ = done.send(synced.clone().and(told));
        }
        for (what, done) in round.expires {
            let is_live = |stream: &Stream| what.live.contains(stream);
            let expired = self.writer.expire(what.before, what.max_bytes, &is_live);
            let _ = done.send(expired.map_err(Error::from));
        }
        round.close
    }
    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        if let Err(error) = self.writer.flush() {
            self.lose(&error);
            return;
        }
        let touched = std::mem::take(&mut self.pending);
        self.watchers.wake(touched.keys().copied());
        for ((stream, _), lines) in touched {
            *self.unsynced.entry(stream).or_default() += lines;
            if let Some(loss) = self.losses.get_mut(&stream) {
                loss.said = 0;
                if loss.unsaid == 0 && loss.untold == 0 {
                    self.losses.remove(&stream);
                }
            }
        }
    }
    fn sync(&mut self) -> Result<(), Error> {
        let synced = self.writer.sync();
        let unsynced = std::mem::take(&mut self.unsynced);
        if let Err(error) = &synced {
            // Shown, but perhaps not there after a power cut: whoever syncs one of them is told.
            for (stream, lines) in unsynced {
                let loss = self.losses.entry(stream).or_default();
                loss.untold += lines;
                loss.why = chain(error);
            }
        }
        Ok(synced?)
    }
    fn tell_loss(&mut self, stream: Stream) -> Result<(), Error> {
        match self.losses.get_mut(&stream) {
            Some(loss) if loss.untold > 0 => {
                let lines = std::mem::take(&mut loss.untold);
                Err(Error::Lost { lines, why: loss.why.clone() })
            }
            _ => Ok(()),
        }
    }
    fn finish(&mut self) {
        self.flush();
        if self.writer.sync().is_ok() {
            // Where this fails the next start takes the careful way, which is right too.
            let _ = LastRun::write(&*self.disk, &self.boot_id, true);
        }
        self.watchers.close();
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// How the last run ended: the file `run` holds a boot id and `open` or `clean`.
struct LastRun(Option<(String, bool)>);

const RUN: &str = "run";
const NEW_RUN: &str = "run.new";

impl LastRun {
    fn read(disk: &dyn Disk) -> Result<Self, Error> {
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = vec![0u8; 256];
            let n = disk.open(RUN)?.read_at(&mut bytes, 0)?;
            bytes.truncate(n);
            Ok(bytes)
        };
        let bytes = match read() {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self(None)),
            Err(e) => return Err(Error::Run(Arc::new(e))),
        };
        let text = String::from_utf8_lossy(&bytes);
        let run = text.trim_end().rsplit_once(' ');
        Ok(Self(run.map(|(id, how)| (id.to_owned(), how == "clean"))))
    }
    /// Also true where nothing is known: then there are either no streams yet, or all care is due.
    fn may_have_lost_power(&self, boot_id: &str) -> bool {
        self.0.as_ref().is_none_or(|(id, clean)| !clean && id != boot_id)
    }
    fn write(disk: &dyn Disk, boot_id: &str, clean: bool) -> Result<(), Error> {
        let write = || -> io::Result<()> {
            match disk.remove(NEW_RUN) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            let file = disk.create(NEW_RUN)?;
            let text = format!("{boot_id} {}\n", if clean { "clean" } else { "open" });
            file.write_at(text.as_bytes(), 0)?;
            file.sync()?;
            disk.rename(NEW_RUN, RUN)?;
            disk.sync()
        };
        write().map_err(|e| Error::Run(Arc::new(e)))
    }
}
