//! Everything that is wrong with a document, at once, each with its place.

use a2n_proto::document::DocumentTrigger;
use a2n_proto::{Json, Problem};

use crate::engine::kind::Kinds;

/// How large a document may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most nodes.
    pub nodes: usize,
    /// Largest text, bytes.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { nodes: 10_000, bytes: 1 << 20 }
    }
}

/// Checks one trigger (cron, zone, path): problems with paths below the trigger, for example
/// `configuration.schedule.cron`.
pub type TriggerCheck<'a> = &'a dyn Fn(&DocumentTrigger) -> Vec<Problem>;

/// Every problem of a document. Errors first stop a save; warnings do not.
pub fn validate(
    _definition: &Json,
    _kinds: &dyn Kinds,
    _limits: Limits,
    _trigger: TriggerCheck<'_>,
) -> Vec<Problem> {
    Vec::new()
}
