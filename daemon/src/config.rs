//! What the daemon is told at its start: arguments, environment, configuration file.
//!
//! The only place that reads environment variables. An argument wins over its variable, that over
//! the file, that over the default; settings have their own four places (`operations::settings`).
//! Everything wrong is told at once, with the line where it stands in the file.

mod file;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use a2n_proto::api::system::Mode;
use clap::{CommandFactory, FromArgMatches, Parser};

use crate::operations::settings::{Fault, Layers};
use crate::system::listen;
use crate::triggers::schedule::Zone;

/// Where the system's daemon keeps its things.
const SYSTEM_DATA: &str = "/var/lib/a2n";
/// Where the system's daemon is told about them.
const SYSTEM_FILE: &str = "/etc/a2n/a2nd.toml";
/// Where the system's daemon listens.
const SYSTEM_SOCKET: &str = "/run/a2n/a2nd.sock";

/// What the daemon was told, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// For whom it runs.
    pub mode: Mode,
    /// The file that was read; none where there is none at the default place.
    pub file: Option<PathBuf>,
    /// The folder of everything it keeps.
    pub data_dir: PathBuf,
    /// Where it listens, unless it was handed a socket.
    pub socket: PathBuf,
    /// What environment and file say of settings.
    pub layers: Layers,
    /// The host's time zone, for schedules that name none.
    pub zone: Zone,
    /// The environment, for `env` in expressions; cut to the allowed names by who reads it.
    pub environment: BTreeMap<String, String>,
    /// Whether it starts with the engine paused.
    pub safe_mode: bool,
}

impl Config {
    /// The folder of the store's files.
    pub fn store_dir(&self) -> PathBuf {
        self.data_dir.join("store")
    }
    /// The folder of log segments.
    pub fn logs_dir(&self) -> PathBuf {
        self.data_dir.join("logs")
    }
    /// The folder of running steps.
    pub fn steps_dir(&self) -> PathBuf {
        self.data_dir.join("steps")
    }
    /// The folder of attachments.
    pub fn attachments_dir(&self) -> PathBuf {
        self.data_dir.join("attachments")
    }
    /// The file that tells which execution the engine was deciding about when it died.
    pub fn deciding_file(&self) -> PathBuf {
        self.data_dir.join("deciding")
    }
    /// The file that counts crashes.
    pub fn crashes_file(&self) -> PathBuf {
        self.data_dir.join("crashes")
    }
    /// The folder of backups.
    pub fn backups_dir(&self) -> PathBuf {
        self.data_dir.join("backups")
    }
    /// The marker that says the store was made; it stands beside the store's folder.
    pub fn marker(&self) -> PathBuf {
        self.data_dir.join("initialised")
    }

    /// What holds, for people: a line each.
    pub fn summary(&self) -> String {
        let mode = match self.mode {
            Mode::User => "user",
            Mode::System => "system",
        };
        let file = match &self.file {
            Some(file) => file.display().to_string(),
            None => "none".to_owned(),
        };
        let mut text = format!(
            "mode        {mode}\nfile        {file}\ndata folder {}\nsocket      {}\n\
             time zone   {}\n",
            self.data_dir.display(),
            self.socket.display(),
            self.zone.name(),
        );
        for (key, value, source) in self.layers.fixed_values() {
            text.push_str(&format!("setting     {key} = {value} ({source})\n"));
        }
        text
    }
}

/// What to do.
#[derive(Debug, Clone)]
pub enum Asked {
    /// Run.
    Run(Box<Config>),
    /// Say that the configuration is right, and end.
    Check(Box<Config>),
    /// Print this (help, version) and end.
    Print(String),
}

/// Why the daemon can't start with what it was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The arguments are wrong: exit code 2.
    #[error("{text}")]
    Usage {
        /// Written by clap, with a hint.
        text: String,
    },
    /// The environment or the file is wrong: exit code 78.
    #[error("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Configuration {
        /// Everything that is wrong.
        faults: Vec<Wrong>,
    },
}

impl Error {
    /// The exit code that says so.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } => 2,
            Self::Configuration { .. } => 78,
        }
    }
}

/// One thing that is wrong, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// `file:line`, or `environment`.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl Wrong {
    fn of(place: &str, fault: &Fault) -> Self {
        Self { place: place.into(), message: fault.to_string(), hint: fault.hint() }
    }
}

/// Keeps workflows and runs them: a daemon that stays in the foreground.
///
/// It says that it is ready by sd_notify, by its socket and by one log record `ready`.
#[derive(Debug, Parser)]
#[command(name = "a2nd", version, after_help = AFTER)]
struct Arguments {
    /// Run for one user of the machine (the default).
    #[arg(long, conflicts_with = "system")]
    user: bool,
    /// Run for the whole machine; the systemd units say this.
    #[arg(long)]
    system: bool,
    /// Configuration file [env: A2N_CONFIG].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of everything it keeps [env: A2N_DATA_DIR].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where it listens [env: A2N_SOCKET].
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Start with the engine paused: nothing is started or resumed until `a2n safe-mode off`.
    #[arg(long)]
    safe_mode: bool,
    /// Check arguments, environment and file, print what holds, and end.
    #[arg(long)]
    check_config: bool,
}

const AFTER: &str = "\
Defaults:
  --system  /etc/a2n/a2nd.toml  /var/lib/a2n/  /run/a2n/a2nd.sock
  --user    $XDG_CONFIG_HOME/a2n/a2nd.toml  $XDG_STATE_HOME/a2n/
            $XDG_RUNTIME_DIR/a2n/a2nd.sock where the user lingers, else $XDG_STATE_HOME/a2n/run/a2nd.sock
