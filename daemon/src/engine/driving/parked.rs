//! The timers of executions that are not in memory: the earliest of them. The others are read from the
//! store when those are used up, so that a million cost what a few thousand do.
//!
//! Invariant: every stored timer up to the horizon is in the window, or its execution is in memory.

use std::collections::BTreeSet;

use a2n_proto::{ExecutionId, Timestamp};

/// A timer of an execution that is not in memory.
pub(super) type Entry = (Timestamp, ExecutionId);

/// How many are read at a time; up to twice as many are kept.
pub(super) const WINDOW: usize = 4_096;

/// The earliest timers of those that are not in memory.
#[derive(Debug, Default)]
pub(super) struct Parked {
    window: BTreeSet<Entry>,
    /// The last that was read; none where there are no more.
    horizon: Option<Entry>,
}

impl Parked {
    /// What was read from the store behind the horizon, at most [`WINDOW`].
    pub(super) fn read(&mut self, entries: Vec<Entry>) {
        self.horizon = entries.last().copied().filter(|_| entries.len() >= WINDOW);
        self.window.extend(entries);
    }

    /// Where to read on, when all that was read is used up.
    pub(super) fn to_read(&self) -> Option<Entry> {
        self.horizon.filter(|_| self.window.is_empty())
    }

    /// An execution leaves memory until this moment.
    pub(super) fn park(&mut self, due: Timestamp, id: ExecutionId) {
        if self.horizon.is_some_and(|horizon| (due, id) > horizon) {
            return;
        }
        self.window.insert((due, id));
        if self.window.len() > 2 * WINDOW
            && let Some(first_out) = self.window.iter().nth(WINDOW).copied()
        {
            self.window.split_off(&first_out);
            self.horizon = self.window.last().copied();
        }
    }

    /// The earliest moment.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.window.first().map(|(due, _)| *due)
    }

    /// Takes out one that is due. It may be in memory meanwhile, or over.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<ExecutionId> {
        let first = self.window.first().copied().filter(|(due, _)| *due <= now)?;
        self.window.remove(&first);
        Some(first.1)
    }

    /// One that was taken out and could not be read; it is due again at a moment.
    pub(super) fn again(&mut self, due: Timestamp, id: ExecutionId) {
        self.window.insert((due, id));
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.window.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u64) -> Entry {
        (Timestamp::from_unix_ms(n.cast_signed()), ExecutionId::from_parts(n, [1; 10]))
    }

    /// A store with so many timers, and a window over it: all come due, in order, each once.
    #[test]
    fn every_timer_comes_due_once_however_many_there_are() {
        let many = WINDOW as u64 * 5 + 7;
        let stored: BTreeSet<Entry> = (0..many).map(|n| entry(n * 3 % many)).collect();
        let behind = |after: Option<Entry>| -> Vec<Entry> {
            let rest = stored.iter().filter(|one| after.is_none_or(|after| **one > after));
            rest.copied().take(WINDOW).collect()
        };
        let mut parked = Parked::default();
        parked.read(behind(None));
        let mut seen = Vec::new();
        loop {
            if let Some(after) = parked.to_read() {
                parked.read(behind(Some(after)));
            }
            let Some(next) = parked.next() else { break };
            seen.extend(parked.take_due(next));
            assert!(parked.len() <= 2 * WINDOW);
        }
        assert_eq!(seen.len(), stored.len());
        assert!(seen.is_sorted());
    }

    #[test]
    fn what_leaves_memory_is_bounded_too_and_nothing_of_it_is_forgotten() {
        let mut parked = Parked::default();
        parked.read(Vec::new());
        let many = WINDOW as u64 * 3;
        // From the last to the first: each stands before all that are known.
        for n in (0..many).rev() {
            parked.park(entry(n).0, entry(n).1);
            assert!(parked.len() <= 2 * WINDOW);
        }
        let mut seen = 0;
        while let Some(next) = parked.next() {
            parked.take_due(next);
            seen += 1;
            if let Some((_, last)) = parked.to_read() {
                assert_eq!(last, entry(seen - 1).1, "the rest is read from here on");
                return;
            }
        }
        panic!("more were parked than fit, and all were there: {seen}");
    }
}
