//! Checking all of a folder: every checksum, every record, every index against its blocks, and that
//! no seq stands twice in a stream.

use std::collections::BTreeMap;

use crate::block::Block;
use crate::catalogue::Catalogue;
use crate::error::Error;
use crate::format::{self, Kind, Stream};
use crate::scan::{self, Damage};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Files read.
    pub n_files: u64,
    /// Blocks read.
    pub n_blocks: u64,
    /// Records read.
    pub n_records: u64,
    /// Everything that is not as it should be; empty when all is well.
    pub problems: Vec<Damage>,
}

pub(crate) fn verify(catalogue: &Catalogue) -> Result<Report, Error> {
    let mut report = Report::default();
    let mut seen = BTreeMap::<Stream, u64>::new();
    let active = catalogue.read().active.as_ref().map(|a| a.head.number);
    for number in catalogue.numbers()? {
        match file(catalogue, number, active == Some(number), &mut seen, &mut report) {
            Ok(()) => report.n_files += 1,
            Err(e) if e.is_gone() => {}
            Err(Error::NotASegment { file }) => {
                let what = "not a log segment";
                report.problems.push(Damage { file, offset: 0, bytes: 0, what });
            }
            Err(e) => return Err(e),
        }
    }
    Ok(report)
}

fn file(
    catalogue: &Catalogue,
    number: u64,
    active: bool,
    seen: &mut BTreeMap<Stream, u64>,
    report: &mut Report,
) -> Result<(), Error> {
    let file = catalogue.file(number)?;
    let head = scan::head(&*file, number)?;
    let name = format::file_name(number);
    let mut problem = |offset, bytes, what| {
        report.problems.push(Damage { file: name.clone(), offset, bytes, what });
    };
    let found = scan::walk(&*file, head)?;
    for damage in &found.damage {
        problem(damage.offset, damage.bytes, damage.what);
    }
    if let Some(trailer) = scan::trailer(&*file, head)? {
        match scan::index(&*file, head, &trailer)? {
            Some(index) if index.entries() == found.index.entries() => {}
            Some(_) => problem(trailer.index_at, 0, "the index does not name the blocks"),
            None => problem(trailer.index_at, 0, "the index does not hold"),
        }
    } else if !active {
        problem(found.end, found.torn, "not sealed");
    }
    for entry in found.index.entries() {
        report.n_blocks += 1;
        let stream = entry.header.stream;
        let last = seen.get(&stream).copied().unwrap_or(0);
        if entry.header.kind == Kind::Records && entry.header.first_seq <= last {
            problem(entry.offset, 0, "a seq is not above those before it");
        }
        seen.insert(stream, last.max(entry.header.last_seq));
        let parsed = scan::block(&*file, head, entry.offset)?
            .and_then(|(header, body)| Block::parse(header, number, entry.offset, body));
        match parsed {
            Some(block) => report.n_records += block.records().count() as u64,
            None => problem(entry.offset, entry.end() - entry.offset, "the block does not hold"),
        }
    }
    Ok(())
}
