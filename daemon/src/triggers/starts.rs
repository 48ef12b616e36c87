//! What the schedule service asks of the engine and the store, in one trait that `app` implements.
//!
//! The ledger row of an instant and the execution that it starts are written in one transaction:
//! that is what makes "one due instant, one execution" hold across crashes.

use std::fmt;

use a2n_proto::execution::{ExecutionSchedule, ScheduleOutcome, ScheduleStatus};
use a2n_proto::{
    ExecutionId, ExecutionScheduleId, Json, Timestamp, UserId, WorkflowId, WorkflowTriggerId,
};

use crate::system::Later;

/// Starts executions for schedules and writes their ledger.
pub trait Starts: Send + Sync + fmt::Debug {
    /// Executions of this trigger that have not ended, those just accepted included.
    fn running_of(&self, trigger: WorkflowTriggerId) -> Vec<ExecutionId>;

    /// In one transaction: writes the plan's row (FIRED, unique by trigger and instant; a row that
    /// waits as PENDING is taken over) and accepts the execution with the payload. Where the
    /// instant has been dealt with before, changes nothing and says so.
    fn start(&self, plan: Plan) -> Later<'_, Result<Started, StartError>>;

    /// Writes rows of instants that start nothing (or wait); an instant that has a row keeps it.
    fn record(&self, plans: Vec<Plan>) -> Later<'_, Result<(), StartError>>;

    /// Cancels what runs, for REPLACE; ends when the cancellation is recorded.
    fn cancel(&self, executions: Vec<ExecutionId>) -> Later<'_, ()>;
}

/// One due instant with what is to be written about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The trigger.
    pub trigger: WorkflowTriggerId,
    /// What it starts.
    pub workflow: WorkflowId,
    /// Whose it is.
    pub user: UserId,
    /// The nominal instant.
    pub at: Timestamp,
    /// Where it stands.
    pub status: ScheduleStatus,
    /// What became of it; none while it waits.
    pub outcome: Option<ScheduleOutcome>,
    /// Which rule decided, for people.
    pub reason: Option<String>,
    /// Milliseconds from the nominal instant to now.
    pub late_by: u64,
    /// What the execution gets as its payload.
    pub payload: Json,
}

impl Plan {
    /// The ledger row of this plan as it is first written.
    pub fn row(
        &self,
        id: ExecutionScheduleId,
        now: Timestamp,
        execution: Option<ExecutionId>,
    ) -> ExecutionSchedule {
        let tried = matches!(self.outcome, Some(ScheduleOutcome::Fired | ScheduleOutcome::Refused));
        ExecutionSchedule {
            id,
            revision: 1,
            created_at: now,
            updated_at: now,
            scheduled_time: self.at,
            status: self.status,
            attempts: u32::from(tried),
            max_attempts: 1,
            last_attempt_at: tried.then_some(now),
            next_attempt_at: None,
            execution_data: self.payload.clone(),
            error_message: match self.outcome {
                Some(ScheduleOutcome::Refused) => self.reason.clone(),
                _ => None,
            },
            outcome: self.outcome,
            reason: self.reason.clone(),
            late_by: Some(self.late_by),
            workflow_id: self.workflow,
            trigger_id: Some(self.trigger),
            user_id: self.user,
            execution_id: execution,
        }
    }
}

/// What came of [`Starts::start`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// The execution is accepted and durable.
    Accepted(ExecutionId),
    /// The instant has a row already: nothing happened.
    Before,
}

/// Why a plan could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// This will not change by itself: archived, not published, unsupported.
    #[error("{reason}")]
    Refused {
        /// For people.
        reason: String,
    },
    /// Nothing could be written now: disk full, draining. It is tried again.
    #[error("{reason}")]
    Later {
        /// For people.
        reason: String,
    },
}
