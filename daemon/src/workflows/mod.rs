//! Validating, comparing, versioning and applying workflow documents.
//!
//! [`Workflows`] is what the socket asks: each change is one store transaction with its audit row.

pub mod apply;
pub mod diff;
mod expressions;
pub mod layout;
mod publishing;
mod references;
mod saving;
mod schema;
#[cfg(test)]
mod shapes_tests;
pub mod triggers;
pub mod validate;

use std::sync::Arc;

use a2n_proto::document::{Document, DocumentTrigger};
use a2n_proto::workflow::TriggerType;
use a2n_proto::{Json, Problem, Severity, UserId};

use crate::engine::driving::plans::Plans;
use crate::engine::plan::Unsupported;
use crate::store::{self, Read, Store};
use crate::system::System;
use crate::triggers::schedule::Zone;

use references::Look;

pub use publishing::Rollback;
pub use saving::{Edit, NewWorkflow};
pub use validate::Limits;

/// How many problems there are; warnings are none.
fn counted(problems: &[Problem]) -> String {
    let n = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    format!("{n} problem{}", if n == 1 { "" } else { "s" })
}

/// Why a workflow was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The document has problems; nothing was stored.
    #[error("the document has {}", counted(.0))]
    Invalid(Vec<Problem>),
    /// A valid document that this daemon can't run.
    #[error(transparent)]
    Unsupported(Unsupported),
    /// The caller saw another revision.
    #[error("revision {given} is stale")]
    Stale {
        /// What the caller saw.
        given: u64,
        /// What it is.
        current: u64,
    },
    /// The workflow is archived.
    #[error("workflow `{0}` is archived")]
    Archived(String),
    /// The patch does not fit.
    #[error(transparent)]
    Patch(#[from] a2n_proto::merge_patch::Refused),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Saves, publishes and applies workflows; cheap to clone.
#[derive(Debug, Clone)]
pub struct Workflows {
    /// Where they are kept.
    pub store: Store,
    /// Plans, and the kinds of nodes.
    pub plans: Arc<Plans>,
    /// Gives ids.
    pub system: System,
    /// The host's time zone, for schedules that name none.
    pub zone: Zone,
    /// How large documents may be.
    pub limits: Limits,
}

/// A document that may be saved.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) definition: Json,
    pub(crate) document: Document,
    pub(crate) warnings: Vec<Problem>,
}

impl Workflows {
    /// Everything that is wrong with a document, and what is worth knowing. Names in it are
    /// `owner`'s.
    pub fn validate(&self, definition: &Json, owner: UserId) -> Result<Vec<Problem>, Error> {
        self.problems(&self.store.read()?, definition, owner, &[])
    }

    fn problems(
        &self,
        read: &impl Read,
        definition: &Json,
        owner: UserId,
        beside: &[String],
    ) -> Result<Vec<Problem>, Error> {
        let kinds = self.plans.kinds();
        let trigger = |one: &DocumentTrigger| self.check_trigger(one.kind, &one.configuration);
        let mut problems = validate::validate(definition, kinds.as_ref(), self.limits, &trigger);
        if definition.size_bytes() <= self.limits.bytes {
            let look = Look { read, owner, at: self.system.now(), beside };
            let warnings = problems.partition_point(|p| p.severity == Severity::Error);
            problems.splice(warnings..warnings, look.problems(definition)?);
            validate::in_order(&mut problems);
        }
        Ok(problems)
    }

    /// The document, where it may be saved for this owner. Workflows called as one of `beside` come
    /// to be in the same commit.
    pub(crate) fn check(
        &self,
        read: &impl Read,
        definition: &Json,
        owner: UserId,
        beside: &[String],
    ) -> Result<Checked, Error> {
        let problems = self.problems(read, definition, owner, beside)?;
        if problems.iter().any(|p| p.severity == Severity::Error) {
            return Err(Error::Invalid(problems));
        }
        let document = Document::read(definition).map_err(|error| {
            Error::Invalid(vec![Problem {
                path: String::new(),
                code: "UNREADABLE".into(),
                severity: Severity::Error,
                message: error.to_string(),
                hint: None,
            }])
        })?;
        Ok(Checked { definition: definition.clone(), document, warnings: problems })
    }

    /// What is wrong with a trigger's configuration; paths begin below the trigger.
    pub fn check_trigger(
        &self,
        kind: TriggerType,
        configuration: &serde_json::Value,
    ) -> Vec<Problem> {
        triggers::problems(kind, configuration, &self.zone, self.system.now())
    }
}

/// Used by `check_trigger`'s callers that hold a document's trigger.
pub(crate) fn configuration(trigger: &DocumentTrigger) -> Json {
    Json::from(trigger.configuration.clone())
}
