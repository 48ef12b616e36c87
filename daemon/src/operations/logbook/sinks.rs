//! Where records go: standard error, a daily file, the segments.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use a2n_proto::Timestamp;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};

use super::record::Entry;
use super::text::{self, Form};
use super::{Error, Options};
use crate::store::logs::{NewRecord, SystemLogs};
use crate::system::disk::{Disk, RealDisk};

/// Records of the start that wait for the segments to be opened; the oldest are dropped first.
const EARLY: usize = 1_000;
/// Lines that wait for the file's thread; beyond it they are dropped and counted.
const FILE_QUEUE: usize = 8 * 1024;

pub(super) struct Sinks {
    stderr: Option<Form>,
    file: Option<File>,
    kept: Mutex<Kept>,
    /// Found no room since the last one that did.
    untold: AtomicU64,
    dropped: AtomicU64,
}

enum Kept {
    /// The segments are not open yet.
    Early(VecDeque<(Timestamp, NewRecord)>),
    In(SystemLogs),
}

impl Sinks {
    pub(super) fn new(stderr: Option<Form>, file: Option<File>) -> Self {
        let kept = Mutex::new(Kept::Early(VecDeque::new()));
        Self { stderr, file, kept, untold: AtomicU64::new(0), dropped: AtomicU64::new(0) }
    }
    pub(super) fn take(&self, entry: &Entry) {
        if let Some(form) = self.stderr {
            // One write per line, so that lines of several threads don't mix. With nobody to read
            // it there is nobody to tell either.
            let _ = std::io::stderr().lock().write_all(text::line(entry, form).as_bytes());
        }
        if let Some(file) = &self.file {
            let _ = file.lines.clone().write_all(text::line(entry, file.form).as_bytes());
        }
        self.keep(entry.at, entry.to_new_record());
    }
    pub(super) fn keep_in(&self, logs: SystemLogs) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Kept::Early(early) = &mut *kept {
            for (at, record) in early.drain(..) {
                self.hand_over(&logs, at, record);
            }
        }
        *kept = Kept::In(logs);
    }
    pub(super) fn dropped(&self) -> u64 {
        let of_file = self.file.as_ref().map_or(0, |file| file.errors.dropped_lines() as u64);
        self.dropped.load(Ordering::Relaxed) + of_file
    }

    fn keep(&self, at: Timestamp, record: NewRecord) {
        let logs = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *kept {
                Kept::In(logs) => logs.clone(),
                Kept::Early(early) => {
                    if early.len() == EARLY {
                        early.pop_front();
                        self.dropped.fetch_add(1, Ordering::Relaxed);
                        self.untold.fetch_add(1, Ordering::Relaxed);
                    }
                    early.push_back((at, record));
                    return;
                }
            }
        };
        self.hand_over(&logs, at, record);
    }
    fn hand_over(&self, logs: &SystemLogs, at: Timestamp, record: NewRecord) {
        let untold = self.untold.swap(0, Ordering::Relaxed);
        if untold > 0 && !logs.try_append(at, gap(untold)) {
            self.untold.fetch_add(untold, Ordering::Relaxed);
        }
        if !logs.try_append(at, record) {
            self.untold.fetch_add(1, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Sinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sinks").field("stderr", &self.stderr).finish_non_exhaustive()
    }
}

/// A log file with the thread that writes it.
pub(super) struct File {
    lines: NonBlocking,
    errors: ErrorCounter,
    form: Form,
    /// Writes what waits when it is dropped.
    _thread: WorkerGuard,
}

impl File {
    pub(super) fn open(path: &Path, options: &Options) -> Result<Self, Error> {
        let name = path.file_name().and_then(|name| name.to_str());
        let (Some(name), Some(folder)) = (name, path.parent()) else {
            return Err(Error::Path { path: path.to_owned() });
        };
        // One that is there is as its owner wants it; a new one is nobody else's.
        RealDisk
            .make_folder(folder)
            .map_err(|source| Error::Folder { path: folder.to_owned(), source })?;
        let appender = RollingFileAppender::builder()
            .rotation(Rotation::DAILY)
            .filename_prefix(name)
            .max_log_files(options.files)
            .build(folder)
            .map_err(|source| Error::File { path: path.to_owned(), source })?;
        let (lines, thread) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(FILE_QUEUE)
            .thread_name("log-file")
            .finish(appender);
        let form = if options.json { Form::Json } else { Form::Text { colour: false } };
        Ok(Self { errors: lines.error_counter(), lines, form, _thread: thread })
    }
}

fn gap(records: u64) -> NewRecord {
    NewRecord {
        level: a2n_proto::execution::LogLevel::Warn,
        message: "log records were dropped".to_owned(),
        source: module_path!().to_owned(),
        category: Some(a2n_proto::system::SystemLogCategory::Performance),
        details: serde_json::json!({ "records": records }).into(),
        correlation_id: None,
        user_id: None,
        request_id: None,
        duration: None,
    }
}
