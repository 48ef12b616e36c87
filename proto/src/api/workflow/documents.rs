//! `workflow.{validate,diff,export,apply,layout}`: workflows as documents.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::method::methods;
use super::super::{Access, Which};
use crate::workflow::SharePermission;
use crate::{Json, Problem, RpcError, WorkflowId};

named! { DiffParams ExportParams }

methods! {
    /// Finds everything that is wrong with a definition, without saving it.
    Validate = "workflow.validate", Read, Access::Account,
    ValidateParams => Problems,
    example {"definition": {"name": "hello", "nodes": [{"id": "greet", "type": "shel"}]}}
    => {"problems": [{
        "path": "nodes[0].type", "code": "UNKNOWN_TYPE", "severity": "ERROR",
        "message": "there is no node definition `shel`", "hint": "did you mean `shell`?"
    }]};

    /// Compares two versions, or a version and a definition, node by node.
    Diff = "workflow.diff", Read, Access::Workflow(SharePermission::View),
    DiffParams => DiffAnswer,
    example {"name": "hello", "from": 1, "to": 2}
    => {"from": 1, "to": 2, "same": false, "changes": [{
        "change": "CHANGED", "part": "NODE", "id": "greet", "path": "nodes[0].config.command[1]",
        "old": "hello", "new": "good morning"
    }]};

    /// Writes a workflow as a document that `workflow.apply` takes.
    Export = "workflow.export", Read, Access::Workflow(SharePermission::View),
    ExportParams => ExportAnswer,
    example {"name": "hello", "format": "yaml"}
    => {"format": "yaml", "text": "name: hello\nnodes: []\n"};

    /// Makes the caller's workflows as the documents say: creates, updates or leaves each.
    Apply = "workflow.apply", Write, Access::Account,
    ApplyParams => ApplyAnswer,
    example {"documents": [{"name": "hello", "nodes": [{"id": "greet", "type": "noop"}]}], "dryRun": true}
    => {"results": [{
        "name": "hello", "id": null, "action": "CREATED", "version": 1, "publishedVersion": 1,
        "warnings": []
    }]};

    /// Gives a definition in which every node has a place in the builder.
    Layout = "workflow.layout", Read, Access::Account,
    LayoutParams => LayoutAnswer,
    example {"definition": {"name": "hello", "nodes": [{"id": "greet", "type": "noop"}]}}
    => {"definition": {"name": "hello", "nodes": [
        {"id": "greet", "type": "noop", "position": {"x": 0, "y": 0}}
    ]}};
}

/// What to look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowValidateParams")]
pub struct ValidateParams {
    /// The document.
    pub definition: Json,
}

/// Everything that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WorkflowProblems")]
pub struct Problems {
    /// Errors and warnings; empty where all is well.
    pub problems: Vec<Problem>,
}

/// What to compare.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowDiffParams")]
pub struct DiffParams {
    /// By id.
    pub id: Option<WorkflowId>,
    /// By name or `owner/name`.
    pub name: Option<String>,
    /// The earlier version; the published one where absent.
    pub from: Option<u32>,
    /// The later version; the newest where absent.
    pub to: Option<u32>,
    /// A document to compare with instead of version `to`.
    pub definition: Option<Json>,
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WorkflowDiffAnswer")]
pub struct DiffAnswer {
    /// The earlier version.
    pub from: u32,
    /// The later version; `null` for a document.
    pub to: Option<u32>,
    /// Whether nothing differs.
    pub same: bool,
    /// In the document's order.
    pub changes: Vec<Difference>,
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// How.
    pub change: DifferenceKind,
    /// In which part of the document.
    pub part: Part,
    /// The node's id, the trigger's name, `source:handle → target:handle` of a connection, or the
    /// member's name.
    pub id: String,
    /// Where exactly.
    pub path: String,
    /// Before; `null` where it was not there.
    pub old: Json,
    /// After; `null` where it is gone.
    pub new: Json,
}

/// How something differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum DifferenceKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is other than before.
    Changed,
}

/// A part of a workflow's document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Part {
    /// `nodes`.
    Node,
    /// `connections`.
    Connection,
    /// `triggers`.
    Trigger,
    /// `variables`.
    Variables,
    /// `settings`.
    Settings,
    /// Name, description and so on.
    Other,
}

/// A document's form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// YAML.
    #[default]
    Yaml,
    /// JSON.
    Json,
}

/// What to write out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowExportParams")]
pub struct ExportParams {
    /// By id.
    pub id: Option<WorkflowId>,
    /// By name or `owner/name`.
    pub name: Option<String>,
    /// YAML where absent.
    pub format: Option<Format>,
    /// Which version; the newest where absent.
    pub version: Option<u32>,
}

/// A document as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WorkflowExportAnswer")]
pub struct ExportAnswer {
    /// Its form.
    pub format: Format,
    /// The document.
    pub text: String,
}

/// What should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowApplyParams")]
pub struct ApplyParams {
    /// The documents; all are applied or none.
    pub documents: Vec<Json>,
    /// Also removes what is not in the documents.
    pub prune: Option<bool>,
    /// Only says what would be done.
    pub dry_run: Option<bool>,
    /// Saves drafts instead of publishing.
    pub draft: Option<bool>,
    /// Kept with the versions, for people.
    pub change_log: Option<String>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WorkflowApplyAnswer")]
pub struct ApplyAnswer {
    /// In the documents' order.
    pub results: Vec<Applied>,
}

/// What was done with one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The workflow's name.
    pub name: String,
    /// Its id; `null` where a dry run would make it.
    pub id: Option<WorkflowId>,
    /// What was done.
    pub action: ApplyAction,
    /// The newest version afterwards.
    pub version: u32,
    /// The version that triggers run afterwards.
    pub published_version: Option<u32>,
    /// Worth knowing.
    pub warnings: Vec<Problem>,
}

/// What `workflow.apply` does with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ApplyAction {
    /// There was none of that name.
    Created,
    /// It was other than the document.
    Updated,
    /// It was as the document says.
    Unchanged,
    /// It was not in the documents (`prune`).
    Removed,
}

/// What to place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowLayoutParams")]
pub struct LayoutParams {
    /// The document.
    pub definition: Json,
    /// Also moves nodes that have a place.
    pub all: Option<bool>,
}

/// The placed document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WorkflowLayoutAnswer")]
pub struct LayoutAnswer {
    /// The document with every node's `position`.
    pub definition: Json,
}
