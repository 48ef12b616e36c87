//! Another workflow that is to run for a unit of work.

use a2n_proto::Json;
use serde::{Deserialize, Serialize};

/// Which workflow is to run, with what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildRequest {
    /// Its name as its owner's documents write it, or its id.
    pub workflow: String,
    /// Which version; the published one where absent.
    pub version: Option<u32>,
    /// Its inputs, an object.
    pub inputs: Json,
    /// Whether its end is not waited for.
    pub detach: bool,
}
