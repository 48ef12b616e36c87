//! Files and folders. Writes are whole or not at all: a new file beside the old one, synced, then
//! renamed over it, then the folder synced. Contents come and go in pieces, so that a large file is
//! never whole in memory.

use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use a2n_proto::Timestamp;

use super::watch::{Stamp, Watch};
use super::{Later, Pieces};

mod real;

pub use real::RealFiles;

/// Files and folders.
pub trait Files: Send + Sync + fmt::Debug {
    /// The whole of a regular file, refused beyond `at_most` bytes.
    fn read(&self, path: &Path, at_most: usize) -> Later<'_, Result<Content, FileError>>;
    /// A regular file to be read piece by piece.
    fn open(&self, path: &Path) -> Later<'_, Result<Opened, FileError>>;
    /// Replaces the whole of a file; a crash leaves either the old or the new. Answers its size.
    fn write(
        &self,
        path: &Path,
        content: Box<dyn Pieces<FileError>>,
        how: Writing,
    ) -> Later<'_, Result<u64, FileError>>;
    /// Adds to the end of a file and syncs it; answers its size.
    fn append(
        &self,
        path: &Path,
        content: Box<dyn Pieces<FileError>>,
        how: Writing,
    ) -> Later<'_, Result<u64, FileError>>;
    /// Makes a folder (and those above it) that only its owner may enter.
    fn make_folder(&self, path: &Path) -> Later<'_, Result<(), FileError>>;
    /// Removes a folder with all in it; one that is not there is no error.
    fn remove_folder(&self, path: &Path) -> Later<'_, Result<(), FileError>>;
    /// What stands at a path, of whatever sort, behind links; none where nothing does.
    fn stamp(&self, path: &Path) -> Later<'_, Result<Option<Stamp>, FileError>>;
    /// Something that notices changes. Must be asked for where tokio runs.
    fn watch(&self) -> io::Result<Arc<dyn Watch>>;
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// All of it.
    pub bytes: Vec<u8>,
    /// When it was last changed.
    pub modified: Timestamp,
}

/// A file that is read piece by piece.
#[derive(Debug)]
pub struct Opened {
    /// What its folder says of its length; files of `/proc` say zero.
    pub size: u64,
    /// When it was last changed.
    pub modified: Timestamp,
    /// Its bytes.
    pub pieces: Box<dyn Pieces<FileError>>,
}

/// How a file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writing {
    /// Whether a file that is not there is made.
    pub create: bool,
    /// Permission bits; those of the existing file, or 0644, where none.
    pub mode: Option<u32>,
    /// Names the temporary file, so that a repeated write takes over what a broken one left.
    pub tag: String,
}

/// What can be wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A device, folder, pipe or socket.
    #[error("{} is not a regular file", .path.display())]
    NotRegular {
        /// Which.
        path: PathBuf,
    },
    /// More than the reader takes.
    #[error("{} is larger than {at_most} bytes", .path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// The limit.
        at_most: usize,
    },
    /// A path that leads out of its folder.
    #[error("{} leads out of its folder", .path.display())]
    Outside {
        /// Which.
        path: PathBuf,
    },
    /// What the kernel said.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl FileError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
    /// Whether the disk has no room left.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_full(source))
    }
}

/// Whether the disk had no room: full, over quota, or larger than a file may be.
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// `path` below `folder`, refused where it is absolute or climbs out.
pub fn beneath(folder: &Path, path: &Path) -> Result<PathBuf, FileError> {
    if path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        Ok(folder.join(path))
    } else {
        Err(FileError::Outside { path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;
    use crate::system::whole;

    fn how(create: bool) -> Writing {
        Writing { create, mode: None, tag: "t".into() }
    }

    #[tokio::test]
    async fn a_write_replaces_the_whole_and_keeps_mode_and_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("f"), folder.path().join("l"));
        RealFiles.write(&file, whole("one"), how(true)).await.unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(RealFiles.write(&link, whole("two!"), how(false)).await.unwrap(), 4);
        assert_eq!(fs::read(&file).unwrap(), b"two!");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[tokio::test]
    async fn append_adds_and_answers_the_size() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        let refused = RealFiles.append(&file, whole("x"), how(false)).await;
        assert!(matches!(refused, Err(FileError::Io { .. })), "{refused:?}");
        RealFiles.append(&file, whole("one\n"), how(true)).await.unwrap();
        assert_eq!(RealFiles.append(&file, whole("two\n"), how(false)).await.unwrap(), 8);
        let content = RealFiles.read(&file, 8).await.unwrap();
        assert_eq!(content.bytes, b"one\ntwo\n");
        let refused = RealFiles.read(&file, 7).await;
        assert!(matches!(refused, Err(FileError::TooLarge { .. })), "{refused:?}");
    }

    #[tokio::test]
    async fn what_is_no_regular_file_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("p");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [pipe.as_path(), Path::new("/dev/zero"), folder.path()] {
            let read = RealFiles.read(path, 10).await;
            assert!(matches!(read, Err(FileError::NotRegular { .. })), "{read:?}");
            let write = RealFiles.write(path, whole(""), how(true)).await;
            assert!(matches!(write, Err(FileError::NotRegular { .. })), "{write:?}");
            let append = RealFiles.append(path, whole(""), how(true)).await;
            assert!(matches!(append, Err(FileError::NotRegular { .. })), "{append:?}");
        }
        assert!(
            !RealFiles.read(Path::new("/proc/self/stat"), 9999).await.unwrap().bytes.is_empty()
        );
    }

    #[test]
    fn a_path_that_climbs_out_is_refused() {
        assert_eq!(beneath(Path::new("/a"), Path::new("b/./c")).unwrap(), Path::new("/a/b/./c"));
        assert!(beneath(Path::new("/a"), Path::new("b/../../c")).is_err());
        assert!(beneath(Path::new("/a"), Path::new("/etc/passwd")).is_err());
    }
}
