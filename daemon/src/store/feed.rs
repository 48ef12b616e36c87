//! The feed: committed changes, numbered without gaps, kept in a table and live in a ring.
//!
//! The writer publishes after each commit; subscribers name the number they want next and get what
//! they missed, then the live ones. A slow one falls back to the table, never holds the writer up.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use a2n_proto::{Change, Timestamp};
use tokio::sync::watch;

use super::keys::{Key, KeyRange};
use super::read::checked;
use super::rows;
use super::shared::Shared;
use super::{Error, Read, Tx, codec, schema};

/// Bytes of changes (estimated) that are kept in memory: some ten thousand, enough for every
/// subscriber that keeps up; others read the table.
const RING_BYTES: usize = 4 << 20;
/// Changes in one stored record; small enough to be read for a few of them.
const PER_RECORD: usize = 128;

/// What a reader of the feed gets.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedRead {
    /// Changes in order, without gaps, beginning with the one asked for. Empty where there is none
    /// yet.
    Items(Vec<Arc<Change>>),
    /// The changes from here to there (both included) are no longer kept: read a snapshot, then go
    /// on after them.
    Gap {
        /// The one asked for.
        from: u64,
        /// The last one that is gone.
        to: u64,
    },
}

/// The feed, for its readers.
#[derive(Debug, Clone)]
pub struct Feed {
    shared: Arc<Shared>,
}

impl Feed {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The number of the last committed change; 0 before the first.
    pub fn last(&self) -> u64 {
        *self.shared.live.last.borrow()
    }

    /// Tells when there are new changes.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.shared.live.last.subscribe()
    }

    /// Up to `max` changes, beginning with number `from` (the first change is number 1).
    pub fn read_from(&self, from: u64, max: usize) -> Result<FeedRead, Error> {
        let from = from.max(1);
        let last = self.last();
        if from > last {
            return Ok(FeedRead::Items(Vec::new()));
        }
        if let Some(items) = self.shared.live.from(from, max) {
            return Ok(FeedRead::Items(items));
        }
        read_stored(&self.shared.snapshot()?, from, max, last)
    }
}

/// The live end of the feed.
#[derive(Debug)]
pub(crate) struct Live {
    ring: Mutex<Ring>,
    last: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Ring {
    changes: VecDeque<Arc<Change>>,
    bytes: usize,
}

impl Live {
    pub(crate) fn new(last: u64) -> Self {
        Self { ring: Mutex::default(), last: watch::Sender::new(last) }
    }

    /// The number of the last change that was shown.
    pub(crate) fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// Shows committed changes to everybody who waits.
    pub(crate) fn publish(&self, changes: Vec<Change>) {
        let Some(last) = changes.last().map(|change| change.seq) else { return };
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let follows = ring.changes.back().is_none_or(|newest| newest.seq + 1 == changes[0].seq);
        if !follows {
            // Places in the ring are counted from its first number: it must have no hole.
            *ring = Ring::default();
        }
        for change in changes {
            ring.bytes += size(&change);
            ring.changes.push_back(Arc::new(change));
        }
        while ring.bytes > RING_BYTES {
            let Some(oldest) = ring.changes.pop_front() else { break };
            ring.bytes -= size(&oldest);
        }
        drop(ring);
        self.last.send_replace(last);
    }

    fn from(&self, from: u64, max: usize) -> Option<Vec<Arc<Change>>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let first = ring.changes.front()?.seq;
        let skip = usize::try_from(from.checked_sub(first)?).ok()?;
        Some(ring.changes.iter().skip(skip).take(max).cloned().collect())
    }
}

fn size(change: &Change) -> usize {
    160 + change.entity.len() + change.id.len() + change.fields.size_bytes()
}

