//! A document's names, looked up once: what each node is, and which nodes each connection joins. A
//! document may have ten thousand of both, and half a dozen readers.

use std::collections::HashMap;
use std::sync::Arc;

use a2n_proto::document::Document;

use super::kind::{Kind, Kinds};

/// A document with its names looked up.
pub(super) struct Wiring<'d> {
    pub(super) document: &'d Document,
    /// The definition of each node, where there is one.
    pub(super) kinds: Vec<Option<Arc<dyn Kind>>>,
    /// Source and target of each connection by number, where they are there.
    pub(super) ends: Vec<(Option<usize>, Option<usize>)>,
}

impl<'d> Wiring<'d> {
    /// Looks the names of a document up.
    pub(super) fn new(document: &'d Document, kinds: &dyn Kinds) -> Self {
        let kinds = document.nodes.iter().map(|node| kinds.find(&node.kind)).collect();
        Self { document, kinds, ends: ends(document) }
    }
    /// The connections of which both ends are there: their numbers, and those of the nodes.
    pub(super) fn whole(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        whole(&self.ends)
    }
}

/// Source and target of each connection of a document by number, where they are there.
pub(super) fn ends(document: &Document) -> Vec<(Option<usize>, Option<usize>)> {
    let numbers: HashMap<&str, usize> = document
        .nodes
        .iter()
        .enumerate()
        .map(|(number, node)| (node.id.as_str(), number))
        .collect();
    let number = |id: &String| numbers.get(id.as_str()).copied();
    document.connections.iter().map(|c| (number(&c.source), number(&c.target))).collect()
}

/// Those of which both are there: number, source and target.
pub(super) fn whole(
    ends: &[(Option<usize>, Option<usize>)],
) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
    let both = |(number, (source, target)): (usize, &(Option<usize>, Option<usize>))| {
        Some((number, (*source)?, (*target)?))
    };
    ends.iter().enumerate().filter_map(both)
}
