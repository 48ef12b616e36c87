//! Permits of a named lock that all workflows of an owner share.

use serde::{Deserialize, Serialize};

use crate::engine::kind::Handles;

/// How many permits of which lock are wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LockRequest {
    /// The lock's name, among those of the workflow's owner.
    pub name: String,
    /// How many permits may be out at once, as this node sees it; 1 is a mutex.
    pub limit: u32,
    /// How many are wanted, at most `limit`.
    pub permits: u32,
    /// What passes on once they are held.
    pub then: Handles,
}
