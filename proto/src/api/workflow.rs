//! `workflow.*`: saved graphs, their drafts and what is done with them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::methods;
use super::{Access, Deleted, List as Listing, Match, Page, Which};
use crate::execution::Execution;
use crate::workflow::{SharePermission, Visibility, Workflow};
use crate::{Json, RpcError, Timestamp, UserId, WorkflowId};

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

mod documents;
mod rehearsal;

pub use documents::{
    Applied, Apply, ApplyAction, ApplyAnswer, ApplyParams, Diff, DiffAnswer, DiffParams,
    Difference, DifferenceKind, Export, ExportAnswer, ExportParams, Format, Layout, LayoutAnswer,
    LayoutParams, Part, Problems, Validate, ValidateParams,
};

pub use rehearsal::{
    Plan, PlanAnswer, PlanParams, PlannedNode, TestNode, TestNodeAnswer, TestNodeParams,
    TestedLine, TestedUnit, WouldRun,
};

named! { One UpdateParams DeleteParams RunParams PublishParams ChangeOne RollbackParams DuplicateParams ArchiveParams }

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

    /// Saves a copy that belongs to the caller.
    Duplicate = "workflow.duplicate", Write, Access::Workflow(SharePermission::View),
    DuplicateParams => Workflow,
    example {"name": "hello", "newName": "hello-again"};

    /// Stops a workflow's triggers and hides it, or brings it back.
    Archive = "workflow.archive", Write, Access::Workflow(SharePermission::Admin),
    ArchiveParams => Workflow,
    example {"name": "hello"};
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
