//! A disk in memory whose power can be cut and whose writes and syncs can fail. For tests.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, File};

/// A folder in memory. A clone is the same folder.
#[derive(Debug, Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The names as the running system sees them.
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    files: Vec<Content>,
    /// Writes and syncs left before they fail; none: they do not.
    until_failure: Option<u64>,
    error: Option<io::ErrorKind>,
    /// Syncs say that they were done and do nothing.
    lies: bool,
}

#[derive(Debug, Default, Clone)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
}

/// What a disk writes in one piece.
const SECTOR: usize = 512;

impl SimDisk {
    /// An empty folder.
    pub fn new() -> Self {
        Self::default()
    }
    /// What would be found after the power was cut now: each sector that was not synced is old or
    /// new by the toss of `coin`, and so is each name.
    pub fn after_power_cut(&self, coin: &mut dyn FnMut() -> bool) -> Self {
        let state = self.lock();
        let mut found = State::default();
        let names = state.names.iter().chain(&state.durable_names);
        for (name, &id) in names {
            let durable = state.durable_names.get(name) == Some(&id);
            if found.names.contains_key(name) || !(durable || coin()) {
                continue;
            }
            let content = tear(&state.files[id], coin);
            found.names.insert(name.clone(), found.files.len());
            found.files.push(Content { now: content.clone(), durable: content });
        }
        found.durable_names = found.names.clone();
        Self { state: Arc::new(Mutex::new(found)) }
    }
    /// Lets writes and syncs fail with `error` after `n` more of them; `None` ends that.
    pub fn fail_after(&self, n: u64, error: Option<io::ErrorKind>) {
        let mut state = self.lock();
        state.until_failure = error.map(|_| n);
        state.error = error;
    }
    /// From now on every sync says that it was done and does nothing. No store can stand that: it is
    /// there to show that a test sees what is lost.
    pub fn lie_about_syncs(&self) {
        self.lock().lies = true;
    }
    /// Changes a file's bytes behind everyone's back.
    pub fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        if let Some(&id) = state.names.get(name) {
            change(&mut state.files[id].now);
            state.files[id].durable = state.files[id].now.clone();
        }
    }
    /// A file's bytes.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.lock();
        state.names.get(name).map(|&id| state.files[id].now.clone())
    }
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tear(content: &Content, coin: &mut dyn FnMut() -> bool) -> Vec<u8> {
    if content.now == content.durable {
        return content.now.clone();
    }
    let size = if coin() { content.now.len() } else { content.durable.len() };
    let mut torn = Vec::with_capacity(size);
    while torn.len() < size {
        let (at, end) = (torn.len(), size.min(torn.len() + SECTOR));
        let of = |bytes: &[u8]| {
            let mut sector = bytes.get(at..end.min(bytes.len())).unwrap_or(&[]).to_vec();
            sector.resize(end - at, 0);
            sector
        };
        let (new, old) = (of(&content.now), of(&content.durable));
        torn.extend(if new == old || coin() { new } else { old });
    }
    torn
}

impl State {
    fn tick(&mut self) -> io::Result<()> {
        match (&mut self.until_failure, self.error) {
            (Some(0), Some(error)) => Err(error.into()),
            (Some(n), Some(_)) => {
                *n -= 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }
    fn id(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.lock().names.keys().cloned().collect())
    }
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let id = self.lock().id(name)?;
        Ok(Arc::new(SimFile { disk: self.clone(), id }))
    }
    fn edit(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.open(name)
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut state = self.lock();
        state.tick()?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let id = state.files.len();
        state.files.push(Content::default());
        state.names.insert(name.to_owned(), id);
        Ok(Arc::new(SimFile { disk: self.clone(), id }))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.id(name)?;
        state.names.remove(name);
        Ok(())
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        let id = state.id(from)?;
        state.names.remove(from);
        state.names.insert(to.to_owned(), id);
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.tick()?;
        if !state.lies {
            state.durable_names = state.names.clone();
        }
        Ok(())
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    id: usize,
}

impl File for SimFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.lock();
        let from = state.files[self.id].now.get(offset as usize..).unwrap_or(&[]);
        let n = from.len().min(into.len());
        into[..n].copy_from_slice(&from[..n]);
        Ok(n)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        let failure = state.tick();
        // A write that fails has written half of it.
        let bytes = if failure.is_err() { &bytes[..bytes.len() / 2] } else { bytes };
        let now = &mut state.files[self.id].now;
        let end = offset as usize + bytes.len();
        if now.len() < end {
            now.resize(end, 0);
        }
        now[offset as usize..end].copy_from_slice(bytes);
        failure
    }
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.lock().files[self.id].now.len() as u64)
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.disk.lock().files[self.id].now.resize(size as usize, 0);
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.tick()?;
        if state.lies {
            return Ok(());
        }
        let content = &mut state.files[self.id];
        content.durable = content.now.clone();
        Ok(())
    }
}
