//! What the engine knows of a node definition. The engine names none: `nodes` implements these
//! traits, `app` hands the registry in.
//!
//! Two sorts of kinds exist. *Inline* ones have no outside effect that needs a record before it
//! begins (set, if, filter, merge, wait, stop, …): the engine computes them itself, purely, between
//! two commits. *Outside* ones (shell, http, file) are started by the runner after the commit that
//! records their start.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use a2n_proto::document::Repeat;
use a2n_proto::execution::ExecutionStatus;
use a2n_proto::nodes::{NodeCredentials, RateLimit};
use a2n_proto::{Json, Timestamp};
use serde::{Deserialize, Serialize};

use super::request::Request;

/// One JSON value moving along a connection.
pub type Item = Json;

/// Items by handle, in the order the definition names its handles.
pub type Handles = BTreeMap<String, Vec<Item>>;

/// Whether a kind works once per item or on all of them at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorksOn {
    /// Once per item, results joined in item order.
    Each,
    /// On all items at once.
    All,
}

/// Who carries a kind out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// The engine, by [`Kind::compute`].
    Inline,
    /// The runner, after the commit that records the start.
    Outside,
}

/// What a kind is for the flow of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// One step like another.
    Step,
    /// Repeats what is only come to through its handle [`LOOP`].
    Loop,
    /// Watches over what is only come to through its handle [`TRY`].
    Try,
    /// Ends the loop around it.
    Break,
}

/// The handle of a loop that leads into its body.
pub const LOOP: &str = "loop";
/// The handle of a loop that what came of it leaves through.
pub const DONE: &str = "done";
/// The handle that leads to what is watched over.
pub const TRY: &str = "try";
/// The handle that a failure in there leaves through.
pub const CATCH: &str = "catch";

/// In a settings schema, beside a member: what else people call it who know other programs. For hints.
pub const ALSO: &str = "x-also";

impl Role {
    /// The handle that leads into the part of the document which such a node stands for.
    pub fn gate(self) -> Option<&'static str> {
        match self {
            Self::Loop => Some(LOOP),
            Self::Try => Some(TRY),
            Self::Step | Self::Break => None,
        }
    }
}

/// What a loop goes over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Over {
    /// The items that came in.
    Input,
    /// These.
    List(Arc<Vec<Item>>),
    /// Nothing: each iteration works on what the one before sent back, the first on what came in.
    Rounds,
}

/// How a loop runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Iterations {
    /// What it goes over.
    pub over: Over,
    /// Items an iteration gets.
    pub batch: u32,
    /// Whether only what the last iteration sent back goes on.
    pub last_only: bool,
}

/// The handles into a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inputs {
    /// Exactly these.
    Named(Vec<String>),
    /// `input1`, `input2`, … as many as are connected.
    Numbered,
}

/// What a unit of work is given: resolved configuration and its items.
#[derive(Debug, Clone)]
pub struct Work {
    /// The node's configuration with every expression replaced by its result.
    pub config: serde_json::Value,
    /// EACH: one item under its handle; everything where the node says `runOnce`, nothing where it
    /// says `runOnEmpty` and nothing came. ALL: everything, by input handle.
    pub items: Handles,
    /// The commit's time.
    pub now: Timestamp,
    /// Where the inbox of events stands.
    pub inbox: InboxAt,
}

/// Where the inbox of events stands: numbers of events, each the newest of its moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InboxAt {
    /// When the execution was accepted.
    pub start: u64,
    /// Now.
    pub now: u64,
}

/// How a unit of work ended well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// These items, by output handle. A handle left out or empty is not taken.
    Items(Handles),
    /// Wait until this moment, then pass the given items on. Nothing is held but a stored timer.
    WaitUntil(Timestamp, Handles),
    /// End the execution now (SUCCESS or FAILED), with this message.
    Stop(ExecutionStatus, Option<String>),
    /// Repeat the loop's body so. Only kinds whose role is a loop.
    Loop(Iterations),
    /// Send these into what is watched over. Only kinds whose role is that.
    Try(Vec<Item>),
    /// End the loop around it; these items are part of what came of it.
    Break(Vec<Item>),
    /// Give back what the execution holds of the lock of this name, then pass the given items on.
    Release(String, Handles),
    /// Ask this of the rest of the daemon. From [`Kind::compute`]; as a reply it is the same request in
    /// other words, which is kept instead, and asked again.
    Request(Box<Request>),
}

