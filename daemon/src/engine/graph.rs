//! What the plan needs to know of a directed graph: order, loops, reach. Nodes are numbers in the
//! document's order, so every answer is the same for the same document. Nothing here recurses: a
//! document may be one chain of ten thousand nodes.

use std::collections::BTreeSet;

/// A directed graph over the nodes `0..n`.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    next: Vec<Vec<usize>>,
    before: Vec<Vec<usize>>,
}

/// The loops of a graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loops {
    /// Edges back to a node that all ways into the cycle pass through.
    pub back: BTreeSet<(usize, usize)>,
    /// A cycle with two ways in, as its path, where there is one.
    pub two_entries: Vec<Vec<usize>>,
    /// The nodes of each cycle (strongly connected, more than one node or a node onto itself).
    pub cycles: Vec<Vec<usize>>,
}

impl Graph {
    /// A graph with these edges. Numbers from `n` on are left out.
    pub fn new(n: usize, edges: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut graph = Self { next: vec![Vec::new(); n], before: vec![Vec::new(); n] };
        for (from, to) in edges {
            if from < n && to < n {
                graph.next[from].push(to);
                graph.before[to].push(from);
            }
        }
        graph
    }

    /// The nodes without incoming edges.
    pub fn starts(&self) -> Vec<usize> {
        (0..self.next.len()).filter(|node| self.before[*node].is_empty()).collect()
    }

    /// For each node whether it can be come to from these, or is one of them.
    pub fn reached(&self, from: &[usize]) -> Vec<bool> {
        let mut seen = vec![false; self.next.len()];
        let mut left = from.to_vec();
        while let Some(node) = left.pop() {
            if !std::mem::replace(&mut seen[node], true) {
                left.extend(self.next[node].iter().copied());
            }
        }
        seen
    }

    /// Everything from which this node can be come to, without it unless it is on a cycle.
    pub fn ancestors(&self, node: usize) -> BTreeSet<usize> {
        walk(&self.before, &self.before[node])
    }

    /// Every node after all those before it; cycles, if any, are left out with what follows them.
    pub fn order(&self) -> Vec<usize> {
        let mut waits: Vec<usize> = self.before.iter().map(Vec::len).collect();
        let mut ready: BTreeSet<usize> = self.starts().into_iter().collect();
        let mut order = Vec::with_capacity(self.next.len());
        while let Some(node) = ready.pop_first() {
            order.push(node);
            for next in &self.next[node] {
                waits[*next] -= 1;
                if waits[*next] == 0 {
                    ready.insert(*next);
                }
            }
        }
        order
    }

    /// Finds the loops among what can be come to from the starts.
    pub fn loops(&self) -> Loops {
        let dominators = self.dominators();
        let mut loops = Loops::default();
        for (from, nexts) in self.next.iter().enumerate() {
            for to in nexts {
                if dominators.dominates(*to, from) {
                    loops.back.insert((from, *to));
                }
            }
        }
        loops.cycles = self.cycles();
        if loops.cycles.is_empty() {
            return loops;
        }
        let forward = Self::new(
            self.next.len(),
            self.edges().filter(|edge| !loops.back.contains(edge)).collect::<Vec<_>>(),
        );
        let reached = self.reached(&self.starts());
        loops.two_entries = forward
            .cycles()
            .into_iter()
            .filter(|cycle| cycle.iter().any(|node| reached[*node]))
            .map(|cycle| forward.cycle_path(&cycle))
            .collect();
        loops
    }

    /// A way through a cycle and back to its first node.
    pub fn cycle_path(&self, cycle: &[usize]) -> Vec<usize> {
        let inside: BTreeSet<usize> = cycle.iter().copied().collect();
        let Some(first) = inside.first().copied() else { return Vec::new() };
        // The shortest way from the first node back to it, by breadth.
        let mut from = vec![None; self.next.len()];
        let mut queue = std::collections::VecDeque::from([first]);
        while let Some(node) = queue.pop_front() {
            for next in self.next[node].iter().copied().filter(|next| inside.contains(next)) {
                if next == first {
                    let mut path = vec![first];
                    let mut at = node;
                    while at != first {
                        path.push(at);
                        at = from[at].unwrap_or(first);
                    }
                    path.push(first);
                    path.reverse();
                    return path;
                }
                if from[next].is_none() {
                    from[next] = Some(node);
                    queue.push_back(next);
                }
            }
        }
        cycle.to_vec()
    }

