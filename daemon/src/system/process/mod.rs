//! Processes: started in a session of their own, heard while they run, ended with all they started.
//!
//! A [`Running`] process is kept by a task of the port and held by a [`shim`], which no descendant
//! gets away from. Its output arrives in pieces through a bounded queue; a reader that is slow slows
//! the process down, never the daemon. Dropping [`Running`] or calling [`Running::stop`] asks
//! everything below the shim to end (TERM), waits the grace, and kills the rest.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use nix::libc;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

mod account;
mod ears;
mod keeper;
pub mod shim;
mod spawn;

pub use account::Account;
pub use spawn::RealProcess;

/// Starting processes.
pub trait Process: Send + Sync + fmt::Debug {
    /// The user that processes run as.
    fn account(&self) -> &Account;
    /// Whether processes can be started at all.
    fn ready(&self) -> Result<(), StartError> {
        Ok(())
    }
    /// Starts one. Must be called within the runtime.
    fn start(&self, order: Order) -> Result<Running, StartError>;
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Order {
    /// Program (looked up in `env`'s PATH) and arguments, each passed as one piece.
    pub argv: Vec<String>,
    /// The whole environment; nothing of the daemon's is added.
    pub env: BTreeMap<String, String>,
    /// The folder it starts in.
    pub cwd: PathBuf,
    /// What it reads; `/dev/null` where none.
    pub stdin: Option<Vec<u8>>,
    /// Where a named pipe is made whose lines arrive as [`Said::Progress`].
    pub progress: Option<PathBuf>,
    /// Time between TERM and KILL.
    pub grace: Duration,
}

/// Which output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What a process said, in order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A piece of output, at most 64 KiB, cut anywhere.
    Piece(Stream, Bytes),
    /// A piece of what was written to the progress pipe.
    Progress(Bytes),
}

/// How a process ended and what it used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// How it ended.
    pub how: Ended,
    /// Processor time of it and the children it waited for.
    pub cpu: Duration,
    /// Most memory that it or one such child held at once, in bytes.
    pub peak_memory_bytes: u64,
    /// Whether processes that it had left behind were ended with it.
    pub left_behind: bool,
}

impl Exit {
    /// Nobody knows.
    pub const UNKNOWN: Self =
        Self { how: Ended::Unknown, cpu: Duration::ZERO, peak_memory_bytes: 0, left_behind: false };
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody knows: the kernel would not tell.
    Unknown,
}

impl Ended {
    /// What `wait` says.
    pub(super) fn of(status: i32) -> Self {
        if libc::WIFSIGNALED(status) {
            Self::Signal(libc::WTERMSIG(status))
        } else {
            Self::Code(libc::WEXITSTATUS(status))
        }
    }
    /// The code as a shell shows it: 128 + N for signal N.
    pub const fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal(signal) => Some(128 + signal),
            Self::Unknown => None,
        }
    }
}

/// Why a process did not start. Nothing ran.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No program.
    #[error("the command is empty")]
    Empty,
    /// The program that holds steps is missing.
    #[error("{} can't be started; it belongs beside a2nd: install A2N again", .path.display())]
    NoShim {
        /// Where it was looked for.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// No such program.
    #[error("program `{program}` was not found (PATH is {path})")]
    NotFound {
        /// As given.
        program: String,
        /// Where it was looked for.
        path: String,
    },
    /// The program may not be run.
    #[error("program `{program}` may not be executed: permission denied")]
    Denied {
        /// As given.
        program: String,
    },
    /// The folder is missing or may not be entered.
    #[error("folder {} can't be used", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Arguments and environment together exceed what the kernel takes.
    #[error("arguments and environment are too long for the kernel ({size_bytes} bytes)")]
    TooLong {
        /// All of them together.
        size_bytes: usize,
    },
    /// A zero byte, or a name with `=` in it.
    #[error("{what} holds a character that can't be passed to a process")]
    Unpassable {
        /// Which piece.
        what: String,
    },
    /// Anything else.
    #[error("program `{program}` could not be started")]
    Other {
        /// As given.
        program: String,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
}

/// Pieces of output waiting to be read: with 64 KiB each at most 1 MiB for one process. When full,
/// the process waits in its write.
const PIECES_WAITING: usize = 16;

/// A process that was started.
#[derive(Debug)]
pub struct Running {
    said: mpsc::Receiver<Said>,
    end: oneshot::Receiver<Exit>,
    stop: CancellationToken,
}

/// The port's side of a [`Running`].
#[derive(Debug)]
pub struct Keeping {
    /// Takes what the process says; closed where nobody listens any more.
    pub said: mpsc::Sender<Said>,
    /// Takes its end.
    pub end: oneshot::Sender<Exit>,
    /// Cancelled when the process has to end.
    pub stop: CancellationToken,
}

impl Running {
    /// The two sides of a process.
    pub fn pair() -> (Self, Keeping) {
        let (said_in, said) = mpsc::channel(PIECES_WAITING);
        let (end_in, end) = oneshot::channel();
        let stop = CancellationToken::new();
        let keeping = Keeping { said: said_in, end: end_in, stop: stop.clone() };
        (Self { said, end, stop }, keeping)
    }
    /// The next thing it says; none when it has ended and all was heard. Can be cancelled.
    pub async fn next(&mut self) -> Option<Said> {
        self.said.recv().await
    }
    /// Asks it to end. Go on with [`Running::next`] until none comes.
    pub fn stop(&self) {
        self.stop.cancel();
    }
    /// How it ended, after everything it started has ended too. To be asked after
    /// [`Running::next`] gave none, otherwise the rest of its output is thrown away.
    pub async fn end(mut self) -> Exit {
        while self.said.recv().await.is_some() {}
        (&mut self.end).await.unwrap_or(Exit::UNKNOWN)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests;
