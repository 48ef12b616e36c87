//! A value that the executions of a workflow, or of all workflows of an owner, share.

use std::time::Duration;

use a2n_proto::Json;
use serde::{Deserialize, Serialize};

use crate::engine::kind::Handles;

/// What is wanted with one shared value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SharedRequest {
    /// Who shares it.
    pub scope: SharedScope,
    /// Its name.
    pub key: String,
    /// What is done.
    pub action: SharedAction,
}

/// Who shares a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SharedScope {
    /// The executions of one workflow.
    Workflow,
    /// Those of all workflows of one owner.
    Global,
}

/// What is done with a shared value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SharedAction {
    /// Read it.
    Get,
    /// Write it.
    Set {
        /// What.
        value: Json,
        /// How long it stays; for ever where absent.
        ttl: Option<Duration>,
    },
    /// Add a number; no value counts as 0.
    Add {
        /// How much.
        by: Json,
        /// How long it stays; for ever where absent.
        ttl: Option<Duration>,
    },
    /// Write it where it is as expected (`null`: where there is none).
    CompareAndSet {
        /// What it has to be.
        expected: Json,
        /// What it becomes.
        value: Json,
        /// How long it stays; for ever where absent.
        ttl: Option<Duration>,
    },
    /// Remove it.
    Delete,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SharedAnswer {
    /// Its name.
    pub key: String,
    /// The value afterwards; for DELETE the one that went. `null` where there is none.
    pub value: Json,
    /// Whether there was one before.
    pub existed: bool,
    /// Whether this wrote or removed something.
    pub changed: bool,
}

impl SharedRequest {
    /// What leaves the node.
    pub fn items(&self, answer: &SharedAnswer) -> Handles {
        let differs = matches!(self.action, SharedAction::CompareAndSet { .. }) && !answer.changed;
        let handle = if differs { "differs" } else { "output" };
        Handles::from([(handle.to_owned(), vec![Json::of(answer)])])
    }
}
