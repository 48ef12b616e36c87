//! The workflow document: what `a2n apply` sends and a version keeps. Meaning: spec/workflow.md.
//!
//! Read through [`Document::read`] only after validation: unknown members are errors here too.
//! The document is never stored in this form (its text is, as [`Json`]), so these types may use
//! all of serde's features.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Json;
use crate::workflow::{TriggerType, Visibility, WorkflowSettings};

/// A workflow as a person writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    /// Unique per owner.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The steps.
    pub nodes: Vec<Node>,
    /// What leads where.
    #[serde(default)]
    pub connections: Vec<Connection>,
    /// What starts it; applied to workflowTrigger rows when the workflow is published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<DocumentTrigger>,
    /// Values for expressions (`vars`).
    #[serde(default)]
    pub variables: Variables,
    /// How it runs.
    #[serde(default)]
    pub settings: WorkflowSettings,
    /// For finding it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// For finding it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Who sees it; `PRIVATE` where not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
}

impl Document {
    /// The document in a definition's text.
    pub fn read(definition: &Json) -> Result<Self, serde_json::Error> {
        definition.to()
    }
}

/// Values for expressions, by scope; `workflow` wins over `global`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Variables {
    /// Shared by name across workflows.
    #[serde(default)]
    pub global: serde_json::Map<String, serde_json::Value>,
    /// This workflow's own.
    #[serde(default)]
    pub workflow: serde_json::Map<String, serde_json::Value>,
}

/// A placed step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Node {
    /// `[a-zA-Z0-9_-]{1,64}`, unique in the document.
    pub id: String,
    /// A node definition's name, optionally `name@version`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Shown; unique; defaults to the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// In the builder's cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// What the node definition's settings schema asks for.
    #[serde(default = "empty_object")]
    pub config: serde_json::Value,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Passes its input on instead of working.
    #[serde(default, skip_serializing_if = "is_false")]
    pub disabled: bool,
    /// Works on ALL items at once though its definition says EACH.
    #[serde(default, skip_serializing_if = "is_false")]
    pub run_once: bool,
    /// Runs although no items came.
    #[serde(default, skip_serializing_if = "is_false")]
    pub run_on_empty: bool,
    /// When it is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<Join>,
    /// Most iterations of the loop that this node begins: reaching it fails the execution. 1,000
    /// where not said; a `loop` node that goes over a list has as many as the list is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_iterations: Option<u32>,
    /// How many items at once (EACH); of a `loop` node how many iterations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub concurrency: Option<u32>,
    /// Tries again after a known failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<crate::workflow::RetryPolicy>,
    /// Which failures are tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_on: Option<RetryOn>,
    /// Longest running time of one attempt, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub timeout: Option<u64>,
    /// What happens after the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
    /// Whether a crash may repeat it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// What happens when the outcome can't be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_doubt: Option<InDoubt>,
    /// Runs at the end whatever happened.
    #[serde(default, skip_serializing_if = "is_false")]
    pub finally: bool,
    /// Higher first where attempts wait for room; on top of the execution's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1_000_000, max = 1_000_000))]
    pub priority: Option<i32>,
    /// Credential names by slot.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub credentials: BTreeMap<String, String>,
    /// The Unix user it runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as: Option<String>,
    /// The machine it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_on: Option<String>,
    /// What it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// By handle, what it is taken to have sent in runs of a draft and in tests of nodes after it; it
    /// does not run there. Runs of a published version ignore it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<BTreeMap<String, Vec<Json>>>,
}

impl Node {
    /// What is shown: the name, else the id.
    pub fn shown_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}

/// A place in the builder's cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Column.
    pub x: i32,
    /// Row.
    pub y: i32,
}

/// When a node with several incoming connections is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Join {
    /// When every incoming connection is settled.
    All,
    /// When the first one brings items.
    Any,
}

/// What happens after a node's last attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum OnError {
    /// The execution fails.
    Stop,
    /// Goes on with the error in the item's place.
    Continue,
    /// Sends the error to handle `error`.
    Branch,
}

/// Whether an attempt may be repeated when its end is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Repeat {
    /// No outside effect; may be computed again.
    Pure,
    /// May be repeated; gets the same idempotency key each time.
    Retryable,
    /// Never repeated by the engine without a recorded failure.
    Once,
}

/// What happens with a ONCE step whose outcome can't be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum InDoubt {
    /// A person answers.
    Ask,
    /// Counts as failed.
    Fail,
    /// Runs again.
    Retry,
}

/// Which failures a retry applies to; all known ones where a list is empty or absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetryOn {
    /// Exit codes of processes, 0 to 255.
    #[serde(default)]
    #[schemars(inner(range(min = 0, max = 255)))]
    pub exit_codes: Vec<i32>,
    /// HTTP status codes, 100 to 599.
    #[serde(default)]
    #[schemars(inner(range(min = 100, max = 599)))]
    pub status: Vec<u16>,
    /// Kinds of node error, for example `TIMEOUT`.
    #[serde(default)]
    pub kinds: Vec<String>,
}

/// What one step may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Bytes.
    #[serde(default)]
    pub memory: Option<u64>,
    /// Share of one processor in percent.
    #[serde(default)]
    pub cpu: Option<u32>,
    /// Processes and threads.
    #[serde(default)]
    pub tasks: Option<u32>,
    /// Milliseconds of wall time.
    #[serde(default)]
    pub time: Option<u64>,
}

/// An edge between two node handles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Connection {
    /// The node it comes from.
    pub source: String,
    /// The node it leads to.
    pub target: String,
    /// `output` where not said.
    #[serde(default = "output", skip_serializing_if = "is_output")]
    pub source_handle: String,
    /// `input` where not said.
    #[serde(default = "input", skip_serializing_if = "is_input")]
    pub target_handle: String,
}

/// A trigger as the document declares it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentTrigger {
    /// What kind.
    #[serde(rename = "type")]
    pub kind: TriggerType,
    /// Unique in the workflow: same name, same row.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Kept as it is where not said; true for a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_active: Option<bool>,
    /// By kind: `{schedule: {…}}`, `{manual: {…}}` and so on.
    #[serde(default = "empty_object")]
    pub configuration: serde_json::Value,
}

fn empty_object() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}
fn output() -> String {
    "output".into()
}
fn input() -> String {
    "input".into()
}
fn is_output(handle: &String) -> bool {
    handle == "output"
}
fn is_input(handle: &String) -> bool {
    handle == "input"
}
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if takes a reference"
)]
fn is_false(flag: &bool) -> bool {
    !*flag
}
