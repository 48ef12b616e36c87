//! What a lane's thread does: takes all that waits, writes it in one go, wakes the readers, syncs once
//! for all who asked, and keeps account of what the disk refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use a2n_segment::{Disk, Expired, Group, Stream, Writer};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::error::Error;
use super::lane::{Encoded, Expire, Message, Notice};
use super::last_run::LastRun;
use super::watch::Watchers;

/// One round of the writer takes no more than this before it writes.
const ROUND_BYTES: usize = 2 * 1024 * 1024;

/// The thread's own things.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) writer: Writer,
    pub(super) messages: mpsc::Receiver<Message>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) boot_id: String,
    pub(super) watchers: Arc<Watchers>,
    pub(super) lost: Arc<AtomicU64>,
    pub(super) stored: Arc<AtomicU64>,
    pub(super) notice: Notice,
    pub(super) account: Account,
}

/// What is on its way, and what did not arrive.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Appended since the last flush that went well: how many per stream.
    pending: BTreeMap<(Stream, Group), u64>,
    /// Streams with records that may not be durable, and how many.
    unsynced: BTreeMap<Stream, u64>,
    losses: BTreeMap<Stream, Loss>,
}

/// Records of one stream that the disk did not take.
#[derive(Debug, Default)]
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
    pub(super) fn run(mut self) {
        while let Some(first) = self.messages.blocking_recv() {
            if self.round(first) {
                return;
            }
        }
        self.finish();
    }

    /// Does what waits, where no thread does; whether that closed the lane.
    pub(super) fn turn(&mut self) -> bool {
        while let Ok(first) = self.messages.try_recv() {
            if self.round(first) {
                return true;
            }
        }
        false
    }

    /// One round; whether it was the last.
    fn round(&mut self, first: Message) -> bool {
        let mut round = Round::default();
        self.take(first, &mut round);
        while round.close.is_none() && self.writer.pending_bytes() < ROUND_BYTES {
            match self.messages.try_recv() {
                Ok(message) => self.take(message, &mut round),
                Err(_) => break,
            }
        }
        let Some(done) = self.end(round) else { return false };
        self.finish();
        let _ = done.send(());
        true
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
        if let Some(loss) = self.account.losses.get_mut(&to.0)
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
        *self.account.pending.entry(to).or_default() += record.ends.len() as u64;
        let ready = if self.writer.has_failed() { self.writer.reopen() } else { Ok(()) };
        let put = ready
            .and_then(|()| self.writer.append_all(to, record.time, record.flags, record.records()));
        if let Err(error) = put {
            self.lose(&error);
        }
    }
    /// Everything that was pending is gone.
    fn lose(&mut self, error: &a2n_segment::Error) {
        let why = chain(error);
        for ((stream, _), lines) in std::mem::take(&mut self.account.pending) {
            let loss = self.account.losses.entry(stream).or_default();
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
        let needed =
            round.syncs.iter().any(|(stream, _)| self.account.unsynced.contains_key(stream));
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
        if self.account.pending.is_empty() {
            return;
        }
        if let Err(error) = self.writer.flush() {
            self.lose(&error);
            return;
        }
        let touched = std::mem::take(&mut self.account.pending);
        self.watchers.wake(touched.keys().copied());
        for ((stream, _), lines) in touched {
            self.stored.fetch_add(lines, Ordering::Relaxed);
            *self.account.unsynced.entry(stream).or_default() += lines;
            if let Some(loss) = self.account.losses.get_mut(&stream) {
                loss.said = 0;
                if loss.unsaid == 0 && loss.untold == 0 {
                    self.account.losses.remove(&stream);
                }
            }
        }
    }
    fn sync(&mut self) -> Result<(), Error> {
        let synced = self.writer.sync();
        let unsynced = std::mem::take(&mut self.account.unsynced);
        if let Err(error) = &synced {
            // Shown, but perhaps not there after a power cut: whoever syncs one of them is told.
            for (stream, lines) in unsynced {
                let loss = self.account.losses.entry(stream).or_default();
                loss.untold += lines;
                loss.why = chain(error);
            }
        }
        Ok(synced?)
    }
    fn tell_loss(&mut self, stream: Stream) -> Result<(), Error> {
        match self.account.losses.get_mut(&stream) {
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
