//! How a fact changes a state: the only place where one does.

use std::sync::Arc;

use a2n_proto::execution::{ExecutionStatus, NodeStatus};

use super::node::handles_bytes;
use super::{
    AttemptState, Finally, Folded, Frame, NodeKey, NodeState, Phase, Round, Sent, State, UnitKey,
    UnitState,
};
use crate::engine::fact::Fact;

impl State {
    /// Folds one fact in; gives an iteration that it takes out of the state.
    pub fn apply(&mut self, fact: &Fact) -> Option<Folded> {
        match fact {
            Fact::Began { at, moment } => {
                self.status = ExecutionStatus::Running;
                self.started_at = Some(*at);
                self.running_since = Some(moment.clone());
            }
            Fact::FailureNoted { failure } => self.failure = Some(failure.clone()),
            Fact::EndingBegan { why } => self.ending = Some(why.clone()),
            Fact::PauseAsked { .. } => self.pause_asked = true,
            Fact::PauseLifted => {
                self.pause_asked = false;
                if self.started_at.is_none() {
                    self.status = ExecutionStatus::Pending;
                    self.paused = None;
                }
            }
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
            Fact::FinallyBegan { status } => {
                self.finally = Some(Finally { status: *status, failure: None, stopped: None });
            }
            Fact::FinallyFailed { failure } => {
                if let Some(finally) = &mut self.finally {
                    finally.failure.get_or_insert_with(|| failure.clone());
                }
            }
            Fact::FinallyStopped { why } => {
                if let Some(finally) = &mut self.finally {
                    finally.stopped.get_or_insert_with(|| why.clone());
                }
            }
            Fact::IterationFolded { node, index, nodes, frames } => {
                return Some(self.take_round(node, *index, nodes, frames));
            }
            Fact::LockTaken { held } => {
                self.held.push(held.clone());
                self.nodes.with(&held.unit.node, |node| node.locked = true);
            }
            Fact::LockReleased { name } => {
                let (free, held) = std::mem::take(&mut self.held)
                    .into_iter()
                    .partition::<Vec<_>, _>(|held| held.name == *name);
                self.held = held;
                for held in free {
                    self.nodes.with(&held.unit.node, |node| node.locked = false);
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
        None
    }

    fn apply_to_loop(&mut self, fact: &Fact) {
        match fact {
            Fact::LoopBegan { node, took, iterations } => {
                let frame =
                    Frame { took: *took, iterations: iterations.clone(), ..Frame::default() };
                self.frames.insert(node.clone(), frame);
            }
            Fact::LoopSkipped { node, unlucky } => {
                self.frames.insert(node.clone(), Frame::skipped(*unlucky));
            }
            Fact::IterationBegan { node, index, entry } => self.with_frame(node, |frame| {
                frame.begun = frame.begun.max(index.saturating_add(1));
                frame.rounds.insert(*index, Round { entry: entry.clone(), over: false });
            }),
            Fact::IterationEnded { node, index, left, result } => {
                self.end_iteration(node, *index, left, result.as_ref());
            }
            Fact::LoopClosing { node, broken } => self.with_frame(node, |frame| {
                frame.closing = true;
                frame.unlucky = broken.is_none();
                frame.broken.clone_from(broken);
            }),
            Fact::LoopEnded { node } => {
                let before = self.frames.get(node).map_or(0, Frame::size_bytes);
                self.with_frame(node, |frame| {
                    frame.ended = true;
                    frame.iterations = None;
                    frame.results.clear();
                    if frame.unlucky {
                        frame.left.clear();
                    }
                });
                let after = self.frames.get(node).map_or(0, Frame::size_bytes);
                self.reweigh(before, after);
            }
            _ => self.apply_to_unit(fact),
        }
    }

    fn end_iteration(
        &mut self,
        node: &NodeKey,
        index: u32,
        left: &[((String, String), Sent)],
        result: Option<&Sent>,
    ) {
        let more = left.iter().map(|(_, sent)| sent).chain(result).map(Sent::size_bytes).sum();
        let mut less = 0;
        self.with_frame(node, |frame| {
            if let Some(round) = frame.rounds.get_mut(&index) {
                round.over = true;
            }
            for (from, sent) in left {
                frame.left.entry(from.clone()).or_default().insert(index, sent.clone());
            }
            if let Some(result) = result {
                frame.results.insert(index, result.clone());
                let last_only = frame.iterations.as_ref().is_some_and(|how| how.last_only);
                while last_only && frame.results.len() > 1 {
                    less += frame.results.pop_first().map_or(0, |(_, sent)| sent.size_bytes());
                }
            }
        });
        self.reweigh(less, more);
    }

    fn with_frame(&mut self, node: &NodeKey, change: impl FnOnce(&mut Frame)) {
        if let Some(frame) = self.frames.get_mut(node) {
            change(frame);
        }
    }

    /// What stood in the state with so many bytes of results has so many now.
    fn reweigh(&mut self, before: u64, after: u64) {
        self.result_bytes = self.result_bytes.saturating_sub(before).saturating_add(after);
    }

    fn apply_to_node(&mut self, fact: &Fact) {
        match fact {
            Fact::NodeStarted { node, at, units, each, took } => {
                let started = NodeState { took: *took, ..NodeState::started(*at, *units, *each) };
                self.nodes.put(node.clone(), started);
            }
            Fact::NodeSkipped { node, at } => {
                self.nodes.put(node.clone(), NodeState::skipped(*at));
            }
            Fact::Caught { node, caught } => {
                self.caught.insert(node.clone(), caught.clone());
            }
            Fact::NodeEnded { node, at, status, output, error } => {
                self.caught.remove(node);
                if !self.nodes.contains_key(node) {
                    self.nodes.put(node.clone(), NodeState::unstarted());
                }
                let (mut before, mut after) = (0, 0);
                self.nodes.with(node, |state| {
                    before = state.size_bytes() as u64;
                    state.status = *status;
                    state.ended_at = Some(*at);
                    state.output = Arc::clone(output);
                    state.error.clone_from(error);
                    // Where it went well, the items stand in the node's output now. Else a retry of
                    // only the failed ones wants them.
                    if *status == NodeStatus::Success {
                        state.units.forget_results();
                    }
                    after = state.size_bytes() as u64;
                });
                self.reweigh(before, after);
                let unused = self.start.done_before.remove(node).unwrap_or_default();
                self.reweigh(unused.iter().map(|done| handles_bytes(&done.output)).sum(), 0);
            }
            Fact::Progressed { node, percent, detail } => {
                let progress = Some((*percent, detail.clone()));
                self.nodes.with(node, |state| state.progress = progress);
            }
            _ => self.apply_to_loop(fact),
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
            Fact::UnitTakenOver { unit, place } => {
                let before = self.start.done_before.get_mut(&unit.node);
                let output = before.and_then(|before| before.get_mut(*place as usize));
                let output = output.map(|done| std::mem::take(&mut done.output));
                self.with_unit(unit, |state| {
                    state.phase = Phase::Done { output: output.unwrap_or_default() };
                    state.carried = true;
                });
            }
            Fact::UnitDone { unit, output } => {
                self.result_bytes = self.result_bytes.saturating_add(handles_bytes(output));
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
            Fact::UnitInside { unit, output } => {
                self.set_phase(unit, Phase::Inside);
                self.nodes.with(&unit.node, |node| node.output = Arc::clone(output));
                self.reweigh(0, output.size_bytes() as u64);
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
        self.nodes.with(&unit.node, |node| node.units.with(unit.index(), change));
    }

    pub(in crate::engine) fn unit(&self, unit: &UnitKey) -> Option<&UnitState> {
        self.nodes.get(&unit.node)?.units.get(unit.index())
    }
}
