//! Watching by inotify. Of each path the nearest folder that is there is watched, for the one name in it
//! that leads on to the path; so a path whose folders come and go is followed up and down the tree.
//!
//! Invariant: a path that is watched stands in exactly one folder of the table, and a folder in the
//! table has at least one path.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::libc;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::unix::AsyncFd;

use super::Watch;
use crate::system::{Later, ready};

/// How often a path is looked for while folders come and go under its feet.
const TRIES: usize = 32;

/// One inotify instance: the kernel has few of them for each user, and many watches in each.
#[derive(Debug)]
pub struct RealWatch {
    table: Arc<Mutex<Table>>,
    readable: AsyncFd<OwnedFd>,
}

#[derive(Debug)]
struct Table {
    inotify: Inotify,
    folders: BTreeMap<WatchDescriptor, BTreeSet<PathBuf>>,
    /// The folder that stands for a path, and the name in it that leads on.
    paths: BTreeMap<PathBuf, (WatchDescriptor, OsString)>,
    /// What was noticed and is not told yet: who listens may turn away in the middle.
    noticed: BTreeSet<PathBuf>,
}

impl RealWatch {
    /// Watches nothing yet. Must be made where tokio runs.
    pub fn new() -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let readable = ready::watch(inotify.as_fd().try_clone_to_owned()?)?;
        let table = Table {
            inotify,
            folders: BTreeMap::new(),
            paths: BTreeMap::new(),
            noticed: BTreeSet::new(),
        };
        Ok(Self { table: Arc::new(Mutex::new(table)), readable })
    }
}

impl Watch for RealWatch {
    fn watch(&self, path: &Path) -> Later<'static, io::Result<()>> {
        let (table, path) = (Arc::clone(&self.table), path.to_owned());
        Box::pin(async move {
            let done = tokio::task::spawn_blocking(move || settle(&table, &path, true)).await;
            done.map_err(io::Error::other)?
        })
    }
    fn forget(&self, path: &Path) {
        lock(&self.table).remove(path);
    }
    fn paths(&self) -> Vec<PathBuf> {
        lock(&self.table).paths.keys().cloned().collect()
    }
    fn noticed(&self) -> Later<'_, Vec<PathBuf>> {
        Box::pin(async move {
            loop {
                let paths = lock(&self.table).noticed.clone();
                if !paths.is_empty() {
                    let table = Arc::clone(&self.table);
                    // A folder on the way to it may have come or gone.
                    let settle =
                        move || paths.iter().for_each(|it| drop(settle(&table, it, false)));
                    let _ = tokio::task::spawn_blocking(settle).await;
                    return std::mem::take(&mut lock(&self.table).noticed).into_iter().collect();
                }
                let Ok(mut ready) = self.readable.readable().await else {
                    // Only when the runtime goes away.
                    return std::future::pending().await;
                };
                let mut table = lock(&self.table);
                match table.inotify.read_events() {
                    Ok(events) => table.note(&events),
                    Err(Errno::EINTR) => {}
                    Err(_) => ready.clear_ready(),
                }
            }
        })
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches the nearest folder to a path that is there; with `new` also where it was not watched so far.
fn settle(table: &Mutex<Table>, path: &Path, new: bool) -> io::Result<()> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for _ in 0..TRIES {
        let Some((folder, name)) = nearest(path) else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        let flags = flags(folder == path.parent().unwrap_or(path));
        {
            let mut table = lock(table);
            if !new && !table.paths.contains_key(path) {
                return Ok(());
            }
            match table.inotify.add_watch(folder.as_path(), flags) {
                Ok(folder) => table.put(path, folder, name),
                Err(Errno::ENOENT | Errno::ENOTDIR) => continue,
                Err(error) => {
                    table.remove(path);
                    last = error.into();
                    break;
                }
            }
        }
        // What came before the watch stood was not told.
        if nearest(path).is_some_and(|(now, _)| now == folder) {
            return Ok(());
        }
    }
    Err(last)
}

/// The deepest folder above a path that is there, and the name in it that leads on.
fn nearest(path: &Path) -> Option<(PathBuf, OsString)> {
    let mut below = path;
    loop {
        let (folder, name) = (below.parent()?, below.file_name()?);
        if folder.is_dir() {
            return Some((folder.to_owned(), name.to_owned()));
        }
        below = folder;
    }
}

