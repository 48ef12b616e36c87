//! Going through records, forwards or backwards, of one stream, of a group or of all.
//!
//! A reader never waits: at the end it gives `None` and can be asked again later. Blocks that do
//! not hold are passed over and told in [`Reader::damage`]. Files that retention takes away under
//! a reader are passed over silently.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::block::Block;
use crate::catalogue::{Catalogue, Closed};
use crate::disk::File;
use crate::error::Error;
use crate::format::{self, FileHead, Group, Kind, Stream};
use crate::index::{Entry, Index};
use crate::scan::{self, Damage};

/// A place in a folder of segments: before one record. Durable: it means the same after a restart,
/// and as text it is what a cursor is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The file's number.
    pub segment: u64,
    /// Where the block begins.
    pub offset: u64,
    /// Which record of the block, from 0.
    pub record: u32,
}

impl Position {
    /// Before everything.
    pub const START: Self = Self { segment: 0, offset: 0, record: 0 };
    /// Behind everything there will ever be.
    pub const END: Self = Self { segment: u64::MAX, offset: u64::MAX, record: u32::MAX };
    /// Behind this record.
    pub const fn after(self) -> Self {
        Self { record: self.record.saturating_add(1), ..self }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}-{:x}", self.segment, self.offset, self.record)
    }
}

/// A text that is no [`Position`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a position in a log")]
pub struct NotAPosition;

impl FromStr for Position {
    type Err = NotAPosition;
    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let mut parts = text.split('-');
        let mut part = || {
            let digits = parts.next().filter(|p| p.bytes().all(|b| b.is_ascii_hexdigit()));
            u64::from_str_radix(digits.ok_or(NotAPosition)?, 16).map_err(|_| NotAPosition)
        };
        let (segment, offset, record) = (part()?, part()?, part()?);
        let record = u32::try_from(record).map_err(|_| NotAPosition)?;
        if parts.next().is_some() {
            Err(NotAPosition)
        } else {
            Ok(Self { segment, offset, record })
        }
    }
}

/// Which blocks a reader gives; what is `None` or 0 does not matter. Times and flags choose
/// blocks, so single records outside them come along.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query {
    /// Only this stream.
    pub stream: Option<Stream>,
    /// Only streams of this group.
    pub group: Option<Group>,
    /// Only seqs above this one (with `stream`).
    pub after_seq: u64,
    /// Only blocks with one of these flags.
    pub any_flags: u16,
    /// Only blocks with records at or after this time.
    pub from_time: Option<i64>,
    /// Only blocks with records before this time.
    pub to_time: Option<i64>,
}

impl Query {
    fn wants(&self, header: &crate::format::Header) -> bool {
        header.kind == Kind::Records
            && self.stream.is_none_or(|s| s == header.stream)
            && self.group.is_none_or(|g| g == header.group)
            && header.last_seq > self.after_seq
            && (self.any_flags == 0 || header.flags & self.any_flags != 0)
            && self.from_time.is_none_or(|from| header.last_time >= from)
            && self.to_time.is_none_or(|to| header.first_time < to)
    }
    fn wants_file(&self, closed: &Closed) -> bool {
        self.stream.is_none_or(|s| closed.streams.0 <= s && s <= closed.streams.1)
            && self.from_time.is_none_or(|from| closed.times.1 >= from)
            && self.to_time.is_none_or(|to| closed.times.0 < to)
    }
}

/// Goes through the blocks that a [`Query`] asks for.
#[derive(Debug)]
pub struct Reader {
    catalogue: Catalogue,
    query: Query,
    /// Forwards: what is before it is done. Backwards: what is not before it is done.
    at: Position,
    back: bool,
    waiting: VecDeque<(u64, Entry)>,
    file: Option<(FileHead, Arc<dyn File>)>,
    damage: Vec<Damage>,
    /// Where the first block has to be cut, until it was given.
    begin: Position,
}

/// So many places are copied out under the catalogue's lock at a time.
const AT_ONCE: usize = 256;

impl Reader {
    pub(crate) fn new(catalogue: Catalogue, query: Query, from: Position, back: bool) -> Self {
        let at = if back { from } else { Position { record: 0, ..from } };
        let (waiting, damage) = (VecDeque::new(), Vec::new());
        Self { catalogue, query, at, back, waiting, file: None, damage, begin: from }
    }
    /// The next block with records to give; `None` at the end, which for a forward reader is only
    /// the end for now.
    pub fn next_block(&mut self) -> Result<Option<Block>, Error> {
        loop {
            let Some((number, entry)) = self.waiting.pop_front() else {
                if self.fill()? {
                    continue;
                }
                return Ok(None);
            };
            if let Some(mut block) = self.load(number, entry)? {
                self.cut(&mut block);
                if !block.wanted.is_empty() {
                    return Ok(Some(block));
                }
            }
        }
    }
    /// What did not hold so far.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }
    /// Where a new reader goes on, with the same query: behind the last block given.
    pub fn position(&self) -> Position {
        match self.waiting.front() {
            Some((segment, entry)) if self.back => {
                Position { segment: *segment, offset: entry.offset, record: u32::MAX }
            }
            Some((segment, entry)) => {
                Position { segment: *segment, offset: entry.offset, record: 0 }
            }
            None => self.at,
        }
    }