    /// Whether an edge leaves this set of nodes.
    pub fn leaves(&self, nodes: &[usize]) -> bool {
        let inside: BTreeSet<usize> = nodes.iter().copied().collect();
        nodes.iter().any(|node| self.next[*node].iter().any(|next| !inside.contains(next)))
    }

    fn edges(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.next.iter().enumerate().flat_map(|(from, to)| to.iter().map(move |to| (from, *to)))
    }

    /// Strongly connected parts with a cycle in them (Tarjan's algorithm, with a stack of ours).
    fn cycles(&self) -> Vec<Vec<usize>> {
        let n = self.next.len();
        let (mut index, mut low) = (vec![usize::MAX; n], vec![0; n]);
        let (mut on_stack, mut stack, mut found) = (vec![false; n], Vec::new(), Vec::new());
        let mut count = 0;
        for root in 0..n {
            if index[root] != usize::MAX {
                continue;
            }
            let mut calls = vec![(root, 0)];
            while let Some((node, edge)) = calls.last_mut() {
                let node = *node;
                if *edge == 0 {
                    index[node] = count;
                    low[node] = count;
                    count += 1;
                    stack.push(node);
                    on_stack[node] = true;
                }
                if let Some(next) = self.next[node].get(*edge).copied() {
                    *edge += 1;
                    if index[next] == usize::MAX {
                        calls.push((next, 0));
                    } else if on_stack[next] {
                        low[node] = low[node].min(index[next]);
                    }
                    // An edge count of 0 means "just entered"; nodes without edges end below.
                    continue;
                }
                calls.pop();
                if let Some((above, _)) = calls.last() {
                    low[*above] = low[*above].min(low[node]);
                }
                if low[node] == index[node] {
                    let mut part = Vec::new();
                    while let Some(member) = stack.pop() {
                        on_stack[member] = false;
                        part.push(member);
                        if member == node {
                            break;
                        }
                    }
                    if part.len() > 1 || self.next[node].contains(&node) {
                        part.sort_unstable();
                        found.push(part);
                    }
                }
            }
        }
        found.sort();
        found
    }

    /// The immediate dominator of every node that can be come to (Cooper, Harvey and Kennedy);
    /// number `n` stands for a root before all starts.
    pub(super) fn dominators(&self) -> Dominators {
        let root = self.next.len();
        let starts = self.starts();
        let order = self.post_order(&starts);
        let mut rank = vec![usize::MAX; root + 1];
        for (place, node) in order.iter().enumerate() {
            rank[*node] = place;
        }
        rank[root] = order.len();
        let mut idom = vec![usize::MAX; root + 1];
        idom[root] = root;
        let mut changed = true;
        while changed {
            changed = false;
            for node in order.iter().rev().copied() {
                let starts_here = self.before[node].is_empty().then_some(root);
                let mut new = usize::MAX;
                for before in self.before[node].iter().copied().chain(starts_here) {
                    if idom[before] == usize::MAX {
                        continue;
                    }
                    new = if new == usize::MAX { before } else { meet(&idom, &rank, new, before) };
                }
                if idom[node] != new {
                    idom[node] = new;
                    changed = true;
                }
            }
        }
        Dominators::new(&idom, &order)
    }

