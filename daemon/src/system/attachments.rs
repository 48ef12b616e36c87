//! The folder of attachments: bytes found by their hash, each kept once.
//!
//! Nodes put them in (`http`, `file`) piece by piece; the cleaner takes out those that no execution
//! names any longer. A file gets its name only when it is whole and synced, so what has a name is
//! what the name says, also after a power cut. Invariant: an attachment that was just put in stays
//! for `FRESH`, long enough for the commit that names it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2n_proto::ContentHash;
use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};

use super::files::{FileError, Files, Opened, RealFiles, is_full};
use super::{Clock, Later, Pieces, space};

/// How long what was put in stays, whether anybody names it or not.
const FRESH: Duration = Duration::from_secs(3600);
/// Pieces are gathered up to this size before they are hashed and written.
const GATHER_BYTES: usize = 256 * 1024;
/// What names of unfinished files begin with.
const UNFINISHED: &str = ".new-";

/// The folder of attachments; a cheap clone.
#[derive(Debug, Clone)]
pub struct Attachments {
    folder: Arc<Path>,
    clock: Arc<dyn Clock>,
    /// Held for moments only, never while bytes are written.
    inside: Arc<Mutex<Inside>>,
}

/// How much may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest attachment, bytes.
    pub each_bytes: u64,
    /// All of them together, bytes.
    pub total_bytes: u64,
    /// What stays free on the disk, bytes.
    pub least_free_bytes: u64,
    /// The same as a part of the disk; the smaller of both counts.
    pub least_free_percent: u64,
}

/// What was put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// By which it is found.
    pub hash: ContentHash,
    /// Bytes.
    pub size: u64,
}

/// Why bytes were not put in or are not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// More than one attachment may have.
    #[error("it is longer than the {at_most} bytes that an attachment may have")]
    TooLarge {
        /// The limit.
        at_most: u64,
    },
    /// All together would be more than may be kept.
    #[error("attachments would take more than {at_most} bytes together")]
    Full {
        /// The limit.
        at_most: u64,
    },
    /// The disk has no room to spare.
    #[error("the disk has no room left for attachments")]
    NoRoom,
    /// Nothing has this hash.
    #[error("attachment {hash} is not kept any longer")]
    Gone {
        /// Which.
        hash: ContentHash,
    },
    /// What the kernel said.
    #[error("the folder of attachments: {0}")]
    Io(io::Error),
}

/// Why bytes were not put in: what they came from failed, or the folder did.
#[derive(Debug)]
pub enum NotTaken<E> {
    /// Where they came from.
    From(E),
    /// The folder.
    Here(Error),
}

#[derive(Debug)]
struct Inside {
    limits: Limits,
    /// When each was last put in, on the clock that only goes on.
    fresh: BTreeMap<ContentHash, Duration>,
    total_bytes: u64,
    /// Numbers unfinished files.
    next: u64,
}

impl Attachments {
    /// Opens the folder, made where it is not there, and removes what a crash left half done.
    pub fn open(folder: &Path, limits: Limits, clock: Arc<dyn Clock>) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut total_bytes = 0;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
                fs::remove_file(entry.path())?;
            } else {
                total_bytes += entry.metadata()?.len();
            }
        }
        let inside = Inside { limits, fresh: BTreeMap::new(), total_bytes, next: 0 };
        Ok(Self { folder: folder.into(), clock, inside: Arc::new(Mutex::new(inside)) })
    }
    /// Takes new limits; what is kept already stays.
    pub fn set_limits(&self, limits: Limits) {
        self.lock().limits = limits;
    }

    /// Puts bytes in as they come. Durable when it answers; dropped or failed, it leaves nothing.
    pub async fn take_in<E>(&self, mut from: Box<dyn Pieces<E>>) -> Result<Stored, NotTaken<E>> {
        let mut coming = self.blocking(Coming::begin).await.map_err(NotTaken::Here)?;
        let mut gathered = BytesMut::new();
        loop {
            let piece = from.next().await.map_err(NotTaken::From)?;
            let ended = piece.is_none();
            gathered.extend_from_slice(&piece.unwrap_or_default());
            if gathered.len() < GATHER_BYTES && !ended {
                continue;
            }
            let bytes = gathered.split();
            let put = move |here: &Self| coming.put(here, &bytes).map(|()| coming);
            coming = self.blocking(put).await.map_err(NotTaken::Here)?;
            if ended {
                let finish = move |here: &Self| coming.finish(here);
                return self.blocking(finish).await.map_err(NotTaken::Here);
            }
        }
    }

    /// Reads an attachment; it comes to a good end only where the bytes have the hash.
    pub async fn read(&self, hash: ContentHash) -> Result<Opened, Error> {
        let path = self.path(hash);
        let opened = RealFiles.open(&path).await.map_err(|e| match e {
            FileError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Error::Gone { hash }
            }
            FileError::Io { source, .. } => Error::Io(source),
            other => Error::Io(io::Error::other(other)),
        })?;
        let checked = Checked { hash, path, digest: Sha256::new(), inner: opened.pieces };
        Ok(Opened { pieces: Box::new(checked), ..opened })
    }

    /// The hashes of all, in order. Waits for the disk.
    pub fn list(&self) -> io::Result<Vec<ContentHash>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            found.extend(ContentHash::from_hex(entry?.file_name().as_encoded_bytes()));
        }
        found.sort_unstable();
        Ok(found)
    }
    /// Whether there is one of this hash. Waits for the disk.
    pub fn has(&self, hash: ContentHash) -> bool {
        self.path(hash).is_file()
    }
    /// Whether the bytes still have their hash. Waits for the disk.
    pub fn is_whole(&self, hash: ContentHash) -> io::Result<bool> {
        let mut file = File::open(self.path(hash))?;
        let (mut digest, mut piece) = (Sha256::new(), vec![0; GATHER_BYTES]);
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(hash_of(digest) == hash),
                n => digest.update(&piece[..n]),
            }
        }
    }
    /// Removes one that nobody names, unless it was put in just now. Waits for the disk.
    pub fn remove(&self, hash: ContentHash) -> io::Result<bool> {
        let now = self.clock.monotonic();
        // Held over the removal, so that nobody finds it there and relies on it meanwhile.
        let mut inside = self.lock();
        inside.fresh.retain(|_, at| now.saturating_sub(*at) < FRESH);
        if inside.fresh.contains_key(&hash) {
            return Ok(false);
        }
        let path = self.path(hash);
        let size = fs::metadata(&path)?.len();
        fs::remove_file(&path)?;
        inside.total_bytes = inside.total_bytes.saturating_sub(size);
        Ok(true)
    }

    fn path(&self, hash: ContentHash) -> PathBuf {
        self.folder.join(hash.to_hex())
    }
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let here = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&here)).await;
        done.unwrap_or_else(|e| Err(Error::Io(io::Error::other(e))))
    }
}

