//! `executionNodeState.*`: one node of one execution.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::methods;
use super::{Access, List as Listing, Match, Page};
use crate::ExecutionId;
use crate::execution::{ExecutionNodeState, NodeStatus};
use crate::workflow::SharePermission;

methods! {
    /// Lists the node states of one execution, without their data, outside loops first.
    List = "executionNodeState.list", Read, Access::Workflow(SharePermission::View),
    Listing<Filter> => Page<ExecutionNodeState>,
    example {"filter": {"executionId": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f"}};

    /// Gives one node state with its data, by id or by execution, node and iteration.
    Get = "executionNodeState.get", Read, Access::Workflow(SharePermission::View),
    One => ExecutionNodeState,
    example {"executionId": "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "nodeId": "greet"};
}

/// Which node states a list has; the execution has to be named.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "ExecutionNodeStateFilter")]
pub struct Filter {
    /// By execution.
    pub execution_id: Option<Match<ExecutionId>>,
    /// By node.
    pub node_id: Option<Match<String>>,
    /// By where it stands.
    pub status: Option<Match<NodeStatus>>,
    /// By loop iteration.
    pub iteration: Option<Match<String>>,
}

/// One node state: its id, or execution, node and iteration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ExecutionNodeStateOne")]
pub struct One {
    /// `<execution>/<node>/<iteration>`.
    pub id: Option<String>,
    /// The execution.
    pub execution_id: Option<ExecutionId>,
    /// The node's id in the document.
    pub node_id: Option<String>,
    /// Path of loop iterations; empty (outside loops) where absent.
    pub iteration: Option<String>,
    /// For a node that works on EACH: units from this one on.
    pub units_from: Option<u32>,
}

impl One {
    /// Execution, node and iteration, whichever way they were given.
    pub fn key(&self) -> Option<(ExecutionId, String, String)> {
        if let Some(id) = &self.id {
            let (execution, rest) = id.split_once('/')?;
            let (node, iteration) = rest.split_once('/').unwrap_or((rest, ""));
            return Some((execution.parse().ok()?, node.to_owned(), iteration.to_owned()));
        }
        let iteration = self.iteration.clone().unwrap_or_default();
        Some((self.execution_id?, self.node_id.clone()?, iteration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_derived_id_and_its_parts_name_the_same_state() {
        let execution: ExecutionId = "0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f".parse().unwrap();
        let by_id = One { id: Some(format!("{execution}/greet/2.5")), ..One::default() };
        let by_parts = One {
            execution_id: Some(execution),
            node_id: Some("greet".into()),
            iteration: Some("2.5".into()),
            ..One::default()
        };
        assert_eq!(by_id.key(), by_parts.key());
        let outside_loops = One { id: Some(format!("{execution}/greet/")), ..One::default() };
        assert_eq!(outside_loops.key(), Some((execution, "greet".into(), String::new())));
    }
}
