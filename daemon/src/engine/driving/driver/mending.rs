//! Where a write failed: starts that were never recorded are taken back, inputs are held, and the
//! execution goes on from what the store has.

use std::sync::Arc;
use std::time::Duration;

use a2n_proto::ExecutionId;

use super::{AGAIN_AFTER, Driver, LAST_CHANCE};
use crate::engine::driving::persist;
use crate::engine::effect::Effect;
use crate::engine::input::Input;
use crate::store;

impl Driver {
    /// Attempts whose start was not committed never begin, also where the start is found stored
    /// after all.
    pub(super) fn undo_starts(&mut self, id: ExecutionId, effects: &[Effect]) {
        let Some(live) = self.live.get_mut(&id) else { return };
        for effect in effects {
            if let Effect::Start(job) = effect
                && live.jobs.remove(&job.key).is_some()
            {
                self.slots.give(live.execution.workflow_id, 1);
                live.not_begun.insert(job.key.clone());
            }
        }
    }

    /// A write failed: memory is ahead of the store. Inputs are held until the state is read again.
    pub(super) fn lost(&mut self, id: ExecutionId, error: &store::Error) {
        if self.live.get(&id).is_some_and(|live| live.held.is_none()) {
            tracing::warn!(execution_id = %id, %error, "execution not stored; its state will be read again");
        }
        self.hold(id);
    }

    /// Memory counts no longer: inputs are held until the state is read again.
    pub(super) fn hold(&mut self, id: ExecutionId) {
        let Some(live) = self.live.get_mut(&id) else { return };
        live.held.get_or_insert_default();
        // It can't take a slot now, and must not keep one from those behind it.
        self.slots.stop_waiting(id);
        self.rates.forget(id);
        self.timers.clear_all(id);
        self.look_at_queued(id);
        self.again.insert(id, self.parts.system.clock.monotonic() + AGAIN_AFTER);
    }

    pub(super) fn take_timers(&mut self) {
        let (now, monotonic) = (self.parts.system.now(), self.parts.system.clock.monotonic());
        while let Some((id, key)) = self.timers.take_due(now, monotonic) {
            self.advance(id, Input::TimerFired { key });
        }
        let due: Vec<ExecutionId> =
            self.again.iter().filter(|(_, at)| **at <= monotonic).map(|(id, _)| *id).collect();
        for id in due {
            self.again.remove(&id);
            self.read_again(id, monotonic);
        }
    }

    /// Whether a daemon that stops has written what failed writes left, or has waited for it long
    /// enough: the ends of attempts are known now, and would be in doubt for the next start.
    pub(super) fn is_settled(&self) -> bool {
        let now = self.parts.system.clock.monotonic();
        self.again.is_empty() || self.last_chance.is_some_and(|until| until <= now)
    }

    /// Tries at once what else would be tried when its time comes.
    pub(super) fn take_last_chance(&mut self) {
        let now = self.parts.system.clock.monotonic();
        self.last_chance = Some(now + LAST_CHANCE);
        for id in std::mem::take(&mut self.again).into_keys() {
            self.read_again(id, now);
        }
    }

    /// Goes on from what the store has. Attempts that run on are known, and so are the ends that a
    /// failed write held: nothing is in doubt.
    pub(super) fn read_again(&mut self, id: ExecutionId, monotonic: Duration) {
        let Some(live) = self.live.get_mut(&id) else { return };
        let stored = if live.writes > 0 {
            persist::Stored::Unreadable
        } else {
            persist::read(&self.parts.store, id)
        };
        match stored {
            persist::Stored::Nothing => self.forget(id),
            persist::Stored::Unreadable => {
                self.again.insert(id, monotonic + AGAIN_AFTER);
            }
            persist::Stored::This(found) => {
                (live.execution, live.state, live.size) = *found;
                live.failed = Arc::default();
                live.accepted = true;
                let held = live.held.take().unwrap_or_default();
                if live.state.status().is_ended() {
                    self.ended(id);
                    self.let_go(id);
                    return;
                }
                if !live.has_begun() {
                    return self.wait_again(id, held);
                }
                let ends = live.ends.clone();
                let alive = live.jobs.keys().chain(ends.keys()).cloned().collect();
                // Until it is stored that they never began: this write may fail too.
                let running = live.state.running();
                live.not_begun.retain(|key| running.contains(key));
                let not_begun = live.not_begun.clone();
                self.advance(id, Input::Recovered { alive, not_begun });
                for (key, end) in ends {
                    let input = Input::AttemptEnded { key: key.clone(), end: Box::new(end) };
                    self.advance_carrying(id, input, Some(key));
                }
                for input in held {
                    // Ends were brought above, from where none is lost.
                    if !matches!(input, Input::AttemptEnded { .. }) {
                        self.advance(id, input);
                    }
                }
                self.let_go(id);
            }
        }
    }
    /// Goes on with one that has not begun: it takes the place that it was given, or waits for one.
    fn wait_again(&mut self, id: ExecutionId, held: Vec<Input>) {
        let Some(live) = self.live.get(&id) else { return };
        if self.places.holds(live.execution.workflow_id, id) {
            self.advance(id, Input::Begin);
        } else {
            self.look_at_queued(id);
        }
        for input in held {
            if !matches!(input, Input::Begin) {
                self.advance(id, input);
            }
        }
        self.let_go(id);
    }
}
