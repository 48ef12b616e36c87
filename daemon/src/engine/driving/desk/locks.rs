//! Who holds permits of which lock, and who waits for some, in order.
//!
//! What is held stands in the executions' states and comes back from there at a start; who waits asks
//! again. Whoever waits longest among the highest priority is next, and nobody passes them: a wish for
//! many permits is not starved by wishes for few.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use a2n_proto::{ExecutionId, Timestamp, UserId};

use crate::engine::job::JobKey;

/// A lock's name among those of an owner.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LockId {
    pub(super) owner: UserId,
    pub(super) name: String,
}

/// A place in the queue: priority first, then age.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) priority: Reverse<i32>,
    pub(super) since: Timestamp,
    pub(super) key: JobKey,
}

/// What is wanted of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) limit: u32,
    pub(super) permits: u32,
}

/// All locks that somebody holds or waits for.
#[derive(Debug, Default)]
pub(super) struct Locks {
    locks: BTreeMap<LockId, Lock>,
    /// Where each execution holds or waits, so that its end finds it.
    of: BTreeMap<ExecutionId, BTreeSet<LockId>>,
}

#[derive(Debug, Default)]
struct Lock {
    held: BTreeMap<JobKey, u32>,
    waiting: BTreeMap<Place, Wish>,
}

impl Locks {
    /// Notes what an execution holds, as its state says.
    pub(super) fn restore(&mut self, id: LockId, key: JobKey, permits: u32) {
        self.of.entry(key.execution).or_default().insert(id.clone());
        self.locks.entry(id).or_default().held.insert(key, permits);
    }

    /// Puts a wish into the queue. Answers whose wishes are granted by that; the same attempt may ask
    /// again and is told again.
    pub(super) fn ask(&mut self, id: LockId, place: Place, wish: Wish) -> Vec<JobKey> {
        self.of.entry(place.key.execution).or_default().insert(id.clone());
        let lock = self.locks.entry(id).or_default();
        if lock.held.contains_key(&place.key) {
            return vec![place.key];
        }
        lock.waiting.insert(place, wish);
        lock.grant()
    }

    /// An attempt does not want its permits any more, whether it has them or waits for them. Answers
    /// whose wishes are granted by that.
    pub(super) fn withdraw(&mut self, id: &LockId, key: &JobKey) -> Vec<JobKey> {
        let Some(lock) = self.locks.get_mut(id) else { return Vec::new() };
        lock.held.remove(key);
        lock.waiting.retain(|place, _| place.key != *key);
        self.granted(id, key.execution)
    }

    /// An execution gives back what it holds of a lock.
    pub(super) fn release(&mut self, id: &LockId, execution: ExecutionId) -> Vec<JobKey> {
        let Some(lock) = self.locks.get_mut(id) else { return Vec::new() };
        lock.held.retain(|key, _| key.execution != execution);
        self.granted(id, execution)
    }

    /// An execution is over: it holds nothing and waits for nothing.
    pub(super) fn end(&mut self, execution: ExecutionId) -> Vec<JobKey> {
        let mut granted = Vec::new();
        for id in self.of.get(&execution).cloned().unwrap_or_default() {
            if let Some(lock) = self.locks.get_mut(&id) {
                lock.waiting.retain(|place, _| place.key.execution != execution);
            }
            granted.extend(self.release(&id, execution));
        }
        granted
    }

    /// An execution is not looked after any more, but has not ended: it keeps what it holds.
    pub(super) fn leave(&mut self, execution: ExecutionId) -> Vec<JobKey> {
        let mut granted = Vec::new();
        for id in self.of.get(&execution).cloned().unwrap_or_default() {
            if let Some(lock) = self.locks.get_mut(&id) {
                lock.waiting.retain(|place, _| place.key.execution != execution);
            }
            granted.extend(self.granted(&id, execution));
        }
        granted
    }

    /// Grants what can be granted now, and forgets what nobody holds or waits for.
    fn granted(&mut self, id: &LockId, execution: ExecutionId) -> Vec<JobKey> {
        let Some(lock) = self.locks.get_mut(id) else { return Vec::new() };
        let granted = lock.grant();
        if !lock.concerns(execution)
            && let Some(of) = self.of.get_mut(&execution)
        {
            of.remove(id);
            if of.is_empty() {
                self.of.remove(&execution);
            }
        }
        if lock.held.is_empty() && lock.waiting.is_empty() {
            self.locks.remove(id);
        }
        granted
    }
}

