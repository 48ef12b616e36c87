//! `workflowVersion.*`: the snapshots that every save makes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::methods;
use super::{Access, List as Listing, Match, Page};
use crate::workflow::{SharePermission, WorkflowVersion};
use crate::{WorkflowId, WorkflowVersionId};

methods! {
    /// Lists versions of the workflows that the caller may see, without their definitions.
    List = "workflowVersion.list", Read, Access::Account,
    Listing<Filter> => Page<WorkflowVersion>,
    example {"filter": {"workflowId": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"}};

    /// Gives one version with its definition, by id or by workflow and number.
    Get = "workflowVersion.get", Read, Access::Workflow(SharePermission::View),
    One => WorkflowVersion,
    example {"workflowId": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "version": 1};
}

/// Which versions a list has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "WorkflowVersionFilter")]
pub struct Filter {
    /// By workflow.
    pub workflow_id: Option<Match<WorkflowId>>,
    /// By number.
    pub version: Option<Match<u32>>,
    /// By whether triggers run it.
    pub is_published: Option<Match<bool>>,
}

/// One version: its id, or the workflow and the number.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowVersionOne")]
pub struct One {
    /// By id.
    pub id: Option<WorkflowVersionId>,
    /// The workflow by id.
    pub workflow_id: Option<WorkflowId>,
    /// The workflow by name or `owner/name`.
    pub workflow: Option<String>,
    /// Its number in the workflow.
    pub version: Option<u32>,
}
