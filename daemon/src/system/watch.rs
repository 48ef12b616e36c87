//! Noticing that something may have changed at a path, without asking again and again.
//!
//! A notice is a hint, never the truth: who gets one looks at the file. The path need not be there, nor
//! the folders above it. A file system that tells nothing (NFS, `/proc`) gives no notices; who waits
//! looks from time to time too.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::Later;

mod inotify;

pub use inotify::RealWatch;

/// What a folder says of what stands at a path. Two stamps of one file differ where it was changed or
/// replaced in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// When its content was last changed: nanoseconds since 1970, as far as they can be told.
    pub modified_ns: i64,
    /// Which file it is.
    pub inode: u64,
}

/// Notices that something may have changed at some paths. One for all who wait; its methods are called
/// from several tasks, [`Watch::noticed`] from one.
pub trait Watch: Send + Sync + fmt::Debug {
    /// Watches a path from now on. An error says that there will be no notices of it.
    fn watch(&self, path: &Path) -> Later<'static, io::Result<()>>;
    /// Watches it no longer.
    fn forget(&self, path: &Path);
    /// All that are watched.
    fn paths(&self) -> Vec<PathBuf>;
    /// The watched paths where something may have changed since the last call; waits until there is one.
    fn noticed(&self) -> Later<'_, Vec<PathBuf>>;
}
