//! Walking through a file's bytes where there is no index (or it is not believed).
//!
//! The walk goes from block to block. At bytes that are none it looks for the next block; where
//! there is one, the bytes between are damage in the middle of the file; where there is none, they
//! are the torn tail that an interrupted write leaves, and the file's good part ends before them.

use crate::disk::{self, File};
use crate::error::Error;
use crate::format::{
    self, BLOCK_MAGIC, FILE_HEAD, FileHead, HEADER, Header, Kind, TRAILER, Trailer,
};
use crate::index::{Entry, Index};

/// Bytes of a file that are not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file's name in the folder.
    pub file: String,
    /// Where they begin.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
    /// What is wrong with them.
    pub what: &'static str,
}

/// What a walk through a file found.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    pub(crate) index: Index,
    /// Where the last good block ends.
    pub(crate) end: u64,
    /// Bytes behind `end` that are neither blocks nor an index.
    pub(crate) torn: u64,
    pub(crate) damage: Vec<Damage>,
}

/// Reads and checks a file's first bytes.
pub(crate) fn head(file: &dyn File, number: u64) -> Result<FileHead, Error> {
    let name = format::file_name(number);
    let mut bytes = [0u8; FILE_HEAD];
    let got = disk::read_full(file, &mut bytes, 0).map_err(Error::io("read", &*name))?;
    FileHead::decode(&bytes[..got], number).map_err(|newer| match newer {
        Some(version) => Error::Newer { file: name, version },
        None => Error::NotASegment { file: name },
    })
}

/// The trailer of a sealed file.
pub(crate) fn trailer(file: &dyn File, head: FileHead) -> Result<Option<Trailer>, Error> {
    let name = format::file_name(head.number);
    let size = file.size().map_err(Error::io("measure", &*name))?;
    let Some(at) = size.checked_sub(TRAILER as u64).filter(|&at| at >= FILE_HEAD as u64) else {
        return Ok(None);
    };
    let mut bytes = [0u8; TRAILER];
    let got = disk::read_full(file, &mut bytes, at).map_err(Error::io("read", &*name))?;
    Ok((got == TRAILER).then(|| Trailer::decode(&bytes, head.salt, at)).flatten())
}

/// The index that `trailer` names; `None` where it does not hold.
pub(crate) fn index(
    file: &dyn File,
    head: FileHead,
    trailer: &Trailer,
) -> Result<Option<Index>, Error> {
    let at = trailer.index_at;
    let Some((header, body)) = block(file, head, at)? else { return Ok(None) };
    if header.kind != Kind::Index || u64::from(header.n_records) != trailer.n_blocks {
        return Ok(None);
    }
    Ok(Index::decode(&body, at))
}

/// The header and the checked body of the block at `offset`; `None` where there is no good one.
pub(crate) fn block(
    file: &dyn File,
    head: FileHead,
    offset: u64,
) -> Result<Option<(Header, Vec<u8>)>, Error> {
    let name = format::file_name(head.number);
    let mut bytes = [0u8; HEADER];
    let got = disk::read_full(file, &mut bytes, offset).map_err(Error::io("read", &*name))?;
    if got < HEADER {
        return Ok(None);
    }
    let Some((header, sum)) = Header::decode(&bytes, head.salt, offset) else { return Ok(None) };
    let mut body = vec![0u8; header.body as usize];
    let got = disk::read_full(file, &mut body, offset + HEADER as u64)
        .map_err(Error::io("read", &*name))?;
    let holds = got == body.len() && format::body_holds(&body, sum, head.salt, offset);
    Ok(holds.then_some((header, body)))
}

/// Walks through all of a file.
pub(crate) fn walk(file: &dyn File, head: FileHead) -> Result<Scanned, Error> {
    let name = format::file_name(head.number);
    let size = file.size().map_err(Error::io("measure", &*name))?;
    let mut found = Scanned { end: FILE_HEAD as u64, ..Scanned::default() };
    let mut at = found.end;
    while at < size {
        if let Some((header, _)) = block(file, head, at)? {
            let entry = Entry { offset: at, header };
            if header.kind == Kind::Index {
                break;
            }
            at = entry.end();
            found.end = at;
            found.index.push(entry);
            continue;
        }
        let Some(next) = next_block(file, head, at + 1, size)? else {
            found.torn = size - at;
            break;
        };
        found.damage.push(Damage {
            file: name.clone(),
            offset: at,
            bytes: next - at,
            what: "not a block, and blocks follow",
        });
        at = next;
    }
    Ok(found)
}

/// The first place from `at` on where a good block begins.
fn next_block(
    file: &dyn File,
    head: FileHead,
    mut at: u64,
    size: u64,
) -> Result<Option<u64>, Error> {
    let name = format::file_name(head.number);
    let mut window = vec![0u8; 256 * 1024];
    while at + HEADER as u64 <= size {
        let got = disk::read_full(file, &mut window, at).map_err(Error::io("read", &*name))?;
        for start in 0..got.saturating_sub(HEADER - 1) {
            if window[start..start + 4] != BLOCK_MAGIC {
                continue;
            }
            let offset = at + start as u64;
            if block(file, head, offset)?.is_some() {
                return Ok(Some(offset));
            }
        }
        if got < window.len() {
            break;
        }
        at += (got - (HEADER - 1)) as u64;
    }
    Ok(None)
}
