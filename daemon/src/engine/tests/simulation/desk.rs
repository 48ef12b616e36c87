//! Who answers requests in the made-up world: what is open, who holds which lock, what was counted.

use std::collections::{BTreeMap, BTreeSet};

use a2n_proto::{Json, Timestamp};
use serde_json::json;

use super::check::Wrong;
use crate::engine::execution::{State, UnitKey};
use crate::engine::kind::{Handles, NodeError, Outcome};
use crate::engine::request::shared::{SharedAction, SharedAnswer};
use crate::engine::request::{Reply, Request};
use crate::engine::scenario::unit_text;

/// An attempt that asks.
pub(super) type Asker = (UnitKey, u32);

#[derive(Debug, Clone, Default)]
pub(super) struct Desk {
    /// Requests without an answer.
    pub(super) open: BTreeMap<Asker, Request>,
    /// Permits that the execution holds, by lock.
    held: BTreeMap<String, Vec<Asker>>,
    /// Permits of each lock that others hold.
    pub(super) others: u32,
    /// The shared value that is added to.
    value: u32,
    /// Units that added to it.
    added: BTreeSet<UnitKey>,
}

impl Desk {
    /// A request comes in, perhaps again after a start of the daemon.
    pub(super) fn ask(&mut self, unit: UnitKey, n: u32, request: Request) {
        self.open.insert((unit, n), request);
    }

    /// Nobody needs this answer any more.
    pub(super) fn withdraw(&mut self, unit: UnitKey, n: u32) {
        self.open.remove(&(unit, n));
    }

    /// What the execution held of a lock is free.
    pub(super) fn release(&mut self, name: &str) {
        self.held.remove(name);
    }

    /// The execution is over.
    pub(super) fn end(&mut self) {
        self.held.clear();
    }

    /// The daemon died: what is open is asked again, and what is held stands in the state.
    pub(super) fn restart(&mut self, state: &State) {
        self.open.clear();
        self.held.clear();
        for held in state.held() {
            let asker = (held.unit.clone(), held.n);
            self.held.entry(held.name.clone()).or_default().push(asker);
        }
    }

    /// Whether an open request can be answered now. People decide on approvals.
    pub(super) fn may_answer(&self, asker: &Asker) -> bool {
        match &self.open[asker] {
            Request::Lock(lock) => {
                let own = self.held.get(&lock.name).map_or(0, Vec::len) as u32;
                // Who has a mutex has it, however often it asks.
                (lock.limit == 1 && own > 0) || self.others + own < lock.limit
            }
            Request::Approval(_) => false,
            _ => true,
        }
    }

    /// Answers a request well; `at` is now.
    pub(super) fn answer(&mut self, asker: &Asker, at: Timestamp) -> Result<Reply, Wrong> {
        let Some(request) = self.open.remove(asker) else {
            return Err(Wrong::new("only what is open is answered", unit_text(&asker.0)));
        };
        let item = Json::of(&json!({"u": unit_text(&asker.0)}));
        let one = |handle: &str| Outcome::Items(Handles::from([(handle.to_owned(), vec![item])]));
        Ok(Ok(match request {
            Request::Shared(shared) => {
                let before = self.value;
                if matches!(shared.action, SharedAction::Add { .. }) {
                    self.value += 1;
                    if !self.added.insert(asker.0.clone()) {
                        let what = unit_text(&asker.0);
                        return Err(Wrong::new("what was counted is not counted again", what));
                    }
                }
                Outcome::Items(shared.items(&SharedAnswer {
                    key: shared.key.clone(),
                    value: Json::of(&self.value),
                    existed: before > 0,
                    changed: before != self.value,
                }))
            }
            Request::Lock(lock) => {
                self.held.entry(lock.name).or_default().push(asker.clone());
                Outcome::Items(lock.then)
            }
            Request::Throttle(throttle) => Outcome::Items(throttle.leave("output")),
            Request::Debounce(debounce) => match at.as_unix_ms() % 2 {
                0 => Outcome::Items(debounce.leave("output")),
                _ => Outcome::Items(debounce.leave("superseded")),
            },
            _ => one("output"),
        }))
    }

    /// Refuses a request.
    pub(super) fn refuse(&mut self, asker: &Asker) -> Reply {
        self.open.remove(asker);
        Err(NodeError::new("LIMIT", "refused"))
    }

    /// Once all is done that was asked for, it knows the same as the state.
    pub(super) fn agrees(&self, state: &State) -> Result<(), Wrong> {
        let asked: BTreeSet<Asker> = state.requests().map(|(unit, n, ..)| (unit, n)).collect();
        if !self.open.keys().eq(&asked) {
            let what = format!("asked {:?}, wanted {asked:?}", self.open.keys());
            return Err(Wrong::new("what is asked is what waits for an answer", what));
        }
        let mut held: BTreeMap<String, Vec<Asker>> = BTreeMap::new();
        for one in state.held() {
            held.entry(one.name.clone()).or_default().push((one.unit.clone(), one.n));
        }
        if held != self.held {
            let what = format!("it holds {:?}, and says {held:?}", self.held);
            return Err(Wrong::new(
                "what it holds is what it was given and has not given back",
                what,
            ));
        }
        Ok(())
    }

    /// As many were counted as were answered well.
    pub(super) fn counted(&self, done: usize) -> Result<(), Wrong> {
        if self.value as usize != done {
            let what = format!("{} were counted, {done} are done", self.value);
            return Err(Wrong::new("a counter is what was counted", what));
        }
        Ok(())
    }
}
