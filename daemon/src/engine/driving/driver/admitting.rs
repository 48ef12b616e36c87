//! Acceptance: which executions are taken in, which of them begin at once and which wait for a place
//! among their workflow's. A place is given only when the end of who had it is committed.

use std::ops::Bound;

use a2n_proto::execution::Execution;
use a2n_proto::{ExecutionId, WorkflowId};
use tokio::sync::oneshot;

use super::{Back, Driver, ROUND};
use crate::engine::driving::handle::{Accepted, Admission, Beginning, Error, Within};
use crate::engine::driving::live::Live;
use crate::engine::driving::persist::{self, Kept};
use crate::engine::driving::places::{Rank, Refused};
use crate::engine::input::Input;
use crate::engine::step::Step;
use crate::store::{self, Origin, Tx};

/// How many ancestors of an execution are looked at; more than may be.
const ANCESTORS: usize = 32;

impl Refused {
    fn of(self, execution: &Execution) -> Error {
        let workflow = execution.workflow_name.clone();
        match self {
            Self::Running { by, limit } => Error::Rejected { workflow, limit, by },
            Self::Queued { limit } => Error::QueueFull { workflow, limit },
        }
    }
}

impl Driver {
    /// Whether one more execution may be accepted.
    fn may_accept(&mut self) -> Result<(), Error> {
        if let Some(why) = self.parts.safe_mode.why() {
            return Err(Error::SafeMode(why));
        }
        if self.stopping {
            return Err(Error::Stopping);
        }
        let limit = self.parts.tuning.borrow().max_unfinished;
        if self.unfinished >= limit {
            // What ended since is not counted here; the store knows.
            self.count_unfinished().map_err(Error::Store)?;
        }
        if self.unfinished >= limit {
            return Err(Error::Overloaded { limit });
        }
        self.unfinished += 1;
        Ok(())
    }

    pub(super) fn count_unfinished(&mut self) -> Result<(), store::Error> {
        let (queued, paused) =
            self.parts.store.read().and_then(|read| store::execution::counts(&read))?;
        self.unfinished = queued + paused + self.live.len() as u64;
        Ok(())
    }

    pub(super) fn take_in(&mut self, id: ExecutionId, live: Live) {
        self.live_bytes += live.input_bytes;
        self.rates.learn(live.plan.outside());
        self.live.insert(id, live);
    }

    pub(super) fn accept(
        &mut self,
        beginning: Beginning,
        reply: oneshot::Sender<Result<Accepted, Error>>,
    ) {
        let allowed = match beginning.is_owed {
            true if self.stopping => Err(Error::Stopping),
            true if !self.is_wanted(beginning.state.start().parent.as_ref()) => {
                Err(Error::Unwanted)
            }
            true => Ok(()),
            false => self.may_accept(),
        };
        if let Err(error) = allowed {
            let _ = reply.send(Err(error));
            return;
        }
        let Beginning { execution, plan, state, rule, origin, within, waiter, .. } = beginning;
        if self.live.contains_key(&execution.id) {
            // Asked for twice, which only those do whose id follows from what they are.
            let _ = reply.send(Ok(Accepted::Already(execution.id)));
            return;
        }
        let (id, workflow) = (execution.id, execution.workflow_id);
        let root = self.root_of(&execution);
        let accepted = execution.clone();
        let mut live = Live::new(plan, state, execution);
        live.state.accepted_at(self.parts.inbox.last());
        self.places.learn(workflow, &rule);
        self.know_holders(workflow);
        let admitted = self.places.admit(workflow, live.rank(), root, self.is_full());
        if matches!(admitted, Ok(false) | Err(Refused::Queued { .. }))
            && let Some(ring) = self.ring(&accepted, live.state.start().parent.as_ref(), root)
        {
            self.places.release(workflow, &live.rank());
            return self.refuse(id, ring, origin, within, reply);
        }
        let begins = match admitted {
            Ok(begins) => begins,
            Err(refused) => {
                return self.refuse(id, refused.of(&accepted), origin, within, reply);
            }
        };
        self.parts.observer.began(&accepted);
        if let Some(waiter) = waiter {
            self.waiters.entry(id).or_default().push(waiter);
        }
        self.take_in(id, live);
        let decided = match begins {
            true => self.decide(id, Input::Begin, origin),
            false => self.as_accepted(id, origin),
        };
        let Some((step, kept)) = decided else {
            // Nothing of it is stored, so nothing is left to mend.
            self.forget(id);
            let _ = reply.send(Err(Error::Panicked));
            return;
        };
        let write = persist::insert(kept, accepted, within);
        let back = self.back.clone();
        let effects = step.effects;
        self.hand_over(id, write, move |result| match result {
            Ok(persist::Inserted::New(header)) => {
                let (carries, accepts) = (None, true);
                let _ = back.send(Back::Written { id, effects, carries, accepts, result: Ok(()) });
                let _ = reply.send(Ok(Accepted::New(header)));
            }
            Ok(persist::Inserted::Already(other)) => {
                let _ = back.send(Back::Withdrawn(id));
                let _ = reply.send(Ok(Accepted::Already(other)));
            }
            Err(error) => {
                // Where nobody knows whether it is stored, the store is asked before it is let go.
                let _ = back.send(match &error {
                    store::Error::Unknown { .. } => {
                        let (carries, accepts) = (None, true);
                        Back::Written { id, effects, carries, accepts, result: Err(error.clone()) }
                    }
                    _ => Back::Withdrawn(id),
                });
                let _ = reply.send(Err(Error::Store(error)));
            }
        });
    }

