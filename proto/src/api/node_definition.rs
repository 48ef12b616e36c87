//! `nodeDefinition.*`: the kinds of steps there are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::methods;
use super::{Access, List as Listing, Match, Page};
use crate::NodeDefinitionId;
use crate::nodes::{NodeDefinition, NodeType};

methods! {
    /// Lists node definitions.
    List = "nodeDefinition.list", Read, Access::Account,
    Listing<Filter> => Page<NodeDefinition>,
    example {"filter": {"text": "http"}};

    /// Gives one node definition with its schemas, by id, name or `name@version`.
    Get = "nodeDefinition.get", Read, Access::Account,
    One => NodeDefinition,
    example {"name": "shell"};
}

/// Which definitions a list has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "NodeDefinitionFilter")]
pub struct Filter {
    /// By name.
    pub name: Option<Match<String>>,
    /// By sort of step.
    #[serde(rename = "type")]
    pub kind: Option<Match<NodeType>>,
    /// By category.
    pub category: Option<Match<String>>,
    /// By whether it may be used.
    pub is_active: Option<Match<bool>>,
    /// By whether it comes with the daemon.
    pub is_built_in: Option<Match<bool>>,
    /// Searches name, description and tags.
    pub text: Option<String>,
}

/// One definition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "NodeDefinitionOne")]
pub struct One {
    /// By id.
    pub id: Option<NodeDefinitionId>,
    /// By name, optionally `name@version`.
    pub name: Option<String>,
}
