//! One live execution in the driver's hands: its plan, its state, and what is under way for it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use a2n_proto::document::{InDoubt, Repeat};
use a2n_proto::execution::{Execution, ExecutionMetric, ExecutionStatus};
use a2n_proto::{Json, Timestamp};
use tokio_util::sync::CancellationToken;

use super::packed::Size;
use super::persist;
use super::places::Rank;
use crate::engine::execution::State;
use crate::engine::fact::Fact;
use crate::engine::input::Input;
use crate::engine::job::{JobEnd, JobKey, Measured};
use crate::engine::plan::{Plan, PlanNode};
use crate::engine::view;

/// An execution that has not ended, or whose end is not committed yet.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) plan: Arc<Plan>,
    pub(super) state: State,
    /// How many bytes the state is kept in, after the last write that was handed over.
    pub(super) size: Size,
    /// The header as it will stand after the last write that was handed over.
    pub(super) execution: Execution,
    /// Attempts whose start is recorded, or about to be, with the switch that stops each.
    pub(super) jobs: BTreeMap<JobKey, CancellationToken>,
    /// Attempts that were never begun, because the write with their start failed.
    pub(super) not_begun: BTreeSet<JobKey>,
    /// Writes handed over and not yet committed.
    pub(super) writes: u32,
    /// Whether its acceptance is committed.
    pub(super) accepted: bool,
    /// What was measured and is not handed over yet.
    pub(super) measured: Vec<ExecutionMetric>,
    /// Ends of attempts whose write is not committed: a failed write must not lose them.
    pub(super) ends: BTreeMap<JobKey, JobEnd>,
    /// Set on the writer's side when a write failed: those behind it in the queue hold states that
    /// follow from it, and must fail too.
    pub(super) failed: Arc<AtomicBool>,
    /// Inputs that wait because a write failed: the state is to be read again first.
    pub(super) held: Option<Vec<Input>>,
    /// Bytes that it was started with.
    pub(super) input_bytes: usize,
    /// How often it made the engine fail since it last got on.
    pub(super) recoveries: u32,
    /// What the engine said when it last failed.
    pub(super) panic: Option<String>,
}

impl Live {
    pub(super) fn new(plan: Arc<Plan>, state: State, execution: Execution) -> Self {
        let start = state.start();
        let input_bytes =
            [&start.inputs, &start.trigger, &start.payload].map(Json::size_bytes).iter().sum();
        Self {
            plan,
            state,
            size: Size::default(),
            execution,
            jobs: BTreeMap::new(),
            not_begun: BTreeSet::new(),
            writes: 0,
            accepted: false,
            measured: Vec::new(),
            ends: BTreeMap::new(),
            failed: Arc::default(),
            held: None,
            input_bytes,
            recoveries: 0,
            panic: None,
        }
    }

    /// Its place in the order in which executions get what there is too little of.
    pub(super) fn rank(&self) -> Rank {
        persist::rank(&self.execution)
    }

    /// Its place in the order in which attempts begin: what its nodes say comes on top. Of the nodes of
    /// this definition, where one is named.
    pub(super) fn turn(&self, definition: Option<&str>) -> Rank {
        let (Reverse(priority), at, id) = self.rank();
        let own = match self.plan.has_priorities() {
            true => self.state.foremost(&self.plan, definition).unwrap_or(0),
            false => 0,
        };
        (Reverse(priority.saturating_add(own)), at, id)
    }

    /// Whether it has, or had, a place among its workflow's executions.
    pub(super) fn has_begun(&self) -> bool {
        self.state.started_at().is_some()
    }

    /// Whether it may be given a place: it is stored as it is here, and nobody paused or ended it.
    pub(super) fn may_begin(&self) -> bool {
        self.accepted && self.held.is_none() && self.state.status() == ExecutionStatus::Pending
    }

    /// Brings the header up to the state after a step at `now`. `cut_bytes` bounds a node's output
    /// in an execution that has ended, `data_bytes` that of all of it.
    pub(super) fn refresh(&mut self, now: Timestamp, cut_bytes: usize, data_bytes: usize) {
        let header = &mut self.execution;
        header.revision += 1;
        header.updated_at = now;
        header.status = self.state.status();
        header.paused_reason = self.state.paused_reason();
        header.start_time = self.state.started_at();
        header.retry_count = view::retry_count(&self.state);
        if !header.status.is_ended() {
            return;
        }
        header.end_time = self.state.ended_at();
        header.duration = match (header.start_time, header.end_time) {
            (Some(from), Some(to)) => u64::try_from(to.since(from).as_millis()).ok(),
            _ => Some(0),
        };
        header.output_data = view::output_data(&self.plan, &self.state, data_bytes);
        (header.error_message, header.error_details) = view::error(&self.plan, &self.state);
        self.state.cut(cut_bytes);
    }

    /// Keeps what an attempt measured until the write that records its end.
    pub(super) fn note(&mut self, key: &JobKey, measured: &[Measured], now: Timestamp) {
        let execution = self.execution.id;
        self.measured.extend(measured.iter().map(|one| ExecutionMetric {
            metric_name: one.name.clone(),
            metric_value: one.value,
            metric_type: one.kind,
            unit: one.unit.clone(),
            tags: Json::object(),
            timestamp: now,
            node_id: Some(key.node.clone()),
            execution_id: execution,
        }));
    }

    /// Whether an attempt without a recorded end is simply made again after the next start.
    pub(super) fn goes_on_by_itself(&self, key: &JobKey) -> bool {
        let may = |node: &PlanNode| node.repeat != Repeat::Once || node.in_doubt == InDoubt::Retry;
        !self.state.is_ending() && self.plan.node(&key.node).is_some_and(may)
    }

    /// Whether all that is known of it is stored, and nothing is under way.
    pub(super) fn is_settled(&self) -> bool {
        self.accepted
            && self.writes == 0
            && self.jobs.is_empty()
            && self.ends.is_empty()
            && self.not_begun.is_empty()
            && self.measured.is_empty()
            && self.held.is_none()
            && !self.failed.load(Ordering::Acquire)
    }

    /// The workflow that is to be started because this step ended the execution as FAILED. Never for
    /// one that was itself started so, nor for those below it.
    pub(super) fn error_workflow(&self, facts: &[Fact]) -> Option<&str> {
        let failed =
            |fact: &Fact| matches!(fact, Fact::Ended { status: ExecutionStatus::Failed, .. });
        let handles = self.state.start().parent.as_ref().is_some_and(|it| it.handles_error);
        if handles || !facts.iter().any(failed) {
            return None;
        }
        self.plan.error_workflow()
    }

    /// Whether it failed and a workflow is to be started for that.
    pub(super) fn is_for_error_workflow(&self) -> bool {
        let (at, status) = (self.execution.updated_at, self.execution.status);
        self.error_workflow(&[Fact::Ended { at, status }]).is_some()
    }

    /// Whether nothing is left to do or to commit.
    pub(super) fn is_over(&self) -> bool {
        // While inputs are held, memory is ahead of the store: its end may not be stored.
        self.state.status().is_ended()
            && self.writes == 0
            && self.jobs.is_empty()
            && self.held.is_none()
    }
}
