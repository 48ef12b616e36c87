//! What callers ask of the driver: to accept an execution, to tell a live one something, to wait
//! for its end, to show it, to take one up again.

use std::collections::BTreeSet;
use std::sync::Arc;

use a2n_proto::ExecutionId;
use a2n_proto::execution::Execution;
use tokio::sync::oneshot;

use super::{Back, Driver};
use crate::engine::driving::handle::{Accepted, Ask, Beginning, Error, Revived, Within};
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
                for one in &revived {
                    self.desk.take_up(&one.state);
                }
                for one in revived {
                    self.revive(one);
                }
                self.cancel_unwanted();
                self.desk.start_for_all_failed();
                let _ = reply.send(());
            }
            Ask::Load(reply) => {
                let _ = reply.send(self.load());
            }
        }
    }

    /// Whether one more execution may become live: each is in memory as long as it has not ended.
    fn may_accept(&self) -> Result<(), Error> {
        let tuning = self.parts.tuning.borrow();
        let (limit, bytes) = (tuning.max_live, self.live_bytes);
        match () {
            () if self.stopping => Err(Error::Stopping),
            () if self.live.len() >= limit => Err(Error::Overloaded { limit }),
            () if bytes >= tuning.max_live_bytes => Err(Error::Heavy { bytes }),
            () => Ok(()),
        }
    }

    fn take_in(&mut self, id: ExecutionId, live: Live) {
        self.live_bytes += live.input_bytes;
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
        let Beginning { execution, plan, state, origin, within, waiter, .. } = beginning;
        if self.live.contains_key(&execution.id) {
            // Asked for twice, which only those do whose id follows from what they are.
            let _ = reply.send(Ok(Accepted::Already(execution.id)));
            return;
        }
        let id = execution.id;
        let accepted = execution.clone();
        self.parts.observer.began(&accepted);
        let mut live = Live::new(plan, state, execution);
        live.state.accepted_at(self.parts.inbox.last());
        live.waiters.extend(waiter);
        self.take_in(id, live);
        let Some((step, kept)) = self.decide(id, Input::Begin, origin) else {
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
        let Revived { execution, plan, state } = revived;
        let id = execution.id;
        if self.live.contains_key(&id) {
            return;
        }
        self.parts.observer.began(&execution);
        self.take_in(id, Live::new(plan, state, execution));
        let input = Input::Recovered { alive: BTreeSet::new(), not_begun: BTreeSet::new() };
        self.advance(id, input);
    }
}
