//! A plan: a document compiled once for all its executions. Nodes and connections are numbers in
//! the document's order; templates are parsed, handles, retries and time-outs looked up.
//!
//! Invariant: a plan has no cycle but natural loops, and every connection joins handles that exist.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::document::{Document, InDoubt, Join, Node, OnError, Repeat, RetryOn};
use a2n_proto::nodes::RateLimit;
use a2n_proto::workflow::{Concurrency, OnFailure, RetryPolicy};
use a2n_proto::{Json, Problem, Timestamp};

use super::check;
use super::execution::{NodeKey, NodeState};
use super::expression::Template;
use super::graph::Graph;
use super::kind::{Kind, Kinds, Role, Runs, WorksOn};
use super::regions::{Arrow, RegionKind, Regions};
use super::wiring::Wiring;

pub(super) mod flow;

pub use flow::{Piece, PlanRegion, regions};

/// Most iterations of a loop that says nothing else and goes over no list.
const MAX_ITERATIONS: u32 = 1_000;

/// A document, ready to run.
#[derive(Debug)]
pub struct Plan {
    pub(super) name: String,
    pub(super) nodes: Vec<PlanNode>,
    pub(super) connections: Vec<PlanConnection>,
    pub(super) by_id: BTreeMap<String, usize>,
    /// Every node after those before it (back edges apart).
    pub(super) order: Vec<usize>,
    /// Loops and what a `try` watches over; the first is the whole document.
    pub(super) regions: Vec<PlanRegion>,
    pub(super) vars: Json,
    pub(super) timeout: Option<Duration>,
    pub(super) on_failure: OnFailure,
    pub(super) max_retries: u32,
    concurrency: Concurrency,
    outside: BTreeMap<String, Option<RateLimit>>,
    pub(super) error_workflow: Option<String>,
    has_priorities: bool,
    unsupported: Option<Unsupported>,
}

/// What a valid document asks for that this version can't do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Unsupported {
    /// What, as a sentence.
    pub what: String,
    /// The member that asks for it.
    pub path: String,
}

/// A node, ready to run.
#[derive(Debug)]
pub struct PlanNode {
    /// Its id in the document.
    pub id: String,
    /// Its key outside loops.
    pub key: NodeKey,
    /// What is shown.
    pub name: String,
    /// What carries it out.
    pub kind: Arc<dyn Kind>,
    /// The definition: `name@version`.
    pub reference: String,
    /// The configuration as written.
    pub config: Json,
    /// The configuration, compiled.
    pub template: Template,
    /// Whether each item is a unit of work; else all of them together are.
    pub each: bool,
    /// Passes its input on instead of working.
    pub disabled: bool,
    /// Runs although no items came.
    pub run_on_empty: bool,
    /// The handles out of it, `error` apart; the first is the default one.
    pub outputs: Vec<String>,
    /// What is added to the execution's priority where its units wait: higher first.
    pub priority: i32,
    /// Items at once.
    pub concurrency: u32,
    /// When it is tried again; none where never.
    pub retry: Option<RetryPolicy>,
    /// Which failures are.
    pub retry_on: RetryOn,
    /// Longest running time of one attempt.
    pub timeout: Option<Duration>,
    /// What happens after the last attempt failed.
    pub on_error: OnError,
    /// Whether a crash may repeat it.
    pub repeat: Repeat,
    /// What happens when the outcome can't be known.
    pub in_doubt: InDoubt,
    /// The Unix user it runs as.
    pub run_as: Option<String>,
    /// What it is for the flow.
    pub role: Role,
    /// Runs with the first connection that brings items.
    pub join_any: bool,
    /// Runs at the end, whatever happened.
    pub finally: bool,
    /// Asked before each iteration of the loop that it is.
    pub while_: Option<Template>,
    /// Most iterations of the loop that it begins, where it says so.
    pub max_iterations: Option<u32>,
    /// The innermost part of the document that it is in, by number.
    pub region: usize,
    /// The innermost loop that it is in, by number; 0 for none.
    pub scope: usize,
    /// The natural loop that it is the entry of.
    pub heads: Option<usize>,
    /// The part that its handle `loop` or `try` leads to.
    pub gate: Option<usize>,
    /// Its place in the plan's order.
    pub place: usize,
    /// What it is taken to have sent in runs of a draft.
    pub pinned: Option<BTreeMap<String, Vec<Json>>>,
    /// Connections into it, by number, in the document's order.
    pub incoming: Vec<usize>,
    /// Connections out of it.
    pub outgoing: Vec<usize>,
}

