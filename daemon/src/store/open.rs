//! Opening: look first without touching, refuse what is not ours, then open for writing.
//!
//! Two outcomes besides an open store: 78, a person has to act and nothing was touched (not ours,
//! damaged, gone, older than acknowledged, newer than us); 75, it may work later (in use, full,
//! read-only). Looking goes through an overlay in memory, since an ordinary open changes the file.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, RwLock};

use a2n_proto::{InstallId, Timestamp};
use redb::{Builder, Database, ReadableDatabase, TableHandle};
use serde::{Deserialize, Serialize};

use super::feed::Live;
use super::history::{FileName, History};
use super::meta::{self, Identity};
use super::read::{Quarantine, Source};
use super::shared::Shared;
use super::{Error, Store, migrations, schema};
use crate::system::disk::{Backend, Disk, How, Overlay, Place};

/// The live store's file.
const STATE: &str = "state.redb";
/// The same while it is being made.
const STATE_NEW: &str = "state.redb.new";
/// Beside the store's folder: which installation it is and how far it came.
const MARKER: &str = "initialised";
/// Room that is given up when the disk is full, so that what was accepted can be finished.
const BALLAST: &str = "ballast";
/// What a redb file begins with.
const MAGIC: &[u8; 9] = b"redb\x1A\x0A\xA9\x0D\x0A";
/// Cache of one history file; it is read rarely.
const HISTORY_CACHE: usize = 8 << 20;

/// Who drives the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drive {
    /// A thread of its own.
    Thread,
    /// Whoever calls [`Store::commit_waiting`]; `write` calls it itself.
    ByHand,
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
    /// Below this much free no new work is accepted.
    pub least_free_bytes: u64,
    /// Below this share of the disk free no new work is accepted.
    pub least_free_percent: u64,
    /// How long a caller's idempotency key holds, in milliseconds.
    pub idempotency_ms: u64,
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
            least_free_bytes: 512 << 20,
            least_free_percent: 5,
            idempotency_ms: 7 * 24 * 3_600_000,
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

/// Why the store was not opened: one line for people, and the daemon's exit code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A person has to act; nothing was touched.
    #[error("{what}; {hint}")]
    Unusable {
        /// What was found, with its path.
        what: String,
        /// What to do.
        hint: String,
    },
    /// It may work later.
    #[error("{what}; {hint}")]
    NotNow {
        /// What stands in the way, with its path.
        what: String,
        /// What to do.
        hint: String,
    },
}

impl OpenError {
    /// 78 (EX_CONFIG: systemd does not start it again) or 75 (EX_TEMPFAIL: it does).
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Unusable { .. } => 78,
            Self::NotNow { .. } => 75,
        }
    }

    fn unusable(what: String, hint: &str) -> Self {
        Self::Unusable { what, hint: hint.to_owned() }
    }

    /// A failure of the disk while looking at or making something.
    fn io(doing: &str, path: &Path, e: &io::Error) -> Self {
        let what = format!("{doing} {} failed: {e}", path.display());
        match e.kind() {
            io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::AlreadyExists => {
                Self::unusable(what, "move what stands there out of the way")
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::NotNow { what, hint: "free some space on this disk".into() }
            }
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Self::NotNow { what, hint: "the daemon's user must be able to write there".into() }
            }
            _ => Self::NotNow { what, hint: "see whether the disk is healthy".into() },
        }
    }
}

const RESTORE: &str = "restore a backup, or move the data folder away to begin with an empty store";

/// What the marker file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    install_id: InstallId,
    commit: u64,
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
        let database = open_database(&options, options.check_all)
            .map_err(|e| open_failed(&options.state(), &e))?;
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
        acknowledged: AtomicU64::new(heads.commit),
        refusing: Mutex::new(None),
        options,
        lock: Mutex::new(Some(lock)),
    };
    Store::start(Arc::new(shared), heads)
        .map_err(|e| OpenError::io("starting the writer for", &data, &e))
}

enum Found {
    /// A first start.
    Nothing,
    /// Something that may be our store.
    Store,
}