    fn post_order(&self, starts: &[usize]) -> Vec<usize> {
        let mut seen = vec![false; self.next.len()];
        let mut order = Vec::new();
        for start in starts {
            if std::mem::replace(&mut seen[*start], true) {
                continue;
            }
            let mut calls = vec![(*start, 0)];
            while let Some((node, edge)) = calls.last_mut() {
                match self.next[*node].get(*edge).copied() {
                    Some(next) => {
                        *edge += 1;
                        if !std::mem::replace(&mut seen[next], true) {
                            calls.push((next, 0));
                        }
                    }
                    None => {
                        order.push(*node);
                        calls.pop();
                    }
                }
            }
        }
        order
    }
}

/// Which node all ways to another pass through, as places in the tree that this makes.
pub(super) struct Dominators {
    /// From when on and until when a walk through the tree is below each node; none for those that
    /// nothing leads to.
    spans: Vec<Option<(usize, usize)>>,
}

impl Dominators {
    fn new(idom: &[usize], post_order: &[usize]) -> Self {
        let root = idom.len() - 1;
        let mut below = vec![Vec::new(); idom.len()];
        for node in post_order.iter().rev().copied() {
            below[idom[node]].push(node);
        }
        let mut spans = vec![None; idom.len()];
        let (mut time, mut walk) = (0, vec![(root, 0)]);
        while let Some((node, child)) = walk.last_mut() {
            if *child == 0 {
                spans[*node] = Some((time, time));
                time += 1;
            }
            match below[*node].get(*child).copied() {
                Some(next) => {
                    *child += 1;
                    walk.push((next, 0));
                }
                None => {
                    if let Some((_, end)) = &mut spans[*node] {
                        *end = time;
                    }
                    walk.pop();
                }
            }
        }
        Self { spans }
    }
    /// Whether all ways to `below` pass through `above`; a node is above itself.
    pub(super) fn dominates(&self, above: usize, below: usize) -> bool {
        match (self.spans[above], self.spans[below]) {
            (Some((from, to)), Some((at, _))) => (from..to).contains(&at),
            _ => false,
        }
    }
}

fn meet(idom: &[usize], rank: &[usize], mut a: usize, mut b: usize) -> usize {
    while a != b {
        while rank[a] < rank[b] {
            a = idom[a];
        }
        while rank[b] < rank[a] {
            b = idom[b];
        }
    }
    a
}

fn walk(next: &[Vec<usize>], from: &[usize]) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let mut left = from.to_vec();
    while let Some(node) = left.pop() {
        if seen.insert(node) {
            left.extend(next[node].iter().copied());
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(usize, usize)]) -> Graph {
        let n = edges.iter().map(|(a, b)| a.max(b) + 1).max().unwrap_or(0);
        Graph::new(n, edges.iter().copied())
    }

    #[test]
    fn a_natural_loop_has_a_back_edge_and_the_rest_an_order() {
        let loops = graph(&[(0, 1), (1, 2), (2, 1), (2, 3)]).loops();
        assert_eq!(loops.back, BTreeSet::from([(2, 1)]));
        assert_eq!(loops.two_entries, Vec::<Vec<usize>>::new());
        assert_eq!(loops.cycles, vec![vec![1, 2]]);
    }

    #[test]
    fn a_cycle_with_two_ways_in_is_named_with_its_path() {
        let loops = graph(&[(0, 1), (0, 2), (1, 2), (2, 1), (1, 3)]).loops();
        assert_eq!(loops.two_entries, vec![vec![1, 2, 1]]);
    }

    #[test]
    fn order_follows_the_document_where_it_may() {
        assert_eq!(graph(&[(3, 0), (1, 0), (0, 2)]).order(), [1, 3, 0, 2]);
        assert_eq!(graph(&[(0, 1), (1, 0)]).order(), [0_usize; 0]);
    }

    #[test]
    fn a_chain_of_ten_thousand_nodes_needs_no_stack() {
        let graph = Graph::new(10_000, (0..9_999).map(|i| (i, i + 1)).chain([(9_999, 0)]));
        assert_eq!(graph.loops().cycles.len(), 1);
        let graph = Graph::new(10_000, (0..9_999).map(|i| (i, i + 1)));
        assert_eq!(graph.order().len(), 10_000);
        assert!(graph.loops().back.is_empty());
    }
}
