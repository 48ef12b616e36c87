//! A plan: a document compiled once for all its executions. Nodes and connections are numbers in
//! the document's order; templates are parsed, handles, retries and time-outs looked up.
//!
//! Invariant: a plan has no cycle but natural loops, and every connection joins handles that exist.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::document::{Document, InDoubt, Join, Node, OnError, Repeat, RetryOn};
use a2n_proto::workflow::{Concurrency, ConcurrencyPolicy, OnFailure, RetryPolicy};
use a2n_proto::{Json, Problem};

use super::check;
use super::execution::NodeKey;
use super::expression::Template;
use super::graph::Graph;
use super::kind::{Kind, Kinds, Runs, WorksOn};

/// A document, ready to run.
#[derive(Debug)]
pub struct Plan {
    pub(super) name: String,
    pub(super) nodes: Vec<PlanNode>,
    pub(super) connections: Vec<PlanConnection>,
    pub(super) by_id: BTreeMap<String, usize>,
    /// Every node after those before it (back edges apart).
    pub(super) order: Vec<usize>,
    pub(super) vars: Json,
    pub(super) timeout: Option<Duration>,
    pub(super) on_failure: OnFailure,
    pub(super) max_retries: u32,
    pub(super) error_workflow: Option<String>,
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
    /// Whether it leads back to the entry of a loop.
    pub back: bool,
}

impl Plan {
    /// Compiles a document; its problems where it can't run at all. A document that validation
    /// passed compiles.
    pub fn new(document: &Document, kinds: &dyn Kinds) -> Result<Self, Vec<Problem>> {
        let problems = check::structure(document, kinds);
        if !problems.is_empty() {
            return Err(problems);
        }
        let policy = document.settings.retry_policy.as_ref();
        let mut nodes = Vec::with_capacity(document.nodes.len());
        let mut problems = Vec::new();
        for (number, node) in document.nodes.iter().enumerate() {
            match (kinds.find(&node.kind), check::template(number, node)) {
                (Some(kind), Ok(template)) => {
                    nodes.push(PlanNode::new(node, kind, template, policy));
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
        let connections = connect(document, &by_id, &mut nodes);
        let forward = connections.iter().filter(|c| !c.back).map(|c| (c.source, c.target));
        let order = Graph::new(nodes.len(), forward).order();
        let mut vars = document.variables.global.clone();
        vars.extend(document.variables.workflow.clone());
        Ok(Self {
            name: document.name.clone(),
            unsupported: unsupported(document, &connections),
            nodes,
            connections,
            by_id,
            order,
            vars: Json::of(&vars),
            timeout: document.settings.timeout.map(Duration::from_millis),
            on_failure: document.settings.on_failure,
            max_retries: policy.filter(|p| p.enabled).map_or(0, |p| p.max_retries),
            error_workflow: document.settings.error_workflow.clone(),
        })
    }
    /// What this version can't run of a valid document: error 501.
    pub fn unsupported(&self) -> Option<&Unsupported> {
        self.unsupported.as_ref()
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
            concurrency: node.concurrency.unwrap_or(1).max(1),
            retry: retry.cloned(),
            retry_on: node.retry_on.clone().unwrap_or_default(),
            timeout: timeout.map(Duration::from_millis),
            on_error: node.on_error.unwrap_or(OnError::Stop),
            repeat,
            in_doubt: node.in_doubt.unwrap_or(InDoubt::Ask),
            run_as: node.run_as.clone(),
            incoming: Vec::new(),
            outgoing: Vec::new(),
            kind,
        }
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

fn connect(
    document: &Document,
    by_id: &BTreeMap<String, usize>,
    nodes: &mut [PlanNode],
) -> Vec<PlanConnection> {
    let ends: Vec<_> = document
        .connections
        .iter()
        .filter_map(|c| Some((c, *by_id.get(&c.source)?, *by_id.get(&c.target)?)))
        .collect();
    let loops = Graph::new(nodes.len(), ends.iter().map(|(_, from, to)| (*from, *to))).loops();
    let mut connections = Vec::with_capacity(ends.len());
    for (connection, source, target) in ends {
        nodes[source].outgoing.push(connections.len());
        nodes[target].incoming.push(connections.len());
        connections.push(PlanConnection {
            source,
            source_handle: connection.source_handle.clone(),
            target,
            target_handle: connection.target_handle.clone(),
            back: loops.back.contains(&(source, target)),
        });
    }
    connections
}

/// What is written but not built yet. Said before anything runs, never ignored.
fn unsupported(document: &Document, connections: &[PlanConnection]) -> Option<Unsupported> {
    if let Some(back) = connections.iter().find(|c| c.back) {
        let entry = &document.nodes[back.target].id;
        let what = format!("loops are not built yet: node `{entry}` begins one");
        return Some(Unsupported { what, path: format!("nodes[{}]", back.target) });
    }
    for (number, node) in document.nodes.iter().enumerate() {
        if let Some((what, member)) = of_node(node) {
            let what = format!("{what}, which node `{}` asks for, is not built yet", node.id);
            return Some(Unsupported { what, path: format!("nodes[{number}].{member}") });
        }
    }
    let settings = &document.settings;
    let Concurrency { max_instances, policy, .. } = &settings.concurrency;
    if *policy != ConcurrencyPolicy::Allow || max_instances.is_some() {
        let what =
            "settings.concurrency is not built yet: only policy ALLOW without maxInstances runs";
        let path = "settings.concurrency".to_owned();
        return Some(Unsupported { what: what.to_owned(), path });
    }
    None
}

/// What of a node, and the member that asks for it.
fn of_node(node: &Node) -> Option<(&'static str, &'static str)> {
    let limits = node.limits.clone().unwrap_or_default();
    let asked = [
        (node.join == Some(Join::Any), "join ANY", "join"),
        (node.finally, "finally", "finally"),
        (!node.credentials.is_empty(), "credentials", "credentials"),
        (node.run_as.is_some(), "runAs", "runAs"),
        (node.run_on.is_some(), "runOn", "runOn"),
        (limits.memory.is_some(), "a limit of memory", "limits.memory"),
        (limits.cpu.is_some(), "a limit of processor time", "limits.cpu"),
        (limits.tasks.is_some(), "a limit of processes", "limits.tasks"),
    ];
    asked.into_iter().find(|(is_asked, ..)| *is_asked).map(|(_, what, member)| (what, member))
}
