//! The machine's files. All work is done off the async threads, one piece at a time.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use a2n_proto::Timestamp;
use bytes::Bytes;
use nix::libc;

use super::{Content, FileError, Files, Opened, Writing};
use crate::system::watch::{RealWatch, Stamp, Watch};
use crate::system::{Later, Pieces};

/// One read of a file.
const PIECE_BYTES: usize = 256 * 1024;

/// The machine's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFiles;

impl Files for RealFiles {
    fn read(&self, path: &Path, at_most: usize) -> Later<'_, Result<Content, FileError>> {
        off_thread(path, move |path| read(path, at_most))
    }
    fn open(&self, path: &Path) -> Later<'_, Result<Opened, FileError>> {
        off_thread(path, |path| {
            let file = open_regular(path, OpenOptions::new().read(true))?;
            let facts = file.metadata().map_err(|e| FileError::io(path, e))?;
            let pieces = Box::new(Reading { path: path.to_owned(), file: Some(file) });
            Ok(Opened { size: facts.len(), modified: modified(&facts), pieces })
        })
    }
    fn write(
        &self,
        path: &Path,
        content: Box<dyn Pieces<FileError>>,
        how: Writing,
    ) -> Later<'_, Result<u64, FileError>> {
        let path = path.to_owned();
        Box::pin(async move {
            let begun = off_thread(&path, move |path| Replacing::begin(path, &how)).await?;
            let written = pour(&path, begun, content).await?;
            off_thread(&path, |path| written.finish(path)).await
        })
    }
    fn append(
        &self,
        path: &Path,
        content: Box<dyn Pieces<FileError>>,
        how: Writing,
    ) -> Later<'_, Result<u64, FileError>> {
        let path = path.to_owned();
        Box::pin(async move {
            let begun = off_thread(&path, move |path| Appending::begin(path, &how)).await?;
            let written = pour(&path, begun, content).await?;
            off_thread(&path, |path| written.finish(path)).await
        })
    }
    fn make_folder(&self, path: &Path) -> Later<'_, Result<(), FileError>> {
        off_thread(path, |path| {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(|e| FileError::io(path, e))
        })
    }
    fn remove_folder(&self, path: &Path) -> Later<'_, Result<(), FileError>> {
        off_thread(path, |path| match fs::remove_dir_all(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(FileError::io(path, e)),
            _ => Ok(()),
        })
    }
    fn stamp(&self, path: &Path) -> Later<'_, Result<Option<Stamp>, FileError>> {
        off_thread(path, |path| match fs::metadata(path) {
            Ok(facts) => Ok(Some(Stamp {
                size: facts.len(),
                modified_ns: facts
                    .mtime()
                    .saturating_mul(1_000_000_000)
                    .saturating_add(facts.mtime_nsec()),
                inode: facts.ino(),
            })),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(FileError::io(path, e)),
        })
    }
    fn watch(&self) -> io::Result<Arc<dyn Watch>> {
        Ok(Arc::new(RealWatch::new()?))
    }
}

/// Whether nothing stands at a path, or it leads through what is no folder.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
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
            Err(e) => Err(FileError::io(&given, io::Error::other(e))),
        }
    })
}

/// Somewhere that pieces go.
trait Sink: Send + Sized + 'static {
    fn put(&mut self, path: &Path, piece: &[u8]) -> Result<(), FileError>;
    /// Undoes what was put where there will be no more.
    fn take_back(&mut self) {}
}

async fn pour<S: Sink>(
    path: &Path,
    mut sink: S,
    mut content: Box<dyn Pieces<FileError>>,
) -> Result<S, FileError> {
    loop {
        let next = content.next().await;
        let put = move |path: &Path| {
            let put = match &next {
                Ok(Some(piece)) => sink.put(path, piece).map(|()| true),
                _ => next.map(|_| false),
            };
            if put.is_err() {
                sink.take_back();
            }
            put.map(|more| (sink, more))
        };
        let more;
        (sink, more) = off_thread(path, put).await?;
        if !more {
            return Ok(sink);
        }
    }
}

/// A new file on its way to the place of the old one. Dropped before its end, it leaves nothing.
struct Replacing {
    file: File,
    temporary: Option<PathBuf>,
    target: PathBuf,
    folder: PathBuf,
    old: Option<Metadata>,
    mode: u32,
    written: u64,
}

impl Replacing {
    fn begin(path: &Path, how: &Writing) -> Result<Self, FileError> {
        // A link is followed: its target is replaced, not the link.
        let target = match fs::canonicalize(path) {
            Ok(target) => target,
            Err(e) if e.kind() == io::ErrorKind::NotFound && how.create => path.to_owned(),
            Err(e) => return Err(FileError::io(path, e)),
        };
        let old = fs::metadata(&target).ok();
        if old.as_ref().is_some_and(|old| !old.is_file()) {
            return Err(FileError::NotRegular { path: target });
        }
        let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(FileError::NotRegular { path: target });
        };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let folder = folder.to_owned();
        let temporary = folder.join(temporary_name(name, &how.tag));
        let mode = how.mode.or_else(|| old.as_ref().map(|o| o.mode() & 0o7777)).unwrap_or(0o644);
        let _left_over = fs::remove_file(&temporary);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let file = options.open(&temporary).map_err(|e| FileError::io(path, e))?;
        Ok(Self { file, temporary: Some(temporary), target, folder, old, mode, written: 0 })
    }
    fn finish(mut self, path: &Path) -> Result<u64, FileError> {
        let done = (|| {
            if let Some(old) = &self.old {
                // Only root may give files away; for others the file stays theirs.
                let (owner, group) = (Some(old.uid()), Some(old.gid()));
                let _not_root = std::os::unix::fs::fchown(&self.file, owner, group);
            }
            self.file.set_permissions(Permissions::from_mode(self.mode))?;
            self.file.sync_all()?;
            if let Some(temporary) = &self.temporary {
                fs::rename(temporary, &self.target)?;
            }
            self.temporary = None;
            File::open(&self.folder)?.sync_all()
        })();
        done.map(|()| self.written).map_err(|e| FileError::io(path, e))
    }
}

