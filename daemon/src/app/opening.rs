//! What the start opens, in its order: the log, the store, the segments, the owner, the socket.
//! Each failure says in one line what stands in the way, with its exit code.

use std::path::PathBuf;
use std::sync::Arc;

use a2n_proto::api::system::Mode;
use a2n_proto::{AccountId, InstallId, UserId};

use super::NotStarted;
use super::counting::Counting;
use super::tuning::{attachment_limits, store_limits};
use crate::config::Config;
use crate::operations::logbook::{self, Logbook};
use crate::operations::settings::{Settings, table};
use crate::store::logs::{Folder, LogStore, Options as LaneOptions, SystemLogs};
use crate::store::{self, Origin, Store, account, app_setting};
use crate::system::attachments::Attachments;
use crate::system::disk::{Disk, Place, RealDisk};
use crate::system::listen::{self, Socket};
use crate::system::{System, host};

pub(super) fn start_log(
    config: &Config,
    settings: &Settings,
    system: &System,
) -> Result<Logbook, NotStarted> {
    let file = settings.get::<String>(&table::LOG_FILE);
    let options = logbook::Options {
        level: settings.get(&table::LOG_LEVEL),
        file: (!file.is_empty()).then(|| file.into()),
        files: settings.get(&table::LOG_FILES),
        json: settings.get::<String>(&table::LOG_FORMAT) == "JSON",
        journal_stream: config.environment.get("JOURNAL_STREAM").cloned(),
        colour: !config.environment.contains_key("NO_COLOR"),
    };
    let book = Logbook::start(&options, Arc::clone(&system.clock))
        .map_err(|error| NotStarted { message: format!("{error}"), code: 78 })?;
    logbook::report_panics();
    Ok(book)
}

pub(super) fn open_store(
    config: &Config,
    settings: &Settings,
    system: &System,
    boot: &str,
    counting: &Arc<Counting>,
) -> Result<(Store, RunningMarker), NotStarted> {
    let mut marker = RunningMarker::of(config.data_dir.join("running"), boot);
    let install = InstallId::from_bytes(system.new_id());
    let mut options = store::Options::new(config.data_dir.clone(), install, system.now());
    options.cache_bytes = settings.get(&table::STORE_CACHE);
    options.ballast_bytes = settings.get(&table::STORE_BALLAST);
    options.limits = store_limits(settings);
    options.observer = Some(counting.clone());
    options.check_all = marker.left == Left::Cut;
    let disk = Arc::clone(&options.disk);
    let store = logbook::without_panic_reports(|| Store::open(options))
        .map_err(|error| NotStarted { message: error.to_string(), code: error.exit_code() })?;
    marker.unwritten = disk.replace(&marker.path, boot.as_bytes()).err();
    Ok((store, marker))
}

/// The file that says under which boot the daemon runs: it stays where the power goes.
pub(super) struct RunningMarker {
    path: PathBuf,
    left: Left,
    unwritten: Option<std::io::Error>,
}

/// How the daemon before ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// In order, or there was none.
    InOrder,
    /// It died while the machine went on.
    Crashed,
    /// The machine stopped under it.
    Cut,
}

impl Drop for RunningMarker {
    /// A start that fails ends in order, too; only a death leaves the file.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.clear();
        }
    }
}

impl RunningMarker {
    fn of(path: PathBuf, boot: &str) -> Self {
        let left = match RealDisk.read(&path, 100) {
            Ok(before) if before == boot.as_bytes() => Left::Crashed,
            Ok(_) => Left::Cut,
            Err(_) => Left::InOrder,
        };
        Self { path, left, unwritten: None }
    }
    /// Whether the daemon before died while the machine went on.
    pub(super) fn tells_of_crash(&self) -> bool {
        self.left == Left::Crashed
    }
    /// Said only when the start has succeeded: else the reason why it did not is what counts.
    pub(super) fn tell(&self) {
        if let Some(error) = &self.unwritten {
            let path = self.path.display();
            tracing::warn!(%error, %path, "a power cut from here on will not be noticed");
        }
    }
    pub(super) fn clear(&self) {
        let _ = RealDisk.remove(&self.path);
    }
}

pub(super) fn stored_settings(
    store: &Store,
) -> Result<Vec<(String, serde_json::Value)>, NotStarted> {
    let rows = store.read().and_then(|read| app_setting::list(&read));
    let rows = rows.map_err(|error| NotStarted::later("settings not read", &error))?;
    Ok(rows.into_iter().filter_map(|row| Some((row.key, row.store_value?.to_value()))).collect())
}

