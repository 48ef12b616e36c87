//! `workflowTrigger.*`: what starts executions of a workflow.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::methods;
use super::{Access, Deleted, List as Listing, Match, Page, Which};
use crate::execution::Execution;
use crate::workflow::{SharePermission, TriggerType, WorkflowTrigger};
use crate::{Json, RpcError, Timestamp, WorkflowId, WorkflowTriggerId};

methods! {
    /// Lists triggers of the workflows that the caller may see.
    List = "workflowTrigger.list", Read, Access::Account,
    Listing<Filter> => Page<WorkflowTrigger>,
    example {"filter": {"type": "SCHEDULE", "isActive": true}};

    /// Gives one trigger.
    Get = "workflowTrigger.get", Read, Access::Workflow(SharePermission::View),
    One => WorkflowTrigger,
    example {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"};

    /// Adds a trigger to a workflow; it is armed at once where the workflow is published.
    Create = "workflowTrigger.create", Write, Access::Workflow(SharePermission::Edit),
    CreateParams => WorkflowTrigger,
    example {
        "workflow": "hello", "type": "SCHEDULE", "name": "hourly",
        "configuration": {"schedule": {"cron": "17 * * * *", "timezone": "Europe/Berlin"}}
    };

    /// Changes members of a trigger by a JSON merge patch; `isActive` takes effect at once.
    Update = "workflowTrigger.update", Write, Access::Workflow(SharePermission::Edit),
    UpdateParams => WorkflowTrigger,
    example {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "patch": {"isActive": false}};

    /// Disarms a trigger and removes it with its plans.
    Delete = "workflowTrigger.delete", Write, Access::Workflow(SharePermission::Edit),
    ChangeOne => Deleted,
    example {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"}
    => {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "deleted": true};

    /// Starts an execution as the trigger would, with a payload of the caller's.
    Fire = "workflowTrigger.fire", Write, Access::Workflow(SharePermission::Execute),
    FireParams => Execution,
    example {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "payload": {"who": "world"}};

    /// Says when a SCHEDULE trigger is due next.
    Next = "workflowTrigger.next", Read, Access::Workflow(SharePermission::View),
    NextParams => NextAnswer,
    example {"id": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "count": 2}
    => {
        "times": ["2026-11-22T12:17:00.000Z", "2026-11-22T13:17:00.000Z"],
        "description": "at minute 17 of every hour", "warnings": []
    };
}

/// Which triggers a list has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "WorkflowTriggerFilter")]
pub struct Filter {
    /// By workflow.
    pub workflow_id: Option<Match<WorkflowId>>,
    /// By kind.
    #[serde(rename = "type")]
    pub kind: Option<Match<TriggerType>>,
    /// By name.
    pub name: Option<Match<String>>,
    /// By whether it is armed.
    pub is_active: Option<Match<bool>>,
}

/// One trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowTriggerOne")]
pub struct One {
    /// By id.
    pub id: WorkflowTriggerId,
}

/// A change of one trigger that needs no more words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowTriggerChangeOne")]
pub struct ChangeOne {
    /// By id.
    pub id: WorkflowTriggerId,
    /// Refused where the trigger is at another revision.
    pub if_revision: Option<u64>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// What to add.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowTriggerCreateParams")]
pub struct CreateParams {
    /// The workflow by id.
    pub workflow_id: Option<WorkflowId>,
    /// The workflow by name or `owner/name`.
    pub workflow: Option<String>,
    /// What kind.
    #[serde(rename = "type")]
    pub kind: TriggerType,
    /// Unique in the workflow.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// True where absent.
    pub is_active: Option<bool>,
    /// By kind: `{"schedule": {…}}`, `{"manual": {…}}` and so on.
    pub configuration: Option<Json>,
    /// Free: an object.
    pub metadata: Option<Json>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

impl CreateParams {
    /// The workflow in question.
    pub fn which(&self) -> Result<Which<WorkflowId>, RpcError> {
        Which::of(self.workflow_id, self.workflow.as_deref())
    }
}

/// What to change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowTriggerUpdateParams")]
pub struct UpdateParams {
    /// By id.
    pub id: WorkflowTriggerId,
    /// JSON merge patch of the trigger.
    pub patch: Json,
    /// Refused where the trigger is at another revision.
    pub if_revision: Option<u64>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// What to start, with what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowTriggerFireParams")]
pub struct FireParams {
    /// By id.
    pub id: WorkflowTriggerId,
    /// The first item; an empty object where absent.
    pub payload: Option<Json>,
    /// The same key and params give the first answer again.
    pub idempotency_key: Option<String>,
}

/// How far to look ahead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowTriggerNextParams")]
pub struct NextParams {
    /// By id.
    pub id: WorkflowTriggerId,
    /// So many times; 5 where absent.
    #[serde(default, deserialize_with = "super::page::how_many")]
    #[schemars(range(min = 1, max = 1000))]
    pub count: Option<u32>,
    /// After this moment; now where absent.
    pub from: Option<Timestamp>,
}

/// When it is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WorkflowTriggerNextAnswer")]
pub struct NextAnswer {
    /// In ascending order; fewer than asked for where the schedule ends.
    pub times: Vec<Timestamp>,
    /// The schedule in words.
    pub description: String,
    /// Worth knowing, for example around a change of the clock.
    pub warnings: Vec<String>,
}
