//! Why a start came to nothing, for the person who reads the last line of the log.

use std::sync::Arc;

/// Why the daemon did not start: one line for people, and the exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct NotStarted {
    pub(super) message: String,
    pub(super) code: u8,
}

impl NotStarted {
    /// It may work later (EX_TEMPFAIL): systemd tries again. One line with all causes, and what to
    /// do where the disk is to blame.
    pub(super) fn later(
        what: impl std::fmt::Display,
        error: &(dyn std::error::Error + 'static),
    ) -> Self {
        let (mut message, mut hint) = (format!("{what}: {error}"), disk_hint(error));
        let mut next = error.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            // Some say themselves what they were caused by.
            if !message.ends_with(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            hint = hint.or_else(|| disk_hint(cause));
            next = cause.source();
        }
        Self {
            message: hint.map_or(message.clone(), |hint| format!("{message}; {hint}")),
            code: 75,
        }
    }
}

/// What a person can do about what the disk said.
fn disk_hint(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    use std::io::{Error, ErrorKind};
    let shared = || error.downcast_ref::<Arc<Error>>().map(|error| &**error);
    match error.downcast_ref::<Error>().or_else(shared)?.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some("free some space on this disk"),
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            Some("the daemon's user must be able to write there")
        }
        ErrorKind::IsADirectory | ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            Some("move what stands there out of the way")
        }
        ErrorKind::AddrInUse => None,
        _ => Some("see whether the disk is healthy"),
    }
}