/// Looks at what stands in the data folder, touching nothing.
fn look(options: &Options) -> Result<Found, OpenError> {
    let place =
        |path: &Path| options.disk.look(path).map_err(|e| OpenError::io("looking at", path, &e));
    let wrong = |path: &Path, wanted: &str| {
        let what = format!("{} is not {wanted}", path.display());
        Err(OpenError::unusable(what, "move it away, or choose another folder by --data-dir"))
    };
    let gone = |path: &Path| {
        let what = format!(
            "{} is gone, though {} says that a store was made there",
            path.display(),
            options.marker().display()
        );
        Err(OpenError::unusable(what, RESTORE))
    };
    let (data, folder, state) = (options.data_folder.clone(), options.folder(), options.state());
    match place(&data)? {
        Place::Absent => return Ok(Found::Nothing),
        Place::Folder => {}
        _ => return wrong(&data, "a folder"),
    }
    let marked = match place(&options.marker())? {
        Place::Absent => false,
        Place::File { .. } => true,
        _ => return wrong(&options.marker(), "a marker file of A2N"),
    };
    match place(&folder)? {
        Place::Absent if marked => return gone(&folder),
        Place::Absent => return Ok(Found::Nothing),
        Place::Folder => {}
        _ => return wrong(&folder, "a folder"),
    }
    match place(&state)? {
        Place::Absent if marked => gone(&state),
        Place::Absent => {
            let names = options
                .disk
                .list(&folder)
                .map_err(|e| OpenError::io("listing the folder", &folder, &e))?;
            if names.iter().any(|name| FileName::parse(name).is_some()) {
                let what =
                    format!("{} is gone, though its history files are there", state.display());
                return Err(OpenError::unusable(what, RESTORE));
            }
            Ok(Found::Nothing)
        }
        Place::File { .. } => Ok(Found::Store),
        _ => wrong(&state, "a file"),
    }
}

/// The marker, where there is one.
fn read_marker(options: &Options) -> Result<Option<Marker>, OpenError> {
    let path = options.marker();
    let failed = |e| OpenError::io("reading the marker", &path, &e);
    if options.disk.look(&path).map_err(failed)? == Place::Absent {
        return Ok(None);
    }
    let bytes = options.disk.read(&path, 4096).map_err(failed)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|_| {
        let what = format!("the marker {} can't be read", path.display());
        OpenError::unusable(what, "if the store beside it is yours, remove the marker")
    })
}

/// Replaces the marker.
pub(crate) fn write_marker(
    options: &Options,
    install_id: InstallId,
    commit: u64,
) -> io::Result<()> {
    let text = a2n_proto::Json::of(&Marker { install_id, commit }).to_string() + "\n";
    options.disk.replace(&options.marker(), text.as_bytes())
}

/// Looks into the state file without changing it: ours, whole, not newer, not older than marked.
fn check_state(options: &Options, marker: Option<&Marker>) -> Result<(), OpenError> {
    let path = options.state();
    let shown = path.display();
    let bytes =
        options.disk.read(&path, MAGIC.len()).map_err(|e| OpenError::io("reading", &path, &e))?;
    if bytes.is_empty() {
        return Err(OpenError::unusable(format!("{shown} is empty"), RESTORE));
    }
    if bytes != MAGIC {
        let what = format!("{shown} is not a store of A2N");
        return Err(OpenError::unusable(what, "move it away, or choose another by --data-dir"));
    }
    let (identity, commit) = peek(options, &path)?;
    if identity.min_reader > schema::SCHEMA {
        let what = format!(
            "{shown} was written by a2nd {} with schema {}, this one reads up to {}",
            identity.version,
            identity.schema,
            schema::SCHEMA
        );
        return Err(OpenError::unusable(what, "start the newer a2nd, or restore an older backup"));
    }
    if identity.schema > schema::SCHEMA && identity.min_writer > schema::SCHEMA {
        let what = format!("{shown} has schema {}, which this a2nd can't write", identity.schema);
        return Err(OpenError::unusable(what, "start the newer a2nd, or restore an older backup"));
    }
    let Some(marker) = marker else { return Ok(()) };
    if identity.install_id != marker.install_id {
        let what = format!(
            "{shown} belongs to installation {}, the marker beside it to {}",
            identity.install_id, marker.install_id
        );
        return Err(OpenError::unusable(what, "put the right store there, or remove the marker"));
    }
    if commit < marker.commit {
        let what = format!(
            "{shown} is older than what was acknowledged: it ends at commit {commit}, the marker \
             says {}",
            marker.commit
        );
        let hint = "put the newest store there; to go on with this one, remove the marker";
        return Err(OpenError::unusable(what, hint));
    }
    Ok(())
}

