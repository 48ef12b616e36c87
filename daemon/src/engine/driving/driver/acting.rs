//! What comes back (writes, ends of attempts) and what a committed step asks for.

use std::cmp::Reverse;
use std::ops::Bound;

use a2n_proto::ExecutionId;

use super::{Back, Driver};
use crate::engine::driving::desk::reply_of;
use crate::engine::driving::live::Live;
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
                        self.parts.observer.accepted(&live.execution);
                    }
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
            Back::JobEnded(key, end) => self.job_ended(key, end),
            Back::Progress(key, percent, detail) => {
                self.advance(key.execution, Input::Progress { key, percent, detail });
            }
            Back::Replied { id, unit, n, reply } => {
                self.advance(id, Input::Replied { unit, n, reply });
            }
            Back::Granted { id, unit, n } => self.granted(id, unit, n),
            Back::Superseded { id, unit, n } => self.superseded(id, unit, n),
            Back::Unanswered(id, error) => self.lost(id, &error),
        }
    }

    pub(super) fn job_ended(&mut self, key: JobKey, mut end: Box<JobEnd>) {
        let id = key.execution;
        let now = self.parts.system.now();
        let Some(live) = self.live.get_mut(&id) else { return };
        if live.jobs.remove(&key).is_none() {
            return;
        }
        self.n_jobs -= 1;
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

    /// Gives free slots to executions that wait for one.
    pub(super) fn feed_hungry(&mut self) {
        // Each is asked once and in its turn, and no further than there are slots: one that still
        // finds no room puts itself back, and those behind it are not even looked at.
        let mut next = self.hungry.first().copied();
        while let Some(place) = next {
            if self.free_slots() == 0 || self.stopping {
                return;
            }
            self.advance(place.2, Input::Continue);
            next = self.hungry.range((Bound::Excluded(place), Bound::Unbounded)).next().copied();
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
        for waiter in std::mem::take(&mut live.waiters) {
            let _ = waiter.send(live.execution.clone());
        }
        tracing::debug!(
            execution_id = %id,
            workflow = live.execution.workflow_name,
            status = ?live.execution.status,
            took_ms = live.execution.duration,
            "execution ended"
        );
    }

    pub(super) fn let_go(&mut self, id: ExecutionId) {
        if self.live.get(&id).is_some_and(Live::is_over) {
            self.forget(id);
        }
    }

    pub(super) fn forget(&mut self, id: ExecutionId) {
        self.timers.clear_all(id);
        if let Some(live) = self.live.remove(&id) {
            if !live.state.status().is_ended() {
                self.desk.left(id);
            }
            self.live_bytes -= live.input_bytes;
            self.parts.observer.gone(&live.execution);
            self.again.remove(&id);
            self.n_jobs -= live.jobs.len();
            for token in live.jobs.values() {
                token.cancel();
            }
            self.hungry.remove(&(Reverse(live.execution.priority), live.execution.created_at, id));
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