impl Sink for Replacing {
    fn put(&mut self, path: &Path, piece: &[u8]) -> Result<(), FileError> {
        self.written += piece.len() as u64;
        self.file.write_all(piece).map_err(|e| FileError::io(path, e))
    }
}

impl Drop for Replacing {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            let _not_made = fs::remove_file(temporary);
        }
    }
}

/// A file that gets longer.
struct Appending {
    file: File,
    is_new: bool,
    before: u64,
    written: u64,
}

impl Appending {
    fn begin(path: &Path, how: &Writing) -> Result<Self, FileError> {
        let is_new = !path.exists();
        let mut options = OpenOptions::new();
        options.append(true).create(how.create).mode(0o600);
        let file = open_regular(path, &mut options)?;
        let prepared = (|| {
            match how.mode {
                Some(mode) => file.set_permissions(Permissions::from_mode(mode))?,
                None if is_new => file.set_permissions(Permissions::from_mode(0o644))?,
                None => {}
            }
            file.metadata()
        })();
        let before = prepared.map_err(|e| FileError::io(path, e))?.len();
        Ok(Self { file, is_new, before, written: 0 })
    }
    fn finish(self, path: &Path) -> Result<u64, FileError> {
        let done = (|| {
            self.file.sync_all()?;
            if let (true, Some(folder)) = (self.is_new, path.parent()) {
                File::open(folder)?.sync_all()?;
            }
            self.file.metadata()
        })();
        done.map(|facts| facts.len()).map_err(|e| FileError::io(path, e))
    }
}

impl Sink for Appending {
    fn put(&mut self, path: &Path, piece: &[u8]) -> Result<(), FileError> {
        let put = self.file.write_all(piece);
        self.written += piece.len() as u64;
        put.map_err(|e| FileError::io(path, e))
    }
    /// Half of what was to be added is worse than nothing: back to the old end, unless somebody
    /// else has added to it since.
    fn take_back(&mut self) {
        let at_most = self.before + self.written;
        if self.file.metadata().is_ok_and(|facts| facts.len() <= at_most) {
            let _stays_longer = self.file.set_len(self.before);
        }
    }
}

/// A file on its way out.
#[derive(Debug)]
struct Reading {
    path: PathBuf,
    /// Away while it is read from.
    file: Option<File>,
}

impl Pieces<FileError> for Reading {
    fn next(&mut self) -> Later<'_, Result<Option<Bytes>, FileError>> {
        let Some(file) = self.file.take() else { return Box::pin(async { Ok(None) }) };
        let read = off_thread(&self.path, move |path| {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let mut limited = (&file).take(PIECE_BYTES as u64);
            limited.read_to_end(&mut piece).map_err(|e| FileError::io(path, e))?;
            Ok((file, piece))
        });
        Box::pin(async move {
            let (file, piece) = read.await?;
            self.file = Some(file);
            Ok((!piece.is_empty()).then(|| piece.into()))
        })
    }
}

fn read(path: &Path, at_most: usize) -> Result<Content, FileError> {
    let mut options = OpenOptions::new();
    let mut file = open_regular(path, options.read(true))?;
    let facts = file.metadata().map_err(|e| FileError::io(path, e))?;
    let mut bytes = Vec::new();
    // Files of /proc say they are empty, so the size is found by reading.
    let limit = u64::try_from(at_most).unwrap_or(u64::MAX).saturating_add(1);
    let read = Read::by_ref(&mut file).take(limit).read_to_end(&mut bytes);
    read.map_err(|e| FileError::io(path, e))?;
    if bytes.len() > at_most {
        return Err(FileError::TooLarge { path: path.to_owned(), at_most });
    }
    Ok(Content { bytes, modified: modified(&facts) })
}

fn modified(facts: &Metadata) -> Timestamp {
    Timestamp::from_unix_ms(facts.mtime() * 1000 + facts.mtime_nsec() / 1_000_000)
}

/// Opens without waiting for the other end of a pipe or the carrier of a line.
fn open_regular(path: &Path, options: &mut OpenOptions) -> Result<File, FileError> {
    let opened = options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = opened.map_err(|e| match e.raw_os_error() {
        Some(libc::ENXIO | libc::EISDIR) => FileError::NotRegular { path: path.to_owned() },
        _ => FileError::io(path, e),
    })?;
    match file.metadata() {
        Ok(facts) if facts.is_file() => Ok(file),
        Ok(_) => Err(FileError::NotRegular { path: path.to_owned() }),
        Err(e) => Err(FileError::io(path, e)),
    }
}

fn temporary_name(name: &OsStr, tag: &str) -> OsString {
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
