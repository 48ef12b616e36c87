//! A plan.

use a2n_proto::Problem;
use a2n_proto::document::Document;

use super::kind::Kinds;

/// A document, ready to run.
#[derive(Debug)]
pub struct Plan {}

impl Plan {
    /// Compiles a document; its problems where it can't run at all.
    pub fn new(_document: &Document, _kinds: &dyn Kinds) -> Result<Self, Vec<Problem>> {
        Ok(Self {})
    }
    /// What this version can't run of a valid document.
    pub fn unsupported(&self) -> Option<&str> {
        None
    }
}
