//! Gives positions to nodes that have none: layers from left to right, each node one column after
//! the last of its sources, rows in the document's order. Nodes that have a position keep it.

use std::collections::{BTreeMap, BTreeSet};

use a2n_proto::document::{Document, Position};

use crate::engine::check::graph;
use crate::engine::graph::Graph;

/// Columns are so many cells apart.
const COLUMN: i32 = 24;
/// Rows are so many cells apart.
const ROW: i32 = 6;

/// Gives every node without a position one. The same document always looks the same.
pub fn fill_in(document: &mut Document) {
    if document.nodes.iter().all(|node| node.position.is_some()) {
        return;
    }
    let columns = columns(document);
    let mut taken: BTreeSet<(i32, i32)> =
        document.nodes.iter().filter_map(|node| node.position).map(|p| (p.x, p.y)).collect();
    let mut rows: BTreeMap<i32, i32> = BTreeMap::new();
    for (node, column) in document.nodes.iter_mut().zip(columns) {
        if node.position.is_some() {
            continue;
        }
        let row = rows.entry(column).or_default();
        let at = |row: i32| (column.saturating_mul(COLUMN), row.saturating_mul(ROW));
        while taken.contains(&at(*row)) {
            *row += 1;
        }
        let (x, y) = at(*row);
        taken.insert((x, y));
        node.position = Some(Position { x, y });
    }
}

/// Each node's column: the longest way to it from a start, back edges apart.
fn columns(document: &Document) -> Vec<i32> {
    let numbers: BTreeMap<&str, usize> =
        document.nodes.iter().enumerate().map(|(i, node)| (node.id.as_str(), i)).collect();
    let back = graph(document).loops().back;
    let forward: BTreeSet<(usize, usize)> = document
        .connections
        .iter()
        .filter_map(|c| Some((*numbers.get(c.source.as_str())?, *numbers.get(c.target.as_str())?)))
        .filter(|edge| !back.contains(edge))
        .collect();
    let mut columns = vec![0_i32; document.nodes.len()];
    let mut out: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (from, to) in &forward {
        out.entry(*from).or_default().push(*to);
    }
    for node in Graph::new(document.nodes.len(), forward.iter().copied()).order() {
        for to in out.get(&node).into_iter().flatten() {
            columns[*to] = columns[*to].max(columns[node].saturating_add(1));
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::scenario::document;

    #[test]
    fn nodes_stand_in_layers_and_placed_ones_stay() {
        let mut document = document(
            r#"
            a: all
            b: all
            c: all {} {"position": {"x": 24, "y": 0}}
            d: all
            a -> b
            a -> c
            b -> d
            c -> d
            d -> a
            "#,
        );
        document.connections.pop();
        fill_in(&mut document);
        let places: Vec<(i32, i32)> =
            document.nodes.iter().filter_map(|n| n.position).map(|p| (p.x, p.y)).collect();
        assert_eq!(places, [(0, 0), (24, 6), (24, 0), (48, 0)]);
    }
}
