//! What can go wrong between a client and the daemon, and the exit code each of it ends with.

use std::fmt;

use a2n_proto::{ErrorKind, RpcError};

use crate::connect::{NOT_THERE, SYSTEM_SOCKET};

/// Why a call could not be made or was not answered well.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// No daemon answers where we looked.
    #[error("can't reach a daemon: {tried}")]
    Unreachable {
        /// Every socket tried, each with what went wrong.
        tried: Tried,
    },
    /// A daemon is there, but it answers nothing.
    #[error("the daemon does not answer{}", .pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Mute {
        /// Its process, where that is known.
        pid: Option<u32>,
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
            Self::Unreachable { .. } | Self::Mute { .. } | Self::Lost { .. } => Exit::Unreachable,
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
            Self::Mute { pid: Some(pid) } => Some(format!(
                "it is stopped or stuck: `ps -p {pid} -o stat,wchan` shows which; \
                 `kill -CONT {pid}` lets a stopped one go on"
            )),
            Self::Mute { pid: None } => {
                Some("it is stopped or stuck: `systemctl status a2nd` shows its process".into())
            }
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
            Self::Unreachable { .. } | Self::Mute { .. } | Self::Lost { .. } => true,
            Self::Refused(error) => error.retry_after_ms.is_some(),
            Self::Answer { .. } | Self::Place(_) => false,
        }
    }
}

fn unreachable_hint(tried: &Tried) -> String {
    let denied = |reason: &str| reason.contains("ermission denied");
    let system = tried.0.iter().find(|(place, _)| place == SYSTEM_SOCKET);
    let only = tried.0.len() == 1;
    if tried.0.iter().any(|(place, _)| place.starts_with("ssh ")) {
        "ssh says above what is wrong; `a2n` has to be on the PATH there, and a daemon to run"
            .into()
    } else if system.is_some_and(|(_, reason)| denied(reason)) {
        "only root can use the system's daemon in this version; `a2n quickstart` starts one of \
         your own"
            .into()
    } else if system.is_some_and(|(_, reason)| only || reason != NOT_THERE) {
        "`systemctl status a2nd` and `journalctl -u a2nd` say how the system's daemon is".into()
    } else if tried.0.iter().any(|(_, reason)| denied(reason)) {
        "that socket is someone else's; `a2n quickstart` starts a daemon of your own".into()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Hints spoke of a group and of linking accounts, neither of which this version has.
    #[test]
    fn a_hint_fits_the_place_that_was_tried() {
        let hint = |tried: &[(&str, &str)]| {
            let tried = tried.iter().map(|(at, why)| ((*at).to_owned(), (*why).to_owned()));
            Error::Unreachable { tried: Tried(tried.collect()) }.hint().unwrap()
        };
        let own = ("/home/ada/.local/state/a2n/run/a2nd.sock", NOT_THERE);
        let quickstart = "start your own with `a2n quickstart`, or name a socket with --socket";
        assert_eq!(hint(&[own]), quickstart);
        assert_eq!(hint(&[own, (SYSTEM_SOCKET, NOT_THERE)]), quickstart);
        let root = "only root can use the system's daemon in this version; \
                    `a2n quickstart` starts one of your own";
        assert_eq!(hint(&[own, (SYSTEM_SOCKET, "permission denied")]), root);
        let systemd =
            "`systemctl status a2nd` and `journalctl -u a2nd` say how the system's daemon is";
        assert_eq!(hint(&[own, (SYSTEM_SOCKET, "nobody listens")]), systemd);
        assert_eq!(hint(&[(SYSTEM_SOCKET, NOT_THERE)]), systemd);
        let reset = "it does not greet back: i/o error: Connection reset by peer";
        assert_eq!(hint(&[(SYSTEM_SOCKET, reset)]), systemd);
        let other = "that socket is someone else's; `a2n quickstart` starts a daemon of your own";
        assert_eq!(hint(&[("/tmp/a.sock", "permission denied")]), other);
    }
}
