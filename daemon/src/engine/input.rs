//! What the engine is told about one execution: the closed set of inputs of the step.
//!
//! The driver brings them one at a time. Each is idempotent: an input that is late, doubled or
//! about something that is over gives no facts and no effects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::{Json, Timestamp};

use super::approval::{Ballot, Voter};
use super::effect::TimerKey;
use super::execution::UnitKey;
use super::job::{JobEnd, JobKey};
use super::request::Reply;

/// One thing the engine is told.
#[derive(Debug, Clone)]
pub enum Input {
    /// It was accepted and may start.
    Begin,
    /// The step before stopped at its budget; go on.
    Continue,
    /// An attempt is over.
    AttemptEnded {
        /// Which.
        key: JobKey,
        /// How. Boxed because it is much larger than the other inputs.
        end: Box<JobEnd>,
    },
    /// A step said how far it is.
    Progress {
        /// Which attempt.
        key: JobKey,
        /// 0 to 100.
        percent: u8,
        /// For people.
        detail: Option<String>,
    },
    /// A request is answered.
    Replied {
        /// Which unit asked.
        unit: UnitKey,
        /// Its attempt.
        n: u32,
        /// The answer.
        reply: Box<Reply>,
    },
    /// Somebody decides what an `approval` asks.
    Vote {
        /// Which node.
        node: String,
        /// Path of loop iterations, empty outside loops.
        iteration: String,
        /// For which item; all that are open where absent.
        item: Option<u32>,
        /// Who. Boxed because it is much larger than the other inputs.
        voter: Box<Voter>,
        /// What they say.
        ballot: Ballot,
    },
    /// A timer's moment has come.
    TimerFired {
        /// Which.
        key: TimerKey,
    },
    /// Someone wants it to end.
    Cancel {
        /// Who.
        by: Option<String>,
        /// Why.
        reason: Option<String>,
    },
    /// Someone wants nothing to start for now.
    Pause {
        /// Who.
        by: Option<String>,
    },
    /// Someone wants it to go on.
    Resume,
    /// Someone says how steps in doubt ended.
    Answer {
        /// Which node.
        node: String,
        /// Path of loop iterations, empty outside loops.
        iteration: String,
        /// Which item; every one in doubt where absent.
        item: Option<u32>,
        /// How.
        answer: Answer,
    },
    /// The daemon has started (again) and looks after this execution. Attempts with a recorded
    /// start and no end are lost, except those in `alive`.
    Recovered {
        /// Attempts that are known to run on.
        alive: BTreeSet<JobKey>,
        /// Attempts that are known never to have begun.
        not_begun: BTreeSet<JobKey>,
    },
}

/// A person's word on a step in doubt.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It did its work; these items go on (its first handle; `null` for none).
    Done(Json),
    /// It failed.
    Failed,
    /// Start it again, with the same idempotency key.
    RunAgain,
}

/// What the world looks like to one step.
#[derive(Debug, Clone)]
pub struct Env {
    /// The wall clock, now: the commit's time.
    pub now: Timestamp,
    /// Which boot of the machine.
    pub boot: String,
    /// CLOCK_MONOTONIC since that boot: measures running time.
    pub monotonic: Duration,
    /// The number of the newest event that was told.
    pub inbox: u64,
    /// The environment variables that the administrator lets expressions see.
    pub allowed: Arc<BTreeMap<String, String>>,
    /// How much one step and one execution may do at once.
    pub limits: Limits,
}

/// How much one step and one execution may do at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Units of work started or computed in one step; what is left asks for [`Input::Continue`].
    pub units_per_step: u32,
    /// Attempts of one execution that run outside at once; 0 starts none for now. What is left
    /// ready starts with the next input that finds room.
    pub parallel: u32,
    /// Attempts that may begin now, by node definition, of those whose use is limited.
    pub tokens: BTreeMap<String, u32>,
    /// Bytes that all results of an execution may come to; beyond it a node fails.
    pub result_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // 1,000 units with an expression each take a few milliseconds.
        Self {
            units_per_step: 1_000,
            parallel: 64,
            tokens: BTreeMap::new(),
            result_bytes: 24 << 20,
        }
    }
}
