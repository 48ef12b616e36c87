//! What comes back (writes, ends of attempts) and what a committed step asks for.

use std::collections::BTreeSet;

use a2n_proto::ExecutionId;

use super::{Back, Driver};
use crate::engine::driving::desk::reply_of;
use crate::engine::effect::Effect;
use crate::engine::input::Input;
use crate::engine::job::{JobEnd, JobKey};
use crate::engine::kind::NodeError;

impl Driver {
    pub(super) fn take_back(&mut self, back: Back) {
        match back {
            Back::Written { id, effects, carries, accepts, result } => {
                if let Some(live) = self.live.get_mut(&id) {
                    live.writes = live.writes.saturating_sub(1);
                    if accepts && result.is_ok() {
                        live.accepted = true;
                        self.parts.observer.accepted(&live.execution);
                    }
                }
                if accepts && result.is_ok() {
                    self.look_at_queued(id);
                }
                match result {
                    Ok(()) => {
                        self.saved(id, carries);
                        self.act(id, effects);
                    }
                    Err(error) => {
                        self.undo_starts(id, &effects);
                        self.lost(id, &error);
                    }
                }
                self.let_go(id);
            }
            Back::Withdrawn(id) => self.forget(id),
            Back::Counted(id, counted) => self.counted(id, counted),
            Back::PutAside(id, told, result) => self.put_aside(id, told, result),
            Back::JobEnded(key, end) => self.job_ended(key, end),
            Back::Progress(key, percent, detail) => {
                self.advance(key.execution, Input::Progress { key, percent, detail });
            }
            Back::Replied { id, unit, n, reply } => {
                self.wake(id);
                self.advance(id, Input::Replied { unit, n, reply });
            }
            Back::Granted { id, unit, n } => {
                self.wake(id);
                self.granted(id, unit, n);
            }
            Back::Superseded { id, unit, n } => {
                self.wake(id);
                self.superseded(id, unit, n);
            }
            Back::Unanswered(id, error) => {
                if self.live.contains_key(&id) {
                    self.lost(id, &error);
                } else {
                    // What comes back into memory asks again.
                    self.wake(id);
                }
            }
        }
    }

    pub(super) fn job_ended(&mut self, key: JobKey, mut end: Box<JobEnd>) {
        let id = key.execution;
        let now = self.parts.system.now();
        let Some(live) = self.live.get_mut(&id) else { return };
        if live.jobs.remove(&key).is_none() {
            return;
        }
        self.slots.give(live.execution.workflow_id, 1);
        if self.interrupting && matches!(&end.result, Err(e) if e.kind == "CANCELLED") {
            if live.goes_on_by_itself(&key) {
                // Its end is not recorded: the next start repeats it, as after a crash.
                return;
            }
            let message = "the daemon was stopped while it ran, and it was stopped with it";
            end.result = Err(NodeError::new("INTERRUPTED", message));
        }
        let kind = live.plan.node(&key.node).map_or("", |node| node.kind.name());
        let failed = end.result.as_ref().err().map(|e| e.kind.as_str());
        self.parts.observer.attempt_ended(kind, failed);
        live.note(&key, &end.measured, now);
        live.ends.insert(key.clone(), (*end).clone());
        self.advance_carrying(id, Input::AttemptEnded { key: key.clone(), end }, Some(key));
        self.let_go(id);
    }

    /// Gives free slots to executions that wait for one, in their order.
    pub(super) fn feed_hungry(&mut self) {
        let mut passed = BTreeSet::new();
        while !self.stopping {
            let limits = self.slot_limits(&self.parts.tuning.borrow());
            let Some(id) = self.slots.next(limits, &passed) else { return };
            let before = self.slots.taken();
            self.advance(id, Input::Continue);
            // One that took none is not asked again in this round.
            if self.slots.taken() == before {
                passed.insert(id);
            }
        }
    }

    /// Lets those go on whose node definition may be used again.
    pub(super) fn feed_limited(&mut self) {
        let mut passed = BTreeSet::new();
        while !self.stopping && !self.rates.is_empty() {
            let now = self.parts.system.clock.monotonic();
            let Some(id) = self.rates.next(now, &passed) else { return };
            passed.insert(id);
            self.advance(id, Input::Continue);
        }
    }

    /// Does what a committed step asks for.
    pub(super) fn act(&mut self, id: ExecutionId, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Start(job) => {
                    if let Some(live) = self.live.get(&id)
                        && let Some(token) = live.jobs.get(&job.key)
                    {
                        self.runner.start(*job, live.execution.workflow_id, token.clone());
                    }
                }
                Effect::Stop(key) => {
                    if let Some(token) = self.live.get(&id).and_then(|live| live.jobs.get(&key)) {
                        token.cancel();
                    }
                }
                Effect::Request { unit, n, at, request } => self.ask(id, &unit, n, at, *request),
                Effect::Withdraw { unit, n, at, request } => {
                    self.withdraw(id, &unit, n, at, &request);
                }
                Effect::Release(name) => self.release(id, name),
                Effect::SetTimer { key, due } => {
                    self.timers.set((id, key), due, self.parts.system.clock.monotonic());
                }
                Effect::ClearTimer(key) => self.timers.clear(&(id, key)),
                Effect::Continue => self.advance(id, Input::Continue),
                Effect::Ended(_) => self.ended(id),
            }
        }
    }

    /// The end of an execution is committed.
    pub(super) fn ended(&mut self, id: ExecutionId) {
        self.timers.clear_all(id);
        let Some(live) = self.live.get_mut(&id) else { return };
        self.parts.observer.ended(&live.execution);
        let (workflow, rank) = (live.execution.workflow_id, live.rank());
        self.desk.ended(id);
        let asker = live.state.start().parent.as_ref();
        if let Some((parent, (unit, n))) =
            asker.and_then(|parent| Some((parent.execution, parent.asker.clone()?)))
        {
            let reply = Box::new(reply_of(&live.execution));
            let _ = self.back.send(Back::Replied { id: parent, unit, n, reply });
        }
        if live.is_for_error_workflow() {
            self.desk.start_for_failed(id);
        }
        for waiter in self.waiters.remove(&id).unwrap_or_default() {
            let _ = waiter.send(live.execution.clone());
        }
        tracing::debug!(
            execution_id = %id,
            workflow = live.execution.workflow_name,
            status = ?live.execution.status,
            took_ms = live.execution.duration,
            "execution ended"
        );
        self.release_place(workflow, &rank);
    }

    pub(super) fn forget(&mut self, id: ExecutionId) {
        self.timers.clear_all(id);
        self.waiters.remove(&id);
        if let Some(live) = self.live.remove(&id) {
            if !live.state.status().is_ended() {
                self.desk.left(id);
            }
            self.live_bytes -= live.input_bytes;
            self.parts.observer.gone(&live.execution);
            self.again.remove(&id);
            self.slots.give(live.execution.workflow_id, live.jobs.len());
            for token in live.jobs.values() {
                token.cancel();
            }
            self.slots.stop_waiting(id);
            self.rates.forget(id);
            self.release_place(live.execution.workflow_id, &live.rank());
        }
    }

    /// The grace is over: running attempts are stopped.
    pub(super) fn interrupt(&mut self) {
        self.interrupting = true;
        for live in self.live.values() {
            for token in live.jobs.values() {
                token.cancel();
            }
        }
    }
}
