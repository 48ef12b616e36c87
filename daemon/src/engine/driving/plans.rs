//! Plans of workflow versions, made once and shared: a version never changes, so its plan doesn't.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use a2n_proto::document::Document;
use a2n_proto::{Json, Problem, WorkflowId};

use crate::engine::kind::Kinds;
use crate::engine::plan::Plan;

/// Plans kept; beyond it all are dropped and made again as needed. Each takes a few kilobytes.
const KEPT: usize = 1_000;

/// The plans of versions that ran lately.
#[derive(Debug)]
pub struct Plans {
    kinds: Arc<dyn Kinds>,
    kept: Mutex<BTreeMap<(WorkflowId, u32), Arc<Plan>>>,
}

/// Why a stored definition has no plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not a workflow document.
    #[error("the definition is not a workflow document: {0}")]
    Unreadable(serde_json::Error),
    /// It does not validate (any more): a node definition it needs may be gone.
    #[error("the definition has problems")]
    Problems(Vec<Problem>),
}

impl Plans {
    /// Plans over these kinds of nodes.
    pub fn new(kinds: Arc<dyn Kinds>) -> Self {
        Self { kinds, kept: Mutex::default() }
    }
    /// The kinds of nodes there are.
    pub fn kinds(&self) -> &Arc<dyn Kinds> {
        &self.kinds
    }
    /// The plan of a version, where it is kept.
    pub fn kept(&self, workflow: WorkflowId, version: u32) -> Option<Arc<Plan>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&(workflow, version)).cloned()
    }
    /// The plan of a version whose definition is this.
    pub fn make(
        &self,
        workflow: WorkflowId,
        version: u32,
        definition: &Json,
    ) -> Result<Arc<Plan>, Error> {
        if let Some(plan) = self.kept(workflow, version) {
            return Ok(plan);
        }
        let plan = self.plan(definition)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert((workflow, version), Arc::clone(&plan));
        Ok(plan)
    }
    /// A plan that is not kept.
    pub fn plan(&self, definition: &Json) -> Result<Arc<Plan>, Error> {
        let document = Document::read(definition).map_err(Error::Unreadable)?;
        let plan = Plan::new(&document, self.kinds.as_ref()).map_err(Error::Problems)?;
        Ok(Arc::new(plan))
    }
}
