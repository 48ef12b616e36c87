//! Files and folders. Writes are whole or not at all: a new file beside the old one, synced, then
//! renamed over it, then the folder synced. All work is done off the async threads.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use a2n_proto::Timestamp;
use nix::libc;

use super::Later;

/// Files and folders.
pub trait Files: Send + Sync + fmt::Debug {
    /// The whole of a regular file, refused beyond `at_most` bytes.
    fn read(&self, path: &Path, at_most: usize) -> Later<'_, Result<Content, FileError>>;
    /// Replaces the whole of a file; a crash leaves either the old or the new.
    fn write(&self, path: &Path, bytes: Vec<u8>, how: Writing)
    -> Later<'_, Result<u64, FileError>>;
    /// Adds to the end of a file and syncs it; answers its size.
    fn append(
        &self,
        path: &Path,
        bytes: Vec<u8>,
        how: Writing,
    ) -> Later<'_, Result<u64, FileError>>;
    /// Makes a folder (and those above it) that only its owner may enter.
    fn make_folder(&self, path: &Path) -> Later<'_, Result<(), FileError>>;
    /// Removes a folder with all in it; one that is not there is no error.
    fn remove_folder(&self, path: &Path) -> Later<'_, Result<(), FileError>>;
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// All of it.
    pub bytes: Vec<u8>,
    /// When it was last changed.
    pub modified: Timestamp,
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

/// `path` below `folder`, refused where it is absolute or climbs out.
pub fn beneath(folder: &Path, path: &Path) -> Result<PathBuf, FileError> {
    if path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        Ok(folder.join(path))
    } else {
        Err(FileError::Outside { path: path.to_owned() })
    }
}

/// The machine's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFiles;

impl Files for RealFiles {
    fn read(&self, path: &Path, at_most: usize) -> Later<'_, Result<Content, FileError>> {
        off_thread(path, move |path| read(path, at_most))
    }
    fn write(
        &self,
        path: &Path,
        bytes: Vec<u8>,
        how: Writing,
    ) -> Later<'_, Result<u64, FileError>> {
        off_thread(path, move |path| write(path, &bytes, &how))
    }
    fn append(
        &self,
        path: &Path,
        bytes: Vec<u8>,
        how: Writing,
    ) -> Later<'_, Result<u64, FileError>> {
        off_thread(path, move |path| append(path, &bytes, &how))
    }
    fn make_folder(&self, path: &Path) -> Later<'_, Result<(), FileError>> {
        off_thread(path, |path| {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(|e| io_error(path, e))
        })
    }
    fn remove_folder(&self, path: &Path) -> Later<'_, Result<(), FileError>> {
        off_thread(path, |path| match fs::remove_dir_all(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error(path, e)),
            _ => Ok(()),
        })
    }
}

fn off_thread<'a, T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&Path) -> Result<T, FileError> + Send + 'static,
) -> Later<'a, Result<T, FileError>> {
    let path = path.to_owned();
    Box::pin(async move {
        let given = path.clone();
        match tokio::task::spawn_blocking(move || work(&path)).await {
            Ok(done) => done,
            Err(e) => Err(io_error(&given, io::Error::other(e))),
        }
    })
}

fn read(path: &Path, at_most: usize) -> Result<Content, FileError> {
    let mut options = OpenOptions::new();
    let mut file = open_regular(path, options.read(true))?;
    let facts = file.metadata().map_err(|e| io_error(path, e))?;
    let mut bytes = Vec::new();
    // Files of /proc say they are empty, so the size is found by reading.
    let limit = u64::try_from(at_most).unwrap_or(u64::MAX).saturating_add(1);
    Read::by_ref(&mut file).take(limit).read_to_end(&mut bytes).map_err(|e| io_error(path, e))?;
    if bytes.len() > at_most {
        return Err(FileError::TooLarge { path: path.to_owned(), at_most });
    }
    let modified = facts.mtime() * 1000 + facts.mtime_nsec() / 1_000_000;
    Ok(Content { bytes, modified: Timestamp::from_unix_ms(modified) })
}

