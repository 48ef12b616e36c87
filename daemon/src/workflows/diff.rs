//! Two documents compared node by node.

use a2n_proto::Json;
use a2n_proto::document::Document;

/// What happened to one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only the new one has it.
    Added,
    /// Only the old one has it.
    Removed,
    /// Both have it, not equal.
    Changed,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where: `nodes.df.config.command[1]`, `connections.df:output->full:input`, `settings.timeout`.
    pub path: String,
    /// What happened.
    pub kind: Kind,
    /// The old value; `null` where there was none.
    pub old: Json,
    /// The new value; `null` where there is none.
    pub new: Json,
}

/// The differences between two documents, nodes by id and triggers by name.
pub fn diff(_old: &Document, _new: &Document) -> Vec<Difference> {
    Vec::new()
}
