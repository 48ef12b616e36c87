//! A file's life: begun with a durable head, sealed with its index when it is full, repaired when a
//! crash came between.

use crate::catalogue::{Active, Catalogue, Closed};
use crate::disk::{Disk, File};
use crate::error::Error;
use crate::format::{self, FILE_HEAD, FileHead, Group, Header, Kind, Stream, Trailer};
use crate::index::Index;
use crate::scan::{self, Damage};

/// Makes a file and its name durable, with nothing in it but its head.
pub(crate) fn begin(disk: &dyn Disk, mut number: u64, salt: u64) -> Result<Active, Error> {
    // A file that an earlier failure left behind keeps its number.
    while disk.open(&format::file_name(number)).is_ok() {
        number += 1;
    }
    let name = format::file_name(number);
    // Another salt for each file, all from the one random number that the caller gave.
    let salt = xxhash_rust::xxh3::xxh3_64_with_seed(&number.to_le_bytes(), salt);
    let head = FileHead { number, salt };
    let file = disk.create(&name).map_err(Error::io("create", &*name))?;
    let made = file
        .write_at(&head.encode(), 0)
        .and_then(|()| file.sync())
        .and_then(|()| disk.sync())
        .map_err(Error::io("begin", &*name));
    if made.is_err() {
        // A headless file would only puzzle the next start.
        let _ = disk.remove(&name);
    }
    made?;
    Ok(Active { head, file, end: FILE_HEAD as u64, index: Index::default() })
}

/// Writes the index and the trailer behind the last block and syncs all.
pub(crate) fn seal(
    file: &dyn File,
    head: FileHead,
    index: &Index,
    end: u64,
) -> Result<Closed, Error> {
    let (times, streams) = (index.times(), index.stream_bounds());
    let body = index.encode();
    let header = Header {
        kind: Kind::Index,
        flags: 0,
        body: body.len() as u32,
        n_records: index.len() as u32,
        stream: Stream::default(),
        group: Group::default(),
        first_seq: 0,
        last_seq: 0,
        first_time: times.0,
        last_time: times.1,
    };
    let trailer = Trailer {
        index_at: end,
        n_blocks: index.len() as u64,
        first_time: times.0,
        last_time: times.1,
        first_stream: streams.0,
        last_stream: streams.1,
    };
    let mut bytes = header.encode(&body, head.salt, end).to_vec();
    bytes.extend_from_slice(&body);
    let trailer_at = end + bytes.len() as u64;
    bytes.extend_from_slice(&trailer.encode(head.salt, trailer_at));
    let size = end + bytes.len() as u64;
    file.write_at(&bytes, end)
        .and_then(|()| file.set_size(size))
        .and_then(|()| file.sync())
        .map_err(Error::io("seal", format::file_name(head.number)))?;
    Ok(Closed { bytes: size, times, streams })
}

/// What became of a file at the start.
#[derive(Default)]
pub(crate) struct Repaired {
    pub(crate) damage: Vec<Damage>,
    /// Where it is not sealed, and was not to be.
    pub(crate) active: Option<Active>,
}

/// Enters a file into the catalogue. One without a trailer gets its torn tail cut off and, where
/// `and_seal`, its index written.
pub(crate) fn repair(
    catalogue: &Catalogue,
    number: u64,
    and_seal: bool,
) -> Result<Repaired, Error> {
    let name = format::file_name(number);
    let file = catalogue.file(number)?;
    let head = match scan::head(&*file, number) {
        Ok(head) => head,
        Err(Error::NotASegment { .. }) => return headless(catalogue, &*file, &name),
        Err(e) => return Err(e),
    };
    if scan::trailer(&*file, head)?.is_some() {
        let closed = catalogue.look_at(number)?;
        catalogue.write().closed.insert(number, closed);
        return Ok(Repaired::default());
    }
    let found = scan::walk(&*file, head)?;
    let edit = catalogue.shared.disk.edit(&name).map_err(Error::io("open", &*name))?;
    edit.set_size(found.end).and_then(|()| edit.sync()).map_err(Error::io("cut", &*name))?;
    if and_seal {
        let closed = seal(&*edit, head, &found.index, found.end)?;
        catalogue.write().closed.insert(number, closed);
        return Ok(Repaired { damage: found.damage, active: None });
    }
    let active = Active { head, file: edit, end: found.end, index: found.index };
    Ok(Repaired { damage: found.damage, active: Some(active) })
}

/// A file that a crash left before its head was written holds nothing and goes; anything else is
/// left where it is, and told.
fn headless(catalogue: &Catalogue, file: &dyn File, name: &str) -> Result<Repaired, Error> {
    let bytes = file.size().map_err(Error::io("measure", name))?;
    if bytes <= FILE_HEAD as u64 {
        catalogue.shared.disk.remove(name).map_err(Error::io("remove", name))?;
        return Ok(Repaired::default());
    }
    let what = "not a log segment";
    let damage = vec![Damage { file: name.to_owned(), offset: 0, bytes, what }];
    Ok(Repaired { damage, active: None })
}
