//! Opening: look first without touching, refuse what is not ours, then open for writing.
//!
//! Two outcomes besides an open store: 78, a person has to act and nothing was touched (not ours,
//! damaged, gone, older than acknowledged, newer than us); 75, it may work later (in use, full,
//! read-only). Looking goes through an overlay in memory, since an ordinary open changes the file.

mod file;
mod look;
mod marker;
mod refusal;
mod room;

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use a2n_proto::{InstallId, Timestamp};
use redb::Database;

use super::feed::Live;
use super::history::{FileName, History};
use super::meta;
use super::read::Quarantine;
use super::shared::Shared;
use super::{Error, Store, migrations};
use crate::system::disk::Disk;

pub use refusal::OpenError;
pub use room::Limits;

pub(crate) use file::reopen;
pub(crate) use marker::write_marker;
pub(crate) use refusal::open_failed;
pub(crate) use room::{free_ballast, gone, restore_ballast, room};

use file::{identity_of, make_state, open_database};
use look::{Found, check_state, look};
use marker::{Marker, read_marker};
use refusal::RESTORE;
use room::reserve_ballast;

/// The live store's file.
const STATE: &str = "state.redb";
/// Beside the store's folder: which installation it is and how far it came.
const MARKER: &str = "initialised";
/// Room that is given up when the disk is full, so that what was accepted can be finished.
const BALLAST: &str = "ballast";
/// Cache of one history file; it is read rarely, and several are open.
const HISTORY_CACHE: usize = 4 << 20;

/// Who drives the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drive {
    /// A thread of its own.
    Thread,
    /// Whoever calls [`Store::commit_waiting`]; `write` and its kin call it themselves. A lane of
    /// log lines has no thread either: who appends or syncs does its work.
    ByHand,
}

/// Hears of commits, on the writer's thread: it has to be quick. The store reads no clock, so the
/// observer says what time it is.
pub trait Observer: Send + Sync + std::fmt::Debug {
    /// Running time now, from any fixed moment.
    fn running_time(&self) -> Duration;
    /// A commit is durable: so long after its first write began, and so many writes shared it.
    fn committed(&self, took: Duration, writes: u64);
    /// A write ran in the transaction that is about to be committed: from this source, and it
    /// changed so many rows and index entries.
    fn wrote(&self, source: &str, rows: usize) {
        let _ = (source, rows);
    }
}

/// How the store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder that holds `store/` and the marker.
    pub data_folder: PathBuf,
    /// Where files are.
    pub disk: Arc<dyn Disk>,
    /// Who drives the writer.
    pub drive: Drive,
    /// Memory for caching the live file.
    pub cache_bytes: usize,
    /// The installation's id, used where this is the first start.
    pub install_id: InstallId,
    /// The time, for what opening writes.
    pub at: Timestamp,
    /// The daemon's version.
    pub version: String,
    /// Whether the machine was cut off since the store was last open: asks for a full check.
    pub check_all: bool,
    /// Room that is kept for a full disk.
    pub ballast_bytes: u64,
    /// What holds until [`Store::set_limits`] says something else.
    pub limits: Limits,
    /// Hears of commits.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Options {
    /// The defaults, on the machine's own disk.
    pub fn new(data_folder: PathBuf, install_id: InstallId, at: Timestamp) -> Self {
        Self {
            data_folder,
            disk: Arc::new(crate::system::disk::RealDisk),
            drive: Drive::Thread,
            cache_bytes: 64 << 20,
            install_id,
            at,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            check_all: false,
            ballast_bytes: 32 << 20,
            limits: Limits::default(),
            observer: None,
        }
    }

    fn folder(&self) -> PathBuf {
        self.data_folder.join("store")
    }
    fn state(&self) -> PathBuf {
        self.folder().join(STATE)
    }
    fn marker(&self) -> PathBuf {
        self.data_folder.join(MARKER)
    }
    fn ballast(&self) -> PathBuf {
        self.folder().join(BALLAST)
    }
}

impl Store {
    /// Opens the store in a data folder, or makes it at the first start.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let data = options.data_folder.clone();
        let disk = Arc::clone(&options.disk);
        let first = match look(&options)? {
            Found::Nothing => true,
            Found::Store => false,
        };
        if first {
            // Everything above the folder may be missing too.
            disk.make_folder(&options.folder())
                .map_err(|e| OpenError::io("making the folder", &options.folder(), &e))?;
        }
        let lock = disk
            .lock(&data)
            .map_err(|e| OpenError::io("locking the folder", &data, &e))?
            .ok_or_else(|| OpenError::NotNow {
                what: format!("the data folder {} is in use by another a2nd", data.display()),
                hint: "stop the other one, or give this one a folder of its own by --data-dir"
                    .into(),
            })?;
        // Another one may have made it between the look and the lock.
        let first = matches!(look(&options)?, Found::Nothing);
        let marker = read_marker(&options)?;
        if !first {
            check_state(&options, marker.as_ref())?;
        }
        reserve_ballast(&options)?;
        if first {
            make_state(&options)?;
        }
        // A full check was part of the look, where one was asked for.
        let database =
            open_database(&options, false).map_err(|e| open_failed(&options.state(), &e))?;
        let quarantine = Arc::new(Quarantine::default());
        migrations::run(&database, &options, &quarantine)?;
        finish(options, database, quarantine, marker, lock)
    }
}

/// The database is open: put the parts together.
fn finish(
    options: Options,
    database: Database,
    quarantine: Arc<Quarantine>,
    marker: Option<Marker>,
    lock: Box<dyn crate::system::disk::Lock>,
) -> Result<Store, OpenError> {
    let state = options.state();
    let damaged =
        |e: Error| OpenError::unusable(format!("{} can't be read: {e}", state.display()), RESTORE);
    let heads = meta::heads_of(&database, &quarantine).map_err(damaged)?;
    let identity = identity_of(&database, &quarantine).map_err(damaged)?.ok_or_else(|| {
        OpenError::unusable(format!("{} says nothing about itself", state.display()), RESTORE)
    })?;
    let folder = options.folder();
    let names =
        options.disk.list(&folder).map_err(|e| OpenError::io("listing the folder", &folder, &e))?;
    let history = History::new(
        folder,
        Arc::clone(&options.disk),
        HISTORY_CACHE,
        identity.install_id,
        Arc::clone(&quarantine),
        names.iter().filter_map(|name| FileName::parse(name)),
    );
    if marker.is_none() {
        write_marker(&options, identity.install_id, heads.commit)
            .map_err(|e| OpenError::io("writing the marker", &options.marker(), &e))?;
    }
    let data = options.data_folder.clone();
    let shared = Shared {
        install_id: identity.install_id,
        database: RwLock::new(Some(database)),
        history,
        live: Live::new(heads.last_change),
        quarantine,
        recent: Mutex::default(),
        unreadable: Mutex::default(),
        acknowledged: AtomicU64::new(heads.commit),
        refusing: Mutex::new(None),
        size: Mutex::default(),
        limits: Mutex::new(options.limits),
        options,
        lock: Mutex::new(Some(lock)),
    };
    Store::start(Arc::new(shared), heads)
        .map_err(|e| OpenError::io("starting the writer for", &data, &e))
}
