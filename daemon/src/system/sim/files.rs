//! Files in memory. Folders come into being with their files.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::SimClock;
use crate::system::files::{Content, FileError, Files, Opened, Writing};
use crate::system::{Clock, Later, Pieces, whole};

/// Files in memory; clones show the same files.
#[derive(Debug, Clone)]
pub struct SimFiles {
    clock: SimClock,
    files: Arc<Mutex<BTreeMap<PathBuf, Content>>>,
}

impl SimFiles {
    /// No files.
    pub fn new(clock: SimClock) -> Self {
        Self { clock, files: Arc::default() }
    }
    /// A file's bytes, where it is there.
    pub fn get(&self, path: &Path) -> Option<Vec<u8>> {
        self.lock().get(path).map(|content| content.bytes.clone())
    }
    /// Puts a file there.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        let content = Content { bytes, modified: self.clock.now() };
        self.lock().insert(path.to_owned(), content);
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
        Ok(content.bytes.len() as u64)
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
        Box::pin(std::future::ready(Ok(())))
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