pub(super) fn open_logs(
    config: &Config,
    store: &Store,
    system: &System,
    boot: &str,
) -> Result<(LogStore, SystemLogs), NotStarted> {
    let open = |what: &'static str, folder: PathBuf, file_bytes: u64| {
        let mut salt = [0u8; 8];
        system.entropy.fill(&mut salt);
        let place = format!("folder {} of {what} not opened", folder.display());
        let folder = Folder::create(folder).map_err(|e| NotStarted::later(place, &e))?;
        Ok::<_, NotStarted>(LaneOptions {
            disk: Arc::new(folder),
            file_bytes,
            salt: u64::from_le_bytes(salt),
            boot_id: boot.to_owned(),
            at: system.now(),
            name: what,
            drive: store::Drive::Thread,
        })
    };
    let mut live = || {
        let all = store::execution::unfinished(&store.read()?)?;
        Ok(all.into_iter().map(|execution| (execution.id, execution.workflow_id)).collect())
    };
    let folder = config.logs_dir();
    let options = open("logs", folder.clone(), 64 << 20)?;
    let logs = LogStore::open_asking(options, &mut live).map_err(|error| {
        NotStarted::later(format!("log store in {} not opened", folder.display()), &error)
    })?;
    let folder = folder.join("system");
    let system_logs = SystemLogs::open(open("system-logs", folder.clone(), 16 << 20)?);
    let system_logs = system_logs.map_err(|error| {
        NotStarted::later(format!("system log in {} not opened", folder.display()), &error)
    })?;
    Ok((logs, system_logs))
}

/// The folder of attachments, after a look for what a crash left half done.
pub(super) fn open_attachments(
    config: &Config,
    settings: &Settings,
    system: &System,
) -> Result<Attachments, NotStarted> {
    let (folder, clock) = (config.attachments_dir(), Arc::clone(&system.clock));
    Attachments::open(&folder, attachment_limits(settings), clock).map_err(|error| {
        let what = format!("folder of attachments {} not opened", folder.display());
        NotStarted::later(what, &error)
    })
}

/// The first start makes one OWNER: in user mode who runs the daemon, in system mode root.
pub(super) async fn make_owner(
    config: &Config,
    store: &Store,
    system: &System,
) -> Result<(), NotStarted> {
    let owner = match config.mode {
        Mode::User => host::uid(),
        Mode::System => 0,
    };
    let name = host::login_name(owner);
    let ids = (UserId::from_bytes(system.new_id()), AccountId::from_bytes(system.new_id()));
    store
        .write(Origin::daemon(system.now(), "START"), move |tx| {
            account::first_start(tx, owner, &name, ids)
        })
        .await
        .map(|_| ())
        .map_err(|error| NotStarted::later("the owner's account was not made", &error))
}

pub(super) fn listen(config: &Config) -> Result<Socket, NotStarted> {
    let mode = match config.mode {
        Mode::User => 0o600,
        Mode::System => 0o660,
    };
    let inherited = Socket::inherited().map_err(|error| NotStarted::later("socket", &error))?;
    match inherited {
        Some(socket) => Ok(socket),
        None => Socket::bind(&config.socket, mode).map_err(|error| no_socket(&error)),
    }
}

/// Folders and files that only the daemon's user should get at, with what is known of them.
fn guarded(config: &Config) -> impl Iterator<Item = (PathBuf, u32, u32)> {
    let store = config.store_dir();
    let all = [config.data_dir.clone(), store.clone(), store.join("state.redb")];
    all.into_iter().filter_map(|path| {
        let (owner, mode) = RealDisk::owner_and_mode(&path).ok()?;
        Some((path, owner, mode))
    })
}

/// Whoever may write the store may make the daemon run anything: that is no start.
pub(super) fn refuse_open_folders(config: &Config) -> Result<(), NotStarted> {
    match guarded(config).find(|(_, _, mode)| mode & 0o002 != 0) {
        None => Ok(()),
        Some((path, _, mode)) => {
            let path = path.display();
            let message = format!(
                "{path} may be written by every user of this machine (mode {mode:04o}); \
                 look what is in it, then `chmod go-rwx {path}`"
            );
            Err(NotStarted { message, code: 78 })
        }
    }
}

/// Says what others may read, or change as its owner; once the start has succeeded.
pub(super) fn warn_of_open_folders(config: &Config) {
    let user = host::uid();
    for (path, owner, mode) in guarded(config) {
        let shown = path.display();
        if owner != user {
            let owner = host::login_name(owner);
            tracing::warn!(path = %shown, owner, "another user owns what the daemon keeps");
        }
        if mode & 0o077 != 0 {
            let mode = format!("{mode:04o}");
            tracing::warn!(path = %shown, mode, "open to other users: `chmod go-rwx` closes it");
        }
        // Behind a closed door the rest does not matter.
        if owner == user && mode & 0o077 == 0 && path == config.data_dir {
            break;
        }
    }
}

/// A first start that will get no socket makes no data folder either.
pub(super) fn refuse_taken_socket(config: &Config) -> Result<(), NotStarted> {
    let is_first = matches!(RealDisk.look(&config.data_dir), Ok(Place::Absent));
    if !is_first || config.environment.contains_key("LISTEN_FDS") {
        return Ok(());
    }
    listen::refuse_taken(&config.socket).map_err(|error| no_socket(&error))
}

fn no_socket(error: &listen::Error) -> NotStarted {
    let mut failed = NotStarted::later("socket", error);
    if matches!(error, listen::Error::InUse { .. }) {
        failed.message.push_str("; stop it, or give this one a socket of its own by --socket");
    }
    failed
}
