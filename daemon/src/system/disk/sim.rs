//! A disk in memory: fails when told, fills up, and loses what was not synced.
//!
//! Crash model: bytes written since the last sync of a file are kept or lost sector by sector (512
//! bytes), as a seed decides; a power cut makes a new disk of what was left. Names (create, rename,
//! remove) are durable at once, which is what the store asks for with `sync_folder`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use redb::StorageBackend;

use super::{Backend, Disk, How, Lock, Place, Space, lock};

/// Bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// A disk in memory; cheap to clone, all clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct SimDisk {
    inner: Arc<Mutex<Inner>>,
    /// Whether syncs are held, and who waits for that to end.
    gate: Arc<(Mutex<bool>, Condvar)>,
}

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<PathBuf, SimFile>,
    folders: BTreeSet<PathBuf>,
    locked: BTreeSet<PathBuf>,
    faults: Faults,
}

#[derive(Debug, Default)]
struct Faults {
    /// Bytes that all files together may take; no limit where absent.
    capacity: Option<u64>,
    /// Writes and syncs until every further one fails; never where absent.
    fails_after: Option<u64>,
    /// Syncs until exactly one fails and loses what it should have kept.
    sync_fails_after: Option<u64>,
    /// Whether every read of an open file fails.
    reads_fail: bool,
    /// Operations (write, set_len, sync) so far.
    operations: u64,
    /// Syncs say that they were done and do nothing.
    lies: bool,
    /// Files opened for writing so far.
    openings: u64,
}

/// A file's bytes as the program sees them and as the medium has them.
#[derive(Debug, Clone, Default)]
pub struct SimFile {
    bytes: Arc<Mutex<Content>>,
}

