//! Why a store is not opened, for the person who has to act or for systemd, which tries again.

use std::io;
use std::path::Path;

use crate::store::Error;

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

    pub(super) fn unusable(what: String, hint: &str) -> Self {
        Self::Unusable { what, hint: hint.to_owned() }
    }

    /// A failure of the disk while looking at or making something.
    pub(super) fn io(doing: &str, path: &Path, e: &io::Error) -> Self {
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

/// What helps where the store is gone, damaged or too old.
pub(super) const RESTORE: &str =
    "restore a backup, or move the data folder away to begin with an empty store";

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

/// An error with all its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
