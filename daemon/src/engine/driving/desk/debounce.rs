//! Debounces: of those that wait with the same key, the one that came last goes on when its time is
//! there; the others end their branch. Who waits stands in the executions' states.

use std::collections::BTreeMap;

use a2n_proto::{ExecutionId, Timestamp, WorkflowId};

use super::asking::{Asked, Desk};
use crate::engine::driving::driver::Back;
use crate::engine::execution::{State, UnitKey};
use crate::engine::job::JobKey;
use crate::engine::request::Request;

/// What belongs together: workflow, node and key.
type Group = (WorkflowId, String, String);

/// The last that came, by what belongs together.
#[derive(Debug, Default)]
pub(super) struct Debounces(BTreeMap<Group, (Timestamp, JobKey)>);

impl Debounces {
    /// Answers which one is superseded, where one is.
    fn come(&mut self, group: Group, at: Timestamp, key: JobKey) -> Option<JobKey> {
        match self.0.get(&group) {
            Some((_, last)) if *last == key => None,
            Some(last) if *last > (at, key.clone()) => Some(key),
            _ => self.0.insert(group, (at, key)).map(|(_, earlier)| earlier),
        }
    }
    fn go(&mut self, group: &Group, key: &JobKey) {
        if self.0.get(group).is_some_and(|(_, last)| last == key) {
            self.0.remove(group);
        }
    }
    /// An execution is not looked after any more.
    pub(super) fn leave(&mut self, execution: ExecutionId) {
        self.0.retain(|_, (_, key)| key.execution != execution);
    }
}

fn group(workflow: WorkflowId, key: &JobKey, debounce: &str) -> Group {
    (workflow, key.node.clone(), debounce.to_owned())
}

pub(super) fn ask(desk: &mut Desk, asked: &Asked, debounce: &str) {
    let group = group(asked.workflow, &asked.key, debounce);
    if let Some(earlier) = desk.debounces.come(group, asked.at, asked.key.clone()) {
        let (id, unit, n) = (earlier.execution, UnitKey::of(&earlier), earlier.attempt);
        // The driver is gone only when the daemon has stopped; the next start asks again.
        let _ = desk.back.send(Back::Superseded { id, unit, n });
    }
}

/// Its time is there, or it was cancelled.
pub(super) fn withdraw(desk: &mut Desk, workflow: WorkflowId, key: &JobKey, debounce: &str) {
    desk.debounces.go(&group(workflow, key, debounce), key);
}

/// Notes who waits, as its state says, before anybody is asked again: so that the one that came last
/// is known when the first one's time is there.
pub(super) fn take_up(desk: &mut Desk, state: &State) {
    let start = state.start();
    for (unit, n, at, request) in state.requests() {
        if let Request::Debounce(debounce) = request {
            let key = unit.job(start.execution, n);
            let group = group(start.workflow, &key, &debounce.key);
            // Who is superseded by this is told when it asks again.
            let _ = desk.debounces.come(group, at, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_stays_in_whatever_order_they_are_told() {
        let key = |n: u8| JobKey {
            execution: ExecutionId::from_bytes([n; 16]),
            node: "a".into(),
            iteration: String::new(),
            item: None,
            attempt: 1,
        };
        let at = Timestamp::from_unix_ms;
        let group = || (WorkflowId::from_bytes([1; 16]), "a".to_owned(), "k".to_owned());
        let mut debounces = Debounces::default();
        assert_eq!(debounces.come(group(), at(1), key(1)), None);
        assert_eq!(debounces.come(group(), at(3), key(3)), Some(key(1)));
        assert_eq!(debounces.come(group(), at(2), key(2)), Some(key(2)));
        assert_eq!(debounces.come(group(), at(3), key(3)), None, "asked again");
        debounces.go(&group(), &key(2));
        assert_eq!(debounces.come(group(), at(4), key(4)), Some(key(3)));
        debounces.leave(key(4).execution);
        assert_eq!(debounces.come(group(), at(1), key(1)), None);
    }
}
