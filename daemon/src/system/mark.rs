//! Sixteen bytes that a process leaves for the one after it: what it was busy with.
//!
//! Written without syncing: it tells how a process died, not what the power took.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Busy with nothing.
const NOTHING: [u8; 16] = [0; 16];

/// Where it is written.
pub trait Mark: Send + Sync + fmt::Debug {
    /// Busy with this from now on; with nothing where absent.
    fn set(&self, what: Option<[u8; 16]>);
}

/// Nobody asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMark;

impl Mark for NoMark {
    fn set(&self, _: Option<[u8; 16]>) {}
}

/// A file.
#[derive(Debug)]
pub struct FileMark {
    file: File,
    failed: AtomicBool,
}

impl FileMark {
    /// Opens the file, and says what the process before was busy with.
    pub fn open(path: &Path) -> io::Result<(Self, Option<[u8; 16]>)> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        let mut before = NOTHING;
        let left = match file.read_exact_at(&mut before, 0) {
            Ok(()) if before != NOTHING => Some(before),
            Ok(()) => None,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(error),
        };
        Ok((Self { file, failed: AtomicBool::new(false) }, left))
    }
}

impl Mark for FileMark {
    fn set(&self, what: Option<[u8; 16]>) {
        let written = self.file.write_all_at(&what.unwrap_or(NOTHING), 0);
        if let Err(error) = written
            && !self.failed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%error, "which execution the engine works on is not noted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_process_reads_what_the_last_one_was_busy_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("busy");
        let (mark, left) = FileMark::open(&path).unwrap();
        assert_eq!(left, None);
        mark.set(Some([7; 16]));
        assert_eq!(FileMark::open(&path).unwrap().1, Some([7; 16]));
        mark.set(None);
        assert_eq!(FileMark::open(&path).unwrap().1, None);
    }
}
