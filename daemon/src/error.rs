//! The only mapping from the modules' errors to the closed kinds at the socket. Exhaustive, no
//! wildcard: a new variant does not compile until someone has said who can act on it and how.

use a2n_proto::{ErrorKind, RpcError};

use crate::access::people;
use crate::engine::driving::{handle, start};
use crate::engine::plan::Unsupported;
use crate::store::{self, logs};
use crate::workflows;

impl From<store::Error> for RpcError {
    fn from(error: store::Error) -> Self {
        use store::Error;
        let message = error.to_string();
        match error {
            Error::NotFound { entity, .. } => RpcError::new(ErrorKind::NotFound, message)
                .hint(format!("`{entity}.list` shows what you may see")),
            Error::Forbidden { need, .. } => RpcError::new(ErrorKind::Forbidden, message)
                .hint(format!("ask its owner for {need}")),
            Error::Taken { field: "idempotencyKey", value, .. } => {
                let message = format!("the idempotency key `{value}` was used with other params");
                RpcError::new(ErrorKind::Conflict, message)
                    .at("idempotencyKey")
                    .hint("take a new key for a new call")
            }
            Error::Taken { field, .. } => RpcError::new(ErrorKind::Conflict, message)
                .at(field)
                .hint("take another value, or change the one that has it"),
            Error::Stale { current, .. } => stale(message, current),
            Error::Dangling { field, .. } => RpcError::new(ErrorKind::Invalid, message)
                .at(field)
                .hint("name something that exists"),
            Error::Precondition { hint, .. } => {
                RpcError { hint, ..RpcError::new(ErrorKind::Precondition, message) }
            }
            Error::Ambiguous { candidates, .. } => RpcError::new(ErrorKind::Conflict, message)
                .at("name")
                .hint(format!("name one of {}", candidates.join(", "))),
            Error::BadCursor => RpcError::new(ErrorKind::Invalid, message)
                .at("cursor")
                .hint("begin again without a cursor"),
            Error::TooLarge { .. } => {
                RpcError::new(ErrorKind::TooLarge, message).hint("make it smaller")
            }
            Error::Overloaded => overloaded(message),
            Error::NoRoom { .. } => RpcError::new(ErrorKind::Storage, message)
                .hint("make room, or lower `store.minFreeBytes`; see `a2n health`"),
            Error::Full | Error::Storage { .. } | Error::Refusing { .. } => {
                tracing::error!(%error, "store refused");
                let mut error = RpcError::new(ErrorKind::Storage, message)
                    .hint("nothing was accepted; see `a2n health`");
                error.retry_after_ms = Some(1_000);
                error
            }
            // No time to try again after: that would ask for the same thing twice.
            Error::Unknown { .. } => {
                tracing::error!(%error, "outcome of a commit unknown");
                RpcError::new(ErrorKind::Storage, message).hint(
                    "it may be stored: look before you repeat it, unless it had an \
                     `idempotencyKey`: with the same key it happens once; see `a2n health`",
                )
            }
            Error::Closed => stopping(),
            Error::Damaged { .. } | Error::Panicked { .. } => {
                tracing::error!(%error, "store failed");
                RpcError::new(ErrorKind::Internal, message).hint("see `a2n verify`")
            }
        }
    }
}

impl From<logs::Error> for RpcError {
    fn from(error: logs::Error) -> Self {
        if matches!(error, logs::Error::Cursor(_)) {
            return RpcError::new(ErrorKind::Invalid, error.to_string())
                .at("cursor")
                .hint("begin again without a cursor");
        }
        tracing::error!(%error, "log store failed");
        RpcError::new(ErrorKind::Storage, error.to_string()).hint("see `a2n health`")
    }
}

impl From<handle::Error> for RpcError {
    fn from(error: handle::Error) -> Self {
        use handle::Error;
        let message = error.to_string();
        match error {
            Error::Overloaded { .. } => overloaded(message),
            Error::Rejected { by, .. } => RpcError::new(ErrorKind::Precondition, message)
                .at("settings.concurrency")
                .hint(format!("wait for it (`a2n logs -f {by}`), or end it: `a2n cancel {by}`")),
            Error::QueueFull { .. } => {
                let mut error = overloaded(message);
                error.hint = Some(
                    "try again when some have ended, or raise `settings.concurrency.maxQueued`"
                        .to_owned(),
                );
                error.at("settings.concurrency.maxQueued")
            }
            Error::Unwanted | Error::Ring { .. } => RpcError::new(ErrorKind::Precondition, message),
            Error::Stopping => stopping(),
            Error::NotLive(_) | Error::NoDifference(_) => {
                RpcError::new(ErrorKind::Precondition, message)
                    .hint("`a2n show` tells where it stands")
            }
            Error::Refused(why) if why.is_missing => {
                RpcError::new(ErrorKind::NotFound, why.message).at("nodeId").hint(why.hint)
            }
            Error::Refused(why) => {
                RpcError::new(ErrorKind::Precondition, why.message).hint(why.hint)
            }
            Error::Panicked => RpcError::new(ErrorKind::Internal, message)
                .hint("please report it with the daemon's log; nothing was accepted"),
            Error::SafeMode(_) => RpcError::new(ErrorKind::Precondition, message)
                .hint("look at `a2n health`; `a2n safe-mode off` lets the engine work"),
            Error::Store(source) => source.into(),
        }
    }
}

