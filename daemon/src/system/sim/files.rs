//! Files in memory. Folders come into being with their files.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch::{self, Sender};

use super::SimClock;
use crate::system::files::{Content, FileError, Files, Opened, Writing};
use crate::system::watch::{Stamp, Watch};
use crate::system::{Clock, Later, Pieces, whole};

/// Files in memory; clones show the same files.
#[derive(Debug, Clone)]
pub struct SimFiles {
    clock: SimClock,
    files: Arc<Mutex<BTreeMap<PathBuf, Content>>>,
    /// How many changes there were.
    changes: Arc<Sender<u64>>,
}

impl SimFiles {
    /// No files.
    pub fn new(clock: SimClock) -> Self {
        Self { clock, files: Arc::default(), changes: Arc::new(watch::channel(0).0) }
    }
    /// The same files, by another clock: those of a machine that has started again.
    pub fn with_clock(&self, clock: SimClock) -> Self {
        Self { clock, ..self.clone() }
    }
    /// A file's bytes, where it is there.
    pub fn get(&self, path: &Path) -> Option<Vec<u8>> {
        self.lock().get(path).map(|content| content.bytes.clone())
    }
    /// Puts a file there.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        let content = Content { bytes, modified: self.clock.now() };
        self.lock().insert(path.to_owned(), content);
        self.tell();
    }
    /// Takes a file away.
    pub fn remove(&self, path: &Path) {
        self.lock().remove(path);
        self.tell();
    }
    fn tell(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }
    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Content>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn change(
        &self,
        path: &Path,
        create: bool,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> Result<u64, FileError> {
        let mut files = self.lock();
        if !create && !files.contains_key(path) {
            return Err(missing(path));
        }
        let modified = self.clock.now();
        let content =
            files.entry(path.to_owned()).or_insert_with(|| Content { bytes: Vec::new(), modified });
        content.modified = modified;
        change(&mut content.bytes);
        let size = content.bytes.len() as u64;
        drop(files);
        self.tell();
        Ok(size)
    }
}

impl Files for SimFiles {
    fn read(&self, path: &Path, at_most: usize) -> Later<'_, Result<Content, FileError>> {
        let found = match self.lock().get(path) {
            None => Err(missing(path)),
            Some(content) if content.bytes.len() > at_most => {
                Err(FileError::TooLarge { path: path.to_owned(), at_most })
            }
            Some(content) => Ok(content.clone()),
        };
        Box::pin(std::future::ready(found))
    }
    fn open(&self, path: &Path) -> Later<'_, Result<Opened, FileError>> {
        let found = self.lock().get(path).cloned().ok_or_else(|| missing(path));
        let opened = found.map(|content| Opened {
            size: content.bytes.len() as u64,
            modified: content.modified,
            pieces: whole(content.bytes),
        });
        Box::pin(std::future::ready(opened))
    }
    fn write(
        &self,
        path: &Path,
        content: Box<dyn Pieces<FileError>>,
        how: Writing,
    ) -> Later<'_, Result<u64, FileError>> {
        let path = path.to_owned();
        Box::pin(async move {
            let bytes = collect(content).await?;
            self.change(&path, how.create, |old| *old = bytes)
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
            let bytes = collect(content).await?;
            self.change(&path, how.create, |old| old.extend(bytes))
        })
    }
    fn make_folder(&self, _path: &Path) -> Later<'_, Result<(), FileError>> {
        Box::pin(std::future::ready(Ok(())))
    }
    fn remove_folder(&self, path: &Path) -> Later<'_, Result<(), FileError>> {
        self.lock().retain(|known, _| !known.starts_with(path));
        self.tell();
        Box::pin(std::future::ready(Ok(())))
    }
    fn stamp(&self, path: &Path) -> Later<'_, Result<Option<Stamp>, FileError>> {
        let stamp = self.lock().get(path).map(|content| Stamp {
            size: content.bytes.len() as u64,
            modified_ns: content.modified.as_unix_ms().saturating_mul(1_000_000),
            inode: 1,
        });
        Box::pin(std::future::ready(Ok(stamp)))
    }
    fn watch(&self) -> io::Result<Arc<dyn Watch>> {
        let changes = tokio::sync::Mutex::new(self.changes.subscribe());
        Ok(Arc::new(SimWatch { changes, paths: Mutex::default() }))
    }
}

/// Tells of every path that is watched whenever anything changes: a notice is a hint.
#[derive(Debug)]
struct SimWatch {
    changes: tokio::sync::Mutex<watch::Receiver<u64>>,
    paths: Mutex<BTreeSet<PathBuf>>,
}

impl SimWatch {
    fn watched(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch for SimWatch {
    fn watch(&self, path: &Path) -> Later<'static, io::Result<()>> {
        self.watched().insert(path.to_owned());
        Box::pin(std::future::ready(Ok(())))
    }
    fn forget(&self, path: &Path) {
        self.watched().remove(path);
    }
    fn paths(&self) -> Vec<PathBuf> {
        self.watched().iter().cloned().collect()
    }
    fn noticed(&self) -> Later<'_, Vec<PathBuf>> {
        Box::pin(async move {
            if self.changes.lock().await.changed().await.is_err() {
                // The machine is gone.
                return std::future::pending().await;
            }
            self.watched().iter().cloned().collect()
        })
    }
}

async fn collect(mut content: Box<dyn Pieces<FileError>>) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    while let Some(piece) = content.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn missing(path: &Path) -> FileError {
    FileError::Io { path: path.to_owned(), source: io::Error::from_raw_os_error(2) }
}
