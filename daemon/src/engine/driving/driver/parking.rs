//! Executions that only wait leave memory: what they are stands in the store, and it is read again
//! when their timer, their place, a person or a reply comes.
//!
//! Only what is committed leaves, and only where nothing is under way for it; so the store's word on
//! it is the whole of it.

use std::collections::BTreeSet;
use std::time::Duration;

use a2n_proto::execution::ExecutionStatus;
use a2n_proto::{ExecutionId, WorkflowId};

use super::Driver;
use crate::engine::driving::handle::Revived;
use crate::engine::driving::live::Live;
use crate::engine::driving::parked::WINDOW;
use crate::engine::driving::{persist, recover};
use crate::engine::input::Input;
use crate::store::execution;

/// What is due within this time stays in memory: it would be read again at once.
const SOON: Duration = Duration::from_secs(2);
/// How long after it could not be read an execution is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// How many are read into memory before others have their turn.
const AT_ONCE: usize = 256;

impl Driver {
    /// Whether as much is in memory as may be; who waits goes on waiting then.
    pub(super) fn is_full(&self) -> bool {
        let tuning = self.parts.tuning.borrow();
        self.live.len() >= tuning.max_live || self.live_bytes >= tuning.max_live_bytes
    }

    /// Lets an execution leave memory where it is over, or only waits.
    pub(super) fn let_go(&mut self, id: ExecutionId) {
        let Some(live) = self.live.get(&id) else { return };
        if live.is_over() {
            self.forget(id);
        } else if self.may_park(live) {
            self.park(id);
        }
    }

    fn may_park(&self, live: &Live) -> bool {
        let (workflow, rank) = (live.execution.workflow_id, live.rank());
        let waits = match live.execution.status {
            ExecutionStatus::Paused => true,
            ExecutionStatus::Pending => self.places.waits(workflow, &rank),
            _ => false,
        };
        let soon = self.parts.system.now().plus(SOON);
        waits && live.is_settled() && live.state.next_due(&live.plan).is_none_or(|due| due > soon)
    }

    fn park(&mut self, id: ExecutionId) {
        self.timers.clear_all(id);
        let Some(live) = self.live.remove(&id) else { return };
        self.live_bytes -= live.input_bytes;
        let (workflow, rank) = (live.execution.workflow_id, live.rank());
        self.slots.stop_waiting(id);
        self.rates.forget(id);
        if live.has_begun() && !self.places.is_limited(workflow) {
            self.places.release(workflow, &rank);
        }
        if let Some(due) = live.state.next_due(&live.plan) {
            self.parked.park(due, id);
        }
    }

    /// Takes an execution that waits outside back into memory. False where there is none that has
    /// not ended, or where it can't be read.
    pub(super) fn wake(&mut self, id: ExecutionId) -> bool {
        if self.live.contains_key(&id) {
            return true;
        }
        if self.parts.stuck.why(id).is_some() {
            return false;
        }
        let read = self.parts.store.read();
        let found = read.and_then(|read| recover::read_one(&read, &self.parts.plans, id));
        let found = match found {
            Ok(Some(Ok(found))) => found,
            Ok(Some(Err(why))) => {
                self.parts.stuck.add(id, why);
                return false;
            }
            Ok(None) => return false,
            Err(error) => {
                tracing::warn!(execution_id = %id, %error, "execution not read; it is tried again");
                let due = self.parts.system.now().plus(AGAIN_AFTER);
                self.parked.again(due, id);
                return false;
            }
        };
        let Revived { execution, plan, state, size, recoveries } = found;
        let root = self.root_of(&execution);
        let mut live = Live::new(plan, state, execution);
        (live.accepted, live.size) = (true, size);
        live.recoveries = recoveries;
        let (workflow, rank, began) = (live.execution.workflow_id, live.rank(), live.has_begun());
        let parent = live.state.start().parent.as_ref().map(|parent| parent.execution);
        self.take_in(id, live);
        self.woken.push(id);
        if began {
            self.places.hold(workflow, id, root);
            let input = Input::Recovered { alive: BTreeSet::new(), not_begun: BTreeSet::new() };
            self.advance(id, input);
            if let Some(parent) = parent {
                self.cancel_if_unwanted(id, parent);
            }
        } else if !self.places.holds(workflow, id) && !self.places.waits(workflow, &rank) {
            self.places.queue(workflow, rank, false);
            self.look_at_queued(id);
        }
        true
    }

    /// Wakes those whose timer has come, as far as there is room for them in memory.
    pub(super) fn wake_due(&mut self) {
        let now = self.parts.system.now();
        for _ in 0..AT_ONCE {
            self.read_timers();
            if self.stopping || self.is_full() {
                return;
            }
            let Some(id) = self.parked.take_due(now) else { return };
            self.wake(id);
        }
    }

    /// Reads on in the stored timers, where those that were read are used up.
    fn read_timers(&mut self) {
        let Some(after) = self.parked.to_read() else { return };
        let read = self.parts.store.read();
        match read.and_then(|read| execution::by_due(&read, Some(after), WINDOW)) {
            Ok(entries) => self.parked.read(entries),
            Err(error) => {
                tracing::warn!(%error, "timers not read; they are tried again");
                let due = self.parts.system.now().plus(AGAIN_AFTER);
                self.parked.again(due, after.1);
            }
        }
    }

    /// Those that were taken into memory and turned out to have nothing to do leave it again.
    pub(super) fn let_woken_go(&mut self) {
        for id in std::mem::take(&mut self.woken) {
            self.let_go(id);
        }
    }

    /// Learns who holds places in a workflow that has a limit and is not known yet: those that wait
    /// outside memory.
    pub(super) fn know_holders(&mut self, workflow: WorkflowId) {
        if !self.places.is_limited(workflow) {
            self.known.remove(&workflow);
            return;
        }
        if !self.known.insert(workflow) {
            return;
        }
        let read = self.parts.store.read();
        let found = read.and_then(|read| {
            let ids = execution::paused_of(&read, workflow)?;
            let heads = ids.into_iter().filter_map(|id| execution::head(&read, id).transpose());
            heads.collect::<Result<Vec<_>, _>>()
        });
        let heads = match found {
            Ok(heads) => heads,
            Err(error) => {
                // Asked again with the next start.
                tracing::warn!(workflow_id = %workflow, %error, "holders of places not read");
                self.known.remove(&workflow);
                return;
            }
        };
        for head in heads.iter().filter(|head| !self.live.contains_key(&head.id)) {
            if head.start_time.is_some() {
                let root = self.root_of(head);
                self.places.hold(workflow, head.id, root);
            } else {
                self.places.queue(workflow, persist::rank(head), false);
            }
        }
    }
}
