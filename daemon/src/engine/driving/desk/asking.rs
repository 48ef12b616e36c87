//! The desk itself: what it is asked by whom, and how answers go back.

use std::sync::Arc;

use a2n_proto::{UserId, WorkflowId};
use tokio::sync::{mpsc, watch};

use super::events::Waits;
use super::{approval, emit, shared};
use crate::engine::driving::driver::Back;
use crate::engine::driving::handle::Tuning;
use crate::engine::driving::inbox::Inbox;
use crate::engine::execution::UnitKey;
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
    /// Its workflow.
    pub(in crate::engine::driving) workflow: WorkflowId,
    /// Whose workflow that is.
    pub(in crate::engine::driving) owner: UserId,
}

/// Answers requests.
#[derive(Debug)]
pub(in crate::engine::driving) struct Desk {
    pub(super) store: Store,
    pub(super) inbox: Inbox,
    waits: Waits,
    pub(super) system: System,
    pub(super) tuning: watch::Receiver<Arc<Tuning>>,
    pub(super) back: mpsc::UnboundedSender<Back>,
}

impl Desk {
    pub(in crate::engine::driving) fn new(
        (store, inbox): (Store, Inbox),
        system: System,
        tuning: watch::Receiver<Arc<Tuning>>,
        back: mpsc::UnboundedSender<Back>,
    ) -> Self {
        Self { store, inbox, waits: Waits::default(), system, tuning, back }
    }

    /// Has a request answered. Never waits: the answer comes back as [`Back::Replied`].
    pub(in crate::engine::driving) fn ask(&self, asked: Asked, request: Request) {
        match request {
            Request::Shared(request) => shared::ask(self, asked, request),
            Request::Approval(_) => approval::ask(self, asked),
            Request::Emit(request) => emit::ask(self, asked, *request),
            Request::Event(request) => {
                self.waits.wait((&self.store, &self.inbox, &self.back), asked, request);
            }
        }
    }

    /// Nobody needs this answer any more.
    pub(in crate::engine::driving) fn withdraw(&self, key: &JobKey, request: &Request) {
        match request {
            // It is done at once, or was done before.
            Request::Shared(_) | Request::Emit(_) => {}
            Request::Approval(_) => approval::withdraw(self, key),
            Request::Event(_) => self.waits.forget(key),
        }
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
                Ok(Some(reply)) => back.send(replied(key, reply)),
                Ok(None) => Ok(()),
                Err(error) if is_for_good(&error) => {
                    back.send(replied(key, Err(NodeError::new("STORE", error.to_string()))))
                }
                Err(error) => back.send(Back::Unanswered(key.execution, error)),
            };
        }
    }
}

pub(super) fn replied(key: JobKey, reply: Reply) -> Back {
    let (id, unit, n) = (key.execution, UnitKey::of(&key), key.attempt);
    Back::Replied { id, unit, n, reply: Box::new(reply) }
}

/// Whether asking again would fail again.
fn is_for_good(error: &store::Error) -> bool {
    use store::Error as E;
    matches!(error, E::Damaged { .. } | E::TooLarge { .. } | E::Panicked { .. })
}