/// Who the file says it is, read through an overlay: repair happens in memory only.
fn peek(options: &Options, path: &Path) -> Result<(Identity, u64), OpenError> {
    let backend = options
        .disk
        .open(path, How::Look)
        .and_then(Overlay::over)
        .map_err(|e| OpenError::io("opening", path, &e))?;
    // redb may panic over a file that is not what its header says.
    let looked = catch_unwind(AssertUnwindSafe(|| {
        let database = build(options, Backend::new(backend), options.check_all)?;
        let transaction = database
            .begin_read()
            .map_err(|e| Error::storage("beginning a read", redb::Error::from(e)))?;
        let foreign = transaction
            .list_tables()
            .map_err(|e| Error::storage("listing tables", redb::Error::from(e)))?
            .any(|table| schema::TABLES.iter().all(|ours| ours.name != table.name()));
        let source = Source::new(transaction, Arc::new(Quarantine::default()));
        Ok::<_, Error>((meta::identity(&source)?, meta::commit(&source)?, foreign))
    }));
    let unusable = |what: String, hint: &str| Err(OpenError::unusable(what, hint));
    let shown = path.display();
    match looked {
        Ok(Ok((Some(identity), commit, _))) => Ok((identity, commit)),
        Ok(Ok((None, _, true))) => {
            unusable(format!("{shown} is another program's database"), "move it away")
        }
        Ok(Ok((None, _, false))) => {
            unusable(format!("{shown} is an empty store, nothing was ever written to it"), RESTORE)
        }
        Ok(Err(e)) => match &e {
            Error::Storage { source, .. } if matches!(**source, redb::Error::Io(ref e) if e.raw_os_error().is_some()) => {
                Err(open_failed(path, &e))
            }
            _ => unusable(format!("{shown} is damaged: {}", chain(&e)), RESTORE),
        },
        Err(_) => unusable(format!("{shown} is damaged or cut off"), RESTORE),
    }
}

/// Makes the state file under another name, so that half of one is never taken for a store.
fn make_state(options: &Options) -> Result<(), OpenError> {
    let new = options.folder().join(STATE_NEW);
    let failed = |e: &io::Error| OpenError::io("making", &new, e);
    if options.disk.look(&new).map_err(|e| failed(&e))? != Place::Absent {
        options.disk.remove(&new).map_err(|e| failed(&e))?;
    }
    let made = (|| {
        let backend = options
            .disk
            .open(&new, How::Create)
            .map_err(|e| Error::storage("making the store", redb::Error::Io(e)))?;
        let database = build(options, backend, false)?;
        migrations::make(&database, options)?;
        drop(database);
        options
            .disk
            .rename(&new, &options.state())
            .map_err(|e| Error::storage("naming the store", redb::Error::Io(e)))
    })();
    made.map_err(|e| {
        // Nothing was ever promised about it.
        let _ = options.disk.remove(&new);
        open_failed(&new, &e)
    })
}

fn build(options: &Options, backend: Backend, check: bool) -> Result<Database, Error> {
    Builder::new()
        .set_cache_size(options.cache_bytes)
        .set_check_integrity_on_open(check)
        .create_with_backend(backend)
        .map_err(|e| Error::storage("opening the store", redb::Error::from(e)))
}

/// Opens the state file for writing; a panic of redb is a damaged file.
fn open_database(options: &Options, check: bool) -> Result<Database, Error> {
    let backend = options
        .disk
        .open(&options.state(), How::Write)
        .map_err(|e| Error::storage("opening the store", redb::Error::Io(e)))?;
    catch_unwind(AssertUnwindSafe(|| build(options, backend, check))).unwrap_or_else(|_| {
        let source = redb::Error::Corrupted("the file is not what its header says".into());
        Err(Error::storage("opening the store", source))
    })
}

