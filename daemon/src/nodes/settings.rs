//! What an administrator may turn about steps. `app` fills it from the settings of the daemon.

use std::path::PathBuf;
use std::time::Duration;

/// What an administrator may turn about steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// PATH of processes.
    pub path: String,
    /// Where each attempt of a process gets a folder of its own, removed at its end.
    pub steps_folder: PathBuf,
    /// Whether `http` may call loopback and private addresses and Unix sockets.
    pub private_addresses: bool,
    /// Time between TERM and KILL.
    pub grace: Duration,
    /// Most output of one process that is read as lines, JSON or a table.
    pub max_output_bytes: usize,
    /// How much of it becomes the text of an item.
    pub max_text_bytes: usize,
    /// Longest line that is logged as one.
    pub max_line_bytes: usize,
    /// Most output of one attempt that is logged.
    pub max_log_bytes: u64,
    /// Largest file that `file` reads, and longest content it writes.
    pub max_file_bytes: usize,
    /// Longest answer that `http` takes.
    pub max_answer_bytes: usize,
}

impl Settings {
    /// The defaults, with the attempts' folders below this one.
    pub fn new(steps_folder: PathBuf) -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            path: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
            steps_folder,
            private_addresses: false,
            grace: Duration::from_secs(10),
            max_output_bytes: 4 * MIB,
            max_text_bytes: MIB,
            max_line_bytes: 64 * 1024,
            max_log_bytes: 1024 * MIB as u64,
            max_file_bytes: 16 * MIB,
            max_answer_bytes: 16 * MIB,
        }
    }
}
