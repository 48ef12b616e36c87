//! How a plan's nodes, connections, loops and watched parts lie to each other.

use std::collections::BTreeSet;
use std::sync::Arc;

use a2n_proto::document::{Document, Node};
use serde_json::Value;

use super::{Arrow, Graph, PlanConnection, PlanNode, RegionKind, Regions};
use crate::engine::expression::Template;
use crate::engine::kind::{Kind, Kinds, Role};
use crate::engine::wiring::Wiring;

/// A loop's body, or what a `try` watches over.
#[derive(Debug)]
pub struct PlanRegion {
    /// What makes it one.
    pub kind: RegionKind,
    /// The node it belongs to.
    pub entry: usize,
    /// The part around it.
    pub parent: usize,
    /// Loops around what stands in it.
    pub depth: usize,
    /// The innermost loop at it.
    pub scope: usize,
    /// What has to settle in it, of one iteration: nodes, and loops as a whole.
    pub pieces: Vec<Piece>,
    /// Every node in it, those of loops in it too.
    pub nodes: Vec<usize>,
    /// For a loop: the connections that leave it and lead to what is just outside.
    pub exits: Vec<usize>,
    /// For a loop: nodes and handles that something leaves it from.
    pub leaving: Vec<(usize, String)>,
}

/// Something that begins and settles once per iteration of the loop around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Piece {
    /// A natural loop as a whole, by its entry's place in the order.
    Loop(usize),
    /// A node, by its place in the order.
    Node(usize),
}

/// The parts of a document.
pub fn regions(document: &Document, kinds: &dyn Kinds) -> Regions {
    regions_of(&Wiring::new(document, kinds))
}

/// The same, where the document's names are known.
pub(in crate::engine) fn regions_of(wiring: &Wiring<'_>) -> Regions {
    let document = wiring.document;
    let role = |kind: &Option<Arc<dyn Kind>>| kind.as_ref().map_or(Role::Step, |kind| kind.role());
    let roles: Vec<Role> = wiring.kinds.iter().map(role).collect();
    let arrow = |(number, source, target): (usize, usize, usize)| Arrow {
        source,
        target,
        gate: roles[source].gate() == Some(document.connections[number].source_handle.as_str()),
        apart: document.nodes[target].finally && !document.nodes[source].finally,
    };
    let edges: Vec<Arrow> = wiring.whole().map(arrow).collect();
    Regions::new(&roles, &edges)
}

/// A node's configuration in which some expressions stay as written.
pub(super) fn keeping(kind: &dyn Kind, node: &Node, whole: Template) -> Template {
    match kind.later_paths() {
        [] => whole,
        later => Template::keeping("config", &node.config, later).unwrap_or(whole),
    }
}

/// A node's configuration without its condition, and that condition.
pub(super) fn conditions(role: Role, node: &Node, whole: Template) -> (Template, Option<Template>) {
    let condition = node.config.get("while").filter(|_| role == Role::Loop);
    let Some(condition) = condition else { return (whole, None) };
    // It is asked before each iteration, the rest once.
    let mut config = node.config.clone();
    config["while"] = Value::Bool(true);
    match (Template::new("config", &config), Template::new("config.while", condition)) {
        (Ok(rest), Ok(condition)) => (rest, Some(condition)),
        _ => (whole, None),
    }
}

