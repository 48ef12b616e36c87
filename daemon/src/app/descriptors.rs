//! How the descriptors that the process may have are shared out, so that clients that do nothing
//! never make the store or a step fail.

use crate::operations::settings::{Settings, table};
use crate::system::descriptors;

/// Kept for the store, the logs, the daemon's own pipes and watches.
const OWN: u64 = 64;
/// What one running step takes at most: its pipes, its process, its files.
const A_STEP: u64 = 8;

/// Clients beyond the limit that are being told so, at most.
const TURNED_AWAY: u64 = 64;

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
        let wanted =
            (settings.get(&table::RPC_MAX_CONNECTIONS), settings.get(&table::ENGINE_PARALLEL));
        let shares = Self::of(limit, wanted.1);
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

    /// Half of what is left for clients, or all that so many steps do not need; the rest for steps
    /// and those who are turned away.
    fn of(limit: u64, wanted_steps: usize) -> Self {
        let shared = limit.saturating_sub(OWN);
        let for_steps = (wanted_steps as u64).saturating_mul(A_STEP);
        let spare = shared.saturating_sub(for_steps + TURNED_AWAY);
        let connections = (shared / 2).max(4).max(spare);
        let turned_away = (connections / 4).min(TURNED_AWAY);
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
        let shares = |limit, wanted_steps| {
            let Descriptors { connections, steps } = Descriptors::of(limit, wanted_steps);
            (connections, steps)
        };
        assert_eq!(shares(128, 100), (32, 3));
        assert_eq!(shares(1024, 100), (480, 52));
        assert_eq!(shares(1024, 16), (768, 16), "what no step needs is for clients");
        assert_eq!(shares(65_536, 10_000), (32_736, 4_084));
        assert_eq!(shares(20_000, 64), (19_360, 64));
        assert_eq!(shares(20, 16), (4, 1), "what can't work is tried");
    }
}
