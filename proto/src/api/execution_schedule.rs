//! `executionSchedule.*`: what is due when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::methods;
use super::workflow_trigger::NextAnswer;
use super::{Access, Page};
use crate::{Json, Timestamp, WorkflowId, WorkflowTriggerId};

methods! {
    /// Says what is due in a time, over all triggers that the caller may see.
    Upcoming = "executionSchedule.upcoming", Read, Access::Account,
    UpcomingParams => Page<UpcomingRun>,
    example {"from": "2026-11-22T12:00:00Z", "to": "2026-11-23T12:00:00Z"};

    /// Says when a schedule would be due, without a trigger.
    Preview = "executionSchedule.preview", Read, Access::Account,
    PreviewParams => NextAnswer,
    example {
        "schedule": {"cron": "30 2 * * *", "timezone": "Europe/Berlin"},
        "from": "2026-03-28T00:00:00Z", "count": 3
    }
    => {
        "times": ["2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"],
        "description": "at 02:30 every day",
        "warnings": ["2026-03-29: 02:30 does not exist, runs at 03:00"]
    };
}

/// How far to look ahead.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ExecutionScheduleUpcomingParams")]
pub struct UpcomingParams {
    /// From this moment; now where absent.
    pub from: Option<Timestamp>,
    /// Before this moment; 24 hours after `from` where absent.
    pub to: Option<Timestamp>,
    /// One workflow only.
    pub workflow_id: Option<WorkflowId>,
    /// How many at most; 50 where absent.
    #[serde(default, deserialize_with = "super::page::how_many")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
    /// Where the page before ended: its `nextCursor`.
    pub cursor: Option<String>,
}

/// One due instant to come, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpcomingRun {
    /// The nominal instant.
    pub scheduled_time: Timestamp,
    /// → workflow.
    pub workflow_id: WorkflowId,
    /// Its name.
    pub workflow_name: String,
    /// → trigger.
    pub trigger_id: WorkflowTriggerId,
    /// Its name.
    pub trigger_name: String,
}

/// What to look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ExecutionSchedulePreviewParams")]
pub struct PreviewParams {
    /// A schedule as in a SCHEDULE trigger's configuration: cron, onCalendar, every or at.
    pub schedule: Json,
    /// After this moment; now where absent.
    pub from: Option<Timestamp>,
    /// So many times; 5 where absent.
    #[serde(default, deserialize_with = "super::page::how_many")]
    #[schemars(range(min = 1, max = 1000))]
    pub count: Option<u32>,
}