Settings:
  A2N_SETTING__RPC__MAX_BATCH=50 in the environment, or maxBatch = 50 under [rpc] in the file,
  or `a2n settings set rpc.maxBatch 50`. `a2n settings ls` shows all.
Exit codes:
  0 stopped in order  2 wrong arguments  75 try again later  78 wrong configuration or store";

/// What the machine says about the user that runs the daemon.
#[derive(Debug, Clone, Default)]
struct Host {
    /// From the user database, where `HOME` is not set.
    home: Option<PathBuf>,
    /// Whether the user's services run on after logout.
    lingers: bool,
}

/// Reads arguments, environment and file of this process.
pub fn read() -> Result<Asked, Error> {
    // A variable that is not UTF-8 is none of ours; our own paths may be, so these are kept.
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let zone = Zone::of(jiff::tz::TimeZone::system());
    read_from(std::env::args_os(), environment, &host(), zone)
}

fn host() -> Host {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
    let lingers = user
        .as_ref()
        .is_some_and(|user| Path::new("/var/lib/systemd/linger").join(&user.name).exists());
    Host { home: user.map(|user| user.dir), lingers }
}

fn read_from(
    arguments: impl IntoIterator<Item = OsString>,
    environment: BTreeMap<String, String>,
    host: &Host,
    zone: Zone,
) -> Result<Asked, Error> {
    let arguments = match Arguments::command()
        .try_get_matches_from(arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches))
    {
        Ok(arguments) => arguments,
        Err(error) if !error.use_stderr() => return Ok(Asked::Print(error.to_string())),
        Err(error) => return Err(Error::Usage { text: error.to_string().trim_end().to_owned() }),
    };
    let mode = if arguments.system { Mode::System } else { Mode::User };
    let places = Places::of(mode, &environment, host);
    let given = |argument: Option<PathBuf>, variable: &str| {
        argument.or_else(|| set(&environment, variable).map(PathBuf::from))
    };
    let mut faults = Vec::new();
    let mut layers = Layers::default();
    if let Err(wrong) = layers.add_environment(environment.clone()) {
        faults.extend(wrong.iter().map(|fault| Wrong::of("environment", fault)));
    }
    let named = given(arguments.config, "A2N_CONFIG");
    let path = named.clone().or(places.file);
    let from_file = match &path {
        Some(path) => file::read(path, named.is_some(), &mut layers),
        None => Ok(file::Options::default()),
    };
    let options = from_file.unwrap_or_else(|wrong| {
        faults.extend(wrong);
        file::Options::default()
    });
    let mut place = |name: &str, found: Option<PathBuf>| {
        if found.is_none() {
            faults.push(Wrong {
                place: "environment".into(),
                message: "this user has no home folder".into(),
                hint: Some(format!("say where with --{name}")),
            });
        }
        found.unwrap_or_default()
    };
    let data_dir = place(
        "data-dir",
        given(arguments.data_dir, "A2N_DATA_DIR").or(options.data_dir).or(places.data_dir),
    );
    let socket =
        place("socket", given(arguments.socket, "A2N_SOCKET").or(options.socket).or(places.socket));
    if let Err(error) = listen::check_path(&socket) {
        faults.push(Wrong {
            place: "socket".into(),
            message: error.to_string(),
            hint: Some("name a shorter one with --socket".into()),
        });
    }
    if !faults.is_empty() {
        return Err(Error::Configuration { faults });
    }
    let file = path.filter(|_| options.found);
    let safe_mode = arguments.safe_mode;
    let config = Config { mode, file, data_dir, socket, layers, zone, environment, safe_mode };
    let config = Box::new(config);
    Ok(if arguments.check_config { Asked::Check(config) } else { Asked::Run(config) })
}

/// A variable that is set to something.
fn set<'a>(environment: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

/// Where things are where nobody says otherwise.
struct Places {
    file: Option<PathBuf>,
    data_dir: Option<PathBuf>,
    socket: Option<PathBuf>,
}

impl Places {
    fn of(mode: Mode, environment: &BTreeMap<String, String>, host: &Host) -> Self {
        if mode == Mode::System {
            return Self {
                file: Some(SYSTEM_FILE.into()),
                data_dir: Some(SYSTEM_DATA.into()),
                socket: Some(SYSTEM_SOCKET.into()),
            };
        }
        // The base directory specification: a relative path in these variables is ignored.
        let absolute = |name: &str| {
            set(environment, name).map(PathBuf::from).filter(|path| path.is_absolute())
        };
        let home = absolute("HOME").or_else(|| host.home.clone());
        let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
        let config = absolute("XDG_CONFIG_HOME").or_else(|| below_home(".config"));
        let state = absolute("XDG_STATE_HOME").or_else(|| below_home(".local/state"));
        // The run-time folder goes with the last session, unless the user lingers.
        let runtime = absolute("XDG_RUNTIME_DIR").filter(|folder| host.lingers && folder.is_dir());
        Self {
            file: config.map(|folder| folder.join("a2n/a2nd.toml")),
            data_dir: state.as_ref().map(|folder| folder.join("a2n")),
            socket: match runtime {
                Some(folder) => Some(folder.join("a2n/a2nd.sock")),
                None => state.map(|folder| folder.join("a2n/run/a2nd.sock")),
            },
        }
    }
}

#[cfg(test)]
mod tests;
