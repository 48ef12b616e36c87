//! How a fact changes a state: the only place where one does.

use std::sync::Arc;

use a2n_proto::execution::ExecutionStatus;

use super::{AttemptState, NodeState, Phase, State, UnitKey, UnitState};
use crate::engine::fact::Fact;

impl State {
    /// Folds one fact in.
    pub fn apply(&mut self, fact: &Fact) {
        match fact {
            Fact::Began { at, moment } => {
                self.status = ExecutionStatus::Running;
                self.started_at = Some(*at);
                self.running_since = Some(moment.clone());
            }
            Fact::FailureNoted { failure } => self.failure = Some(failure.clone()),
            Fact::EndingBegan { why } => self.ending = Some(why.clone()),
            Fact::PauseAsked { .. } => self.pause_asked = true,
            Fact::PauseLifted => self.pause_asked = false,
            Fact::Paused { reason, ran_ms } => {
                self.status = ExecutionStatus::Paused;
                self.paused = Some(*reason);
                self.ran_ms = *ran_ms;
                self.running_since = None;
            }
            Fact::Resumed { moment, ran_ms } => {
                self.status = ExecutionStatus::Running;
                self.paused = None;
                self.ran_ms = *ran_ms;
                self.running_since = Some(moment.clone());
            }
            Fact::LockTaken { held } => {
                self.held.push(held.clone());
                if let Some(node) = self.nodes.get_mut(&held.unit.node) {
                    node.locked = true;
                }
            }
            Fact::LockReleased { name } => {
                let (free, held) = std::mem::take(&mut self.held)
                    .into_iter()
                    .partition::<Vec<_>, _>(|held| held.name == *name);
                self.held = held;
                for held in free {
                    if let Some(node) = self.nodes.get_mut(&held.unit.node) {
                        node.locked = false;
                    }
                }
            }
            Fact::Ended { at, status } => {
                self.held.clear();
                self.status = *status;
                self.ended_at = Some(*at);
                self.paused = None;
                self.running_since = None;
            }
            _ => self.apply_to_node(fact),
        }
    }

    fn apply_to_node(&mut self, fact: &Fact) {
        match fact {
            Fact::NodeStarted { node, at, units, each } => {
                self.nodes.insert(node.clone(), NodeState::started(*at, *units, *each));
            }
            Fact::NodeSkipped { node, at } => {
                self.nodes.insert(node.clone(), NodeState::skipped(*at));
            }
            Fact::NodeEnded { node, at, status, output, error } => {
                let state = self.nodes.entry(node.clone()).or_insert_with(NodeState::unstarted);
                state.status = *status;
                state.ended_at = Some(*at);
                state.output = Arc::clone(output);
                state.error.clone_from(error);
                for unit in &mut state.units {
                    // The items stand in the node's output now.
                    if let Phase::Done { output } = &mut unit.phase {
                        output.clear();
                    }
                }
            }
            Fact::Progressed { node, percent, detail } => {
                if let Some(state) = self.nodes.get_mut(node) {
                    state.progress = Some((*percent, detail.clone()));
                }
            }
            _ => self.apply_to_unit(fact),
        }
    }

    fn apply_to_unit(&mut self, fact: &Fact) {
        match fact {
            Fact::AttemptStarted { unit, n, at } => self.with_unit(unit, |state| {
                state.phase = Phase::Running { n: *n };
                state.attempts.push(AttemptState {
                    n: *n,
                    started_at: *at,
                    ended_at: None,
                    exit: None,
                    error: None,
                    lost: false,
                });
            }),
            Fact::AttemptEnded { unit, n, at, exit, error, lost } => {
                self.with_unit(unit, |state| {
                    if let Some(attempt) = state.attempts.iter_mut().rfind(|a| a.n == *n) {
                        attempt.ended_at = Some(*at);
                        attempt.exit = *exit;
                        attempt.error.clone_from(error);
                        attempt.lost = *lost;
                    }
                });
            }
            Fact::UnitDone { unit, output } => {
                self.set_phase(unit, Phase::Done { output: output.clone() });
            }
            Fact::UnitFailed { unit, n, error } => {
                self.set_phase(unit, Phase::Failed { error: error.clone(), n: *n });
            }
            Fact::UnitBackoff { unit, until } => {
                self.set_phase(unit, Phase::Backoff { until: *until });
            }
            Fact::UnitWaiting { unit, until, then } => {
                self.set_phase(unit, Phase::Waiting { until: *until, then: then.clone() });
            }
            Fact::UnitRequested { unit, n, request } => {
                self.set_phase(unit, Phase::Requested { n: *n, request: request.clone() });
            }
            Fact::UnitInDoubt { unit, n } => self.set_phase(unit, Phase::InDoubt { n: *n }),
            Fact::UnitReady { unit } => self.set_phase(unit, Phase::Ready),
            Fact::UnitCancelled { unit } => self.set_phase(unit, Phase::Cancelled),
            _ => {}
        }
    }

    fn set_phase(&mut self, unit: &UnitKey, phase: Phase) {
        self.with_unit(unit, |state| state.phase = phase);
    }

    fn with_unit(&mut self, unit: &UnitKey, change: impl FnOnce(&mut UnitState)) {
        if let Some(state) =
            self.nodes.get_mut(&unit.node).and_then(|node| node.units.get_mut(unit.index()))
        {
            change(state);
        }
    }

    pub(in crate::engine) fn unit(&self, unit: &UnitKey) -> Option<&UnitState> {
        self.nodes.get(&unit.node)?.units.get(unit.index())
    }
}