/// Why a unit of work failed. Stored, so versioned with the execution's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct NodeError {
    /// A stable name: `EXIT`, `TIMEOUT`, `CANCELLED`, `SPAWN`, `PARSE`, `HTTP_STATUS`, `CONNECT`,
    /// `EXPRESSION`, `CONFIG`, `IO`, `PANIC`, `IN_DOUBT`, …
    pub kind: String,
    /// For people: lower case, no full stop.
    pub message: String,
    /// Exit code or HTTP status, where there is one.
    pub code: Option<i32>,
    /// Whether the outcome is unknown: the request was sent without a full answer.
    pub in_doubt: bool,
}

impl NodeError {
    /// A known failure of this kind.
    pub fn new(kind: &str, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), code: None, in_doubt: false }
    }
}

/// A kind of node, as the engine sees it.
pub trait Kind: Send + Sync + fmt::Debug {
    /// Its name, for example `shell`.
    fn name(&self) -> &str;
    /// Its semantic version.
    fn version(&self) -> &str;
    /// Once per item or on all at once.
    fn works_on(&self) -> WorksOn;
    /// Who carries it out.
    fn runs(&self) -> Runs;
    /// What it is for the flow of an execution.
    fn role(&self) -> Role {
        Role::Step
    }
    /// Whether an attempt may be repeated; may depend on the configuration (http GET or POST).
    fn repeat(&self, config: &serde_json::Value) -> Repeat;
    /// The handles into it.
    fn inputs(&self) -> Inputs;
    /// The handles out of it, first the default one; may depend on the configuration (switch).
    /// Handle `error` is added by the engine where `onError` is BRANCH.
    fn outputs(&self, config: &serde_json::Value) -> Vec<String>;
    /// JSON Schema 2020-12 of `config`, as written (expressions allowed wherever a text is).
    fn settings_schema(&self) -> &serde_json::Value;
    /// Paths in `config` where an expression is refused, for example `script`. `*` stands for any
    /// member or index.
    fn constant_paths(&self) -> &[&str] {
        &[]
    }
    /// Paths in `config` whose expression stays as written until the answer that it asks about is
    /// there.
    fn later_paths(&self) -> &[&str] {
        &[]
    }
    /// Whether a node with this configuration reaches out of the daemon, with its rights.
    fn touches_world(&self, _config: &serde_json::Value) -> bool {
        self.runs() == Runs::Outside
    }
    /// Longest running time of one attempt where the node says none, in milliseconds.
    fn default_timeout_ms(&self) -> Option<u64> {
        None
    }
    /// How often it may be used, where its maker says so; an administrator may say otherwise.
    fn rate_limit(&self) -> Option<RateLimit> {
        None
    }
    /// Whether it is only there for workflows that have it already.
    fn is_deprecated(&self) -> bool {
        false
    }
    /// Which credentials it needs.
    fn credentials(&self) -> NodeCredentials {
        NodeCredentials::default()
    }
    /// Checks that the schema can't express, on the unresolved configuration: (path below `config`,
    /// message, hint). Values that hold `{{` are not known yet and must be left alone.
    fn check_config(&self, _config: &serde_json::Value) -> Vec<(String, String, Option<String>)> {
        Vec::new()
    }
    /// Carries out one unit of work. Only called where [`Kind::runs`] says Inline.
    fn compute(&self, work: &Work) -> Result<Outcome, NodeError>;
}

/// All kinds there are.
pub trait Kinds: Send + Sync + fmt::Debug {
    /// The kind that `name` or `name@version` means (without a version: the newest active one).
    fn find(&self, reference: &str) -> Option<Arc<dyn Kind>>;
    /// The names, for "did you mean".
    fn names(&self) -> Vec<String>;
}