impl Lock {
    fn grant(&mut self) -> Vec<JobKey> {
        let mut granted = Vec::new();
        while let Some((place, wish)) = self.next() {
            self.waiting.remove(&place);
            self.held.insert(place.key.clone(), wish.permits);
            granted.push(place.key);
        }
        granted
    }
    /// The next wish that can be granted.
    fn next(&self) -> Option<(Place, Wish)> {
        // Who has a mutex has it, however often it asks: it must not wait for itself.
        let has_it = |place: &Place| {
            let execution = place.key.execution;
            !self.held.is_empty() && self.held.keys().all(|held| held.execution == execution)
        };
        let own = self.waiting.iter().find(|(place, wish)| wish.limit == 1 && has_it(place));
        let first = self.waiting.first_key_value().filter(|(_, wish)| {
            let out: u64 = self.held.values().map(|permits| u64::from(*permits)).sum();
            out + u64::from(wish.permits) <= u64::from(wish.limit)
        });
        own.or(first).map(|(place, wish)| (place.clone(), *wish))
    }
    fn concerns(&self, execution: ExecutionId) -> bool {
        self.held.keys().any(|key| key.execution == execution)
            || self.waiting.keys().any(|place| place.key.execution == execution)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lock() -> LockId {
        LockId { owner: UserId::from_bytes([1; 16]), name: "l".into() }
    }
    fn key(execution: u8, node: u8) -> JobKey {
        JobKey {
            execution: ExecutionId::from_bytes([execution; 16]),
            node: node.to_string(),
            iteration: String::new(),
            item: None,
            attempt: 1,
        }
    }
    fn place(priority: i32, since: i64, key: JobKey) -> Place {
        Place { priority: Reverse(priority), since: Timestamp::from_unix_ms(since), key }
    }
    fn mutex() -> Wish {
        Wish { limit: 1, permits: 1 }
    }

    #[test]
    fn the_highest_priority_is_next_then_the_longest_wait() {
        let mut locks = Locks::default();
        assert_eq!(locks.ask(lock(), place(0, 1, key(1, 0)), mutex()), [key(1, 0)]);
        assert!(locks.ask(lock(), place(0, 3, key(3, 0)), mutex()).is_empty());
        assert!(locks.ask(lock(), place(0, 2, key(2, 0)), mutex()).is_empty());
        assert!(locks.ask(lock(), place(9, 4, key(4, 0)), mutex()).is_empty());
        let one = |n: u8| ExecutionId::from_bytes([n; 16]);
        assert_eq!(locks.release(&lock(), one(1)), [key(4, 0)]);
        assert_eq!(locks.end(one(4)), [key(2, 0)]);
        assert_eq!(locks.withdraw(&lock(), &key(2, 0)), [key(3, 0)]);
        assert!(locks.end(one(3)).is_empty());
        assert!(locks.locks.is_empty() && locks.of.is_empty());
    }

    #[test]
    fn a_wish_for_many_is_not_passed_by_wishes_for_few() {
        let mut locks = Locks::default();
        let wish = |permits| Wish { limit: 3, permits };
        assert_eq!(locks.ask(lock(), place(0, 1, key(1, 0)), wish(2)), [key(1, 0)]);
        assert!(locks.ask(lock(), place(0, 2, key(2, 0)), wish(3)).is_empty());
        assert!(locks.ask(lock(), place(0, 3, key(3, 0)), wish(1)).is_empty());
        assert_eq!(locks.end(key(1, 0).execution), [key(2, 0)]);
        assert_eq!(locks.end(key(2, 0).execution), [key(3, 0)]);
    }

    #[test]
    fn who_has_a_mutex_gets_it_again_and_one_release_frees_it() {
        let mut locks = Locks::default();
        assert_eq!(locks.ask(lock(), place(0, 1, key(1, 0)), mutex()), [key(1, 0)]);
        assert!(locks.ask(lock(), place(0, 2, key(2, 0)), mutex()).is_empty());
        assert_eq!(locks.ask(lock(), place(0, 3, key(1, 1)), mutex()), [key(1, 1)]);
        assert_eq!(locks.ask(lock(), place(0, 3, key(1, 1)), mutex()), [key(1, 1)], "asked again");
        assert_eq!(locks.release(&lock(), key(1, 0).execution), [key(2, 0)]);
    }

    /// What the executions' states say in the property test, and so what a crash leaves.
    #[derive(Debug, Default)]
    struct Model {
        held: BTreeMap<JobKey, u32>,
        asking: BTreeMap<Place, Wish>,
    }

    impl Model {
        fn told(&mut self, granted: Vec<JobKey>) {
            for key in granted {
                let found = self.asking.keys().find(|place| place.key == key).cloned();
                if let Some(place) = found {
                    let wish = self.asking.remove(&place).unwrap();
                    self.held.insert(key, wish.permits);
                }
            }
        }
        fn after_crash(&self) -> (Locks, Vec<JobKey>) {
            let mut locks = Locks::default();
            for (key, permits) in &self.held {
                locks.restore(lock(), key.clone(), *permits);
            }
            let mut granted = Vec::new();
            for (place, wish) in &self.asking {
                granted.extend(locks.ask(lock(), place.clone(), *wish));
            }
            (locks, granted)
        }
    }

    proptest! {
        /// Whatever happens in whatever order: never more permits out than there are, none lost,
        /// and nobody waits while there is room for the first.
        #[test]
        fn no_permit_is_ever_lost_or_given_twice(
            limit in 1_u32..4,
            acts in prop::collection::vec((0_u8..6, 0_u8..6, 1_u32..4, 0_i32..2), 1..80),
        ) {
            let (mut locks, mut model) = (Locks::default(), Model::default());
            for (n, (act, execution, permits, priority)) in acts.into_iter().enumerate() {
                let n = u8::try_from(n).unwrap();
                let id = ExecutionId::from_bytes([execution; 16]);
                match act {
                    0 | 1 => {
                        let wish = Wish { limit, permits: permits.min(limit) };
                        let place = place(priority, i64::from(n), key(execution, n));
                        model.asking.insert(place.clone(), wish);
                        let granted = locks.ask(lock(), place, wish);
                        model.told(granted);
                    }
                    2 => {
                        let granted = locks.release(&lock(), id);
                        model.held.retain(|key, _| key.execution != id);
                        model.told(granted);
                    }
                    3 => {
                        let granted = locks.end(id);
                        model.held.retain(|key, _| key.execution != id);
                        model.asking.retain(|place, _| place.key.execution != id);
                        model.told(granted);
                    }
                    4 => {
                        let first = model.asking.keys().find(|p| p.key.execution == id).cloned();
                        if let Some(place) = first {
                            model.asking.remove(&place);
                            let granted = locks.withdraw(&lock(), &place.key);
                            model.told(granted);
                        }
                    }
                    _ => {
                        let (again, granted) = model.after_crash();
                        locks = again;
                        model.told(granted);
                    }
                }
                // A mutex asked for again costs nothing.
                let mut out: BTreeMap<ExecutionId, u32> = BTreeMap::new();
                for (key, permits) in &model.held {
                    *out.entry(key.execution).or_default() += permits;
                }
                let total: u32 = if limit == 1 {
                    u32::try_from(out.len()).unwrap()
                } else {
                    out.values().sum()
                };
                prop_assert!(total <= limit, "{total} of {limit} are out");
                let here = locks.locks.get(&lock());
                let held: BTreeSet<_> = here.into_iter().flat_map(|l| l.held.keys()).collect();
                prop_assert_eq!(held, model.held.keys().collect::<BTreeSet<_>>());
                let first = model.asking.first_key_value();
                prop_assert!(first.is_none_or(|(_, wish)| total + wish.permits > limit));
            }
            for execution in 0..6 {
                let granted = locks.end(ExecutionId::from_bytes([execution; 16]));
                let id = ExecutionId::from_bytes([execution; 16]);
                model.held.retain(|key, _| key.execution != id);
                model.asking.retain(|place, _| place.key.execution != id);
                model.told(granted);
            }
            prop_assert!(locks.locks.is_empty() && locks.of.is_empty());
        }
    }
}
