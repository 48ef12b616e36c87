//! The schedule service's memory and its one round: decide what is due, apply the overlap rule, have
//! it written and started.
//!
//! `service` drives it. Invariant: an instant leaves here as exactly one of started, waiting or
//! written as left out; what could not be written is kept and tried again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::execution::{ScheduleOutcome, ScheduleStatus};
use a2n_proto::{Json, Timestamp, WorkflowTriggerId};
use futures_util::future::join_all;

use super::planner::{Due, Planner};
use super::schedule::{Decision, Overlap};
use super::service::{Input, Lag};
use super::starts::{Plan, StartError, Started, Starts};

/// How long after a full disk or a drain a start is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// What is armed, what waits for the one before, what is to be made up for.
#[derive(Debug)]
pub(super) struct Keeper {
    starts: Arc<dyn Starts>,
    planner: Planner,
    /// By trigger, instants that wait until the execution before has ended.
    waiting: BTreeMap<WorkflowTriggerId, VecDeque<Due>>,
    /// Triggers whose execution has ended since the last tick.
    ended: Vec<WorkflowTriggerId>,
    /// Missed instants to be started, a few a second.
    backlog: VecDeque<Due>,
    backlog_from: Timestamp,
    /// What could not be written, and when it is tried again.
    again: VecDeque<(Timestamp, Due)>,
    per_second: usize,
}

impl Keeper {
    pub(super) fn new(starts: Arc<dyn Starts>, per_second: u64) -> Self {
        Self {
            starts,
            planner: Planner::default(),
            waiting: BTreeMap::new(),
            ended: Vec::new(),
            backlog: VecDeque::new(),
            backlog_from: Timestamp::default(),
            again: VecDeque::new(),
            per_second: usize::try_from(per_second).unwrap_or(usize::MAX).max(1),
        }
    }

    pub(super) fn take(&mut self, input: Input, now: Timestamp) {
        match input {
            Input::Arm(armed) => self.planner.arm(*armed, now),
            Input::Disarm(trigger) => {
                self.planner.disarm(trigger);
                self.waiting.remove(&trigger);
                self.backlog.retain(|due| due.trigger != trigger);
                self.again.retain(|(_, due)| due.trigger != trigger);
            }
            Input::Ended(trigger) => self.ended.push(trigger),
            Input::Waits(due) => {
                self.waiting.entry(due.trigger).or_default().push_back(due);
                // Its execution may have ended while nobody looked.
                self.ended.push(due.trigger);
            }
            Input::NextOf(trigger, answer) => {
                let _ = answer.send(self.planner.next_of(trigger));
            }
            Input::Lag(answer) => {
                let overdue = self.planner.next().map(|next| now.since(next)).unwrap_or_default();
                let (armed, backlog) = (self.planner.len(), self.backlog.len());
                let _ = answer.send(Lag { armed, backlog, overdue });
            }
        }
    }

    /// When to tick at the latest; never where nothing is armed or left to do.
    pub(super) fn next(&self) -> Option<Timestamp> {
        if !self.ended.is_empty() {
            return Some(Timestamp::default());
        }
        let backlog = (!self.backlog.is_empty()).then_some(self.backlog_from);
        let again = self.again.iter().map(|(at, _)| *at).min();
        [self.planner.next(), backlog, again].into_iter().flatten().min()
    }

    /// One round: everything that is due now is decided, written and started.
    pub(super) async fn tick(&mut self, now: Timestamp) {
        let mut fire = Vec::new();
        let mut rows = Vec::new();
        for due in self.planner.tick(now) {
            match due.decision {
                Decision::Fire if due.catch_up => self.backlog.push_back(due),
                Decision::Fire => fire.push(due),
                Decision::Coalesced => {
                    rows.push(left_out(
                        &due,
                        now,
                        ScheduleOutcome::Coalesced,
                        "a newer one stands for it (misfire RUN_ONCE)",
                    ));
                }
                Decision::Missed => {
                    rows.push(left_out(
                        &due,
                        now,
                        ScheduleOutcome::Missed,
                        "the daemon was not there, and the schedule does not catch it up",
                    ));
                }
            }
        }
        if now >= self.backlog_from && !self.backlog.is_empty() {
            let some = self.backlog.len().min(self.per_second);
            fire.extend(self.backlog.drain(..some));
            self.backlog_from = now.plus(Duration::from_secs(1));
        }
        let (ready, rest): (Vec<_>, Vec<_>) = self.again.drain(..).partition(|(at, _)| *at <= now);
        self.again = rest.into();
        fire.extend(ready.into_iter().map(|(_, due)| due));
        let mut plans = Vec::new();
        for trigger in std::mem::take(&mut self.ended) {
            if self.starts.running_of(trigger).is_empty() {
                plans.extend(self.next_waiting(trigger));
            }
        }
        for due in fire {
            if let Some(due) = self.admit(due, now, &plans, &mut rows).await {
                plans.push(due);
            }
        }
        if !rows.is_empty()
            && let Err(error) = self.starts.record(rows).await
        {
            tracing::warn!(%error, "schedule ledger not written");
        }
        self.start_all(plans, now).await;
    }