/// A connection, with nodes by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanConnection {
    /// The node it comes from.
    pub source: usize,
    /// The handle it leaves by.
    pub source_handle: String,
    /// The node it leads to.
    pub target: usize,
    /// The handle it comes in by.
    pub target_handle: String,
    /// Whether it leads back to the entry of a natural loop.
    pub back: bool,
    /// Whether it leads back to the `loop` node whose body it comes from.
    pub collects: bool,
    /// Whether it leads into the body of a `loop` node.
    pub enters: bool,
    /// The loop in which both its ends stand, by number; that of a connection back is the loop
    /// that it makes.
    pub common: usize,
    /// The outermost loop that it leaves.
    pub leaves: Option<usize>,
}

impl Plan {
    /// Compiles a document; its problems where it can't run at all. A document that validation
    /// passed compiles.
    pub fn new(document: &Document, kinds: &dyn Kinds) -> Result<Self, Vec<Problem>> {
        let wiring = Wiring::new(document, kinds);
        let found = flow::regions_of(&wiring);
        let problems = check::structure_of(&wiring, kinds, &found);
        if !problems.is_empty() {
            return Err(problems);
        }
        let policy = document.settings.retry_policy.as_ref();
        let mut nodes = Vec::with_capacity(document.nodes.len());
        let mut problems = Vec::new();
        for (number, node) in document.nodes.iter().enumerate() {
            match (wiring.kinds[number].clone(), check::template(number, node)) {
                (Some(kind), Ok(template)) => {
                    let template = flow::keeping(kind.as_ref(), node, template);
                    let (template, while_) = flow::conditions(kind.role(), node, template);
                    nodes.push(PlanNode { while_, ..PlanNode::new(node, kind, template, policy) });
                }
                (None, _) => problems.push(check::unknown_type(number, node, kinds)),
                (_, Err(faults)) => problems.extend(faults),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let by_id: BTreeMap<String, usize> =
            nodes.iter().enumerate().map(|(i, node)| (node.id.clone(), i)).collect();
        let connections = flow::connect(&wiring, &mut nodes, &found);
        let order = flow::order(&mut nodes, &connections);
        let regions = flow::parts(&found, &mut nodes, &connections);
        let outside = nodes
            .iter()
            .filter(|node| !node.is_inline())
            .map(|node| (node.kind.name().to_owned(), node.kind.rate_limit()))
            .collect();
        let mut vars = document.variables.global.clone();
        vars.extend(document.variables.workflow.clone());
        Ok(Self {
            name: document.name.clone(),
            unsupported: unsupported(document),
            has_priorities: nodes.iter().any(|node| node.priority != 0),
            nodes,
            connections,
            by_id,
            order,
            regions,
            vars: Json::of(&vars),
            timeout: document.settings.timeout.map(Duration::from_millis),
            on_failure: document.settings.on_failure,
            max_retries: policy.filter(|p| p.enabled).map_or(0, |p| p.max_retries),
            concurrency: document.settings.concurrency.clone(),
            outside,
            error_workflow: document.settings.error_workflow.clone(),
        })
    }
    /// Whether some nodes have a priority of their own.
    pub fn has_priorities(&self) -> bool {
        self.has_priorities
    }
    /// What this version can't run of a valid document: error 501.
    pub fn unsupported(&self) -> Option<&Unsupported> {
        self.unsupported.as_ref()
    }
    /// How many of its executions may run at once.
    pub fn concurrency(&self) -> &Concurrency {
        &self.concurrency
    }
    /// The node definitions that act outside, with how often each may be used by its own word.
    pub fn outside(&self) -> &BTreeMap<String, Option<RateLimit>> {
        &self.outside
    }
    /// The workflow's name.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// The nodes, in the document's order.
    pub fn nodes(&self) -> &[PlanNode] {
        &self.nodes
    }
    /// The workflow's `retryPolicy.maxRetries`, 0 where it has none.
    pub fn max_retries(&self) -> u32 {
        self.max_retries
    }
    /// Whether any node runs at the end whatever happened.
    pub(super) fn has_finally(&self) -> bool {
        self.nodes.iter().any(|node| node.finally)
    }
    /// The nodes that the loops around a node belong to, the outermost first.
    pub fn loops_around(&self, id: &str) -> Vec<String> {
        let mut scope = self.node(id).map_or(0, |node| node.scope);
        let mut loops = Vec::new();
        while scope != 0 {
            loops.push(self.nodes[self.regions[scope].entry].id.clone());
            scope = self.regions[self.regions[scope].parent].scope;
        }
        loops.reverse();
        loops
    }
    /// The states of nodes whose output is pinned: over, as if they had just run.
    pub fn pinned(&self, at: Timestamp) -> BTreeMap<NodeKey, NodeState> {
        let pinned = self.nodes.iter().filter_map(|node| Some((node, node.pinned.as_ref()?)));
        pinned.map(|(node, sent)| (node.key.clone(), NodeState::given(sent, at))).collect()
    }
    /// A node's place in the document.
    pub fn number(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }
    /// The workflow that is started where an execution fails.
    pub fn error_workflow(&self) -> Option<&str> {
        self.error_workflow.as_deref()
    }
    /// A node by its id.
    pub fn node(&self, id: &str) -> Option<&PlanNode> {
        self.by_id.get(id).map(|number| &self.nodes[*number])
    }
}

impl PlanNode {
    fn new(
        node: &Node,
        kind: Arc<dyn Kind>,
        template: Template,
        policy: Option<&RetryPolicy>,
    ) -> Self {
        let repeat = node.repeat.unwrap_or_else(|| kind.repeat(&node.config));
        // The workflow's policy speaks for nodes that may be repeated; a ONCE node says it itself.
        let policy = policy.filter(|_| repeat != Repeat::Once);
        let retry = node.retry.as_ref().or(policy).filter(|p| p.enabled && p.max_retries > 0);
        let timeout = node
            .timeout
            .or(node.limits.as_ref().and_then(|limits| limits.time))
            .or(kind.default_timeout_ms());
        Self {
            id: node.id.clone(),
            key: NodeKey::outside_loops(&node.id),
            name: node.shown_name().to_owned(),
            reference: format!("{}@{}", kind.name(), kind.version()),
            config: Json::of(&node.config),
            template,
            each: kind.works_on() == WorksOn::Each && !node.run_once,
            disabled: node.disabled,
            run_on_empty: node.run_on_empty,
            outputs: kind.outputs(&node.config),
            priority: node.priority.unwrap_or(0),
            concurrency: node.concurrency.unwrap_or(1).max(1),
            retry: retry.cloned(),
            retry_on: node.retry_on.clone().unwrap_or_default(),
            timeout: timeout.map(Duration::from_millis),
            on_error: node.on_error.unwrap_or(OnError::Stop),
            repeat,
            in_doubt: node.in_doubt.unwrap_or(InDoubt::Ask),
            run_as: node.run_as.clone(),
            role: kind.role(),
            join_any: node.join == Some(Join::Any),
            finally: node.finally,
            while_: None,
            max_iterations: node.max_iterations,
            region: 0,
            scope: 0,
            heads: None,
            gate: None,
            place: 0,
            pinned: node.pinned.clone(),
            incoming: Vec::new(),
            outgoing: Vec::new(),
            kind,
        }
    }
    /// Most iterations of the natural loop that it is the entry of, or of one that goes over no list.
    pub fn most_iterations(&self) -> u32 {
        self.max_iterations.unwrap_or(MAX_ITERATIONS)
    }
    /// Whether it reaches out of the daemon, with the daemon's rights.
    pub fn touches_world(&self) -> bool {
        self.kind.touches_world(&self.config.to_value())
    }
    /// Whether the engine computes it itself.
    pub fn is_inline(&self) -> bool {
        self.kind.runs() == Runs::Inline
    }
    /// The handle that items go to where nothing else is said.
    pub fn default_output(&self) -> &str {
        self.outputs.first().map_or("output", String::as_str)
    }
}

/// What is written but not built yet. Said before anything runs, never ignored.
fn unsupported(document: &Document) -> Option<Unsupported> {
    for (number, node) in document.nodes.iter().enumerate() {
        if let Some((what, member)) = of_node(node) {
            let what = format!("{what}, which node `{}` asks for, is not built yet", node.id);
            return Some(Unsupported { what, path: format!("nodes[{number}].{member}") });
        }
    }
    None
}

/// What of a node, and the member that asks for it.
fn of_node(node: &Node) -> Option<(&'static str, &'static str)> {
    let limits = node.limits.clone().unwrap_or_default();
    let asked = [
        (!node.credentials.is_empty(), "credentials", "credentials"),
        (node.run_as.is_some(), "runAs", "runAs"),
        (node.run_on.is_some(), "runOn", "runOn"),
        (limits.memory.is_some(), "a limit of memory", "limits.memory"),
        (limits.cpu.is_some(), "a limit of processor time", "limits.cpu"),
        (limits.tasks.is_some(), "a limit of processes", "limits.tasks"),
    ];
    asked.into_iter().find(|(is_asked, ..)| *is_asked).map(|(_, what, member)| (what, member))
}
