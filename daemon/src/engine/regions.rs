//! The parts of a document that run as one: the bodies of loops, and what each `try` watches over.
//!
//! A `loop` or `try` node has for its part what is only come to through its handle `loop` or `try`.
//! A natural loop has what leads back to its entry, and the parts of the nodes in there. Any two of
//! them lie one within the other or apart.

use std::collections::BTreeSet;

use super::graph::{Dominators, Graph};
use super::kind::Role;

/// A connection, as far as the flow is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrow {
    /// Where it comes from.
    pub source: usize,
    /// Where it leads to.
    pub target: usize,
    /// Whether it leaves through the handle that leads into its source's part.
    pub gate: bool,
    /// Whether it is there for order only, into a node that runs at the end.
    pub apart: bool,
}

/// What makes a part one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionKind {
    /// The document as a whole.
    Whole,
    /// A loop by a connection back to its entry.
    Natural,
    /// The body of a `loop` node.
    Body,
    /// What a `try` node watches over.
    Watched,
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// What makes it one.
    pub kind: RegionKind,
    /// The node it belongs to: the entry of a natural loop, which is within, else one that is not.
    pub entry: usize,
    /// The part around it.
    pub parent: usize,
    /// Loops around what stands in it.
    pub depth: usize,
    /// The innermost loop at it: itself, or one around it; 0 for none.
    pub scope: usize,
}

/// All parts of a document; the first is the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regions {
    /// From the outer to the inner.
    pub all: Vec<Region>,
    /// The innermost part that each node is in.
    pub of: Vec<usize>,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Why a part can't run as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is connected to the handle that leads in.
    Empty {
        /// The `loop` or `try`.
        node: usize,
    },
    /// A node that the handle leads to can be come to from elsewhere too.
    Entered {
        /// The `loop` or `try`.
        node: usize,
        /// The node.
        inner: usize,
    },
    /// A connection from behind a `loop` node leads back to it.
    Reentered {
        /// The `loop`.
        node: usize,
        /// Where it comes from.
        from: usize,
    },
    /// The loop around a `break` is not a `loop` node's.
    Break {
        /// The `break`.
        node: usize,
    },
}

impl Regions {
    /// Finds the parts of a document whose nodes have these roles.
    pub fn new(roles: &[Role], edges: &[Arrow]) -> Self {
        let look = Look::new(roles, edges);
        let mut found = Self {
            all: vec![Region {
                kind: RegionKind::Whole,
                entry: usize::MAX,
                parent: 0,
                depth: 0,
                scope: 0,
            }],
            of: vec![0; roles.len()],
            faults: Vec::new(),
        };
        let mut parts = look.bodies(&mut found.faults);
        parts.extend(look.natural());
        // From the largest on, so that each is put into one that is there already.
        parts.sort_by_key(|(kind, entry, nodes)| {
            (usize::MAX - nodes.len(), *kind == RegionKind::Natural, *entry)
        });
        for (kind, entry, nodes) in parts {
            found.add(kind, entry, &nodes);
        }
        for (node, role) in roles.iter().enumerate() {
            let scope = found.all[found.of[node]].scope;
            if *role == Role::Break && found.all[scope].kind != RegionKind::Body {
                found.faults.push(Fault::Break { node });
            }
        }
        found
    }

    fn add(&mut self, kind: RegionKind, entry: usize, nodes: &BTreeSet<usize>) {
        let (number, parent) = (self.all.len(), self.of[entry]);
        let outer = &self.all[parent];
        let (depth, scope) = match kind {
            RegionKind::Watched => (outer.depth, outer.scope),
            _ => (outer.depth + 1, number),
        };
        self.all.push(Region { kind, entry, parent, depth, scope });
        for node in nodes {
            self.of[*node] = number;
        }
    }

    /// The innermost loop that a node is in, 0 where it is in none.
    pub fn scope(&self, node: usize) -> usize {
        self.all[self.of[node]].scope
    }
    /// The loop around a loop.
    pub fn around(&self, scope: usize) -> usize {
        self.all[self.all[scope].parent].scope
    }
    /// The innermost loop that two are in, and the outermost one of those that only the first is in.
    pub fn common(&self, from: usize, to: usize) -> (usize, Option<usize>) {
        let (mut from, mut to, mut left) = (from, to, None);
        while from != to {
            if self.all[from].depth >= self.all[to].depth {
                left = Some(from);
                from = self.around(from);
            } else {
                to = self.around(to);
            }
        }
        (from, left)
    }
}

