//! `workflow.*`: saved graphs, their drafts and what is done with them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::methods;
use super::{Access, Deleted, List as Listing, Match, Page, Which};
use crate::execution::Execution;
use crate::workflow::{SharePermission, Visibility, Workflow};
use crate::{Json, Problem, RpcError, Timestamp, UserId, WorkflowId};

methods! {
    /// Lists the workflows that the caller may see, without their definitions.
    List = "workflow.list", Read, Access::Account,
    Listing<Filter> => Page<Workflow>,
    example {"filter": {"isActive": true, "name": {"text": "disk"}}, "limit": 20};

    /// Gives one workflow with its newest definition.
    Get = "workflow.get", Read, Access::Workflow(SharePermission::View),
    One => Workflow,
    example {"name": "host-report"};

    /// Saves a new workflow as version 1, and publishes it where asked to.
    Create = "workflow.create", Write, Access::Account,
    CreateParams => Workflow,
    example {
        "definition": {"name": "hello", "nodes": [
            {"id": "greet", "type": "shell", "config": {"command": ["echo", "hello"]}}
        ]},
        "publish": true
    };

    /// Changes members of a workflow by a JSON merge patch; another definition makes a new version.
    Update = "workflow.update", Write, Access::Workflow(SharePermission::Edit),
    UpdateParams => Workflow,
    example {"name": "hello", "patch": {"description": "Says hello"}, "ifRevision": 1};

    /// Removes a workflow with its versions, triggers and executions.
    Delete = "workflow.delete", Write, Access::Workflow(SharePermission::Admin),
    DeleteParams => Deleted,
    example {"name": "hello"}
    => {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "deleted": true};

    /// Finds everything that is wrong with a definition, without saving it.
    Validate = "workflow.validate", Read, Access::Account,
    ValidateParams => Problems,
    example {"definition": {"name": "hello", "nodes": [{"id": "greet", "type": "shel"}]}}
    => {"problems": [{
        "path": "nodes[0].type", "code": "UNKNOWN_TYPE", "severity": "ERROR",
        "message": "there is no node definition `shel`", "hint": "did you mean `shell`?"
    }]};

    /// Starts an execution and answers it as soon as it is safely accepted.
    Run = "workflow.run", Write, Access::Workflow(SharePermission::Execute),
    RunParams => Execution,
    example {"name": "hello", "inputs": {"who": "world"}};

    /// Makes a version the one that triggers run, and applies its triggers.
    Publish = "workflow.publish", Write, Access::Workflow(SharePermission::Edit),
    PublishParams => Workflow,
    example {"name": "hello", "version": 2};

    /// Leaves a workflow without a published version and disarms its triggers.
    Unpublish = "workflow.unpublish", Write, Access::Workflow(SharePermission::Edit),
    ChangeOne => Workflow,
    example {"name": "hello"};

    /// Makes an earlier version's definition the newest one again, as a new version.
    Rollback = "workflow.rollback", Write, Access::Workflow(SharePermission::Edit),
    RollbackParams => Workflow,
    example {"name": "hello", "version": 1};

    /// Compares two versions, or a version and a definition, node by node.
    Diff = "workflow.diff", Read, Access::Workflow(SharePermission::View),
    DiffParams => DiffAnswer,
    example {"name": "hello", "from": 1, "to": 2}
    => {"from": 1, "to": 2, "same": false, "changes": [{
        "change": "CHANGED", "part": "NODE", "id": "greet", "path": "nodes[0].config.command[1]",
        "old": "hello", "new": "good morning"
    }]};

    /// Saves a copy that belongs to the caller.
    Duplicate = "workflow.duplicate", Write, Access::Workflow(SharePermission::View),
    DuplicateParams => Workflow,
    example {"name": "hello", "newName": "hello-again"};

    /// Stops a workflow's triggers and hides it, or brings it back.
    Archive = "workflow.archive", Write, Access::Workflow(SharePermission::Admin),
    ArchiveParams => Workflow,
    example {"name": "hello"};

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

/// Which workflows a list has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "WorkflowFilter")]
pub struct Filter {
    /// By id.
    pub id: Option<Match<WorkflowId>>,
    /// By name; `{"text": …}` searches name and description.
    pub name: Option<Match<String>>,
    /// By owner.
    pub user_id: Option<Match<UserId>>,
    /// By whether triggers are armed.
    pub is_active: Option<Match<bool>>,
    /// By whether it is a template.
    pub is_template: Option<Match<bool>>,
    /// By who sees it.
    pub visibility: Option<Match<Visibility>>,
    /// By category.
    pub category: Option<Match<String>>,
    /// By one of its tags.
    pub tag: Option<Match<String>>,
    /// By whether it is archived; only those that are not where absent.
    pub archived: Option<bool>,
    /// Searches name and description.
    pub text: Option<String>,
}

/// One workflow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowOne")]
pub struct One {
    /// By id.
    pub id: Option<WorkflowId>,
    /// By name or `owner/name`.
    pub name: Option<String>,
}

macro_rules! named {
    ($($params:ident)*) => {$(
        impl $params {
            /// The workflow in question.
            pub fn which(&self) -> Result<Which<WorkflowId>, RpcError> {
                Which::of(self.id, self.name.as_deref())
            }
        }
    )*};
}
named! { One UpdateParams DeleteParams RunParams PublishParams ChangeOne RollbackParams DiffParams
DuplicateParams ArchiveParams ExportParams }

/// A change of one workflow that needs no more words.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowChangeOne")]
pub struct ChangeOne {
    /// By id.
    pub id: Option<WorkflowId>,
    /// By name or `owner/name`.
    pub name: Option<String>,
    /// Refused where the workflow is at another revision.
    pub if_revision: Option<u64>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// What to save.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowCreateParams")]
pub struct CreateParams {
    /// The document.
    pub definition: Json,
    /// Publishes version 1 and applies its triggers; a draft where absent.
    pub publish: Option<bool>,
    /// Whether its triggers are armed; true where absent.
    pub is_active: Option<bool>,
    /// Offers it for copying.
    pub is_template: Option<bool>,
    /// Kept with the version, for people.
    pub change_log: Option<String>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// What to change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowUpdateParams")]
pub struct UpdateParams {
    /// By id.
    pub id: Option<WorkflowId>,
    /// By name or `owner/name`.
    pub name: Option<String>,
    /// JSON merge patch of the workflow.
    pub patch: Json,
    /// Refused where the workflow is at another revision.
    pub if_revision: Option<u64>,
    /// Publishes what was saved and applies its triggers.
    pub publish: Option<bool>,
    /// Kept with the version, for people.
    pub change_log: Option<String>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// What to remove.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowDeleteParams")]
pub struct DeleteParams {
    /// By id.
    pub id: Option<WorkflowId>,
    /// By name or `owner/name`.
    pub name: Option<String>,
    /// Refused where the workflow is at another revision.
    pub if_revision: Option<u64>,
    /// Also with unfinished executions, which are cancelled.
    pub force: Option<bool>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
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

/// What to run, with what.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowRunParams")]
pub struct RunParams {
    /// By id.
    pub id: Option<WorkflowId>,
    /// By name or `owner/name`.
    pub name: Option<String>,
    /// What expressions see as `inputs`: an object.
    pub inputs: Option<Json>,
    /// The name of the MANUAL trigger whose parameters the inputs have to fit.
    pub trigger: Option<String>,
    /// Higher first.
    pub priority: Option<i32>,
    /// Runs the newest draft instead of the published version.
    pub draft: Option<bool>,
    /// Answers when the execution has ended.
    pub wait: Option<bool>,
    /// Starts after so many milliseconds.
    pub delay: Option<u64>,
    /// Starts at this moment.
    pub at: Option<Timestamp>,
    /// Kept with the execution, to find it again.
    pub correlation_id: Option<String>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// What to publish.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowPublishParams")]
pub struct PublishParams {
    /// By id.
    pub id: Option<WorkflowId>,
    /// By name or `owner/name`.
    pub name: Option<String>,
    /// Which version; the newest where absent.
    pub version: Option<u32>,
    /// Refused where the workflow is at another revision.
    pub if_revision: Option<u64>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// Where to go back to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowRollbackParams")]
pub struct RollbackParams {
    /// By id.
    pub id: Option<WorkflowId>,
    /// By name or `owner/name`.
    pub name: Option<String>,
    /// Whose definition is taken again.
    pub version: u32,
    /// Also publishes it.
    pub publish: Option<bool>,
    /// Refused where the workflow is at another revision.
    pub if_revision: Option<u64>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
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

/// What to copy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowDuplicateParams")]
pub struct DuplicateParams {
    /// By id.
    pub id: Option<WorkflowId>,
    /// By name or `owner/name`.
    pub name: Option<String>,
    /// What the copy is called; the name with `-copy` where absent.
    pub new_name: Option<String>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// What to put away, or to bring back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowArchiveParams")]
pub struct ArchiveParams {
    /// By id.
    pub id: Option<WorkflowId>,
    /// By name or `owner/name`.
    pub name: Option<String>,
    /// False brings it back; true where absent.
    pub archived: Option<bool>,
    /// Refused where the workflow is at another revision.
    pub if_revision: Option<u64>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
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
