//! One input, one pure step, one write: what a live execution becomes, on its way to the store.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use a2n_proto::ExecutionId;
use tokio_util::sync::CancellationToken;

use super::{Back, Driver};
use crate::engine::driving::persist::{self, Kept};
use crate::engine::effect::Effect;
use crate::engine::input::{Env, Input, Limits};
use crate::engine::job::JobKey;
use crate::engine::step::{Step, step};
use crate::store;

impl Driver {
    /// Brings an input to an execution and hands what came of it to the store.
    pub(super) fn advance(&mut self, id: ExecutionId, input: Input) {
        self.advance_carrying(id, input, None);
    }

    pub(super) fn advance_carrying(
        &mut self,
        id: ExecutionId,
        input: Input,
        carries: Option<JobKey>,
    ) {
        let origin = self.engine_origin();
        let Some((step, kept)) = self.decide(id, input, origin) else { return };
        let effects = step.effects;
        if step.facts.is_empty() {
            self.saved(id, carries);
            self.act(id, effects);
            return;
        }
        let write = persist::save(kept, None);
        let back = self.back.clone();
        self.hand_over(id, write, move |result| {
            let _ = back.send(Back::Written { id, effects, carries, accepts: false, result });
        });
    }

    /// The end of an attempt needs to be remembered no longer.
    pub(super) fn saved(&mut self, id: ExecutionId, carries: Option<JobKey>) {
        if let (Some(live), Some(key)) = (self.live.get_mut(&id), carries) {
            live.ends.remove(&key);
        }
    }

    /// The pure part: one step, and the execution's record after it. None where the execution is
    /// not live or its inputs are held back.
    pub(super) fn decide(
        &mut self,
        id: ExecutionId,
        input: Input,
        origin: store::Origin,
    ) -> Option<(Step, Kept)> {
        let tuning = Arc::clone(&self.parts.tuning.borrow());
        let live = self.live.get(&id)?;
        let (place, workflow) = (live.turn(None), live.execution.workflow_id);
        let room = if self.stopping {
            0
        } else {
            self.slots.room(self.slot_limits(&tuning), workflow, &place)
        };
        let (plan, monotonic) = (Arc::clone(&live.plan), self.parts.system.clock.monotonic());
        let tokens = self.rates.of_plan(&plan, monotonic);
        let live = self.live.get_mut(&id)?;
        if let Some(held) = &mut live.held {
            held.push(input);
            return None;
        }
        let running = u32::try_from(live.jobs.len()).unwrap_or(u32::MAX);
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        let parallel = tuning.parallel_jobs_per_execution.min(running.saturating_add(room));
        let env = Env {
            now: origin.at,
            boot: self.parts.boot.clone(),
            monotonic,
            inbox: self.parts.inbox.last(),
            allowed: Arc::clone(&tuning.allowed_env),
            limits: Limits {
                parallel,
                tokens,
                result_bytes: tuning.result_bytes,
                ..Limits::default()
            },
        };
        self.parts.mark.set(Some(*id.as_bytes()));
        let replied = match &input {
            Input::Replied { unit, n, .. } => Some(unit.job(id, *n)),
            _ => None,
        };
        let decided =
            catch_unwind(AssertUnwindSafe(|| step(&live.plan, &mut live.state, input, &env)));
        self.parts.mark.set(None);
        let mut decided = match decided {
            Ok(decided) => decided,
            Err(panic) => {
                self.panicked(id, panic.as_ref());
                return None;
            }
        };
        for effect in &decided.effects {
            if let Effect::Start(job) = effect {
                live.not_begun.remove(&job.key);
                if live.jobs.insert(job.key.clone(), CancellationToken::new()).is_none() {
                    self.slots.take(workflow);
                    let definition = plan.node(&job.key.node).map_or("", |it| it.kind.name());
                    self.rates.take(definition, workflow, monotonic);
                }
            }
        }
        if !decided.facts.is_empty() {
            live.refresh(origin.at, tuning.output_cut_bytes, tuning.output_data_bytes);
        }
        let kept = Kept::of(live, &mut decided, replied, origin);
        self.note_waits(id, &env.limits, tuning.parallel_jobs_per_execution, monotonic);
        self.look_at_queued(id);
        Some((decided, kept))
    }

    /// Whether the execution waits after a step: for a slot, or for the turn of a definition.
    fn note_waits(
        &mut self,
        id: ExecutionId,
        limits: &Limits,
        per_execution: u32,
        monotonic: Duration,
    ) {
        let Some(live) = self.live.get(&id) else { return };
        let (place, workflow) = (live.turn(None), live.execution.workflow_id);
        // Only where slots of the whole daemon are what is missing: a node's own concurrency brings
        // its next unit on by itself.
        let is_short = live.jobs.len() >= limits.parallel as usize
            && limits.parallel < per_execution
            && live.state.has_ready();
        if is_short {
            self.slots.wait(workflow, &place);
        } else {
            self.slots.stop_waiting(id);
        }
        for definition in limits.tokens.keys() {
            let spent = self.rates.tokens(definition, monotonic) == Some(0);
            let waits = spent && live.state.foremost(&live.plan, Some(definition)).is_some();
            match waits {
                true => self.rates.wait(definition, workflow, &live.turn(Some(definition))),
                false => self.rates.stop_waiting(definition, id),
            }
        }
    }

    pub(super) fn hand_over<T: Send + 'static>(
        &mut self,
        id: ExecutionId,
        write: persist::Write<T>,
        done: impl FnOnce(Result<T, store::Error>) + Send + 'static,
    ) {
        let Some(live) = self.live.get_mut(&id) else { return };
        let workflow = live.execution.workflow_id;
        live.writes += 1;
        let (before, after) = (Arc::clone(&live.failed), Arc::clone(&live.failed));
        let apply = move |tx: &mut store::Tx<'_>| {
            if before.load(Ordering::Acquire) {
                let reason = "an earlier write of this execution failed";
                return Err(store::Error::Refusing { reason: reason.into() });
            }
            (write.apply)(tx)
        };
        let done = move |result: Result<T, store::Error>| {
            if result.is_err() {
                after.store(true, Ordering::Release);
            }
            done(result);
        };
        self.parts.store.hand_over_in(workflow, write.origin, apply, done);
    }
}