/// Changes from the table; the record that holds `from` may begin before it.
fn read_stored(read: &impl Read, from: u64, max: usize, last: u64) -> Result<FeedRead, Error> {
    let Some(start) = record_of(read, from)? else {
        let to = first_kept(read)?.map_or(last, |first| first - 1);
        return Ok(FeedRead::Gap { from, to });
    };
    let mut items = Vec::new();
    let mut expected = from;
    let range = KeyRange::all().starting_at(&Key::of_u64(start));
    read.scan(schema::FEED, &range, false, &mut |key, value| {
        let changes: Vec<Change> = record(read, key, value)?;
        for change in changes.into_iter().filter(|change| change.seq >= from) {
            if change.seq != expected || items.len() >= max || change.seq > last {
                return Ok(ControlFlow::Break(()));
            }
            expected += 1;
            items.push(Arc::new(change));
        }
        Ok(if items.len() >= max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    if items.is_empty() {
        // The record that should hold it ends before it: there is a hole in the table.
        let to = next_record(read, from)?.map_or(last, |next| next - 1);
        return Ok(FeedRead::Gap { from, to });
    }
    Ok(FeedRead::Items(items))
}

fn record(read: &impl Read, key: &[u8], value: &[u8]) -> Result<Vec<Change>, Error> {
    let (_, body) = checked(read, schema::FEED, key, value)?;
    codec::body(body).map_err(|_| read.damaged(schema::FEED, key))
}

/// The key of the record that holds change `seq` or would hold it.
fn record_of(read: &impl Read, seq: u64) -> Result<Option<u64>, Error> {
    let mut found = None;
    let range = KeyRange::all().before(&Key::of_u64(seq.saturating_add(1)));
    read.scan(schema::FEED, &range, true, &mut |key, _| {
        found = key.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

fn next_record(read: &impl Read, after: u64) -> Result<Option<u64>, Error> {
    let mut found = None;
    let range = KeyRange::all().after(&Key::of_u64(after));
    read.scan(schema::FEED, &range, false, &mut |key, _| {
        found = key.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// The number of the oldest kept change.
fn first_kept(read: &impl Read) -> Result<Option<u64>, Error> {
    next_record(read, 0)
}

/// The stored changes after a number.
pub(crate) fn stored_after(read: &impl Read, seq: u64) -> Result<Vec<Change>, Error> {
    let last = last_stored(read)?;
    if last <= seq {
        return Ok(Vec::new());
    }
    match read_stored(read, seq + 1, usize::MAX, last)? {
        FeedRead::Items(items) => Ok(items.into_iter().map(Arc::unwrap_or_clone).collect()),
        FeedRead::Gap { .. } => Ok(Vec::new()),
    }
}

/// The number of the last stored change; 0 where there is none.
pub(crate) fn last_stored(read: &impl Read) -> Result<u64, Error> {
    let mut last = 0;
    read.scan(schema::FEED, &KeyRange::all(), true, &mut |key, value| {
        last = record(read, key, value)?.last().map_or(0, |change| change.seq);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(last)
}

/// Writes the changes of a commit.
pub(crate) fn append(tx: &mut Tx<'_>, changes: &[Change]) -> Result<(), Error> {
    for part in changes.chunks(PER_RECORD) {
        rows::put_as(tx, schema::FEED, &Key::of_u64(part[0].seq), part)?;
    }
    Ok(())
}

/// The numbers of at most `most` old records, ascending: those older than `before`, and those beyond
/// the newest `keep` changes. The last record stays, since it carries the numbering.
pub fn old(read: &impl Read, before: Timestamp, keep: u64, most: usize) -> Result<Vec<u64>, Error> {
    let last = last_stored(read)?;
    let mut old = Vec::new();
    read.scan(schema::FEED, &KeyRange::all(), false, &mut |key, value| {
        let newest = match record(read, key, value) {
            Ok(changes) => changes.last().map(|change| (change.seq, change.at)),
            Err(Error::Damaged { .. }) => None,
            Err(e) => return Err(e),
        };
        let goes = newest.is_none_or(|(seq, at)| {
            seq < last && (at < before || seq.saturating_add(keep) <= last)
        });
        if !goes || old.len() >= most {
            return Ok(ControlFlow::Break(()));
        }
        old.extend(key.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(old)
}

/// Removes a record by its number. Answers whether it was there.
pub fn forget(tx: &mut Tx<'_>, first: u64) -> Result<bool, Error> {
    rows::remove(tx, schema::FEED, &Key::of_u64(first))
}