pub(super) fn connect(
    wiring: &Wiring<'_>,
    nodes: &mut [PlanNode],
    found: &Regions,
) -> Vec<PlanConnection> {
    for (number, node) in nodes.iter_mut().enumerate() {
        node.region = found.of[number];
        node.scope = found.scope(number);
    }
    for (number, region) in found.all.iter().enumerate().skip(1) {
        match region.kind {
            RegionKind::Natural => nodes[region.entry].heads = Some(number),
            _ => nodes[region.entry].gate = Some(number),
        }
    }
    let mut connections = Vec::with_capacity(wiring.ends.len());
    for (number, source, target) in wiring.whole() {
        let connection = &wiring.document.connections[number];
        nodes[source].outgoing.push(connections.len());
        nodes[target].incoming.push(connections.len());
        let is_in = |region: Option<usize>| {
            region.filter(|region| is_within(found, nodes[source].scope, *region))
        };
        let (back, collects) = match nodes[target].role {
            Role::Loop => (None, is_in(nodes[target].gate)),
            _ => (is_in(nodes[target].heads), None),
        };
        let to = back.or(collects).unwrap_or(nodes[target].scope);
        let (common, leaves) = found.common(nodes[source].scope, to);
        connections.push(PlanConnection {
            source,
            source_handle: connection.source_handle.clone(),
            target,
            target_handle: connection.target_handle.clone(),
            back: back.is_some(),
            collects: collects.is_some(),
            enters: nodes[source].role == Role::Loop
                && nodes[source].role.gate() == Some(connection.source_handle.as_str()),
            common,
            leaves,
        });
    }
    connections
}

/// Whether a loop is another one or within it.
fn is_within(found: &Regions, mut scope: usize, other: usize) -> bool {
    while scope != other && scope != 0 {
        scope = found.around(scope);
    }
    scope == other
}

/// Puts the nodes in order, each after those before it.
pub(super) fn order(nodes: &mut [PlanNode], connections: &[PlanConnection]) -> Vec<usize> {
    let forward = connections.iter().filter(|c| !c.back && !c.collects);
    let order = Graph::new(nodes.len(), forward.map(|c| (c.source, c.target))).order();
    for (place, node) in order.iter().enumerate() {
        nodes[*node].place = place;
    }
    order
}

pub(super) fn parts(
    found: &Regions,
    nodes: &mut [PlanNode],
    connections: &[PlanConnection],
) -> Vec<PlanRegion> {
    let mut regions: Vec<PlanRegion> = found
        .all
        .iter()
        .map(|region| PlanRegion {
            kind: region.kind,
            entry: region.entry,
            parent: region.parent,
            depth: region.depth,
            scope: region.scope,
            pieces: Vec::new(),
            nodes: Vec::new(),
            exits: Vec::new(),
            leaving: Vec::new(),
        })
        .collect();
    for (number, node) in nodes.iter().enumerate() {
        put(&mut regions, node.region, Piece::Node(node.place));
        if let Some(own) = node.heads {
            let parent = regions[own].parent;
            put(&mut regions, parent, Piece::Loop(node.place));
        }
        let mut region = node.region;
        while region != 0 {
            regions[region].nodes.push(number);
            region = regions[region].parent;
        }
    }
    for region in &mut regions {
        region.pieces.sort_unstable_by_key(|piece| piece.rank());
    }
    let mut seen = BTreeSet::new();
    for (number, connection) in connections.iter().enumerate() {
        let Some(outermost) = connection.leaves else { continue };
        regions[outermost].exits.push(number);
        let mut scope = nodes[connection.source].scope;
        loop {
            let from = (connection.source, connection.source_handle.clone());
            if seen.insert((scope, from.clone())) {
                regions[scope].leaving.push(from);
            }
            if scope == outermost {
                break;
            }
            scope = found.around(scope);
        }
    }
    regions
}

/// A piece counts in its own part and in those around it, up to the innermost loop.
fn put(regions: &mut [PlanRegion], mut region: usize, piece: Piece) {
    loop {
        regions[region].pieces.push(piece);
        if regions[region].kind != RegionKind::Watched {
            return;
        }
        region = regions[region].parent;
    }
}

impl Piece {
    /// Its place in the order of a step: a loop stands just before its entry.
    pub fn rank(self) -> usize {
        match self {
            Self::Loop(place) => 2 * place,
            Self::Node(place) => 2 * place + 1,
        }
    }
    /// The piece at a place.
    pub fn at(rank: usize) -> Self {
        if rank.is_multiple_of(2) { Self::Loop(rank / 2) } else { Self::Node(rank / 2) }
    }
    /// The place of its node in the plan's order.
    pub fn place(self) -> usize {
        let (Self::Loop(place) | Self::Node(place)) = self;
        place
    }
}
