//! What a folder of segments promises, told through its public face: order, visibility, repair,
//! seqs that are never given twice, and that no bytes make it panic.

mod chance;
mod faults;
mod order;
mod speed;

use std::sync::Arc;

use a2n_segment::sim::SimDisk;
use a2n_segment::{Catalogue, Group, Options, Position, Query, Reader, Stream, Writer};

pub(crate) const A: Stream = Stream([1; 16]);
pub(crate) const B: Stream = Stream([2; 16]);
pub(crate) const G: Group = Group([9; 16]);
pub(crate) const H: Group = Group([8; 16]);

pub(crate) fn small() -> Options {
    Options { file_bytes: 4_000, file_blocks: 20, salt: 7 }
}

pub(crate) fn open(disk: &SimDisk, options: Options) -> Writer {
    Writer::open(Arc::new(disk.clone()), options).expect("opens")
}

pub(crate) fn all(mut reader: Reader) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    while let Some(block) = reader.next_block().expect("reads") {
        found.extend(
            block.records().map(|r| (r.seq, String::from_utf8_lossy(r.bytes).into_owned())),
        );
    }
    found
}

pub(crate) fn of(stream: Stream) -> Query {
    Query { stream: Some(stream), ..Query::default() }
}

pub(crate) fn seqs(catalogue: &Catalogue, query: Query) -> Vec<u64> {
    all(catalogue.forwards(query, Position::START)).into_iter().map(|(seq, _)| seq).collect()
}
