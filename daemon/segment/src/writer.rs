//! The one that appends to a folder of segments.
//!
//! Records are collected per stream into blocks; [`Writer::flush`] puts the blocks into the file
//! and then lets readers see them; [`Writer::sync`] makes them durable. A file that has reached its
//! size is synced, sealed with its index, and the next one is begun. Opening cuts off the torn
//! tail that an interrupted write left and seals what is unsealed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::block::Filling;
use crate::catalogue::{Active, Catalogue, Closed};
use crate::disk::{Disk, File};
use crate::error::Error;
use crate::format::{self, FileHead, Group, HEADER, Stream};
use crate::index::Entry;
use crate::life::{begin, repair, seal};
use crate::scan::Damage;
use crate::{MAX_RECORD, RESERVED};

/// How a writer writes.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// A file is sealed when it would grow beyond this.
    pub file_bytes: u64,
    /// A file is sealed when it has this many blocks: bounds the index in memory.
    pub file_blocks: usize,
    /// Random: goes into the checksums, so that nobody can print bytes that look like a block.
    pub salt: u64,
}

impl Options {
    /// Files of 64 MiB or 32,768 blocks.
    pub const fn new(salt: u64) -> Self {
        Self { file_bytes: 64 * 1024 * 1024, file_blocks: 32_768, salt }
    }
}

/// Appends to a folder of segments; there is at most one per folder (the caller sees to that).
#[derive(Debug)]
pub struct Writer {
    options: Options,
    disk: Arc<dyn Disk>,
    catalogue: Catalogue,
    file: Arc<dyn File>,
    head: FileHead,
    end: u64,
    n_blocks: usize,
    /// Blocks that have no room left, in the order in which they filled up.
    full: Vec<Filling>,
    filling: BTreeMap<Stream, Filling>,
    pending_bytes: usize,
    /// Where blocks are put together, kept for the next time.
    scratch: Vec<u8>,
    next_seq: BTreeMap<Stream, u64>,
    unsynced: bool,
    failed: bool,
    damage: Vec<Damage>,
}

/// What retention took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expired {
    /// Files.
    pub n_files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// So much of the memory that blocks are put together in is kept while nothing is written.
const SCRATCH_BYTES: usize = 256 * 1024;
/// So many seqs are remembered; beyond that they are looked up again.
const REMEMBERED: usize = 16_384;

