//! What callers ask of the driver: to tell a live execution something, to wait for its end, to show
//! it, to take one up again.

use std::collections::BTreeSet;
use std::sync::Arc;

use a2n_proto::ExecutionId;
use a2n_proto::execution::{Execution, ExecutionStatus};
use tokio::sync::oneshot;

use super::{Back, Driver};
use crate::engine::driving::handle::{Ask, Error, Revived, Within};
use crate::engine::driving::live::Live;
use crate::engine::driving::persist;
use crate::engine::input::Input;
use crate::store;

impl Driver {
    pub(super) fn take_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Start(beginning, reply) => self.accept(*beginning, reply),
            Ask::Tell { id, input, origin, within, reply } => {
                self.tell(id, *input, origin, within, reply);
            }
            Ask::Wait(id, reply) => {
                // Dropping the reply says that it is not live.
                if let Some(live) = self.live.get_mut(&id) {
                    live.waiters.push(reply);
                }
            }
            Ask::Snapshot(id, reply) => {
                let live = self.live.get(&id);
                let _ = reply.send(live.map(|l| (Arc::clone(&l.plan), l.state.clone())));
            }
            Ask::Recover(revived, reply) => {
                for one in revived {
                    self.revive(one);
                }
                let _ = reply.send(());
            }
            Ask::Rule(workflow, rule) => {
                self.places.change(workflow, &rule);
                self.freed.insert(workflow);
            }
            Ask::Gone(workflow) => self.drop_queue(workflow),
            Ask::Queued(workflow, id, reply) => {
                let _ = reply.send(self.queued_before(workflow, id));
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
        let Some((step, kept)) = self.decide(id, input, origin) else {
            let _ = reply.send(Err(Error::Panicked));
            return;
        };
        if step.facts.is_empty() {
            let _ = reply.send(Err(Error::Refused));
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

    pub(super) fn revive(&mut self, revived: Revived) {
        let Revived { execution, plan, state, rule } = revived;
        let id = execution.id;
        if self.live.contains_key(&id) {
            return;
        }
        self.parts.observer.began(&execution);
        let workflow = execution.workflow_id;
        self.places.learn(workflow, &rule);
        self.freed.insert(workflow);
        let root = self.root_of(&execution);
        let live = Live::new(plan, state, execution);
        let (rank, began, status) = (live.rank(), live.has_begun(), live.state.status());
        self.take_in(id, live);
        if began {
            self.places.hold(workflow, id, root);
            let input = Input::Recovered { alive: BTreeSet::new(), not_begun: BTreeSet::new() };
            self.advance(id, input);
        } else {
            // It waits as before; its turn comes when all are known.
            self.places.queue(workflow, rank, status == ExecutionStatus::Pending);
        }
    }
}
