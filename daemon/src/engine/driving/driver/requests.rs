//! Between executions and the desk: requests go there, answers come back, and a child goes with the
//! one that waits for it.

use a2n_proto::{ExecutionId, Timestamp};

use super::Driver;
use crate::engine::driving::desk::{Asked, child_of};
use crate::engine::driving::live::Live;
use crate::engine::execution::{Parent, UnitKey};
use crate::engine::input::Input;
use crate::engine::kind::Outcome;
use crate::engine::request::{Reply, Request};
use crate::store::execution;

impl Driver {
    fn asked(&self, id: ExecutionId, unit: &UnitKey, n: u32, at: Timestamp) -> Option<Asked> {
        let live = self.live.get(&id)?;
        let (start, header) = (live.state.start(), &live.execution);
        let parent = start.parent.as_ref();
        let own = live.plan.node(&unit.node.node).map_or(0, |node| node.priority);
        Some(Asked {
            key: unit.job(id, n),
            at,
            workflow: start.workflow,
            owner: start.owner,
            user: header.user_id,
            priority: header.priority.saturating_add(own),
            depth: parent.map_or(0, |parent| parent.depth),
            handles_error: parent.is_some_and(|parent| parent.handles_error),
            correlation_id: header.metadata.correlation_id.clone(),
        })
    }

    /// Brings a recorded request to the desk.
    pub(super) fn ask(
        &mut self,
        id: ExecutionId,
        unit: &UnitKey,
        n: u32,
        at: Timestamp,
        request: Request,
    ) {
        if let Some(asked) = self.asked(id, unit, n, at) {
            self.desk.ask(asked, request);
        }
    }

    /// Takes a request back whose answer nobody needs any more.
    pub(super) fn withdraw(
        &mut self,
        id: ExecutionId,
        unit: &UnitKey,
        n: u32,
        at: Timestamp,
        request: &Request,
    ) {
        let Some(asked) = self.asked(id, unit, n, at) else { return };
        self.desk.withdraw(&asked, request);
        if let Request::Child(child) = request
            && !child.detach
        {
            self.cancel_child(child_of(&asked.key, at), id);
        }
    }

    fn cancel_child(&mut self, child: ExecutionId, parent: ExecutionId) {
        let reason =
            format!("execution {parent}, which had started it, does not wait for it any more");
        if self.wake(child) {
            self.advance(child, Input::Cancel { by: None, reason: Some(reason) });
        }
    }

    pub(super) fn release(&mut self, id: ExecutionId, name: String) {
        if let Some(owner) = self.live.get(&id).map(|live| live.state.start().owner) {
            self.desk.release(owner, name, id);
        }
    }

    /// A wish is granted: what the unit had to pass on goes on. One that asks no more has withdrawn,
    /// or is about to.
    pub(super) fn granted(&mut self, id: ExecutionId, unit: UnitKey, n: u32) {
        let Some(Request::Lock(lock)) = self.open_request(id, &unit, n) else { return };
        let reply: Box<Reply> = Box::new(Ok(Outcome::Items(lock.then.clone())));
        self.advance(id, Input::Replied { unit, n, reply });
    }

    pub(super) fn superseded(&mut self, id: ExecutionId, unit: UnitKey, n: u32) {
        let Some(Request::Debounce(one)) = self.open_request(id, &unit, n) else { return };
        let reply: Box<Reply> = Box::new(Ok(Outcome::Items(one.leave("superseded"))));
        self.advance(id, Input::Replied { unit, n, reply });
    }

    fn open_request(&self, id: ExecutionId, unit: &UnitKey, n: u32) -> Option<&Request> {
        let (asked, _, request) = self.live.get(&id)?.state.unit(unit)?.requested()?;
        (asked == n).then_some(request)
    }

    /// Whether the attempt that had this execution started still waits for it. The driver's memory
    /// decides: it is ahead of the store, and every write follows its order.
    pub(super) fn is_wanted(&self, parent: Option<&Parent>) -> bool {
        let Some(Parent { execution, asker: Some((unit, n)), .. }) = parent else { return true };
        self.open_request(*execution, unit, *n).is_some()
    }

    /// After a start: children that nobody waits for any more, because a crash came between the end of
    /// the wait and their cancel.
    pub(super) fn cancel_unwanted(&mut self) {
        let all = self.live.iter().filter_map(|(id, live)| {
            let parent = live.state.start().parent.as_ref()?;
            (!self.is_wanted(Some(parent))).then_some((*id, parent.execution))
        });
        for (child, parent) in all.collect::<Vec<_>>() {
            self.cancel_if_unwanted(child, parent);
        }
    }

    /// The same for one that comes back into memory.
    pub(super) fn cancel_if_unwanted(&mut self, child: ExecutionId, parent: ExecutionId) {
        let parent_of = |live: &Live| live.state.start().parent.clone();
        let found = self.live.get(&child).and_then(parent_of);
        // A parent that can't go on may be helped; only one that is over wants nothing.
        let is_over = || self.live.contains_key(&parent) || self.has_ended(parent);
        if !self.is_wanted(found.as_ref()) && is_over() {
            self.cancel_child(child, parent);
        }
    }

    fn has_ended(&self, id: ExecutionId) -> bool {
        let found = self.parts.store.read().and_then(|read| execution::head(&read, id));
        found.is_ok_and(|found| found.is_none_or(|execution| execution.status.is_ended()))
    }
}