    /// Leaves out the records that the reader was told to begin behind.
    fn cut(&self, block: &mut Block) {
        let n = block.wanted.end;
        let here = (block.segment, block.offset) == (self.begin.segment, self.begin.offset);
        let begin = if here { (self.begin.record as usize).min(n) } else { 0 };
        block.wanted = match (self.back, here) {
            (true, true) => 0..begin,
            (true, false) => 0..n,
            (false, _) => begin..n,
        };
        if self.query.after_seq > 0 {
            let old = block.records().take_while(|r| r.seq <= self.query.after_seq).count();
            block.wanted.start += old;
        }
    }
    /// Reads one block; `None` where it does not hold or its file is gone.
    fn load(&mut self, number: u64, entry: Entry) -> Result<Option<Block>, Error> {
        if self.file.as_ref().is_none_or(|(head, _)| head.number != number) {
            let opened = self.catalogue.file(number).and_then(|file| {
                let head = scan::head(&*file, number)?;
                Ok((head, file))
            });
            self.file = match opened {
                Ok(file) => Some(file),
                Err(e) if e.is_gone() => return Ok(None),
                Err(e) => return Err(e),
            };
        }
        let Some((head, file)) = &self.file else { return Ok(None) };
        let block = scan::block(&**file, *head, entry.offset)?
            .filter(|(header, _)| *header == entry.header)
            .and_then(|(header, body)| Block::parse(header, number, entry.offset, body));
        if block.is_none() {
            let (file, offset) = (format::file_name(number), entry.offset);
            let bytes = entry.end() - entry.offset;
            self.damage.push(Damage { file, offset, bytes, what: "the block does not hold" });
        }
        Ok(block)
    }
    /// Looks up the next places; false where there are none.
    fn fill(&mut self) -> Result<bool, Error> {
        loop {
            let Some(next) = self.next_file() else { return Ok(false) };
            let number = match next {
                Next::Found => return Ok(true),
                Next::Nothing => return Ok(false),
                Next::Closed(number) => number,
            };
            let index = self.catalogue.index_of(number)?;
            if let Some(index) = index {
                self.take(number, &index);
            }
            if self.waiting.len() < AT_ONCE {
                // All of this file is looked up: go on with its neighbour.
                self.at = if self.back {
                    Position { segment: number, offset: 0, record: 0 }
                } else {
                    Position { segment: number + 1, offset: 0, record: 0 }
                };
            }
            if !self.waiting.is_empty() {
                return Ok(true);
            }
        }
    }
    /// The file to look into; places of the active one are taken at once, under the lock.
    fn next_file(&mut self) -> Option<Next> {
        let catalogue = self.catalogue.clone();
        let state = catalogue.read();
        let at = self.at;
        if self.back {
            let active = state.active.as_ref().filter(|a| {
                (a.head.number, format::FILE_HEAD as u64)
                    < (at.segment, at.offset.saturating_add(1))
            });
            if let Some(active) = active {
                let number = active.head.number;
                if self.take(number, &active.index) < AT_ONCE {
                    self.at = Position { segment: number, offset: 0, record: 0 };
                }
                if !self.waiting.is_empty() {
                    return Some(Next::Found);
                }
            }
            let below = |n: u64| n < at.segment || (n == at.segment && at.offset > 0);
            let mut files = state.closed.iter().rev().filter(|(n, _)| below(**n));
            return files.find(|(_, c)| self.query.wants_file(c)).map(|(&n, _)| Next::Closed(n));
        }
        let mut files = state.closed.range(at.segment..);
        if let Some((&number, _)) = files.find(|(_, c)| self.query.wants_file(c)) {
            return Some(Next::Closed(number));
        }
        let active = state.active.as_ref()?;
        let number = active.head.number;
        if self.at.segment < number {
            self.at = Position { segment: number, offset: 0, record: 0 };
        }
        if self.at.segment > number {
            return None;
        }
        if self.take(number, &active.index) < AT_ONCE {
            self.at.offset = active.end;
        }
        Some(if self.waiting.is_empty() { Next::Nothing } else { Next::Found })
    }
    /// Copies out the next places of one file and moves `at`; how many.
    fn take(&mut self, number: u64, index: &Index) -> usize {
        let blocks = index.of(self.query.stream);
        let before = self.waiting.len();
        let query = self.query;
        if self.back {
            let mut from = if number == self.at.segment { self.at.offset } else { u64::MAX };
            // The block that holds the place to begin at is wanted too: its older records are.
            if number == self.begin.segment && self.at == self.begin && self.begin.record > 0 {
                from = from.saturating_add(1);
            }
            let wanted = blocks.back_from(from).filter(|e| query.wants(&e.header));
            self.waiting.extend(wanted.take(AT_ONCE).map(|e| (number, *e)));
            if let Some((_, last)) = self.waiting.back() {
                self.at = Position { segment: number, offset: last.offset, record: 0 };
            }
        } else {
            let from = if number == self.at.segment { self.at.offset } else { 0 };
            let wanted = blocks.from(from).filter(|e| query.wants(&e.header));
            self.waiting.extend(wanted.take(AT_ONCE).map(|e| (number, *e)));
            if let Some((_, last)) = self.waiting.back() {
                self.at = Position { segment: number, offset: last.end(), record: 0 };
            }
        }
        self.waiting.len() - before
    }
}

enum Next {
    /// Places are waiting.
    Found,
    /// The end.
    Nothing,
    /// This file has to be looked into.
    Closed(u64),
}