/// Opens the state file again after a failure: what the system has cached of it is dropped first,
/// since pages that could not be written may still look clean.
pub(crate) fn reopen(options: &Options) -> Result<Database, Error> {
    options
        .disk
        .forget(&options.state())
        .map_err(|e| Error::storage("reopening the store", redb::Error::Io(e)))?;
    open_database(options, true)
}

fn identity_of(
    database: &Database,
    quarantine: &Arc<Quarantine>,
) -> Result<Option<Identity>, Error> {
    let transaction = database
        .begin_read()
        .map_err(|e| Error::storage("beginning a read", redb::Error::from(e)))?;
    meta::identity(&Source::new(transaction, Arc::clone(quarantine)))
}

/// What a failure at opening means.
pub(crate) fn open_failed(path: &Path, error: &Error) -> OpenError {
    let full = io::Error::from(io::ErrorKind::StorageFull);
    match error {
        Error::Full => OpenError::io("opening", path, &full),
        Error::Storage { source, .. } => match &**source {
            redb::Error::Io(e) => OpenError::io("opening", path, e),
            redb::Error::DatabaseAlreadyOpen => OpenError::NotNow {
                what: format!("{} is in use by another process", path.display()),
                hint: "stop the other one".into(),
            },
            other => {
                OpenError::unusable(format!("{} is damaged: {other}", path.display()), RESTORE)
            }
        },
        other => OpenError::unusable(
            format!("{} can't be opened: {}", path.display(), chain(other)),
            RESTORE,
        ),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

/// Takes the room that is given up when the disk is full. Where there is none for it, but some is
/// left, the store opens all the same and accepts no new work.
fn reserve_ballast(options: &Options) -> Result<(), OpenError> {
    let path = options.ballast();
    let failed = |e: &io::Error| OpenError::io("reserving room in", &options.folder(), e);
    let wanted = options.ballast_bytes;
    match options.disk.look(&path).map_err(|e| failed(&e))? {
        Place::File { len } if len >= wanted => return Ok(()),
        _ if wanted == 0 => return Ok(()),
        _ => {}
    }
    match options.disk.reserve(&path, wanted) {
        Ok(()) => Ok(()),
        Err(e) if super::error::is_full_io(&e) => {
            let free = options.disk.space(&options.folder()).map_or(0, |space| space.free);
            if free < LEAST_TO_OPEN { Err(failed(&e)) } else { Ok(()) }
        }
        Err(e) => Err(failed(&e)),
    }
}

/// Room without which not even opening is tried: a new store takes about half of it.
const LEAST_TO_OPEN: u64 = 8 << 20;

/// Gives up the reserved room.
pub(crate) fn free_ballast(options: &Options) {
    match options.disk.remove(&options.ballast()) {
        Ok(()) => tracing::warn!("disk full, reserved room given up"),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => tracing::error!(error = %e, "reserved room not given up"),
    }
}

/// Reserves it again once there is plenty.
pub(crate) fn restore_ballast(options: &Options) {
    let space = options.disk.space(&options.folder());
    let plenty = space.is_ok_and(|space| {
        space.free > options.least_free_bytes.saturating_add(options.ballast_bytes)
    });
    let there = options.disk.look(&options.ballast());
    if plenty
        && options.ballast_bytes > 0
        && matches!(there, Ok(Place::Absent))
        && let Err(e) = options.disk.reserve(&options.ballast(), options.ballast_bytes)
    {
        tracing::warn!(error = %e, "room not reserved");
    }
}

/// Whether there is room for new work.
pub(crate) fn has_room(options: &Options) -> bool {
    match options.disk.space(&options.data_folder) {
        Ok(space) => {
            space.free >= options.least_free_bytes
                && space.free.saturating_mul(100)
                    >= space.total.saturating_mul(options.least_free_percent)
        }
        Err(_) => false,
    }
}
