//! A node definition as a value: what people read of it, its schemas, its rules and its work.
//!
//! The registry wraps each into the engine's [`Kind`]. Adding one is a file with a function that
//! gives such a value, and a line in the registry.

use std::fmt;

use a2n_proto::document::Repeat;
use a2n_proto::nodes::{ExecutionMode, NodeCredentials, NodeDefinition, NodeMetadata, NodeType};
use a2n_proto::{Json, NodeDefinitionId, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::context::Context;
use crate::engine::kind::{Inputs, Kind, NodeError, Outcome, Role, Runs, Work, WorksOn};
use crate::system::Later;

/// When the definitions that come with the daemon were first offered: 2026-11-22.
const OFFERED: Timestamp = Timestamp::from_unix_ms(1_795_305_600_000);

/// Something wrong in a configuration: (path below `config`, message, hint).
pub type Fault = (String, String, Option<String>);

/// A kind of node.
pub struct Definition {
    /// What a node's `type` names.
    pub name: &'static str,
    /// Semantic version.
    pub version: &'static str,
    /// For people.
    pub display_name: &'static str,
    /// For people, one sentence.
    pub description: &'static str,
    /// What sort of step it is.
    pub node_type: NodeType,
    /// For finding it: `flow`, `data`, `process`, `network`, `files`.
    pub category: &'static str,
    /// One symbol.
    pub icon: &'static str,
    /// A colour's name.
    pub color: &'static str,
    /// For finding it.
    pub tags: &'static [&'static str],
    /// Markdown; its examples are configurations.
    pub documentation: &'static str,
    /// JSON Schema 2020-12 of `config` as written, with expressions.
    pub settings_schema: Value,
    /// JSON Schema 2020-12 of an item it takes.
    pub input_schema: Value,
    /// JSON Schema 2020-12 of an item it gives.
    pub output_schema: Value,
    /// Paths in `config` where an expression is refused.
    pub constant_paths: &'static [&'static str],
    /// Once per item or on all at once.
    pub works_on: WorksOn,
    /// The handles into it.
    pub inputs: Inputs,
    /// The handles out of it.
    pub outputs: fn(&Value) -> Vec<String>,
    /// Whether an attempt may be repeated.
    pub repeat: fn(&Value) -> Repeat,
    /// What the schema can't say.
    pub check: fn(&Value) -> Vec<Fault>,
    /// The work itself.
    pub carry_out: CarryOut,
}

/// Who does the work, and how.
#[derive(Clone, Copy)]
pub enum CarryOut {
    /// The engine, purely.
    Inline(fn(&Work) -> Result<Outcome, NodeError>),
    /// The same, for what has a role of its own in the flow.
    Flow(Role, fn(&Work) -> Result<Outcome, NodeError>),
    /// The engine, which has the daemon look at the world where the configuration says so.
    Look(Looking),
    /// The executor, after the commit that records the start.
    Outside(fn(Context) -> Later<'static, Result<Outcome, NodeError>>),
}

/// How something has the daemon look at the world.
#[derive(Debug, Clone, Copy)]
pub struct Looking {
    /// Whether a configuration asks for that.
    pub asks: fn(&Value) -> bool,
    /// Paths whose expression is asked about what was seen.
    pub later_paths: &'static [&'static str],
    /// The work itself.
    pub compute: fn(&Work) -> Result<Outcome, NodeError>,
}