type Part = (RegionKind, usize, BTreeSet<usize>);

struct Look<'r> {
    roles: &'r [Role],
    edges: &'r [Arrow],
    /// For each node the number that stands for the way through its gate.
    gates: Vec<Option<usize>>,
    tree: Dominators,
    before: Vec<Vec<usize>>,
}

impl<'r> Look<'r> {
    fn new(roles: &'r [Role], edges: &'r [Arrow]) -> Self {
        let mut gates = vec![None; roles.len()];
        let mut n = roles.len();
        for (node, role) in roles.iter().enumerate() {
            if role.gate().is_some() {
                gates[node] = Some(n);
                n += 1;
            }
        }
        let mut split = Vec::with_capacity(edges.len());
        for edge in edges.iter().filter(|edge| !edge.apart) {
            match gates[edge.source].filter(|_| edge.gate) {
                Some(gate) => split.extend([(edge.source, gate), (gate, edge.target)]),
                None => split.extend([(edge.source, edge.target)]),
            }
        }
        split.sort_unstable();
        split.dedup();
        let mut before = vec![Vec::new(); n];
        for (from, to) in &split {
            before[*to].push(*from);
        }
        let tree = Graph::new(n, split).dominators();
        Self { roles, edges, gates, tree, before }
    }

    /// The parts of `loop` and `try` nodes.
    fn bodies(&self, faults: &mut Vec<Fault>) -> Vec<Part> {
        let mut parts = Vec::new();
        for (node, role) in self.roles.iter().enumerate() {
            let Some(gate) = self.gates[node] else { continue };
            let inner: BTreeSet<usize> =
                (0..self.roles.len()).filter(|n| self.tree.dominates(gate, *n)).collect();
            let own = self.edges.iter().filter(|edge| !edge.apart);
            let mut leads = own.clone().filter(|edge| edge.gate && edge.source == node).peekable();
            if leads.peek().is_none() {
                faults.push(Fault::Empty { node });
            }
            let entered = leads.find(|edge| !inner.contains(&edge.target));
            if let Some(Arrow { target: inner, .. }) = entered {
                faults.push(Fault::Entered { node, inner: *inner });
            }
            let mut back = own.filter(|edge| edge.target == node);
            let again =
                back.find(|e| !inner.contains(&e.source) && self.tree.dominates(node, e.source));
            if let Some(Arrow { source: from, .. }) = again.filter(|_| *role == Role::Loop) {
                faults.push(Fault::Reentered { node, from: *from });
            }
            let kind = if *role == Role::Loop { RegionKind::Body } else { RegionKind::Watched };
            parts.push((kind, node, inner));
        }
        parts
    }

    /// The loops by connections back to a node that all ways into them pass through.
    fn natural(&self) -> Vec<Part> {
        let mut tails = std::collections::BTreeMap::<usize, Vec<usize>>::new();
        for edge in self.edges.iter().filter(|edge| !edge.apart) {
            let back = self.tree.dominates(edge.target, edge.source);
            if back && self.roles[edge.target] != Role::Loop {
                tails.entry(edge.target).or_default().push(edge.source);
            }
        }
        let mut parts = Vec::new();
        for (entry, tails) in tails {
            let mut seen = BTreeSet::from([entry]);
            let mut left = tails;
            while let Some(node) = left.pop() {
                if seen.insert(node) {
                    left.extend(self.before[node].iter().copied());
                }
            }
            // What belongs to a node in there is in there too.
            let gates: Vec<usize> = seen.iter().filter_map(|n| *self.gates.get(*n)?).collect();
            let owned = (0..self.roles.len())
                .filter(|n| gates.iter().any(|gate| self.tree.dominates(*gate, *n)));
            seen.extend(owned.collect::<Vec<_>>());
            seen.retain(|node| *node < self.roles.len());
            parts.push((RegionKind::Natural, entry, seen));
        }
        parts
    }
}