impl Writer {
    /// Opens the folder to append: repairs its last file and goes on in it.
    pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<Self, Error> {
        let catalogue = Catalogue::empty(disk.clone());
        let mut damage = Vec::new();
        let mut numbers = catalogue.numbers()?;
        let last = numbers.pop();
        for number in numbers {
            damage.extend(repair(&catalogue, number, true)?.damage);
        }
        let mut reopened = None;
        if let Some(number) = last {
            let repaired = repair(&catalogue, number, false)?;
            damage.extend(repaired.damage);
            reopened = repaired.active;
        }
        let active = match reopened {
            Some(active) => active,
            None => begin(&*disk, last.map_or(1, |n| n + 1), options.salt)?,
        };
        let (file, head, end) = (active.file.clone(), active.head, active.end);
        let n_blocks = active.index.len();
        catalogue.write().active = Some(active);
        Ok(Self {
            options,
            disk,
            catalogue,
            file,
            head,
            end,
            n_blocks,
            full: Vec::new(),
            filling: BTreeMap::new(),
            pending_bytes: 0,
            scratch: Vec::new(),
            next_seq: BTreeMap::new(),
            // What was in the file before may not be durable yet.
            unsynced: true,
            failed: false,
            damage,
        })
    }
    /// What readers share with this writer.
    pub fn catalogue(&self) -> Catalogue {
        self.catalogue.clone()
    }
    /// What opening found damaged (and left alone).
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }
    /// The seq that the stream's next record will have; the first one is 1.
    pub fn next_seq(&mut self, stream: Stream) -> Result<u64, Error> {
        if let Some(&seq) = self.next_seq.get(&stream) {
            return Ok(seq);
        }
        let next = self.catalogue.last_seq(stream)?.unwrap_or(0).saturating_add(1);
        self.next_seq.insert(stream, next);
        Ok(next)
    }
    /// Takes a record to be written with the next flush; its seq. `flags` are joined by OR per
    /// block, so that readers can leave out whole blocks.
    pub fn append(
        &mut self,
        to: (Stream, Group),
        time: i64,
        flags: u16,
        bytes: &[u8],
    ) -> Result<u64, Error> {
        let seq = self.next_seq(to.0)?;
        self.append_all(to, time, flags, [bytes])?;
        Ok(seq)
    }
    /// The same for many records; those before one that fails may be written.
    pub fn append_all<'r>(
        &mut self,
        (stream, group): (Stream, Group),
        time: i64,
        flags: u16,
        records: impl IntoIterator<Item = &'r [u8]>,
    ) -> Result<(), Error> {
        let mut seq = self.next_seq(stream)?;
        let mut filling = self.filling.remove(&stream);
        let mut appended = Ok(());
        for bytes in records {
            if bytes.len() > MAX_RECORD {
                appended = Err(Error::TooLarge { bytes: bytes.len(), max: MAX_RECORD });
                break;
            }
            if seq.is_multiple_of(RESERVED) {
                self.full.extend(filling.take());
                appended = self.sync();
                if appended.is_err() {
                    break;
                }
            }
            if !filling.as_ref().is_some_and(|block| block.has_room(group, bytes.len())) {
                let mut next = Filling::new(stream, group, seq, time);
                if let Some(full) = filling.take() {
                    // Where one block was filled, the next one may well be.
                    next.reserve(format::BLOCK_BYTES);
                    self.full.push(full);
                }
                filling = Some(next);
            }
            if let Some(block) = &mut filling {
                block.push(seq, time, flags, bytes);
            }
            seq += 1;
            self.pending_bytes += bytes.len() + 16;
        }
        self.filling.extend(filling.map(|block| (stream, block)));
        self.next_seq.insert(stream, seq);
        appended
    }
    /// Says that the stream's seqs up to `last_seq` are given, without a record.
    pub fn mark(
        &mut self,
        (stream, group): (Stream, Group),
        last_seq: u64,
        time: i64,
    ) -> Result<(), Error> {
        let last_seq = last_seq.max(self.next_seq(stream)? - 1);
        self.full.extend(self.filling.remove(&stream));
        self.full.push(Filling::mark(stream, group, last_seq, time));
        self.next_seq.insert(stream, last_seq.saturating_add(1));
        Ok(())
    }
    /// About how many bytes wait for the next flush.
    pub fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }
    /// Puts everything into the file and lets readers see it. After an error the records that were
    /// waiting are gone (their seqs are not given again) and the writer goes on.
    pub fn flush(&mut self) -> Result<(), Error> {
        if self.failed {
            self.drop_pending();
            return Err(Error::Failed);
        }
        let mut blocks = std::mem::take(&mut self.full);
        blocks.extend(std::mem::take(&mut self.filling).into_values());
        self.pending_bytes = 0;
        if blocks.is_empty() {
            return Ok(());
        }
        let mut batch = Batch { bytes: std::mem::take(&mut self.scratch), entries: Vec::new() };
        for block in blocks {
            let (header, body) = block.finish();
            let at = self.end + batch.bytes.len() as u64;
            let size = (HEADER + body.len()) as u64;
            let n = self.n_blocks + batch.entries.len();
            let full = at + size > self.options.file_bytes || n >= self.options.file_blocks;
            if full && n > 0 {
                self.put(&mut batch)?;
                self.roll()?;
            }
            let at = self.end + batch.bytes.len() as u64;
            batch.bytes.extend_from_slice(&header.encode(&body, self.head.salt, at));
            batch.bytes.extend_from_slice(&body);
            batch.entries.push(Entry { offset: at, header });
        }
        self.put(&mut batch)?;
        batch.bytes.shrink_to(SCRATCH_BYTES);
        self.scratch = batch.bytes;
        if self.next_seq.len() > REMEMBERED {
            self.next_seq.clear();
        }
        Ok(())
    }
    /// Flushes and makes everything durable. After an error what the disk holds is not known:
    /// nothing more is written until [`Writer::reopen`].
    pub fn sync(&mut self) -> Result<(), Error> {
        self.flush()?;
        if self.unsynced {
            let synced = self.file.sync().map_err(Error::io("sync", self.name()));
            self.failed |= synced.is_err();
            synced?;
            self.unsynced = false;
        }
        Ok(())
    }
    /// Whether a sync has failed since the last [`Writer::reopen`].
    pub fn has_failed(&self) -> bool {
        self.failed
    }
    /// Goes on in a new file after a failed sync. Seqs go on above all that were given.
    pub fn reopen(&mut self) -> Result<(), Error> {
        self.drop_pending();
        let active = begin(&*self.disk, self.head.number + 1, self.options.salt)?;
        // Readers find what is left of the old one by walking through it.
        let closed = self.catalogue.look_at(self.head.number)?;
        self.go_on_in(active, closed);
        self.failed = false;
        // The old file may have lost what was shown, so the new one says which seqs are given.
        for (stream, next) in self.next_seq.clone() {
            self.mark((stream, Group::default()), next - 1, 0)?;
        }
        self.flush()
    }
    /// Removes whole files: those with nothing at or after `before`, and the oldest ones while the
    /// folder is larger than `max_bytes`; never the one being written. The seqs of streams that
    /// `is_live` are marked first, so that they are never given again.
    pub fn expire(
        &mut self,
        before: Option<i64>,
        max_bytes: Option<u64>,
        is_live: &dyn Fn(&Stream) -> bool,
    ) -> Result<Expired, Error> {
        self.flush()?;
        let going = self.outdated(before, max_bytes);
        let Some(&(last, _)) = going.last() else { return Ok(Expired::default()) };
        let mut marks = BTreeMap::new();
        for &(number, _) in &going {
            let Some(index) = self.catalogue.index_of(number)? else { continue };
            for &stream in index.streams().filter(|s| is_live(s)) {
                let entry = index.of(Some(stream)).back_from(u64::MAX).next();
                marks.extend(entry.map(|e| (stream, e.header)));
            }
        }
        for (stream, header) in marks {
            let next = self.next_seq(stream)?;
            if !self.stands_behind(last, stream)? {
                self.mark((stream, header.group), next - 1, header.last_time)?;
            }
        }
        self.sync()?;
        let mut expired = Expired::default();
        for (number, bytes) in going {
            let name = format::file_name(number);
            self.disk.remove(&name).map_err(Error::io("remove", &*name))?;
            self.catalogue.forget(number);
            expired.n_files += 1;
            expired.bytes += bytes;
        }
        Ok(expired)
    }

    fn outdated(&self, before: Option<i64>, max_bytes: Option<u64>) -> Vec<(u64, u64)> {
        let state = self.catalogue.read();
        let mut total = self.end + state.closed.values().map(|c| c.bytes).sum::<u64>();
        let mut going = Vec::new();
        for (&number, closed) in &state.closed {
            let old = before.is_some_and(|before| closed.times.1 < before);
            let over = max_bytes.is_some_and(|max| total > max);
            if old || over {
                going.push((number, closed.bytes));
                total -= closed.bytes;
            }
        }
        going
    }
    /// Whether a file behind `number` names the stream's highest seq.
    fn stands_behind(&self, number: u64, stream: Stream) -> Result<bool, Error> {
        let later: Vec<u64> = {
            let state = self.catalogue.read();
            if state.active.as_ref().is_some_and(|a| a.index.last_seq(stream).is_some()) {
                return Ok(true);
            }
            state.closed.range(number + 1..).map(|(&n, _)| n).collect()
        };
        for number in later {
            if self.catalogue.index_of(number)?.is_some_and(|i| i.last_seq(stream).is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
    fn name(&self) -> String {
        format::file_name(self.head.number)
    }
    fn drop_pending(&mut self) {
        self.full.clear();
        self.filling.clear();
        self.pending_bytes = 0;
    }
    /// Writes the batch, which is empty afterwards.
    fn put(&mut self, batch: &mut Batch) -> Result<(), Error> {
        if batch.entries.is_empty() {
            return Ok(());
        }
        if let Err(e) = self.file.write_at(&batch.bytes, self.end) {
            // Best effort: what is left behind the end is overwritten or cut off later anyway.
            let _ = self.file.set_size(self.end);
            self.drop_pending();
            return Err(Error::io("write", self.name())(e));
        }
        self.end += batch.bytes.len() as u64;
        self.n_blocks += batch.entries.len();
        self.unsynced = true;
        self.catalogue.publish(std::mem::take(&mut batch.entries), self.end);
        batch.bytes.clear();
        Ok(())
    }
    /// Seals the file and begins the next one.
    fn roll(&mut self) -> Result<(), Error> {
        // First the new one: where there is no room for it, the old one must stay unsealed.
        let next = begin(&*self.disk, self.head.number + 1, self.options.salt)?;
        let closed = {
            let state = self.catalogue.read();
            let active = state.active.as_ref().expect("a writer has an active file");
            seal(&*self.file, self.head, &active.index, self.end)
        };
        let closed = closed.inspect_err(|_| self.failed = true)?;
        self.go_on_in(next, closed);
        Ok(())
    }
    fn go_on_in(&mut self, active: Active, closed: Closed) {
        let old = self.head.number;
        (self.file, self.head, self.end) = (active.file.clone(), active.head, active.end);
        self.n_blocks = 0;
        self.unsynced = false;
        let mut state = self.catalogue.write();
        state.closed.insert(old, closed);
        state.active = Some(active);
    }
}

#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}
