//! The machine's own disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise, posix_fallocate};
use nix::sys::statvfs::statvfs;
use redb::backends::FileBackend;

use super::{Backend, Disk, How, Lock, Place, Space};

/// The machine's own disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl RealDisk {
    /// Whose a file or folder is, and its permission bits.
    pub fn owner_and_mode(path: &Path) -> io::Result<(u32, u32)> {
        use std::os::unix::fs::MetadataExt;
        let found = fs::metadata(path)?;
        Ok((found.uid(), found.mode() & 0o7777))
    }
}

#[derive(Debug)]
struct FolderLock {
    /// The kernel lets go of the lock when this is closed.
    _folder: File,
}

impl Lock for FolderLock {}

impl Disk for RealDisk {
    fn look(&self, path: &Path) -> io::Result<Place> {
        match fs::metadata(path) {
            Ok(there) if there.is_dir() => Ok(Place::Folder),
            Ok(there) if there.is_file() => Ok(Place::File { len: there.len() }),
            Ok(_) => Ok(Place::Other),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Place::Absent),
            Err(e) => Err(e),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(limit as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let beside = path.with_extension("new");
        let written = (|| {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&beside)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            self.rename(&beside, path)
        })();
        if written.is_err() {
            // Half a file would only confuse whoever looks at the folder.
            let _ = fs::remove_file(&beside);
        }
        written
    }

    fn reserve(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let len = i64::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
        let reserved = posix_fallocate(&file, 0, len).map_err(io::Error::from);
        if reserved.is_err() {
            let _ = fs::remove_file(path);
        }
        reserved
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        match to.parent() {
            Some(folder) => self.sync_folder(folder),
            None => Ok(()),
        }
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn lock(&self, folder: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let folder = File::open(folder)?;
        match folder.try_lock() {
            Ok(()) => Ok(Some(Box::new(FolderLock { _folder: folder }))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(e)) => Err(e),
        }
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let there = statvfs(path)?;
        let unit = there.fragment_size();
        Ok(Space { free: there.blocks_available() * unit, total: there.blocks() * unit })
    }

    fn open(&self, path: &Path, how: How) -> io::Result<Backend> {
        let mut options = OpenOptions::new();
        options.read(true).mode(0o600);
        match how {
            How::Look => {}
            How::Write => {
                options.write(true);
            }
            How::Create => {
                options.write(true).create_new(true);
            }
        }
        let file = options.open(path)?;
        FileBackend::new(file).map(Backend::new).map_err(io::Error::other)
    }

    fn forget(&self, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).map_err(Into::into)
    }
}
