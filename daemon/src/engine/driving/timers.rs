//! The timers of all live executions: one map for the wall clock, one for running time.
//!
//! The driver arms one sleep for the earliest of each; nothing is armed while nothing waits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use a2n_proto::{ExecutionId, Timestamp};

use crate::engine::effect::{Due, TimerKey};

/// A timer of one execution.
pub(super) type Owner = (ExecutionId, TimerKey);

/// All timers that are set.
#[derive(Debug, Default)]
pub(super) struct Timers {
    wall: BTreeSet<(Timestamp, Owner)>,
    running: BTreeSet<(Duration, Owner)>,
    set: BTreeMap<Owner, Moment>,
}

#[derive(Debug, Clone, Copy)]
enum Moment {
    Wall(Timestamp),
    Running(Duration),
}

impl Timers {
    /// Sets a timer, in place of an earlier one of the same owner. `monotonic` is the present
    /// reading of the clock that measures running time.
    pub(super) fn set(&mut self, owner: Owner, due: Due, monotonic: Duration) {
        self.clear(&owner);
        let moment = match due {
            Due::At(at) => Moment::Wall(at),
            Due::After(after) => Moment::Running(monotonic.saturating_add(after)),
        };
        match moment {
            Moment::Wall(at) => self.wall.insert((at, owner.clone())),
            Moment::Running(at) => self.running.insert((at, owner.clone())),
        };
        self.set.insert(owner, moment);
    }

    /// Forgets a timer.
    pub(super) fn clear(&mut self, owner: &Owner) {
        match self.set.remove(owner) {
            Some(Moment::Wall(at)) => self.wall.remove(&(at, owner.clone())),
            Some(Moment::Running(at)) => self.running.remove(&(at, owner.clone())),
            None => false,
        };
    }

    /// Forgets every timer of an execution.
    pub(super) fn clear_all(&mut self, execution: ExecutionId) {
        let first = (execution, TimerKey::Timeout);
        let owners: Vec<Owner> = self
            .set
            .range(first..)
            .map(|(owner, _)| owner.clone())
            .take_while(|owner| owner.0 == execution)
            .collect();
        for owner in owners {
            self.clear(&owner);
        }
    }

    /// The earliest moment of the wall clock.
    pub(super) fn next_wall(&self) -> Option<Timestamp> {
        self.wall.first().map(|(at, _)| *at)
    }
    /// The earliest moment of running time.
    pub(super) fn next_running(&self) -> Option<Duration> {
        self.running.first().map(|(at, _)| *at)
    }
    /// How many are set.
    pub(super) fn len(&self) -> usize {
        self.set.len()
    }

    /// Takes out one timer that is due, the earliest first.
    pub(super) fn take_due(&mut self, now: Timestamp, monotonic: Duration) -> Option<Owner> {
        let due = match (self.wall.first(), self.running.first()) {
            (Some((at, owner)), _) if *at <= now => owner.clone(),
            (_, Some((at, owner))) if *at <= monotonic => owner.clone(),
            _ => return None,
        };
        self.clear(&due);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(n: u8) -> Owner {
        (ExecutionId::from_bytes([n; 16]), TimerKey::Timeout)
    }

    #[test]
    fn a_timer_set_again_is_due_once_at_its_new_moment() {
        let mut timers = Timers::default();
        let at = Timestamp::from_unix_ms;
        timers.set(owner(1), Due::At(at(10)), Duration::ZERO);
        timers.set(owner(1), Due::At(at(20)), Duration::ZERO);
        timers.set(owner(2), Due::After(Duration::from_secs(1)), Duration::from_secs(4));
        assert_eq!(timers.take_due(at(10), Duration::ZERO), None);
        assert_eq!(timers.take_due(at(20), Duration::from_secs(5)), Some(owner(1)));
        assert_eq!(timers.take_due(at(20), Duration::from_secs(5)), Some(owner(2)));
        assert_eq!(timers.len(), 0);
    }

    #[test]
    fn all_timers_of_an_execution_go_with_it() {
        let mut timers = Timers::default();
        for n in 1..=3 {
            timers.set(owner(n), Due::After(Duration::from_secs(1)), Duration::ZERO);
        }
        timers.clear_all(owner(2).0);
        assert_eq!(timers.len(), 2);
    }
}
