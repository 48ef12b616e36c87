//! Where a step panics: the execution is counted, read again from the store and tried once more; after
//! a few times without getting on it is put aside, and the others go on.

use std::any::Any;

use a2n_proto::ExecutionId;

use super::{AGAIN_AFTER, Back, Driver};
use crate::engine::driving::stuck::{self, Why};
use crate::store;

impl Driver {
    /// The pure part panicked: what is in memory counts no longer.
    pub(super) fn panicked(&mut self, id: ExecutionId, panic: &(dyn Any + Send)) {
        let why = message(panic);
        tracing::error!(execution_id = %id, why, "step panicked; the execution will be read again");
        self.hold(id);
        // Not before it is counted.
        self.again.remove(&id);
        let Some(live) = self.live.get_mut(&id) else { return };
        live.panic = Some(why);
        live.writes += 1;
        let workflow = live.execution.workflow_id;
        let (origin, back) = (self.engine_origin(), self.back.clone());
        self.parts.store.hand_over_in(
            workflow,
            origin,
            move |tx: &mut store::Tx<'_>| match store::execution::head(tx, id)? {
                Some(_) => store::execution::count_recovery(tx, id),
                None => Ok(0),
            },
            move |counted| drop(back.send(Back::Counted(id, counted))),
        );
    }

    pub(super) fn counted(&mut self, id: ExecutionId, counted: Result<u32, store::Error>) {
        let limit = self.parts.tuning.borrow().quarantine_after;
        let again_at = self.parts.system.clock.monotonic() + AGAIN_AFTER;
        let Some(live) = self.live.get_mut(&id) else { return };
        live.writes = live.writes.saturating_sub(1);
        let n = match counted {
            Ok(n) => n,
            Err(error) => {
                tracing::warn!(execution_id = %id, %error, "a failure of the engine is not counted");
                live.recoveries
            }
        };
        live.recoveries = n;
        if limit == 0 || n < limit {
            self.again.insert(id, again_at);
            return;
        }
        let panic = live.panic.clone().unwrap_or_default();
        let told = told(n, &panic);
        live.writes += 1;
        let workflow = live.execution.workflow_id;
        let (origin, back, text) = (self.engine_origin(), self.back.clone(), told.clone());
        self.parts.store.hand_over_in(
            workflow,
            origin,
            move |tx: &mut store::Tx<'_>| stuck::quarantine(tx, id, &text),
            move |result| drop(back.send(Back::PutAside(id, told, result))),
        );
    }

    pub(super) fn put_aside(
        &mut self,
        id: ExecutionId,
        told: String,
        result: Result<(), store::Error>,
    ) {
        let again_at = self.parts.system.clock.monotonic() + AGAIN_AFTER;
        let Some(live) = self.live.get_mut(&id) else { return };
        live.writes = live.writes.saturating_sub(1);
        match result {
            Ok(()) => {
                let workflow = live.execution.workflow_id;
                let keeps_place = live.has_begun() && self.places.is_limited(workflow);
                self.parts.stuck.add(id, Why::Quarantined(told));
                self.forget(id);
                if keeps_place {
                    // Until it has ended, as every other.
                    self.places.hold(workflow, id, id);
                }
            }
            Err(error) => {
                tracing::warn!(execution_id = %id, %error, "execution not put aside yet");
                self.again.insert(id, again_at);
            }
        }
    }
}

/// What people read of an execution that is put aside.
pub(in crate::engine::driving) fn told(times: u32, why: &str) -> String {
    let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
    format!("quarantined: it made the engine fail {times} without getting on ({why})")
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}