    /// The record of an execution that is accepted and does not begin yet.
    fn as_accepted(&mut self, id: ExecutionId, origin: Origin) -> Option<(Step, Kept)> {
        let live = self.live.get_mut(&id)?;
        let mut step = Step::default();
        let kept = Kept::of(live, &mut step, None, origin);
        Some((step, kept))
    }

    /// Answers that nothing was accepted; but what was accepted before under the same key stays so.
    fn refuse(
        &mut self,
        id: ExecutionId,
        error: Error,
        origin: Origin,
        within: Option<Within>,
        reply: oneshot::Sender<Result<Accepted, Error>>,
    ) {
        let Some(within) = within else {
            let _ = reply.send(Err(error));
            return;
        };
        let look = move |tx: &mut Tx<'_>| match within(tx)? {
            Admission::Already(other) => Ok(other),
            // An error, so that nothing of it stays.
            Admission::New => {
                Err(store::Error::NotFound { entity: "execution", id: id.to_string() })
            }
        };
        let ours = id.to_string();
        self.parts.store.hand_over(origin, look, move |result| {
            let _ = reply.send(match result {
                Ok(other) => Ok(Accepted::Already(other)),
                Err(store::Error::NotFound { id, .. }) if id == ours => Err(error),
                Err(other) => Err(Error::Store(other)),
            });
        });
    }

    /// The topmost ancestor of the same workflow, or the execution itself.
    pub(super) fn root_of(&self, execution: &Execution) -> ExecutionId {
        let (mut root, mut next) = (execution.id, execution.parent_execution_id);
        for _ in 0..ANCESTORS {
            let Some(id) = next else { break };
            let of = |one: &Execution| (one.workflow_id, one.parent_execution_id);
            let found = match self.live.get(&id) {
                Some(live) => Some(of(&live.execution)),
                // One that can't be read holds no place either.
                None => self.parts.store.read().ok().and_then(|read| {
                    store::execution::head(&read, id).ok().flatten().as_ref().map(of)
                }),
            };
            let Some((workflow, parent)) = found else { break };
            if workflow == execution.workflow_id {
                root = id;
            }
            next = parent;
        }
        root
    }

    /// An execution that has not begun: whether its turn may come, after what was decided about it.
    pub(super) fn look_at_queued(&mut self, id: ExecutionId) {
        let Some(live) = self.live.get(&id) else { return };
        if live.has_begun() {
            return;
        }
        let (workflow, rank) = (live.execution.workflow_id, live.rank());
        if !self.places.waits(workflow, &rank) {
            return;
        }
        self.places.queue(workflow, rank, live.may_begin());
        self.freed.insert(workflow);
    }

    /// Gives places that became free to those that wait for one, and makes room under REPLACE. While
    /// there is little room in memory, workflows take turns.
    pub(super) fn fill_places(&mut self) {
        let mut left = self.freed.len().saturating_add(ROUND);
        while !self.stopping && !self.is_full() && left > 0 {
            left -= 1;
            let after = self.last_filled.map_or(Bound::Unbounded, Bound::Excluded);
            let next = self.freed.range((after, Bound::Unbounded)).next().copied();
            let Some(workflow) = next.or_else(|| self.freed.first().copied()) else { return };
            self.last_filled = Some(workflow);
            if let Some(id) = self.places.next(workflow) {
                self.begin(workflow, id);
                continue;
            }
            self.freed.remove(&workflow);
            let live = &self.live;
            // One that is not in memory waits.
            let is_ending = |id| live.get(&id).is_some_and(|live| live.state.is_ending());
            for id in self.places.to_replace(workflow, is_ending) {
                if self.wake(id) {
                    let by = Some("REPLACE".to_owned());
                    let reason = "a newer execution of its workflow takes its place".to_owned();
                    self.advance(id, Input::Cancel { by, reason: Some(reason) });
                }
            }
        }
    }

    /// Begins one that was given a place.
    fn begin(&mut self, workflow: WorkflowId, id: ExecutionId) {
        if self.wake(id) {
            self.advance(id, Input::Begin);
        } else {
            // It can't be read now, or not at all; others go on.
            self.places.release(workflow, &persist::rank_of(0, id));
        }
    }

    /// Whether places wait to be given, and there is room to do so.
    pub(super) fn has_places_to_give(&self) -> bool {
        !self.stopping && !self.freed.is_empty() && !self.is_full()
    }

    /// The place of an execution that is over, or not there after all, becomes free.
    pub(super) fn release_place(&mut self, workflow: WorkflowId, rank: &Rank) {
        self.places.release(workflow, rank);
        self.freed.insert(workflow);
    }

    /// Those of a deleted workflow that have not begun go with it.
    pub(super) fn drop_queue(&mut self, workflow: WorkflowId) {
        for id in self.places.drop_queue(workflow) {
            self.waiters.remove(&id);
            if self.live.get(&id).is_some_and(|live| live.writes == 0) {
                self.forget(id);
            }
        }
        self.known.remove(&workflow);
    }
}