impl Definition {
    /// The definition as the catalogue shows it.
    pub fn entity(&self) -> NodeDefinition {
        NodeDefinition {
            id: self.id(),
            revision: 1,
            created_at: OFFERED,
            updated_at: OFFERED,
            name: self.name.into(),
            display_name: self.display_name.into(),
            description: Some(self.description.into()),
            kind: self.node_type,
            category: self.category.into(),
            version: self.version.into(),
            is_active: true,
            is_built_in: true,
            is_public: true,
            icon: Some(self.icon.into()),
            color: Some(self.color.into()),
            documentation: Some(self.documentation.into()),
            input_schema: self.input_schema.clone().into(),
            output_schema: self.output_schema.clone().into(),
            settings_schema: self.settings_schema.clone().into(),
            credentials: NodeCredentials::default(),
            rate_limit: None,
            retry_policy: None,
            timeout: None,
            execution_mode: match self.carry_out {
                CarryOut::Inline(_) | CarryOut::Flow(..) | CarryOut::Look(_) => ExecutionMode::Sync,
                CarryOut::Outside(_) => ExecutionMode::Async,
            },
            implementation: Json::from(json!({"runtime": "BUILT_IN"})),
            tags: self.tags.iter().map(|&tag| tag.to_owned()).collect(),
            metadata: NodeMetadata::default(),
            usage_count: 0,
            success_rate: None,
            avg_execution_time: None,
            published_at: Some(OFFERED),
            deprecated_at: None,
            created_by: None,
        }
    }
    /// The same on every machine: made of name and version.
    fn id(&self) -> NodeDefinitionId {
        let hash = Sha256::digest(format!("{}@{}", self.name, self.version));
        let mut random = [0u8; 10];
        random.copy_from_slice(&hash[..10]);
        NodeDefinitionId::from_parts(OFFERED.as_unix_ms().unsigned_abs(), random)
    }
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

impl fmt::Debug for CarryOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inline(_) => "Inline",
            Self::Flow(..) => "Flow",
            Self::Look(_) => "Look",
            Self::Outside(_) => "Outside",
        })
    }
}

impl Kind for Definition {
    fn name(&self) -> &str {
        self.name
    }
    fn version(&self) -> &str {
        self.version
    }
    fn works_on(&self) -> WorksOn {
        self.works_on
    }
    fn runs(&self) -> Runs {
        match self.carry_out {
            CarryOut::Inline(_) | CarryOut::Flow(..) | CarryOut::Look(_) => Runs::Inline,
            CarryOut::Outside(_) => Runs::Outside,
        }
    }
    fn role(&self) -> Role {
        match self.carry_out {
            CarryOut::Flow(role, _) => role,
            CarryOut::Inline(_) | CarryOut::Look(_) | CarryOut::Outside(_) => Role::Step,
        }
    }
    fn repeat(&self, config: &Value) -> Repeat {
        (self.repeat)(config)
    }
    fn inputs(&self) -> Inputs {
        self.inputs.clone()
    }
    fn outputs(&self, config: &Value) -> Vec<String> {
        (self.outputs)(config)
    }
    fn settings_schema(&self) -> &Value {
        &self.settings_schema
    }
    fn constant_paths(&self) -> &[&str] {
        self.constant_paths
    }
    fn later_paths(&self) -> &[&str] {
        match self.carry_out {
            CarryOut::Look(looking) => looking.later_paths,
            _ => &[],
        }
    }
    fn touches_world(&self, config: &Value) -> bool {
        match self.carry_out {
            CarryOut::Outside(_) => true,
            CarryOut::Look(looking) => (looking.asks)(config),
            CarryOut::Inline(_) | CarryOut::Flow(..) => false,
        }
    }
    fn check_config(&self, config: &Value) -> Vec<Fault> {
        (self.check)(config)
    }
    fn compute(&self, work: &Work) -> Result<Outcome, NodeError> {
        match self.carry_out {
            CarryOut::Inline(compute) | CarryOut::Flow(_, compute) => compute(work),
            CarryOut::Look(looking) => (looking.compute)(work),
            CarryOut::Outside(_) => {
                let message = format!("`{}` can't be computed: it acts on the world", self.name);
                Err(NodeError::new("INTERNAL", message))
            }
        }
    }
}

/// The one handle most definitions have.
pub(super) fn one_input() -> Inputs {
    Inputs::Named(vec!["input".into()])
}

/// The one handle most definitions have.
pub(super) fn one_output(_config: &Value) -> Vec<String> {
    vec!["output".into()]
}

/// Nothing that the schema did not say.
pub(super) fn nothing_more(_config: &Value) -> Vec<Fault> {
    Vec::new()
}
