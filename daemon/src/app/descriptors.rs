//! How the descriptors that the process may have are shared out, so that clients that do nothing
//! never make the store or a step fail.

use crate::operations::settings::{Settings, table};
use crate::system::descriptors;

/// Kept for the store, the logs, the daemon's own pipes and watches.
const OWN: u64 = 64;
/// What one running step takes at most: its pipes, its process, its files.
const A_STEP: u64 = 8;

/// What the limit of the process leaves for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptors {
    /// Clients connected at once.
    pub(super) connections: usize,
    /// Steps that run at once.
    pub(super) steps: usize,
}

impl Descriptors {
    /// Raises the limit of the process and shares it out; says so where it is less than the
    /// settings promise.
    pub(super) fn raised(settings: &Settings) -> Self {
        let Ok(limit) = descriptors::raise() else {
            return Self { connections: usize::MAX, steps: usize::MAX };
        };
        let shares = Self::of(limit);
        let wanted =
            (settings.get(&table::RPC_MAX_CONNECTIONS), settings.get(&table::ENGINE_PARALLEL));
        if shares.connections < wanted.0 || shares.steps < wanted.1 {
            tracing::warn!(
                limit,
                connections = shares.connections.min(wanted.0),
                steps = shares.steps.min(wanted.1),
                "few file descriptors: less is done at once than the settings say"
            );
        }
        shares
    }

    /// Half of what is left for clients, the rest for steps and those who are turned away.
    fn of(limit: u64) -> Self {
        let shared = limit.saturating_sub(OWN);
        let connections = (shared / 2).max(4);
        let turned_away = connections / 4;
        let steps = (shared.saturating_sub(connections + turned_away) / A_STEP).max(1);
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Self { connections: count(connections), steps: count(steps) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_never_get_what_the_store_and_the_steps_need() {
        let shares = |limit| {
            let Descriptors { connections, steps } = Descriptors::of(limit);
            (connections, steps)
        };
        assert_eq!(shares(128), (32, 3));
        assert_eq!(shares(1024), (480, 45));
        assert_eq!(shares(65_536), (32_736, 3_069));
        assert_eq!(shares(20), (4, 1), "what can't work is tried");
    }
}
