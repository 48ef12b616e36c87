//! The daemon's own log: where tracing's records go.
//!
//! Every record at the configured level goes to standard error (in the journal's form when the
//! journal is there), to a daily file where one is configured, and to the `systemLog` segments.
//! None of it makes the caller wait for a disk: what has no room is counted and told later.
//! Newlines and control bytes in values can't forge a line, in any of the forms.

mod layer;
mod page;
mod record;
mod sinks;
mod subject;
mod text;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::store::logs::SystemLogs;
use crate::system::Clock;

pub use page::query;
pub use subject::Subject;
pub use text::Form;

use layer::Book;
use sinks::Sinks;

/// Why the log can't be set up as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log file can't be written.
    #[error("can't log to {}", path.display())]
    File {
        /// As configured.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: tracing_appender::rolling::InitError,
    },
    /// The log file's folder can't be made.
    #[error("can't make the folder {} for the log file: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The path of the log file names no file.
    #[error("`{}` is not the path of a log file", path.display())]
    Path {
        /// As configured.
        path: PathBuf,
    },
    /// Another log was set up in this process before.
    #[error("the log is set up already")]
    Twice(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// How the log is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: String,
    /// The log file; a date is put behind its name every day.
    pub file: Option<PathBuf>,
    /// How many days' files stay.
    pub files: usize,
    /// Whether file and standard error get JSON instead of text; the journal never does.
    pub json: bool,
    /// The value of `JOURNAL_STREAM`, where the service manager set it.
    pub journal_stream: Option<String>,
    /// Whether colours are welcome where standard error is a terminal.
    pub colour: bool,
}

/// The log, set up. A cheap clone.
#[derive(Debug, Clone)]
pub struct Logbook {
    level: reload::Handle<Targets, Registry>,
    sinks: Arc<Sinks>,
}

impl Logbook {
    /// Sets up the log of this process.
    pub fn start(options: &Options, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let form = if is_journal(options.journal_stream.as_deref()) {
            Form::Journal
        } else if options.json {
            Form::Json
        } else {
            Form::Text { colour: options.colour && std::io::stderr().is_terminal() }
        };
        let file =
            options.file.as_ref().map(|path| sinks::File::open(path, options)).transpose()?;
        let sinks = Arc::new(Sinks::new(Some(form), file));
        let (book, subscriber) = Self::over(&options.level, sinks, clock);
        tracing::subscriber::set_global_default(subscriber).map_err(Error::Twice)?;
        Ok(book)
    }
    fn over(
        level: &str,
        sinks: Arc<Sinks>,
        clock: Arc<dyn Clock>,
    ) -> (Self, impl tracing::Subscriber + Send + Sync + use<>) {
        let (filter, handle) = reload::Layer::new(targets(level));
        let layer = Book::new(sinks.clone(), clock).with_filter(filter);
        (Self { level: handle, sinks }, tracing_subscriber::registry().with(layer))
    }
    /// Logs at another level from now on. An unknown one means `INFO`.
    pub fn set_level(&self, level: &str) {
        // It fails only when the subscriber is gone, and then nothing is logged anyway.
        let _ = self.level.reload(targets(level));
    }
    /// Keeps records in these segments too, beginning with those of the start so far.
    pub fn keep_in(&self, logs: SystemLogs) {
        self.sinks.keep_in(logs);
    }
    /// Records that found no room in the segments or in the file's queue.
    pub fn dropped(&self) -> u64 {
        self.sinks.dropped()
    }
}

/// Panics become records of level error. The default hook would print several lines to standard
/// error, which in the journal are several records.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        let text = panic.payload_as_str().unwrap_or("no message");
        if IS_QUIET.load(Ordering::Relaxed) {
            tracing::debug!(panic = text, place, "panic caught");
            return;
        }
        tracing::error!(panic = text, place, thread = thread.name().unwrap_or(""), "panic");
    }));
}

/// Whether panics are caught by who runs now, and told by it in its own words.
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// Does work that catches its panics and answers them as errors: a second line about the same would
/// only confuse. For the start, where nothing else runs beside.
pub fn without_panic_reports<T>(work: impl FnOnce() -> T) -> T {
    struct Loud;
    impl Drop for Loud {
        fn drop(&mut self) {
            IS_QUIET.store(false, Ordering::Relaxed);
        }
    }
    IS_QUIET.store(true, Ordering::Relaxed);
    let _loud = Loud;
    work()
}

/// Ours at `level`; what libraries say only where it matters more.
fn targets(level: &str) -> Targets {
    let level: LevelFilter = level.parse().unwrap_or(LevelFilter::INFO);
    let others = if level > LevelFilter::INFO { LevelFilter::INFO } else { LevelFilter::WARN };
    Targets::new().with_default(others.min(level)).with_target("a2n", level)
}

/// Whether standard error is the journal's own stream, as `JOURNAL_STREAM` (device:inode) says. The
/// variable alone does not tell: it is inherited by what is started with another standard error.
fn is_journal(stream: Option<&str>) -> bool {
    let Some((device, inode)) = stream.and_then(|s| s.split_once(':')) else { return false };
    let Ok(found) = nix::sys::stat::fstat(std::io::stderr()) else { return false };
    device.parse() == Ok(found.st_dev) && inode.parse() == Ok(found.st_ino)
}

#[cfg(test)]
mod tests;
