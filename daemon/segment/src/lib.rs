//! Append-only log segments: the file format that the daemon and its step shim share.
//!
//! A folder holds numbered files. A file is a head, then blocks of up to 64 KiB, each of one
//! *stream* with a checked header, and when it is full an index and a trailer ("sealed"). A record
//! is opaque bytes with a number (`seq`) and a time. One [`Writer`] appends; any number of
//! [`Reader`]s go forwards or backwards beside it. Invariants: a record is found only after it is
//! in its file; a seq is never given to two records of a stream, not even across a power cut; any
//! bytes in a file lead to an error or to fewer records, never to a panic or a wrong record.

mod block;
mod catalogue;
mod disk;
mod error;
mod format;
mod index;
mod life;
mod reader;
mod scan;
pub mod sim;
mod verify;
mod writer;

pub use block::{Block, Record};
pub use catalogue::{Catalogue, Totals};
pub use disk::{Disk, File, Folder};
pub use error::Error;
pub use format::{Group, MAX_RECORD, Stream};
pub use reader::{Position, Query, Reader};
pub use scan::Damage;
pub use verify::Report;
pub use writer::{Expired, Options, Writer};

/// Seqs are reserved in runs of this many: before the first of a run is shown, the last of the run
/// before it is durable. So after a power cut a writer that goes on at the next run's start is
/// above anything a reader may have seen.
pub const RESERVED: u64 = 65_536;

/// The first seq that nobody can have seen, where `durable` is the highest that survived a power
/// cut (0 where none did).
pub fn above_reserved(durable: u64) -> u64 {
    (durable.saturating_add(1) / RESERVED).saturating_add(1).saturating_mul(RESERVED)
}