/// What is told of a folder: of a parent also that its files are written to.
fn flags(is_parent: bool) -> AddWatchFlags {
    use AddWatchFlags as F;
    let come_and_go = F::IN_CREATE | F::IN_DELETE | F::IN_MOVED_FROM | F::IN_MOVED_TO;
    // A folder may stand for several paths: what is told for one stays told.
    let add = F::from_bits_retain(libc::IN_MASK_ADD);
    let own = F::IN_DELETE_SELF | F::IN_MOVE_SELF | F::IN_ONLYDIR | add;
    let written = F::IN_MODIFY | F::IN_CLOSE_WRITE | F::IN_ATTRIB;
    if is_parent { come_and_go | own | written } else { come_and_go | own }
}

impl Table {
    fn put(&mut self, path: &Path, folder: WatchDescriptor, name: OsString) {
        if self.paths.get(path).is_some_and(|(known, _)| *known != folder) {
            self.remove(path);
        }
        self.folders.entry(folder).or_default().insert(path.to_owned());
        self.paths.insert(path.to_owned(), (folder, name));
    }

    fn remove(&mut self, path: &Path) {
        let Some((folder, _)) = self.paths.remove(path) else { return };
        let Some(paths) = self.folders.get_mut(&folder) else { return };
        paths.remove(path);
        if paths.is_empty() {
            self.folders.remove(&folder);
            // The kernel removes the watch of a folder that is gone by itself.
            let _ = self.inotify.rm_watch(folder);
        }
    }

    /// Notes the paths that these events may mean.
    fn note(&mut self, events: &[InotifyEvent]) {
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                return self.noticed.extend(self.paths.keys().cloned());
            }
            let Some(paths) = self.folders.get(&event.wd) else { continue };
            let leads_on = |path: &&PathBuf| match &event.name {
                Some(name) => self.paths.get(*path).is_some_and(|(_, leads)| leads == name),
                None => true,
            };
            self.noticed.extend(paths.iter().filter(leads_on).cloned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// What is told after `act`, read until `wanted` is among it.
    async fn told(watch: &RealWatch, wanted: &Path, act: impl FnOnce()) {
        act();
        while !watch.noticed().await.iter().any(|path| path == wanted) {}
    }

    #[tokio::test]
    async fn a_file_is_noticed_when_it_comes_is_written_to_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let watch = RealWatch::new().unwrap();
        watch.watch(&path).await.unwrap();
        told(&watch, &path, || fs::write(&path, "1").unwrap()).await;
        told(&watch, &path, || fs::write(&path, "22").unwrap()).await;
        let other = folder.path().join("g");
        told(&watch, &path, || fs::rename(&path, &other).unwrap()).await;
        told(&watch, &path, || fs::rename(&other, &path).unwrap()).await;
        told(&watch, &path, || fs::remove_file(&path).unwrap()).await;
    }

    #[tokio::test]
    async fn folders_above_it_may_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c/f");
        let above = folder.path().join("a");
        let watch = RealWatch::new().unwrap();
        watch.watch(&path).await.unwrap();
        for _ in 0..3 {
            let make = || {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, "1").unwrap();
            };
            told(&watch, &path, make).await;
            told(&watch, &path, || fs::remove_dir_all(&above).unwrap()).await;
        }
        // One that is moved in whole.
        let made = folder.path().join("made");
        fs::create_dir_all(made.join("b/c")).unwrap();
        fs::write(made.join("b/c/f"), "1").unwrap();
        told(&watch, &path, || fs::rename(&made, &above).unwrap()).await;
        told(&watch, &path, || fs::write(&path, "22").unwrap()).await;
    }

    #[tokio::test]
    async fn what_is_forgotten_costs_nothing_and_what_is_left_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("1"), folder.path().join("2"));
        let watch = RealWatch::new().unwrap();
        for path in [&one, &two] {
            watch.watch(path).await.unwrap();
        }
        assert_eq!(lock(&watch.table).folders.len(), 1, "they share the folder's watch");
        watch.forget(&one);
        fs::write(&one, "1").unwrap();
        fs::write(&two, "1").unwrap();
        assert_eq!(watch.noticed().await, std::slice::from_ref(&two));
        watch.forget(&two);
        let table = lock(&watch.table);
        assert!(table.folders.is_empty() && table.paths.is_empty());
    }

    #[tokio::test]
    async fn what_is_no_path_of_a_file_is_refused() {
        let watch = RealWatch::new().unwrap();
        for path in ["/", ""] {
            assert!(watch.watch(Path::new(path)).await.is_err(), "{path:?}");
        }
        let odd = Path::new("/tmp/a\0b/c");
        // The folder above can't be there; the nearest that is stands for it.
        assert!(watch.watch(odd).await.is_ok());
    }
}