impl From<start::Error> for RpcError {
    fn from(error: start::Error) -> Self {
        use start::Error;
        let message = error.to_string();
        match error {
            Error::Unpublished(name) => RpcError::new(ErrorKind::Precondition, message).hint(
                format!("`a2n publish {name}`, or run the draft with `draft: true` (`--draft`)"),
            ),
            Error::Archived(name) => RpcError::new(ErrorKind::Precondition, message)
                .hint(format!("take it back with `workflow.archive` ({name}, archived: false)")),
            Error::NoVersion { .. } => RpcError::new(ErrorKind::NotFound, message)
                .at("version")
                .hint("`a2n versions` lists them"),
            Error::Unsupported(what) => {
                unsupported(what, "it is saved and stays as it is; take this out to run it")
            }
            Error::NoOutside(_) => RpcError::new(ErrorKind::Precondition, message)
                .hint("run it in a daemon of your own: user mode, `a2n quickstart`"),
            Error::Problems(problems) => RpcError {
                problems,
                ..RpcError::new(ErrorKind::Invalid, message)
                    .hint("a node definition that it needs may be gone")
            },
            Error::Engine(source) => source.into(),
            Error::Store(source) => source.into(),
        }
    }
}

impl From<people::Error> for RpcError {
    fn from(error: people::Error) -> Self {
        use people::Error;
        let message = error.to_string();
        match error {
            Error::OwnersOnly { .. } => {
                RpcError::new(ErrorKind::Forbidden, message).hint("`a2n user ls` shows who is one")
            }
            Error::Wrong { path, hint, .. } => {
                RpcError::new(ErrorKind::Invalid, message).at(path).hint(hint)
            }
            Error::Patch(refused) => refused.into(),
            Error::Store(source) => source.into(),
        }
    }
}

impl From<workflows::Error> for RpcError {
    fn from(error: workflows::Error) -> Self {
        use workflows::Error;
        let message = error.to_string();
        match error {
            Error::Invalid(problems) => {
                let first = problems
                    .iter()
                    .find(|p| p.severity == a2n_proto::Severity::Error)
                    .map(|p| (p.path.clone(), p.hint.clone()));
                let mut error = RpcError::new(ErrorKind::Invalid, message);
                if let Some((path, hint)) = first {
                    error.path = Some(path);
                    error.hint = hint;
                }
                RpcError { problems, ..error }
            }
            Error::Unsupported(what) => unsupported(
                what,
                "it may be saved as a draft; this version can't run it with this in it",
            ),
            Error::Stale { current, .. } => stale(message, current),
            Error::Archived(_) => RpcError::new(ErrorKind::Precondition, message)
                .hint("take it back with `workflow.archive` and archived: false"),
            Error::Patch(refused) => refused.into(),
            Error::Store(source) => source.into(),
        }
    }
}

fn unsupported(what: Unsupported, hint: &str) -> RpcError {
    let error = RpcError::new(ErrorKind::Unsupported, what.what).hint(hint);
    if what.path.is_empty() { error } else { error.at(what.path) }
}

fn stale(message: String, current: u64) -> RpcError {
    RpcError {
        current: Some(current),
        ..RpcError::new(ErrorKind::Conflict, message)
            .at("ifRevision")
            .hint(format!("read it again: it is at revision {current}"))
    }
}

fn overloaded(message: String) -> RpcError {
    let mut error = RpcError::new(ErrorKind::Overloaded, message).hint("try again in a moment");
    error.retry_after_ms = Some(500);
    error
}

fn stopping() -> RpcError {
    let mut error = RpcError::new(ErrorKind::Precondition, "the daemon is stopping")
        .hint("try again when it is back");
    error.retry_after_ms = Some(2_000);
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever hears of an unknown outcome must neither take it for a refusal nor simply repeat it.
    #[test]
    fn an_unknown_outcome_says_so_whichever_way_it_comes() {
        let unknown = || store::Error::unknown(store::Error::Full);
        let ways: [RpcError; 4] = [
            unknown().into(),
            handle::Error::Store(unknown()).into(),
            start::Error::Engine(handle::Error::Store(unknown())).into(),
            workflows::Error::Store(unknown()).into(),
        ];
        for error in ways {
            assert_eq!(error.kind, ErrorKind::Storage);
            assert_eq!(error.kind.code(), 507);
            assert!(error.message.contains("not known yet"), "{error}");
            let hint = error.hint.unwrap();
            assert!(hint.contains("may be stored") && hint.contains("idempotencyKey"), "{hint}");
            // A time to try again after would ask for doing it twice.
            assert_eq!(error.retry_after_ms, None);
        }
    }
}
