//! What can go wrong between a client and the daemon, and the exit code each of it ends with.

use std::fmt;

use a2n_proto::{ErrorKind, RpcError};

/// Why a call could not be made or was not answered well.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// No daemon answers where we looked.
    #[error("can't reach a daemon: {tried}")]
    Unreachable {
        /// Every socket tried, each with what went wrong.
        tried: Tried,
    },
    /// The connection ended before the answer came; whether the call was carried out is not known.
    #[error("the connection to the daemon was lost: {reason}")]
    Lost {
        /// What the transport says.
        reason: String,
    },
    /// The daemon refused or failed, and says why.
    #[error("{0}")]
    Refused(Box<RpcError>),
    /// The daemon answered in a form that this version does not know.
    #[error("the daemon's answer to {method} is not understood: {reason}")]
    Answer {
        /// The method that was called.
        method: String,
        /// What does not fit.
        reason: String,
    },
    /// The place to connect to is not acceptable.
    #[error("{0}")]
    Place(String),
}

/// The sockets that were tried, with what went wrong at each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tried(pub Vec<(String, String)>);

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (place, reason)) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{place} ({reason})")?;
        }
        Ok(())
    }
}

impl Error {
    /// The exit code of a command that fails with this.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } => Exit::Unreachable,
            Self::Answer { .. } => Exit::Failed,
            Self::Place(_) => Exit::Usage,
            Self::Refused(error) => match error.kind {
                ErrorKind::NotFound => Exit::NotFound,
                ErrorKind::Unauthenticated | ErrorKind::Forbidden => Exit::NotAllowed,
                ErrorKind::Timeout => Exit::TimedOut,
                ErrorKind::Invalid => Exit::Invalid,
                ErrorKind::Params | ErrorKind::Method | ErrorKind::Request | ErrorKind::Parse => {
                    Exit::Usage
                }
                ErrorKind::Conflict
                | ErrorKind::Precondition
                | ErrorKind::TooLarge
                | ErrorKind::RateLimited
                | ErrorKind::Internal
                | ErrorKind::Unsupported
                | ErrorKind::Overloaded
                | ErrorKind::Storage => Exit::Failed,
            },
        }
    }

    /// What to do next, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { tried } => Some(unreachable_hint(tried)),
            Self::Lost { .. } => {
                Some("look whether it went through (`a2n ps -a`) before you repeat it".into())
            }
            Self::Refused(error) => match (&error.hint, &error.correlation_id) {
                (Some(hint), _) => Some(hint.clone()),
                (None, Some(id)) => Some(format!("the daemon's log has more under {id}")),
                (None, None) => None,
            },
            Self::Answer { .. } => {
                Some("are `a2n` and `a2nd` of the same version? `a2n info` shows both".into())
            }
            Self::Place(_) => None,
        }
    }

    /// Whether the daemon may only be away or busy for a moment, so that a call that changes nothing
    /// can be made again. A daemon that stops or starts says so with the time to try again after.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } => true,
            Self::Refused(error) => error.retry_after_ms.is_some(),
            Self::Answer { .. } | Self::Place(_) => false,
        }
    }
}

fn unreachable_hint(tried: &Tried) -> String {
    if tried.0.iter().any(|(place, _)| place.starts_with("ssh ")) {
        "ssh says above what is wrong; `a2n` has to be on the PATH there, and a daemon to run"
            .into()
    } else if tried.0.iter().any(|(_, reason)| reason.contains("ermission denied")) {
        "the system daemon answers members of the group `a2n`: `sudo usermod -aG a2n $USER`, \
         then sign in again"
            .into()
    } else {
        "start your own with `a2n quickstart`, or name a socket with --socket".into()
    }
}

/// The exit codes of the `a2n` command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed; for `run --wait`: the execution failed.
    Failed = 1,
    /// Asked wrongly.
    Usage = 2,
    /// There is none, or none that the caller may see.
    NotFound = 3,
    /// Not allowed.
    NotAllowed = 4,
    /// No daemon could be reached.
    Unreachable = 5,
    /// A document is not valid.
    Invalid = 6,
    /// It took longer than asked for.
    TimedOut = 124,
    /// Ended by Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// The number for the operating system.
    pub const fn code(self) -> u8 {
        self as u8
    }
}
