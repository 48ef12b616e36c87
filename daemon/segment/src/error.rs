//! What can go wrong in a folder of segments.

use std::io;

/// An error of the segment store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refused.
    #[error("{doing} {file}")]
    Io {
        /// For example `write`.
        doing: &'static str,
        /// The file's name in the folder.
        file: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A record is larger than a block may be.
    #[error("a record of {bytes} bytes is too large: at most {max}")]
    TooLarge {
        /// The record's size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A file of the folder does not begin as a segment does.
    #[error("{file} is not a log segment")]
    NotASegment {
        /// The file's name in the folder.
        file: String,
    },
    /// A file was written by a newer version.
    #[error("{file} has format {version}, newer than this program knows")]
    Newer {
        /// The file's name in the folder.
        file: String,
        /// Its format.
        version: u32,
    },
    /// A sync failed earlier, so what the disk holds is not known; reopen the writer.
    #[error("an earlier sync failed: the writer has to be reopened")]
    Failed,
}

impl Error {
    /// Whether the disk (or a quota) is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if matches!(source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge))
    }
    /// Whether a file is not there (any more): retention may remove one under a reader.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
    pub(crate) fn io(
        doing: &'static str,
        file: impl Into<String>,
    ) -> impl FnOnce(io::Error) -> Self {
        let file = file.into();
        move |source| Self::Io { doing, file, source }
    }
}