#[derive(Debug, Default)]
struct Content {
    seen: Vec<u8>,
    synced: Vec<u8>,
    /// Sectors written since the last sync: only there the two may differ.
    dirty: BTreeSet<usize>,
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }
    /// All files together may take this much from now on.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        lock(&self.inner).faults.capacity = bytes;
    }
    /// After this many more writes and syncs each further one fails with EIO; `None` heals.
    pub fn fail_after(&self, operations: Option<u64>) {
        lock(&self.inner).faults.fails_after = operations;
    }
    /// From now on every read of an open file fails with EIO, or none does.
    pub fn fail_reads(&self, fail: bool) {
        lock(&self.inner).faults.reads_fail = fail;
    }
    /// The sync after this many more fails once and drops what was not synced.
    pub fn fail_one_sync_after(&self, syncs: u64) {
        lock(&self.inner).faults.sync_fails_after = Some(syncs);
    }
    /// From now on every sync says that it was done and does nothing, as some disks do. No store can
    /// stand that: it is there to show that a test sees what is lost.
    pub fn lie_about_syncs(&self) {
        lock(&self.inner).faults.lies = true;
    }
    /// While held, a sync waits: a disk so slow that everything else can be tried meanwhile.
    pub fn hold_syncs(&self, held: bool) {
        *self.gate.0.lock().unwrap_or_else(PoisonError::into_inner) = held;
        self.gate.1.notify_all();
    }
    /// How often a file was opened for writing so far.
    pub fn openings(&self) -> u64 {
        lock(&self.inner).faults.openings
    }
    /// Whether the sync that [`SimDisk::fail_one_sync_after`] asked for has failed.
    pub fn sync_has_failed(&self) -> bool {
        lock(&self.inner).faults.sync_fails_after.is_none()
    }
    /// Writes and syncs so far.
    pub fn operations(&self) -> u64 {
        lock(&self.inner).faults.operations
    }
    /// The bytes of a file as the program sees them.
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let file = lock(&self.inner).files.get(path).cloned()?;
        let bytes = lock(&file.bytes).seen.clone();
        Some(bytes)
    }
    /// Puts a file there, synced.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        let content = Content { synced: bytes.clone(), seen: bytes, dirty: BTreeSet::new() };
        let file = SimFile { bytes: Arc::new(Mutex::new(content)) };
        lock(&self.inner).files.insert(path.to_owned(), file);
    }
    /// The disk that a power cut at this moment leaves: each sector that was not synced is kept or
    /// lost as the bits that `coin` gives say. No locks, no faults.
    pub fn after_power_cut(&self, coin: &mut dyn FnMut() -> bool) -> SimDisk {
        let inner = lock(&self.inner);
        let mut files = BTreeMap::new();
        for (path, file) in &inner.files {
            let content = lock(&file.bytes);
            let keep_len = content.seen.len() == content.synced.len() || coin();
            let len = if keep_len { content.seen.len() } else { content.synced.len() };
            let mut image = content.synced.clone();
            image.resize(len, 0);
            for &sector in &content.dirty {
                if !coin() {
                    continue;
                }
                let from = sector * SECTOR;
                let to = (from + SECTOR).min(content.seen.len()).min(image.len());
                if from < to {
                    image[from..to].copy_from_slice(&content.seen[from..to]);
                }
            }
            let content = Content { synced: image.clone(), seen: image, dirty: BTreeSet::new() };
            files.insert(path.clone(), SimFile { bytes: Arc::new(Mutex::new(content)) });
        }
        let left = Inner {
            files,
            folders: inner.folders.clone(),
            locked: BTreeSet::new(),
            faults: Faults::default(),
        };
        SimDisk { inner: Arc::new(Mutex::new(left)), gate: Arc::default() }
    }

    fn used(inner: &Inner) -> u64 {
        inner.files.values().map(|file| lock(&file.bytes).seen.len() as u64).sum()
    }

    /// Counts an operation that changes the disk; fails where a fault is due.
    fn operate(&self, grows_by: u64) -> io::Result<()> {
        let mut inner = lock(&self.inner);
        inner.faults.operations += 1;
        if let Some(left) = inner.faults.fails_after.as_mut() {
            if *left == 0 {
                return Err(io::Error::from_raw_os_error(nix::libc::EIO));
            }
            *left -= 1;
        }
        match inner.faults.capacity {
            Some(capacity) if grows_by > 0 && Self::used(&inner) + grows_by > capacity => {
                Err(io::Error::from_raw_os_error(nix::libc::ENOSPC))
            }
            _ => Ok(()),
        }
    }

    /// Waits while syncs are held.
    fn pass_gate(&self) {
        let held = self.gate.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.gate.1.wait_while(held, |held| *held);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn sync_is_due_to_fail(&self) -> bool {
        let mut inner = lock(&self.inner);
        match inner.faults.sync_fails_after {
            Some(0) => {
                inner.faults.sync_fails_after = None;
                true
            }
            Some(left) => {
                inner.faults.sync_fails_after = Some(left - 1);
                false
            }
            None => false,
        }
    }
}

