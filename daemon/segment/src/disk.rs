//! The few things that segments ask of a file system, and the real one.
//!
//! The writer and the readers see the disk through these two traits, so that [`crate::sim`] can
//! stand in for it and cut the power.

use std::fmt::Debug;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;

/// One folder with files in it, no folders below.
pub trait Disk: Debug + Send + Sync {
    /// The names of its files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// A file to read.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// A file to read and to write.
    fn edit(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// A new file to read and to write; an error where the name is taken.
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// Takes a file away.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Gives a file another name, in place of the file that has it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Makes the names durable.
    fn sync(&self) -> io::Result<()>;
}

/// An open file; every call names its place, so that readers and the writer can share it.
pub trait File: Debug + Send + Sync {
    /// Reads up to `into.len()` bytes; 0 at the end.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Its length.
    fn size(&self) -> io::Result<u64>;
    /// Cuts it (or fills it with zeros) to `size`.
    fn set_size(&self, size: u64) -> io::Result<()>;
    /// Makes its content durable.
    fn sync(&self) -> io::Result<()>;
}

/// Reads until `into` is full or the file ends; how much there was.
pub(crate) fn read_full(file: &dyn File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < into.len() {
        match file.read_at(&mut into[got..], offset + got as u64) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

/// A folder of the real file system. Files are 0600, the folder is made 0700.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at `path`, made (with those above it) where it is not there.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(Self { path })
    }
    /// The folder at `path`; nothing is made.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        fs::read_dir(&path)?;
        Ok(Self { path })
    }
}

impl Disk for Folder {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if let (true, Ok(name)) =
                (entry.file_type()?.is_file(), entry.file_name().into_string())
            {
                names.push(name);
            }
        }
        Ok(names)
    }
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(RealFile(fs::File::open(self.path.join(name))?)))
    }
    fn edit(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path.join(name))?;
        Ok(Arc::new(RealFile(file)))
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut how = OpenOptions::new();
        how.read(true).write(true).create_new(true).mode(0o600);
        Ok(Arc::new(RealFile(how.open(self.path.join(name))?)))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }
    fn sync(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }
}

#[derive(Debug)]
struct RealFile(fs::File);

impl File for RealFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(into, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.0.set_len(size)
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
