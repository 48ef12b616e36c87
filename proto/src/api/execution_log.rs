//! `executionLog.*`: what steps print, line by line.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Access;
use super::method::{methods, subscription};
use crate::execution::{ExecutionLog, LogLevel, LogStream};
use crate::workflow::SharePermission;
use crate::{ExecutionId, WorkflowId};

methods! {
    /// Reads log lines of an execution, or of all executions of a workflow, in order.
    Query = "executionLog.query", Read, Access::Workflow(SharePermission::View),
    QueryParams => Lines,
    example {
        "executionId": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "afterSeq": 0, "limit": 1000
    };
}

subscription! {
    /// Sends log lines as they are written, after those that are there already.
    Subscribe = "executionLog.subscribe", Access::Workflow(SharePermission::View),
    SubscribeParams => ExecutionLog as "executionLog.lines",
    example {
        "executionId": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "afterSeq": 0, "follow": true
    };
    /// Ends a subscription to log lines.
    Unsubscribe = "executionLog.unsubscribe";
}

/// Which lines.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ExecutionLogQueryParams")]
pub struct QueryParams {
    /// Of this execution.
    pub execution_id: Option<ExecutionId>,
    /// Of all executions of this workflow.
    pub workflow_id: Option<WorkflowId>,
    /// Of this node.
    pub node_id: Option<String>,
    /// Of this output of a process.
    pub stream: Option<LogStream>,
    /// At least this level.
    pub level: Option<LogLevel>,
    /// With these words.
    pub text: Option<String>,
    /// After the line with this number (one execution only).
    pub after_seq: Option<u64>,
    /// After this cursor.
    pub cursor: Option<String>,
    /// How many at most; 50 where absent.
    #[serde(default, deserialize_with = "super::page::how_many")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// Which lines, and whether to stay.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ExecutionLogSubscribeParams")]
pub struct SubscribeParams {
    /// Of this execution.
    pub execution_id: Option<ExecutionId>,
    /// Of all executions of this workflow.
    pub workflow_id: Option<WorkflowId>,
    /// Of this node.
    pub node_id: Option<String>,
    /// Of this output of a process.
    pub stream: Option<LogStream>,
    /// At least this level.
    pub level: Option<LogLevel>,
    /// With these words.
    pub text: Option<String>,
    /// After the line with this number (one execution only).
    pub after_seq: Option<u64>,
    /// After this cursor.
    pub cursor: Option<String>,
    /// Ends after the lines that are there where false; true where absent.
    pub follow: Option<bool>,
}

/// Log lines in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lines {
    /// The lines.
    pub items: Vec<ExecutionLog>,
    /// After the last of them, whether or not there are more.
    pub cursor: String,
}