/// An attachment that is not whole yet. Dropped before its end, it leaves nothing.
struct Coming {
    file: File,
    unfinished: Option<PathBuf>,
    digest: Sha256,
    size: u64,
}

impl Coming {
    fn begin(here: &Attachments) -> Result<Self, Error> {
        let number = {
            let mut inside = here.lock();
            inside.next += 1;
            inside.next
        };
        let path = here.folder.join(format!("{UNFINISHED}{number}"));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(&path).map_err(from_io)?;
        Ok(Self { file, unfinished: Some(path), digest: Sha256::new(), size: 0 })
    }
    fn put(&mut self, here: &Attachments, bytes: &BytesMut) -> Result<(), Error> {
        let size = self.size + bytes.len() as u64;
        let (limits, total) = {
            let inside = here.lock();
            (inside.limits, inside.total_bytes)
        };
        if size > limits.each_bytes {
            return Err(Error::TooLarge { at_most: limits.each_bytes });
        }
        if total.saturating_add(size) > limits.total_bytes {
            return Err(Error::Full { at_most: limits.total_bytes });
        }
        let room = space(&here.folder).map_err(from_io)?;
        let part = room.total_bytes / 100 * limits.least_free_percent;
        if room.free_bytes.saturating_sub(bytes.len() as u64) < part.min(limits.least_free_bytes) {
            return Err(Error::NoRoom);
        }
        self.digest.update(bytes);
        self.file.write_all(bytes).map_err(from_io)?;
        self.size = size;
        Ok(())
    }
    fn finish(mut self, here: &Attachments) -> Result<Stored, Error> {
        self.file.sync_all().map_err(from_io)?;
        let hash = hash_of(std::mem::take(&mut self.digest));
        let path = here.path(hash);
        {
            let mut inside = here.lock();
            inside.fresh.insert(hash, here.clock.monotonic());
            // One of the same bytes stays; ours goes when this is dropped.
            let is_there = fs::metadata(&path).is_ok_and(|there| there.len() == self.size);
            if !is_there && let Some(unfinished) = self.unfinished.take() {
                if let Err(e) = fs::rename(&unfinished, &path) {
                    self.unfinished = Some(unfinished);
                    return Err(from_io(e));
                }
                inside.total_bytes += self.size;
            }
        }
        // Also for one that was there: whoever put it in may not have come so far.
        File::open(&here.folder).and_then(|folder| folder.sync_all()).map_err(from_io)?;
        Ok(Stored { hash, size: self.size })
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        if let Some(path) = self.unfinished.take() {
            let _removed_at_the_next_start = fs::remove_file(path);
        }
    }
}

/// Bytes on their way out, hashed once more.
#[derive(Debug)]
struct Checked {
    hash: ContentHash,
    path: PathBuf,
    digest: Sha256,
    inner: Box<dyn Pieces<FileError>>,
}

impl Pieces<FileError> for Checked {
    fn next(&mut self) -> Later<'_, Result<Option<Bytes>, FileError>> {
        Box::pin(async move {
            let piece = self.inner.next().await?;
            match &piece {
                Some(piece) => self.digest.update(piece),
                None if hash_of(std::mem::take(&mut self.digest)) != self.hash => {
                    let message = "the attachment is damaged: its bytes do not have its hash";
                    let source = io::Error::new(io::ErrorKind::InvalidData, message);
                    return Err(FileError::io(&self.path, source));
                }
                None => {}
            }
            Ok(piece)
        })
    }
}

fn hash_of(digest: Sha256) -> ContentHash {
    ContentHash::from_bytes(digest.finalize().into())
}

fn from_io(error: io::Error) -> Error {
    if is_full(&error) { Error::NoRoom } else { Error::Io(error) }
}

#[cfg(test)]
mod tests;
