//! What a run would do, and trying one node.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::Access;
use super::super::method::methods;
use crate::document::Repeat;
use crate::execution::{ExecutionMetric, LogLevel, LogStream, NodeStatus};
use crate::workflow::SharePermission;
use crate::{Json, WorkflowId};

methods! {
    /// Says what a run would do: nothing is started and nothing stored.
    Plan = "workflow.plan", Read, Access::Workflow(SharePermission::Execute),
    PlanParams => PlanAnswer,
    example {"name": "hello", "inputs": {"who": "world"}};

    /// Carries out one node of a document for real, and keeps no execution of it.
    TestNode = "workflow.testNode", Write, Access::Account,
    TestNodeParams => TestNodeAnswer,
    example {
        "definition": {"name": "hello", "nodes": [
            {"id": "greet", "type": "set", "config": {"values": {"text": "hello {{ item.who }}"}}}
        ]},
        "nodeId": "greet", "inputs": [{"who": "world"}]
    };
}

/// Which run to think through: a saved workflow, or a document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowPlanParams")]
pub struct PlanParams {
    /// By id.
    pub id: Option<WorkflowId>,
    /// By name, or `owner/name`.
    pub name: Option<String>,
    /// A document instead of a saved workflow.
    pub definition: Option<Json>,
    /// The newest version instead of the published one; pinned output is used.
    pub draft: Option<bool>,
    /// An object; `inputs` in expressions.
    pub inputs: Option<Json>,
}

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WorkflowPlanAnswer")]
pub struct PlanAnswer {
    /// The workflow's name.
    pub workflow_name: String,
    /// The version; none for a document.
    pub version: Option<u32>,
    /// What of it this version can't run.
    pub unsupported: Option<String>,
    /// Its nodes, each after those before it.
    pub nodes: Vec<PlannedNode>,
}

/// What would become of one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedNode {
    /// In the document.
    pub node_id: String,
    /// What is shown.
    pub node_name: String,
    /// The node definition's name.
    pub node_type: String,
    /// From 1; nodes of one wave may run at the same time.
    pub wave: u32,
    /// Whether it would run.
    pub runs: WouldRun,
    /// Why not, or why that is not known.
    pub why: Option<String>,
    /// Whether a crash may repeat it.
    pub repeat: Repeat,
    /// How many items would come in; none where that is not known.
    pub items: Option<u64>,
    /// Its configuration with expressions replaced, one for each of the first 20 units of work; as it
    /// is written where `isResolved` is false.
    pub configuration: Json,
    /// Whether every expression is replaced.
    pub is_resolved: bool,
    /// What it would send, by handle; none where that is not known.
    pub output: Option<Json>,
    /// What is not known, and why.
    pub unknown: Vec<String>,
    /// What else is to be said.
    pub notes: Vec<String>,
    /// Why it would fail.
    pub error: Option<String>,
}

/// Whether a node would run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum WouldRun {
    /// It would.
    Yes,
    /// It would not.
    No,
    /// That depends on what is not known.
    Unknown,
}

/// Which node to try, on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WorkflowTestNodeParams")]
pub struct TestNodeParams {
    /// The document.
    pub definition: Json,
    /// The node.
    pub node_id: String,
    /// What comes in: a list of items, or lists by handle. Where absent: what the nodes before it
    /// are pinned to send, or compute.
    pub inputs: Option<Json>,
    /// An object: `inputs` in expressions, and what start nodes get.
    pub run_inputs: Option<Json>,
    /// The same key and params do not carry it out again.
    pub idempotency_key: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WorkflowTestNodeAnswer")]
pub struct TestNodeAnswer {
    /// The node.
    pub node_id: String,
    /// SUCCESS or FAILED, as it would be in a run.
    pub status: NodeStatus,
    /// What it sends, by handle.
    pub output: Json,
    /// Why it failed.
    pub error_message: Option<String>,
    /// Its work item by item.
    pub units: Vec<TestedUnit>,
    /// What it printed, at most 1,000 lines.
    pub lines: Vec<TestedLine>,
    /// How many lines more there were.
    pub lines_left_out: u64,
    /// What was measured.
    pub metrics: Vec<ExecutionMetric>,
    /// What else is to be said.
    pub notes: Vec<String>,
    /// Milliseconds.
    pub duration: u64,
}

/// One unit of work of a tried node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestedUnit {
    /// The item's index; none where it works on all at once.
    pub item: Option<u32>,
    /// How it ended.
    pub status: NodeStatus,
    /// Its configuration with expressions replaced; none where one is wrong.
    pub configuration: Option<Json>,
    /// Why it failed.
    pub error: Option<String>,
    /// Milliseconds.
    pub duration: u64,
}

/// One line that a tried node printed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestedLine {
    /// The item's index.
    pub item: Option<u32>,
    /// How much it matters.
    pub level: LogLevel,
    /// Which output of a process.
    pub stream: Option<LogStream>,
    /// The text.
    pub message: String,
}
