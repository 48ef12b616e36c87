//! Retries.

use std::fmt;

use super::execution::{Start, State};
use super::plan::Plan;

/// From where an execution is run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetryFrom {
    /// Everything again.
    Start,
    /// The failed and cancelled nodes and all that comes after them.
    FailedNode,
    /// This node and all that comes after it.
    Node(String),
}

/// Why an execution can't be run again so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// There is no such node.
    UnknownNode(String),
    /// Nothing failed.
    NothingFailed,
    /// A result that would be taken over was cut away.
    Cut(String),
    /// The execution has not ended.
    NotEnded,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// The beginning of a new execution that takes over what it may of an ended one, and what did not
/// fit, in sentences.
pub fn again(
    _plan: &Plan,
    _old_plan: &Plan,
    _old: &State,
    _from: &RetryFrom,
    start: Start,
) -> Result<(Start, Vec<String>), Error> {
    Ok((start, Vec::new()))
}
