//! The names that an expression sees, made into values only where they are touched.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;

use a2n_proto::execution::NodeStatus;
use a2n_proto::{Json, Timestamp};
use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind};

use super::execution::Output;
use super::items::NodeInput;
use super::kind::{Item, NodeError};
use super::value;

/// What a node seen by an expression has.
pub const NODE_MEMBERS: &[&str] = &["item", "items", "first", "last", "status", "error"];

/// What one unit of work sees.
#[derive(Debug)]
pub struct Scope {
    /// Its item: the one of its unit, or the only one that came; else why there is none.
    pub item: Result<Item, &'static str>,
    /// The item's number.
    pub index: Option<u32>,
    /// Everything that came in.
    pub input: Arc<NodeInput>,
    /// The nodes it names.
    pub nodes: Arc<NodesSeen>,
    /// The loop it is in.
    pub looping: Option<Json>,
    /// The same for every unit of an execution.
    pub shared: Arc<Shared>,
}

/// What every unit of an execution sees.
#[derive(Debug)]
pub struct Shared {
    /// What the trigger brought.
    pub trigger: Json,
    /// The inputs.
    pub inputs: Json,
    /// The document's variables.
    pub vars: Json,
    /// The workflow: id, name, version.
    pub workflow: Json,
    /// The execution: id, startTime, retryOf, status, error.
    pub execution: Json,
    /// The commit's time.
    pub now: Timestamp,
    /// The environment variables that the administrator allows.
    pub env: Arc<BTreeMap<String, String>>,
}

/// Nodes by id.
#[derive(Debug, Default)]
pub struct NodesSeen(pub BTreeMap<String, Arc<NodeSeen>>);

/// Another node, as an expression sees it.
#[derive(Debug)]
pub struct NodeSeen {
    /// Where it stands.
    pub status: NodeStatus,
    /// Why it failed.
    pub error: Option<NodeError>,
    /// Its handles in the definition's order, without `error`.
    pub handles: Vec<String>,
    /// What it sent on.
    pub output: Arc<Output>,
    /// The item that this unit's item came from; else why there is none.
    pub item: Result<Item, String>,
}

impl Scope {
    /// The names in scope, as an error tells them.
    pub(super) fn describe(&self) -> String {
        let members = |json: &Json| match value::from_json(json).try_iter() {
            Ok(names) if json.as_str().starts_with('{') => {
                let names: Vec<String> = names.take(20).map(|name| name.to_string()).collect();
                format!(" {{{}}}", names.join(", "))
            }
            _ => String::new(),
        };
        let item = match &self.item {
            Ok(item) => format!("item{}, index, ", members(item)),
            Err(_) => String::new(),
        };
        let nodes: Vec<&str> = self.nodes.0.keys().map(String::as_str).collect();
        let nodes = nodes.join(", ");
        let vars = members(&self.shared.vars);
        let looping = self.looping.as_ref();
        let looping = looping.map(|one| format!(", loop{}", members(one))).unwrap_or_default();
        format!(
            "{item}items, nodes {{{nodes}}}, trigger, inputs{}, vars{vars}, workflow, \
             execution{looping}, now, env",
            members(&self.shared.inputs)
        )
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let shared = &self.shared;
        Some(match key.as_str()? {
            "item" => match &self.item {
                Ok(item) => value::from_json(item),
                Err(why) => refused(*why),
            },
            "items" => Value::from_object(ItemsSeen(Arc::clone(&self.input))),
            "index" => match (self.index, &self.item) {
                (Some(index), _) => index.into(),
                (None, Ok(_)) => 0.into(),
                (None, Err(why)) => refused(*why),
            },
            "nodes" => Value::from_dyn_object(Arc::clone(&self.nodes)),
            "trigger" => value::from_json(&shared.trigger),
            "inputs" => value::from_json(&shared.inputs),
            "vars" => value::from_json(&shared.vars),
            "workflow" => value::from_json(&shared.workflow),
            "execution" => value::from_json(&shared.execution),
            "loop" => value::from_json(self.looping.as_ref()?),
            "now" => shared.now.to_string().into(),
            "env" => Value::from_object(Allowed(Arc::clone(&shared.env))),
            _ => return None,
        })
    }
}

fn refused(why: impl Into<String>) -> Value {
    Value::from(Error::new(ErrorKind::InvalidOperation, why.into()))
}

impl Object for NodesSeen {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).map(|node| Value::from_dyn_object(Arc::clone(node)))
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|id| Value::from(id.as_str())).collect())
    }
}

impl NodeSeen {
    fn len(&self) -> usize {
        self.handles.iter().map(|handle| self.output.items(handle).len()).sum()
    }
    fn get(&self, mut index: usize) -> Option<&Item> {
        for handle in &self.handles {
            let items = self.output.items(handle);
            match items.get(index) {
                Some(item) => return Some(item),
                None => index -= items.len(),
            }
        }
        None
    }
    fn is_pending(&self) -> bool {
        matches!(self.status, NodeStatus::Pending | NodeStatus::Running)
    }
}

impl Object for NodeSeen {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        if self.is_pending() && matches!(key, "item" | "items" | "first" | "last") {
            return Some(refused("this node has not ended yet"));
        }
        Some(match key {
            "item" => match &self.item {
                Ok(item) => value::from_json(item),
                Err(why) => refused(why.as_str()),
            },
            "items" => Value::from_object(SentSeen(Arc::clone(self))),
            "first" => value::from_json(self.get(0)?),
            "last" => value::from_json(self.get(self.len().checked_sub(1)?)?),
            "status" => Value::from(status_name(self.status)),
            "error" => self.error.as_ref().map_or(Value::from(()), |error| {
                value::from_json(&Json::of(&serde_json::json!({
                    "kind": error.kind, "message": error.message, "code": error.code,
                })))
            }),
            _ => return None,
        })
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(NODE_MEMBERS)
    }
}

fn status_name(status: NodeStatus) -> &'static str {
    match status {
        NodeStatus::Pending => "PENDING",
        NodeStatus::Running => "RUNNING",
        NodeStatus::Success => "SUCCESS",
        NodeStatus::Failed => "FAILED",
        NodeStatus::Skipped => "SKIPPED",
        NodeStatus::Cancelled => "CANCELLED",
    }
}

#[derive(Debug)]
struct ItemsSeen(Arc<NodeInput>);

impl Object for ItemsSeen {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_usize()?).map(|(_, item, _)| value::from_json(item))
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }
}

#[derive(Debug)]
struct SentSeen(Arc<NodeSeen>);

impl Object for SentSeen {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_usize()?).map(value::from_json)
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }
}

struct Allowed(Arc<BTreeMap<String, String>>);

impl Debug for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Object for Allowed {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).map(|text| Value::from(text.as_str()))
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|name| Value::from(name.as_str())).collect())
    }
}
