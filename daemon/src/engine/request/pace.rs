//! How often the executions of a workflow may pass a node: at most so often in a time (`throttle`), or
//! only the last of those that come close together (`debounce`).

use std::time::Duration;

use a2n_proto::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::kind::{Handles, Item};

/// At most so often in a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThrottleRequest {
    /// What is counted together, beside workflow and node.
    pub key: String,
    /// How many may pass…
    pub limit: u32,
    /// …in any stretch of this length.
    pub window: Duration,
    /// Whether one too many leaves by handle `dropped`; else it waits for its turn.
    pub drop: bool,
    /// What passes on.
    pub items: Vec<Item>,
}

/// Only the last of those that come close together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DebounceRequest {
    /// What belongs together, beside workflow and node.
    pub key: String,
    /// When it passes, where no other has come by then.
    pub until: Timestamp,
    /// What passes on.
    pub items: Vec<Item>,
}

impl ThrottleRequest {
    /// The items, by the handle that they leave through.
    pub fn leave(&self, handle: &str) -> Handles {
        Handles::from([(handle.to_owned(), self.items.clone())])
    }
}

impl DebounceRequest {
    /// The items, by the handle that they leave through.
    pub fn leave(&self, handle: &str) -> Handles {
        Handles::from([(handle.to_owned(), self.items.clone())])
    }
}
