//! What is to be done after the commit. Effects are idempotent by key: recovery asks again.

use std::time::Duration;

use a2n_proto::Timestamp;
use a2n_proto::execution::ExecutionStatus;
use serde::{Deserialize, Serialize};

use super::execution::UnitKey;
use super::job::{Job, JobKey};
use super::request::Request;

/// One thing to do after the commit.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Start this attempt; its start is recorded. Boxed because it is much larger than the others.
    Start(Box<Job>),
    /// End this attempt; an answer comes as an ordinary end.
    Stop(JobKey),
    /// Tell when this is due; replaces an earlier one with the same key.
    SetTimer {
        /// Which.
        key: TimerKey,
        /// When.
        due: Due,
    },
    /// Forget a timer.
    ClearTimer(TimerKey),
    /// Have this request answered; its start is recorded. Answered once per attempt, however often it
    /// is asked.
    Request {
        /// Which unit asks.
        unit: UnitKey,
        /// Its attempt.
        n: u32,
        /// When the request was recorded.
        at: Timestamp,
        /// What it asks.
        request: Box<Request>,
    },
    /// Nobody needs the answer to this attempt's request any more.
    Withdraw {
        /// Which unit.
        unit: UnitKey,
        /// Its attempt.
        n: u32,
        /// When the request was recorded.
        at: Timestamp,
        /// What it had asked.
        request: Box<Request>,
    },
    /// What the execution held of the lock of this name is free.
    Release(String),
    /// Bring [`Input::Continue`](super::input::Input::Continue): the budget is used up.
    Continue,
    /// It is over.
    Ended(ExecutionStatus),
}

/// When a timer is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// At a moment of the wall clock: stored waits and retry delays.
    At(Timestamp),
    /// After so much time on the monotonic clock: running time.
    After(Duration),
}

/// Which timer of an execution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TimerKey {
    /// The execution's own time-out.
    Timeout,
    /// A unit waits (`wait`).
    Wait(UnitKey),
    /// A unit is to be tried again.
    Retry(UnitKey),
    /// A unit's request is over without an answer.
    Request(UnitKey),
}
