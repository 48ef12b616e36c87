//! A fact: one thing that is now so about an execution. The step finds facts, [`State::apply`]
//! folds them, the driver commits the result.
//!
//! Invariant: nothing but applying a fact changes a state, so folding the same facts over the same
//! beginning gives the same execution.
//!
//! [`State::apply`]: super::execution::State::apply

use std::sync::Arc;

use a2n_proto::Timestamp;
use a2n_proto::execution::{ExecutionStatus, NodeStatus, PausedReason};
use serde::{Deserialize, Serialize};

use super::execution::{Ending, Failure, Held, Moment, NodeKey, Output, UnitKey};
use super::kind::{Handles, NodeError};
use super::request::Request;

/// One thing that is now so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Fact {
    /// The execution is RUNNING for the first time.
    Began {
        /// When.
        at: Timestamp,
        /// On the clock that measures running time.
        moment: Moment,
    },
    /// A node became ready and works.
    NodeStarted {
        /// Which.
        node: NodeKey,
        /// When.
        at: Timestamp,
        /// How many units of work it has.
        units: u32,
        /// Whether each unit is one item.
        each: bool,
    },
    /// No connection to a node was taken.
    NodeSkipped {
        /// Which.
        node: NodeKey,
        /// When.
        at: Timestamp,
    },
    /// An attempt is about to begin.
    AttemptStarted {
        /// Which unit.
        unit: UnitKey,
        /// Its number, from 1.
        n: u32,
        /// When.
        at: Timestamp,
    },
    /// An attempt is over.
    AttemptEnded {
        /// Which unit.
        unit: UnitKey,
        /// Its number.
        n: u32,
        /// When.
        at: Timestamp,
        /// Exit code or HTTP status.
        exit: Option<i32>,
        /// Why it failed; none where it did not.
        error: Option<NodeError>,
        /// Whether its real end is not known.
        lost: bool,
    },
    /// A unit of work is done.
    UnitDone {
        /// Which.
        unit: UnitKey,
        /// What came out.
        output: Handles,
    },
    /// A unit's last attempt failed.
    UnitFailed {
        /// Which.
        unit: UnitKey,
        /// The last attempt's number.
        n: u32,
        /// Why.
        error: NodeError,
    },
    /// A unit will be tried again at a moment.
    UnitBackoff {
        /// Which.
        unit: UnitKey,
        /// When.
        until: Timestamp,
    },
    /// A unit only waits for a moment.
    UnitWaiting {
        /// Which.
        unit: UnitKey,
        /// When it goes on.
        until: Timestamp,
        /// What it then passes on.
        then: Handles,
    },
    /// An attempt asked something of the rest of the daemon.
    UnitRequested {
        /// Which unit.
        unit: UnitKey,
        /// The attempt's number.
        n: u32,
        /// What it asked.
        request: Box<Request>,
    },
    /// The execution holds permits of a lock.
    LockTaken {
        /// Which, and how many.
        held: Held,
    },
    /// The execution holds nothing of a lock any more.
    LockReleased {
        /// Which.
        name: String,
    },
    /// A person has to say how a unit ended.
    UnitInDoubt {
        /// Which.
        unit: UnitKey,
        /// The attempt whose end is not known.
        n: u32,
    },
    /// A unit may be started (again).
    UnitReady {
        /// Which.
        unit: UnitKey,
    },
    /// A unit was stopped before its end.
    UnitCancelled {
        /// Which.
        unit: UnitKey,
    },
    /// A node is over.
    NodeEnded {
        /// Which.
        node: NodeKey,
        /// When.
        at: Timestamp,
        /// SUCCESS, FAILED or CANCELLED.
        status: NodeStatus,
        /// What it sends on.
        output: Arc<Output>,
        /// Why it failed.
        error: Option<NodeError>,
    },
    /// A step said how far it is.
    Progressed {
        /// Which node.
        node: NodeKey,
        /// 0 to 100.
        percent: u8,
        /// For people.
        detail: Option<String>,
    },
    /// A node failed the execution; other branches go on to their end.
    FailureNoted {
        /// Why.
        failure: Failure,
    },
    /// The execution is to end: nothing starts any more.
    EndingBegan {
        /// Why.
        why: Ending,
    },
    /// A person asked that nothing starts for now.
    PauseAsked {
        /// Who.
        by: Option<String>,
    },
    /// The pause is lifted.
    PauseLifted,
    /// Nothing runs; running time stands still.
    Paused {
        /// Why.
        reason: PausedReason,
        /// Running time so far, milliseconds.
        ran_ms: u64,
    },
    /// Something runs again.
    Resumed {
        /// On the clock that measures running time.
        moment: Moment,
        /// Running time so far, milliseconds.
        ran_ms: u64,
    },
    /// The execution is over.
    Ended {
        /// When.
        at: Timestamp,
        /// SUCCESS, FAILED or CANCELLED.
        status: ExecutionStatus,
    },
}
