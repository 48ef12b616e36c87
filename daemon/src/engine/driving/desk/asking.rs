//! The desk itself: what it is asked by whom, and how answers go back.

use std::sync::Arc;

use a2n_proto::{ExecutionId, Timestamp, UserId, WorkflowId};
use tokio::sync::{mpsc, watch};

use super::debounce::{self, Debounces};
use super::events::Waits;
use super::locks::{LockId, Locks};
use super::looks::Looks;
use super::{approval, child, emit, failed, lock, shared, throttle};
use crate::engine::driving::driver::Back;
use crate::engine::driving::handle::Tuning;
use crate::engine::driving::inbox::Inbox;
use crate::engine::driving::start::Starter;
use crate::engine::execution::{State, UnitKey};
use crate::engine::job::JobKey;
use crate::engine::kind::NodeError;
use crate::engine::request::{Reply, Request};
use crate::store::{self, Origin, Store};
use crate::system::System;

/// Who asks.
#[derive(Debug, Clone)]
pub(in crate::engine::driving) struct Asked {
    /// Which attempt.
    pub(in crate::engine::driving) key: JobKey,
    /// Since when.
    pub(in crate::engine::driving) at: Timestamp,
    /// Its workflow.
    pub(in crate::engine::driving) workflow: WorkflowId,
    /// Whose workflow that is.
    pub(in crate::engine::driving) owner: UserId,
    /// Whose rights it has.
    pub(in crate::engine::driving) user: UserId,
    /// Higher first: the execution's, and the node's on top.
    pub(in crate::engine::driving) priority: i32,
    /// How many executions stand above it.
    pub(in crate::engine::driving) depth: u32,
    /// Whether it, or one above it, was started because another one failed.
    pub(in crate::engine::driving) handles_error: bool,
    /// Given by the caller to find it again.
    pub(in crate::engine::driving) correlation_id: Option<String>,
}

/// Answers requests.
#[derive(Debug)]
pub(in crate::engine::driving) struct Desk {
    pub(super) store: Store,
    pub(super) inbox: Inbox,
    waits: Waits,
    looks: Looks,
    pub(super) system: System,
    pub(super) tuning: watch::Receiver<Arc<Tuning>>,
    pub(super) back: mpsc::UnboundedSender<Back>,
    pub(super) starter: Starter,
    pub(super) locks: Locks,
    pub(super) debounces: Debounces,
}

impl Desk {
    pub(in crate::engine::driving) fn new(
        starter: Starter,
        inbox: Inbox,
        tuning: watch::Receiver<Arc<Tuning>>,
        back: mpsc::UnboundedSender<Back>,
    ) -> Self {
        Self {
            store: starter.store.clone(),
            inbox,
            waits: Waits::default(),
            looks: Looks::default(),
            system: starter.system.clone(),
            tuning,
            back,
            starter,
            locks: Locks::default(),
            debounces: Debounces::default(),
        }
    }

    /// Has a request answered. Never waits: the answer comes back to the driver.
    pub(in crate::engine::driving) fn ask(&mut self, asked: Asked, request: Request) {
        match request {
            Request::Shared(request) => shared::ask(self, asked, request),
            Request::Approval(_) => approval::ask(self, asked),
            Request::Emit(request) => emit::ask(self, asked, *request),
            Request::Event(request) => {
                self.waits.wait((&self.store, &self.inbox, &self.back), asked, request);
            }
            Request::Look(request) => {
                self.looks.look((&self.system, &self.tuning, &self.back), asked, *request);
            }
            Request::Child(request) => child::ask(self, asked, request),
            Request::Lock(request) => lock::ask(self, &asked, &request),
            Request::Throttle(request) => throttle::ask(self, asked, request),
            Request::Debounce(request) => debounce::ask(self, &asked, &request.key),
        }
    }

    /// Nobody needs this answer any more. A child is the driver's to cancel.
    pub(in crate::engine::driving) fn withdraw(&mut self, asked: &Asked, request: &Request) {
        match request {
            // It is done at once, or was done before.
            Request::Shared(_) | Request::Throttle(_) | Request::Child(_) | Request::Emit(_) => {}
            Request::Approval(_) => approval::withdraw(self, &asked.key),
            Request::Event(_) => self.waits.forget(&asked.key),
            Request::Look(_) => self.looks.forget(&asked.key),
            Request::Lock(request) => lock::withdraw(self, asked.owner, &asked.key, &request.name),
            Request::Debounce(request) => {
                debounce::withdraw(self, asked.workflow, &asked.key, &request.key);
            }
        }
    }

    /// Notes what an unfinished execution holds and waits for, before any of them goes on.
    pub(in crate::engine::driving) fn take_up(&mut self, state: &State) {
        lock::take_up(self, state);
        debounce::take_up(self, state);
    }

    /// An execution gives back a lock; that is committed.
    pub(in crate::engine::driving) fn release(
        &mut self,
        owner: UserId,
        name: String,
        execution: ExecutionId,
    ) {
        let granted = self.locks.release(&LockId { owner, name }, execution);
        lock::tell(self, granted);
    }

    /// An execution is over; that is committed.
    pub(in crate::engine::driving) fn ended(&mut self, execution: ExecutionId) {
        let granted = self.locks.end(execution);
        lock::tell(self, granted);
        self.debounces.leave(execution);
    }

    /// An execution that has not ended is not looked after until the next start.
    pub(in crate::engine::driving) fn left(&mut self, execution: ExecutionId) {
        let granted = self.locks.leave(execution);
        lock::tell(self, granted);
        self.debounces.leave(execution);
    }

    /// Starts the error workflow for an execution that failed.
    pub(in crate::engine::driving) fn start_for_failed(&self, execution: ExecutionId) {
        failed::begin(&self.starter, execution);
    }

    /// The same for those whose start a crash prevented.
    pub(in crate::engine::driving) fn start_for_all_failed(&self) {
        failed::begin_all(&self.starter);
    }

    pub(super) fn origin(&self) -> Origin {
        Origin::daemon(self.system.now(), "ENGINE")
    }

    /// The way of an answer back to the driver. A write that failed and may be tried again gives none:
    /// the execution is read again, and asks again.
    pub(super) fn teller(
        &self,
        key: JobKey,
    ) -> impl FnOnce(Result<Option<Reply>, store::Error>) + Send + 'static {
        let back = self.back.clone();
        move |result| {
            // The driver is gone only when the daemon has stopped; the next start asks again.
            let _ = match result {
                Ok(Some(reply)) => back.send(replied(&key, reply)),
                Ok(None) => Ok(()),
                Err(error) if is_for_good(&error) => {
                    back.send(replied(&key, Err(NodeError::new("STORE", error.to_string()))))
                }
                Err(error) => back.send(Back::Unanswered(key.execution, error)),
            };
        }
    }
}

pub(super) fn replied(key: &JobKey, reply: Reply) -> Back {
    let (id, unit, n) = (key.execution, UnitKey::of(key), key.attempt);
    Back::Replied { id, unit, n, reply: Box::new(reply) }
}

/// Whether asking again would fail again.
pub(super) fn is_for_good(error: &store::Error) -> bool {
    use store::Error as E;
    matches!(error, E::Damaged { .. } | E::TooLarge { .. } | E::Panicked { .. })
}