    fn next_waiting(&mut self, trigger: WorkflowTriggerId) -> Option<Due> {
        let queue = self.waiting.get_mut(&trigger)?;
        let due = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&trigger);
        }
        due
    }

    /// Applies the overlap rule: the instant to start now, or none where it waits or is left out.
    async fn admit(
        &mut self,
        due: Due,
        now: Timestamp,
        starting: &[Due],
        rows: &mut Vec<Plan>,
    ) -> Option<Due> {
        let running = self.starts.running_of(due.trigger);
        let another = starting.iter().any(|one| one.trigger == due.trigger);
        let waiting = self.waiting.get(&due.trigger).map_or(0, VecDeque::len);
        if due.overlap == Overlap::Allow || (running.is_empty() && !another && waiting == 0) {
            return Some(due);
        }
        match due.overlap {
            Overlap::Allow => Some(due),
            Overlap::Skip => {
                rows.push(left_out(
                    &due,
                    now,
                    ScheduleOutcome::Skipped,
                    "the one before still runs (overlap SKIP)",
                ));
                None
            }
            Overlap::Replace => {
                self.starts.cancel(running).await;
                Some(due)
            }
            Overlap::Queue if waiting < due.may_wait => {
                let mut plan = plan(&due, now);
                plan.status = ScheduleStatus::Pending;
                plan.outcome = None;
                plan.reason = Some("waits until the one before has ended (overlap QUEUE)".into());
                rows.push(plan);
                self.waiting.entry(due.trigger).or_default().push_back(due);
                None
            }
            Overlap::Queue => {
                rows.push(left_out(
                    &due,
                    now,
                    ScheduleOutcome::Coalesced,
                    "one waits already (overlap QUEUE)",
                ));
                None
            }
        }
    }

    /// Starts them together, so that their transactions share a commit.
    async fn start_all(&mut self, due: Vec<Due>, now: Timestamp) {
        let starts = Arc::clone(&self.starts);
        let results = join_all(due.iter().map(|due| starts.start(plan(due, now)))).await;
        let mut refused = Vec::new();
        for (due, result) in due.into_iter().zip(results) {
            match result {
                Ok(Started::Accepted(execution)) => {
                    tracing::debug!(trigger = %due.trigger, %execution, at = %due.at, "schedule fired");
                }
                // Decided before, by this daemon or an earlier one: one instant, one execution.
                Ok(Started::Before) => self.ended.extend(self.waits(due.trigger)),
                Err(StartError::Refused { reason }) => {
                    tracing::warn!(trigger = %due.trigger, at = %due.at, %reason, "schedule refused");
                    let mut plan = plan(&due, now);
                    plan.status = ScheduleStatus::Failed;
                    plan.outcome = Some(ScheduleOutcome::Refused);
                    plan.reason = Some(reason);
                    refused.push(plan);
                    self.ended.extend(self.waits(due.trigger));
                }
                Err(StartError::Later { reason }) => {
                    tracing::warn!(trigger = %due.trigger, at = %due.at, %reason, "schedule put off");
                    self.again.push_back((now.plus(AGAIN), due));
                }
            }
        }
        if !refused.is_empty()
            && let Err(error) = self.starts.record(refused).await
        {
            tracing::warn!(%error, "schedule ledger not written");
        }
    }

    fn waits(&self, trigger: WorkflowTriggerId) -> Option<WorkflowTriggerId> {
        self.waiting.contains_key(&trigger).then_some(trigger)
    }
}

/// An instant that is started now.
fn plan(due: &Due, now: Timestamp) -> Plan {
    let late = now.since(due.at);
    let late_by = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
    Plan {
        trigger: due.trigger,
        workflow: due.workflow,
        user: due.user,
        at: due.at,
        status: ScheduleStatus::Completed,
        outcome: Some(ScheduleOutcome::Fired),
        reason: due.catch_up.then(|| "made up for: the daemon was not there".to_owned()),
        late_by,
        payload: payload(due),
    }
}

fn left_out(due: &Due, now: Timestamp, outcome: ScheduleOutcome, why: &str) -> Plan {
    let why = if due.and_older { format!("{why}; so are older ones") } else { why.to_owned() };
    Plan { outcome: Some(outcome), reason: Some(why), ..plan(due, now) }
}

fn payload(due: &Due) -> Json {
    Json::from(serde_json::json!({"scheduledTime": due.at, "triggerId": due.trigger}))
}

#[cfg(test)]
mod tests;
