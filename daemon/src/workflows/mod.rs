//! Validating, comparing, versioning and applying workflow documents.
//!
//! [`Workflows`] is what the socket asks: each change is one store transaction with its audit row.

pub mod apply;
pub mod diff;
mod expressions;
pub mod layout;
mod publishing;
mod saving;
mod schema;
pub mod validate;

use std::sync::Arc;

use a2n_proto::document::{Document, DocumentTrigger};
use a2n_proto::workflow::TriggerType;
use a2n_proto::{Json, Problem, Severity};

use crate::engine::driving::plans::Plans;
use crate::engine::plan::Unsupported;
use crate::store::{self, Store};
use crate::system::System;
use crate::triggers::manual::Manual;
use crate::triggers::schedule::{Schedule, Zone};

pub use publishing::Rollback;
pub use saving::{Edit, NewWorkflow};
pub use validate::Limits;

/// Why a workflow was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The document has problems; nothing was stored.
    #[error("the document has {} problem{}", .0.len(), if .0.len() == 1 { "" } else { "s" })]
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
    /// Everything that is wrong with a document, and what is worth knowing.
    pub fn validate(&self, definition: &Json) -> Vec<Problem> {
        let kinds = self.plans.kinds();
        validate::validate(definition, kinds.as_ref(), self.limits, &|trigger| {
            let problems = self.check_trigger(trigger.kind, &trigger.configuration);
            problems.into_iter().map(below_configuration).collect()
        })
    }

    /// The document, where it may be saved.
    pub(crate) fn check(&self, definition: &Json) -> Result<Checked, Error> {
        let problems = self.validate(definition);
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

    /// What is wrong with a trigger's configuration.
    pub fn check_trigger(
        &self,
        kind: TriggerType,
        configuration: &serde_json::Value,
    ) -> Vec<Problem> {
        match kind {
            TriggerType::Manual => Manual::parse(configuration).err().unwrap_or_default(),
            TriggerType::Schedule => {
                Schedule::parse(configuration, &self.zone).err().unwrap_or_default()
            }
            TriggerType::Webhook | TriggerType::Event => {
                let mut problems = vec![Problem {
                    path: "type".into(),
                    code: "UNSUPPORTED".into(),
                    severity: Severity::Warning,
                    message: "this version does not arm WEBHOOK and EVENT triggers".into(),
                    hint: Some("use a SCHEDULE or MANUAL trigger".into()),
                }];
                if kind == TriggerType::Webhook {
                    problems.extend(webhook_path(configuration));
                }
                problems
            }
        }
    }
}

/// What is wrong with the path of a webhook: one that no request can have, or none at all.
fn webhook_path(configuration: &serde_json::Value) -> Option<Problem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
    let is_part =
        |part: &str| !part.is_empty() && part.chars().all(plain) && !matches!(part, "." | "..");
    let path = configuration["webhook"]["path"].as_str();
    if path.and_then(|path| path.strip_prefix('/')).is_some_and(|p| p.split('/').all(is_part)) {
        return None;
    }
    let message = match path {
        None => "a webhook needs a path".to_owned(),
        Some(path) => format!("`{}` is not a path", path.chars().take(80).collect::<String>()),
    };
    Some(Problem {
        path: "webhook.path".into(),
        code: "BAD_PATH".into(),
        severity: Severity::Error,
        message,
        hint: Some("begin with / and use the characters a-z A-Z 0-9 - . _ ~ between them".into()),
    })
}

/// A problem of a trigger's configuration, with its path from the trigger.
fn below_configuration(problem: Problem) -> Problem {
    match problem.path.as_str() {
        "type" => problem,
        path => Problem { path: format!("configuration.{path}"), ..problem },
    }
}

/// Used by `check_trigger`'s callers that hold a document's trigger.
pub(crate) fn configuration(trigger: &DocumentTrigger) -> Json {
    Json::from(trigger.configuration.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_webhook_needs_a_path_that_a_request_can_have() {
        let is_good =
            |path: serde_json::Value| webhook_path(&json!({"webhook": {"path": path}})).is_none();
        for good in ["/a", "/hooks/git-hub_1.2~x"] {
            assert!(is_good(json!(good)), "{good}");
        }
        for bad in ["", "/", "a", "/a/", "//a", "/a/../b", "/a b", "/a?b", "/\u{e4}", "/%41"] {
            assert!(!is_good(json!(bad)), "{bad}");
        }
        assert!(!is_good(json!(7)) && !is_good(json!(null)));
        assert!(webhook_path(&json!({})).is_some());
    }
}
