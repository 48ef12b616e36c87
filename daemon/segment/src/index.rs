//! Where a file's blocks are: in the order of the file, and by stream.

use std::collections::BTreeMap;

use crate::format::{self, Header, Kind, Stream};

/// One block of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) offset: u64,
    pub(crate) header: Header,
}

impl Entry {
    /// Where the next block begins.
    pub(crate) fn end(&self) -> u64 {
        self.offset + format::HEADER as u64 + u64::from(self.header.body)
    }
}

const ENTRY: usize = 88;

/// The blocks of one file.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// By offset.
    entries: Vec<Entry>,
    by_stream: BTreeMap<Stream, Vec<u32>>,
}

impl Index {
    pub(crate) fn push(&mut self, entry: Entry) {
        let n = self.entries.len() as u32;
        self.by_stream.entry(entry.header.stream).or_default().push(n);
        self.entries.push(entry);
    }
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }
    pub(crate) fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.by_stream.keys()
    }
    /// The blocks of one stream (or of all), by offset.
    pub(crate) fn of(&self, stream: Option<Stream>) -> Blocks<'_> {
        let picked = stream.map(|s| self.by_stream.get(&s).map_or(&[][..], Vec::as_slice));
        Blocks { entries: &self.entries, picked }
    }
    /// The highest seq that the stream has here.
    pub(crate) fn last_seq(&self, stream: Stream) -> Option<u64> {
        let blocks = self.by_stream.get(&stream)?;
        blocks.iter().map(|&i| self.entries[i as usize].header.last_seq).max()
    }
    pub(crate) fn times(&self) -> (i64, i64) {
        let first = self.entries.iter().map(|e| e.header.first_time).min();
        let last = self.entries.iter().map(|e| e.header.last_time).max();
        (first.unwrap_or(0), last.unwrap_or(0))
    }
    pub(crate) fn stream_bounds(&self) -> (Stream, Stream) {
        let first = self.by_stream.keys().next().copied();
        let last = self.by_stream.keys().next_back().copied();
        (first.unwrap_or_default(), last.unwrap_or_default())
    }
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut to = Vec::with_capacity(self.entries.len() * ENTRY);
        for entry in &self.entries {
            to.extend_from_slice(&entry.offset.to_le_bytes());
            to.extend_from_slice(&entry.header.to_index());
        }
        to
    }
    /// `None` where the bytes are no index of a file whose blocks end at `end`.
    pub(crate) fn decode(from: &[u8], end: u64) -> Option<Self> {
        if !from.len().is_multiple_of(ENTRY) {
            return None;
        }
        let (mut index, mut at) = (Self::default(), format::FILE_HEAD as u64);
        for bytes in from.chunks_exact(ENTRY) {
            let entry =
                Entry { offset: format::u64_at(bytes, 0), header: Header::of_index(&bytes[8..])? };
            let known = entry.header.kind != Kind::Index;
            if !known || entry.offset < at || entry.offset > end || entry.end() > end {
                return None;
            }
            at = entry.end();
            index.push(entry);
        }
        Some(index)
    }
}

/// Some of a file's blocks, by offset.
pub(crate) struct Blocks<'i> {
    entries: &'i [Entry],
    picked: Option<&'i [u32]>,
}

impl<'i> Blocks<'i> {
    fn len(&self) -> usize {
        self.picked.map_or(self.entries.len(), <[u32]>::len)
    }
    fn at(&self, i: usize) -> &'i Entry {
        match self.picked {
            Some(picked) => &self.entries[picked[i] as usize],
            None => &self.entries[i],
        }
    }
    /// How many of them begin before `offset`.
    fn before(&self, offset: u64) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.at(middle).offset < offset {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
    /// From the first that does not begin before `offset`.
    pub(crate) fn from(self, offset: u64) -> impl Iterator<Item = &'i Entry> {
        (self.before(offset)..self.len()).map(move |i| self.at(i))
    }
    /// From the last that begins before `offset`, backwards.
    pub(crate) fn back_from(self, offset: u64) -> impl Iterator<Item = &'i Entry> {
        (0..self.before(offset)).rev().map(move |i| self.at(i))
    }
}
