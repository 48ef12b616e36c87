//! A block while it is filled, and a block as it is read.

use crate::format::{self, Group, Header, Kind, Stream};
use crate::reader::Position;

/// A block that was read and whose checksums hold.
#[derive(Debug)]
pub struct Block {
    pub(crate) header: Header,
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    body: Vec<u8>,
    records: Vec<Place>,
    /// The records asked for: all but those before (or from) where the reader was told to begin.
    pub(crate) wanted: std::ops::Range<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    seq: u64,
    time: i64,
    start: usize,
    end: usize,
}

/// One record of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'b> {
    /// Its number in the stream.
    pub seq: u64,
    /// Its time, as given.
    pub time: i64,
    /// Where it stands; a reader that begins at [`Position::after`] goes on behind it.
    pub position: Position,
    /// What was appended.
    pub bytes: &'b [u8],
}

impl Block {
    /// Whose records these are.
    pub fn stream(&self) -> Stream {
        self.header.stream
    }
    /// What the stream belongs to.
    pub fn group(&self) -> Group {
        self.header.group
    }
    /// The records, oldest first.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = Record<'_>> {
        self.wanted.clone().map(|i| self.at(i))
    }
    /// The record after `n` others.
    pub fn record(&self, n: usize) -> Option<Record<'_>> {
        let i = self.wanted.start + n;
        self.wanted.contains(&i).then(|| self.at(i))
    }
    fn at(&self, i: usize) -> Record<'_> {
        let place = self.records[i];
        Record {
            seq: place.seq,
            time: place.time,
            position: Position { segment: self.segment, offset: self.offset, record: i as u32 },
            bytes: &self.body[place.start..place.end],
        }
    }
    /// `None` where the body is not what its header says.
    pub(crate) fn parse(header: Header, segment: u64, offset: u64, body: Vec<u8>) -> Option<Self> {
        let mut records = Vec::with_capacity((header.n_records as usize).min(body.len()));
        let (mut seq, mut time, mut at) = (header.first_seq, 0i64, 0);
        while at < body.len() {
            let len = usize::try_from(format::take_varint(&body, &mut at)?).ok()?;
            let step = format::take_varint(&body, &mut at)?;
            if (step == 0) != records.is_empty() {
                return None;
            }
            seq = seq.checked_add(step)?;
            let time_step = format::take_varint(&body, &mut at)?;
            time = time.wrapping_add(format::unzigzag(time_step));
            let end = at.checked_add(len).filter(|&end| end <= body.len())?;
            records.push(Place { seq, time, start: at, end });
            at = end;
        }
        let n = records.len();
        let whole = n == header.n_records as usize && (n == 0 || seq == header.last_seq);
        whole.then_some(Self { header, segment, offset, body, records, wanted: 0..n })
    }
}

/// A block that is being filled.
#[derive(Debug)]
pub(crate) struct Filling {
    header: Header,
    last_record_time: i64,
    body: Vec<u8>,
}

impl Filling {
    pub(crate) fn new(stream: Stream, group: Group, seq: u64, time: i64) -> Self {
        let header = Header {
            kind: Kind::Records,
            flags: 0,
            body: 0,
            n_records: 0,
            stream,
            group,
            first_seq: seq,
            last_seq: seq,
            first_time: time,
            last_time: time,
        };
        Self { header, last_record_time: 0, body: Vec::new() }
    }
    /// A block without records that says which seqs are given.
    pub(crate) fn mark(stream: Stream, group: Group, last_seq: u64, time: i64) -> Self {
        let mut mark = Self::new(stream, group, last_seq, time);
        mark.header.kind = Kind::Mark;
        mark
    }
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.body.reserve_exact(bytes);
    }
    pub(crate) fn has_room(&self, group: Group, bytes: usize) -> bool {
        self.header.group == group && self.body.len() + bytes <= format::BLOCK_BYTES
    }
    pub(crate) fn push(&mut self, seq: u64, time: i64, flags: u16, bytes: &[u8]) {
        let header = &mut self.header;
        format::put_varint(&mut self.body, bytes.len() as u64);
        format::put_varint(&mut self.body, seq - header.last_seq);
        // The first one is a step from zero. Wrapping both ways gives the same time back.
        let step = time.wrapping_sub(self.last_record_time);
        format::put_varint(&mut self.body, format::zigzag(step));
        self.body.extend_from_slice(bytes);
        header.last_seq = seq;
        header.n_records += 1;
        header.flags |= flags;
        self.last_record_time = time;
        // Clocks step back: the header's times are bounds, whatever the order of the records'.
        header.first_time = header.first_time.min(time);
        header.last_time = header.last_time.max(time);
    }
    /// The header and the body to be written.
    pub(crate) fn finish(self) -> (Header, Vec<u8>) {
        let mut header = self.header;
        header.body = self.body.len() as u32;
        (header, self.body)
    }
}