fn write(path: &Path, bytes: &[u8], how: &Writing) -> Result<u64, FileError> {
    // A link is followed: its target is replaced, not the link.
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(e) if e.kind() == io::ErrorKind::NotFound && how.create => path.to_owned(),
        Err(e) => return Err(io_error(path, e)),
    };
    let old = fs::metadata(&target).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return Err(FileError::NotRegular { path: target });
    }
    let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(FileError::NotRegular { path: target });
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let temporary = folder.join(temporary_name(name, &how.tag));
    let mode = how.mode.or_else(|| old.as_ref().map(|o| o.mode() & 0o7777)).unwrap_or(0o644);
    let written = (|| {
        let _left_over = fs::remove_file(&temporary);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(&temporary)?;
        file.write_all(bytes)?;
        if let Some(old) = &old {
            // Only root may give files away; for others the file stays theirs.
            let _not_root = std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()));
        }
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&temporary, &target)?;
        File::open(folder)?.sync_all()
    })();
    written.map_err(|e| {
        let _not_made = fs::remove_file(&temporary);
        io_error(path, e)
    })?;
    Ok(bytes.len() as u64)
}

fn append(path: &Path, bytes: &[u8], how: &Writing) -> Result<u64, FileError> {
    let is_new = !path.exists();
    let mut options = OpenOptions::new();
    options.append(true).create(how.create).mode(0o600);
    let mut file = open_regular(path, &mut options)?;
    let done = (|| {
        match how.mode {
            Some(mode) => file.set_permissions(Permissions::from_mode(mode))?,
            None if is_new => file.set_permissions(Permissions::from_mode(0o644))?,
            None => {}
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        if let (true, Some(folder)) = (is_new, path.parent()) {
            File::open(folder)?.sync_all()?;
        }
        file.metadata()
    })();
    done.map(|facts| facts.len()).map_err(|e| io_error(path, e))
}

/// Opens without waiting for the other end of a pipe or the carrier of a line.
fn open_regular(path: &Path, options: &mut OpenOptions) -> Result<File, FileError> {
    let opened = options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = opened.map_err(|e| match e.raw_os_error() {
        Some(libc::ENXIO | libc::EISDIR) => FileError::NotRegular { path: path.to_owned() },
        _ => io_error(path, e),
    })?;
    match file.metadata() {
        Ok(facts) if facts.is_file() => Ok(file),
        Ok(_) => Err(FileError::NotRegular { path: path.to_owned() }),
        Err(e) => Err(io_error(path, e)),
    }
}

fn temporary_name(name: &std::ffi::OsStr, tag: &str) -> OsString {
    let tag = xxhash_rust::xxh3::xxh3_64(tag.as_bytes());
    // Names end at 255 bytes: a long one is known by its hash alone.
    let mut temporary = OsString::from(".");
    if name.len() < 200 {
        temporary.push(name);
    } else {
        let hash = xxhash_rust::xxh3::xxh3_64(name.as_encoded_bytes());
        temporary.push(format!("{hash:016x}"));
    }
    temporary.push(format!(".a2n-{tag:016x}"));
    temporary
}

fn io_error(path: &Path, source: io::Error) -> FileError {
    FileError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn how(create: bool) -> Writing {
        Writing { create, mode: None, tag: "t".into() }
    }

    #[tokio::test]
    async fn a_write_replaces_the_whole_and_keeps_mode_and_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("f"), folder.path().join("l"));
        RealFiles.write(&file, b"one".to_vec(), how(true)).await.unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(RealFiles.write(&link, b"two!".to_vec(), how(false)).await.unwrap(), 4);
        assert_eq!(fs::read(&file).unwrap(), b"two!");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[tokio::test]
    async fn append_adds_and_answers_the_size() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        let refused = RealFiles.append(&file, b"x".to_vec(), how(false)).await;
        assert!(matches!(refused, Err(FileError::Io { .. })), "{refused:?}");
        RealFiles.append(&file, b"one\n".to_vec(), how(true)).await.unwrap();
        assert_eq!(RealFiles.append(&file, b"two\n".to_vec(), how(false)).await.unwrap(), 8);
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
            let write = RealFiles.write(path, Vec::new(), how(true)).await;
            assert!(matches!(write, Err(FileError::NotRegular { .. })), "{write:?}");
            let append = RealFiles.append(path, Vec::new(), how(true)).await;
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