impl Disk for SimDisk {
    fn look(&self, path: &Path) -> io::Result<Place> {
        let inner = lock(&self.inner);
        if let Some(file) = inner.files.get(path) {
            return Ok(Place::File { len: lock(&file.bytes).seen.len() as u64 });
        }
        Ok(if inner.folders.contains(path) { Place::Folder } else { Place::Absent })
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let inner = lock(&self.inner);
        let here = |path: &&PathBuf| path.parent() == Some(folder);
        let name = |path: &PathBuf| path.file_name().map(|n| n.to_string_lossy().into_owned());
        let mut names: Vec<String> = inner.files.keys().filter(here).filter_map(name).collect();
        names.extend(inner.folders.iter().filter(here).filter_map(name));
        names.sort();
        Ok(names)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.operate(0)?;
        let mut inner = lock(&self.inner);
        for folder in path.ancestors() {
            inner.folders.insert(folder.to_owned());
        }
        Ok(())
    }

    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let mut bytes = self.bytes(path).ok_or(io::ErrorKind::NotFound)?;
        bytes.truncate(limit);
        Ok(bytes)
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.operate(bytes.len() as u64)?;
        self.put(path, bytes.to_vec());
        Ok(())
    }

    fn reserve(&self, path: &Path, bytes: u64) -> io::Result<()> {
        self.operate(bytes)?;
        self.put(path, vec![0; usize::try_from(bytes).map_err(io::Error::other)?]);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let gone = lock(&self.inner).files.remove(path);
        gone.map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(0)?;
        let mut inner = lock(&self.inner);
        let file = inner.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        inner.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        self.operate(0)
    }

    fn lock(&self, folder: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        if !lock(&self.inner).locked.insert(folder.to_owned()) {
            return Ok(None);
        }
        Ok(Some(Box::new(SimLock { disk: self.clone(), folder: folder.to_owned() })))
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        let inner = lock(&self.inner);
        let total = inner.faults.capacity.unwrap_or(1 << 40);
        Ok(Space { free: total.saturating_sub(Self::used(&inner)), total })
    }

    fn open(&self, path: &Path, how: How) -> io::Result<Backend> {
        if how == How::Create {
            self.operate(0)?;
        }
        let mut inner = lock(&self.inner);
        inner.faults.openings += u64::from(how != How::Look);
        let file = match (inner.files.get(path).cloned(), how) {
            (Some(_), How::Create) => return Err(io::ErrorKind::AlreadyExists.into()),
            (None, How::Create) => {
                let file = SimFile::default();
                inner.files.insert(path.to_owned(), file.clone());
                file
            }
            (Some(file), _) => file,
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Backend::new(SimBackend { disk: self.clone(), file, writes: how != How::Look }))
    }

    fn forget(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    folder: PathBuf,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        lock(&self.disk.inner).locked.remove(&self.folder);
    }
}

#[derive(Debug)]
struct SimBackend {
    disk: SimDisk,
    file: SimFile,
    writes: bool,
}

impl SimBackend {
    fn change(&self, grows_by: u64) -> io::Result<()> {
        if !self.writes {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.disk.operate(grows_by)
    }
}

impl StorageBackend for SimBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.file.bytes).seen.len() as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if lock(&self.disk.inner).faults.reads_fail {
            return Err(io::Error::from_raw_os_error(nix::libc::EIO));
        }
        let content = lock(&self.file.bytes);
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = content
            .seen
            .get(from..from + out.len())
            .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        out.copy_from_slice(bytes);
        Ok(())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        let had = lock(&self.file.bytes).seen.len() as u64;
        self.change(len.saturating_sub(had))?;
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let mut content = lock(&self.file.bytes);
        let had = content.seen.len();
        content.seen.resize(len, 0);
        // What is cut off and grows again is other than before, too.
        content.dirty.extend(len.min(had) / SECTOR..len.max(had).div_ceil(SECTOR));
        Ok(())
    }
    fn sync_data(&self) -> io::Result<()> {
        self.disk.pass_gate();
        self.change(0)?;
        if lock(&self.disk.inner).faults.lies {
            return Ok(());
        }
        let fails = self.disk.sync_is_due_to_fail();
        let mut content = lock(&self.file.bytes);
        let Content { seen, synced, dirty } = &mut *content;
        let (from, to) = if fails { (synced, seen) } else { (seen, synced) };
        to.resize(from.len(), 0);
        for sector in std::mem::take(dirty) {
            let range = sector * SECTOR..((sector + 1) * SECTOR).min(from.len());
            if !range.is_empty() {
                to[range.clone()].copy_from_slice(&from[range]);
            }
        }
        if fails {
            // What Linux does: the pages are dropped and marked clean, the next sync succeeds.
            return Err(io::Error::from_raw_os_error(nix::libc::EIO));
        }
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let to = from + data.len();
        let had = lock(&self.file.bytes).seen.len();
        self.change(to.saturating_sub(had) as u64)?;
        let mut content = lock(&self.file.bytes);
        if content.seen.len() < to {
            content.seen.resize(to, 0);
        }
        content.seen[from..to].copy_from_slice(data);
        content.dirty.extend(from / SECTOR..to.div_ceil(SECTOR));
        Ok(())
    }
}
