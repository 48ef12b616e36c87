//! What callers ask of the driver: to tell a live execution something, to wait for its end, to show
//! it, to take one up again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use a2n_proto::execution::Execution;
use a2n_proto::{ExecutionId, WorkflowId};
use tokio::sync::oneshot;

use super::{Back, Driver};
use crate::engine::driving::handle::{Ask, Busy, COUNTED, Error, Found, Revived, Within};
use crate::engine::driving::live::Live;
use crate::engine::driving::persist;
use crate::engine::input::Input;
use crate::engine::steering;
use crate::store;

/// How many workflows are named as the busiest.
const BUSIEST: usize = 3;

impl Driver {
    pub(super) fn take_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Start(beginning, reply) => self.accept(*beginning, reply),
            Ask::Tell { id, input, origin, within, reply } => {
                self.tell(id, *input, origin, within, reply);
            }
            Ask::Wait(id, reply) => {
                // Dropping the reply says that it is over, or that there is none.
                if self.is_unfinished(id) {
                    let waiters = self.waiters.entry(id).or_default();
                    waiters.retain(|waiter| !waiter.is_closed());
                    waiters.push(reply);
                }
            }
            Ask::Snapshot(id, reply) => {
                let live = self.live.get(&id);
                let _ = reply.send(live.map(|l| (Arc::clone(&l.plan), l.state.clone())));
            }
            Ask::Recover(found, reply) => {
                self.recover(*found);
                let _ = reply.send(());
            }
            Ask::Rule(workflow, rule) => {
                self.places.change(workflow, &rule);
                self.know_holders(workflow);
                self.freed.insert(workflow);
            }
            Ask::Gone(workflow) => self.drop_queue(workflow),
            Ask::Over(workflow, id) => self.release_place(workflow, &persist::rank_of(0, id)),
            Ask::Queued(one, reply) => {
                let rank = persist::rank_of(one.priority, one.id);
                let waits = self.places.waits(one.workflow, &rank);
                let before = waits.then(|| self.places.before(one.workflow, &rank, COUNTED));
                let _ = reply.send(before);
            }
            Ask::Busiest(reply) => {
                let _ = reply.send(self.busiest());
            }
            Ask::Load(reply) => {
                let _ = reply.send(self.load());
            }
        }
    }

    pub(super) fn tell(
        &mut self,
        id: ExecutionId,
        input: Input,
        origin: store::Origin,
        within: Within,
        reply: oneshot::Sender<Result<Execution, Error>>,
    ) {
        self.wake(id);
        if self.live.get(&id).is_none_or(|live| live.state.status().is_ended()) {
            let _ = reply.send(Err(Error::NotLive(id)));
            return;
        }
        if self.live.get(&id).is_some_and(|live| live.held.is_some()) {
            let reason = "an earlier write of this execution failed; it is being read again";
            let error = store::Error::Refusing { reason: reason.into() };
            let _ = reply.send(Err(Error::Store(error)));
            return;
        }
        let asked = self.live.get(&id).map(|live| (&live.plan, &live.state));
        if let Some(why) = asked.and_then(|(plan, state)| steering::refusal(plan, state, &input)) {
            let _ = reply.send(Err(Error::Refused(why)));
            return;
        }
        let Some((step, kept)) = self.decide(id, input, origin) else {
            let _ = reply.send(Err(Error::Panicked));
            return;
        };
        if step.facts.is_empty() {
            let _ = reply.send(Err(Error::NoDifference(id)));
            return;
        }
        let header = kept.execution.clone();
        let write = persist::save(kept, Some(within));
        let back = self.back.clone();
        let effects = step.effects;
        self.hand_over(id, write, move |result| {
            let _ = reply.send(result.clone().map(|()| header).map_err(Error::Store));
            let (carries, accepts) = (None, false);
            let _ = back.send(Back::Written { id, effects, carries, accepts, result });
        });
    }

    fn busiest(&self) -> Vec<Busy> {
        let mut all: BTreeMap<WorkflowId, Busy> = BTreeMap::new();
        let new = |workflow| Busy { workflow, jobs: 0, hungry: 0, queued: 0 };
        for (workflow, jobs, hungry) in self.slots.by_workflow() {
            let one = all.entry(workflow).or_insert_with(|| new(workflow));
            (one.jobs, one.hungry) = (jobs, hungry);
        }
        for (workflow, queued) in self.places.queued_by_workflow() {
            all.entry(workflow).or_insert_with(|| new(workflow)).queued = queued;
        }
        let mut all: Vec<Busy> = all.into_values().collect();
        all.sort_by_key(|one| Reverse((one.hungry + one.queued, one.jobs)));
        all.truncate(BUSIEST);
        all
    }

    fn is_unfinished(&self, id: ExecutionId) -> bool {
        if let Some(live) = self.live.get(&id) {
            // Its end may be committed, while something else of it is under way.
            return !live.execution.status.is_ended() || live.writes > 0 || live.held.is_some();
        }
        let head = self.parts.store.read().and_then(|read| store::execution::head(&read, id));
        self.parts.stuck.why(id).is_none()
            && matches!(head, Ok(Some(head)) if !head.status.is_ended())
    }

    fn recover(&mut self, found: Found) {
        for (workflow, rule) in &found.rules {
            self.places.learn(*workflow, rule);
            self.freed.insert(*workflow);
        }
        for one in &found.queued {
            let rank = persist::rank_of(one.priority, one.id);
            self.places.queue(one.workflow, rank, true);
        }
        for (workflow, _) in &found.rules {
            self.know_holders(*workflow);
        }
        self.parked.read(found.timers);
        for one in &found.running {
            self.desk.take_up(&one.state);
        }
        for one in found.running {
            self.revive(one);
        }
        self.cancel_unwanted();
        self.desk.start_for_all_failed();
        if let Err(error) = self.count_unfinished() {
            tracing::warn!(%error, "unfinished executions not counted");
        }
    }

    fn revive(&mut self, revived: Revived) {
        let Revived { execution, plan, state, size, recoveries } = revived;
        let (id, workflow) = (execution.id, execution.workflow_id);
        if self.live.contains_key(&id) {
            return;
        }
        self.parts.observer.began(&execution);
        let root = self.root_of(&execution);
        let mut live = Live::new(plan, state, execution);
        (live.accepted, live.size) = (true, size);
        live.recoveries = recoveries;
        self.take_in(id, live);
        // One that only waits is read for the desk, and leaves memory again.
        self.woken.push(id);
        self.places.hold(workflow, id, root);
        let input = Input::Recovered { alive: BTreeSet::new(), not_begun: BTreeSet::new() };
        self.advance(id, input);
    }
}
