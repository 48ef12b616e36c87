//! `executionMetrics.*`: what steps cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Access;
use super::method::methods;
use crate::execution::ExecutionMetric;
use crate::{ExecutionId, Timestamp, WorkflowId};

methods! {
    /// Gives counts, means and percentiles of a metric over a time, or one execution's own values.
    Query = "executionMetrics.query", Read, Access::Account,
    QueryParams => QueryAnswer,
    example {
        "metric": "step.wall_time", "from": "2026-11-22T00:00:00Z", "to": "2026-11-23T00:00:00Z",
        "bucket": 3600000, "groupBy": "workflowId"
    };
}

/// Which values, and how they are put together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ExecutionMetricsQueryParams")]
pub struct QueryParams {
    /// Which metric; all where absent (one execution only).
    pub metric: Option<String>,
    /// One execution's own values, not put together.
    pub execution_id: Option<ExecutionId>,
    /// One workflow only.
    pub workflow_id: Option<WorkflowId>,
    /// From this moment; 24 hours before `to` where absent.
    pub from: Option<Timestamp>,
    /// Before this moment; now where absent.
    pub to: Option<Timestamp>,
    /// Milliseconds, in whole minutes; everything in one where absent.
    #[schemars(range(min = 60_000))]
    pub bucket: Option<u64>,
    /// One series for each; all in one where absent.
    pub group_by: Option<GroupBy>,
}

/// What makes a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GroupBy {
    /// Each workflow.
    WorkflowId,
    /// Each node of a workflow.
    NodeId,
    /// Each kind of step.
    NodeType,
}

/// What was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ExecutionMetricsQueryAnswer")]
pub struct QueryAnswer {
    /// Put together, where no execution was named.
    pub series: Vec<Series>,
    /// One execution's own values.
    pub values: Vec<ExecutionMetric>,
}

/// A metric over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Series {
    /// What it is about; empty where all is in one.
    pub group: String,
    /// `ms`, `bytes`, `count`, …
    pub unit: String,
    /// In ascending order.
    pub points: Vec<Point>,
}

/// A metric in one bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// From this moment.
    pub at: Timestamp,
    /// How many values.
    pub count: u64,
    /// All together.
    pub sum: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// Median.
    pub p50: Option<f64>,
    /// 95 of 100 are not above it.
    pub p95: Option<f64>,
    /// 99 of 100 are not above it.
    pub p99: Option<f64>,
}
