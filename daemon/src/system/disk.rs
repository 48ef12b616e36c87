//! The disk: folders, small whole files, locks, free space, and the files that a database lives in.
//!
//! The store is the only user. [`RealDisk`] is the machine's; [`SimDisk`] keeps everything in
//! memory and can fail, fill up, and lose what was not synced, so that the same store code is tried
//! against power cuts. Invariant: nothing here decides anything; it does what is asked or says why not.

mod real;
mod sim;

use std::fmt;
use std::io;
use std::ops::Bound;
use std::path::Path;

use redb::{BackendError, StorageBackend};

pub use real::RealDisk;
pub use sim::{SimDisk, SimFile};

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nothing.
    Absent,
    /// A file of this many bytes.
    File {
        /// Its length.
        len: u64,
    },
    /// A folder.
    Folder,
    /// A device, a socket, a pipe.
    Other,
}

/// Room on the file system that holds a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that we may still write.
    pub free: u64,
    /// Bytes that the file system has.
    pub total: u64,
}

/// How a database file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It must exist and is not changed.
    Look,
    /// It must exist.
    Write,
    /// It must not exist; made with mode 0600.
    Create,
}

/// Held until dropped; another process (or another opening in this one) can't hold it meanwhile.
pub trait Lock: Send + Sync + fmt::Debug {}

/// Folders and files.
pub trait Disk: Send + Sync + fmt::Debug {
    /// What stands there; symbolic links are followed.
    fn look(&self, path: &Path) -> io::Result<Place>;
    /// The names in a folder, sorted.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Makes a folder, and those above it that are missing, with mode 0700.
    fn make_folder(&self, path: &Path) -> io::Result<()>;
    /// Up to `limit` bytes from the start of a file.
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>>;
    /// Replaces a file as a whole: it has either the old bytes or the new ones, also after a crash.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Makes a file that really takes up `bytes` on the disk.
    fn reserve(&self, path: &Path, bytes: u64) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Renames a file within a folder, durably.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Takes the lock of a folder; `None` where somebody else has it.
    fn lock(&self, folder: &Path) -> io::Result<Option<Box<dyn Lock>>>;
    /// Room on the file system.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// Opens a database file.
    fn open(&self, path: &Path, how: How) -> io::Result<Backend>;
    /// Forgets cached pages of a file, so that the next read tells what is really on the disk.
    fn forget(&self, path: &Path) -> io::Result<()>;
}

/// A database file of any disk.
#[derive(Debug)]
pub struct Backend(Box<dyn StorageBackend>);

impl Backend {
    /// Wraps a back end.
    pub fn new(inner: impl StorageBackend) -> Self {
        Self(Box::new(inner))
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }
    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }
    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }
    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }
    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }
    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}

/// A file that is only read: what is written over it stays in memory and is forgotten. Lets a
/// database that was not closed cleanly be looked at, its repair included, without touching it.
#[derive(Debug)]
pub struct Overlay {
    below: Backend,
    above: std::sync::Mutex<Above>,
}

#[derive(Debug)]
struct Above {
    len: u64,
    /// Where the file below ends for us: cut off once is cut off for good.
    below_len: u64,
    pages: std::collections::BTreeMap<u64, Box<[u8]>>,
}

/// Pages of the overlay; any size works, this is redb's.
const PAGE: u64 = 4096;

impl Overlay {
    /// Lays memory over a file.
    pub fn over(below: Backend) -> io::Result<Self> {
        let len = below.len()?;
        let above = Above { len, below_len: len, pages: std::collections::BTreeMap::new() };
        Ok(Self { below, above: std::sync::Mutex::new(above) })
    }

    fn page(&self, above: &Above, number: u64) -> io::Result<Box<[u8]>> {
        if let Some(page) = above.pages.get(&number) {
            return Ok(page.clone());
        }
        let mut page = vec![0u8; PAGE as usize].into_boxed_slice();
        let start = number * PAGE;
        let here = above.below_len.saturating_sub(start).min(PAGE);
        if here > 0 {
            self.below.read(start, &mut page[..here as usize])?;
        }
        Ok(page)
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.above).len)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let above = lock(&self.above);
        if offset + out.len() as u64 > above.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        while done < out.len() {
            let at = offset + done as u64;
            let within = (at % PAGE) as usize;
            let n = (PAGE as usize - within).min(out.len() - done);
            let page = self.page(&above, at / PAGE)?;
            out[done..done + n].copy_from_slice(&page[within..within + n]);
            done += n;
        }
        Ok(())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut above = lock(&self.above);
        if len < above.len {
            above.below_len = above.below_len.min(len);
            let first_gone = len.div_ceil(PAGE);
            above.pages.split_off(&first_gone);
            if !len.is_multiple_of(PAGE) {
                let mut page = self.page(&above, len / PAGE)?;
                page[(len % PAGE) as usize..].fill(0);
                above.pages.insert(len / PAGE, page);
            }
        }
        above.len = len;
        Ok(())
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut above = lock(&self.above);
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            let within = (at % PAGE) as usize;
            let n = (PAGE as usize - within).min(data.len() - done);
            let mut page = self.page(&above, at / PAGE)?;
            page[within..within + n].copy_from_slice(&data[done..done + n]);
            above.pages.insert(at / PAGE, page);
            done += n;
        }
        above.len = above.len.max(offset + data.len() as u64);
        Ok(())
    }
    fn close(&self) -> io::Result<()> {
        self.below.close()
    }
}

/// A panic while the lock was held leaves plain bytes behind, never half a structure.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
