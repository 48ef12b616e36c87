//! A loop of an execution: its iterations, and what left it so far.

use std::collections::BTreeMap;
use std::sync::Arc;

use a2n_proto::execution::ExecutionStatus;
use serde::{Deserialize, Serialize};

use super::{Ending, Failure, NodeKey, NodeState, Output, Sent, State};
use crate::engine::kind::{Item, Iterations};

/// A loop that was come to. It stands under the key of the node that it belongs to, with the
/// iterations of the loops around it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Which of its entry's connections brought items first (`join: ANY`), by place.
    pub took: Option<u32>,
    /// How it goes, for a `loop` node.
    pub iterations: Option<Iterations>,
    /// Iterations that were begun.
    pub begun: u32,
    /// Iterations whose nodes stand in the state: those that go on, and the last one that is over.
    pub rounds: BTreeMap<u32, Round>,
    /// What left it, by node and handle, then by iteration.
    pub left: BTreeMap<(String, String), BTreeMap<u32, Sent>>,
    /// What was sent back to a `loop` node, by iteration.
    pub results: BTreeMap<u32, Sent>,
    /// Whether nothing begins in it any more.
    pub closing: bool,
    /// What a `break` brought.
    pub broken: Option<Vec<Item>>,
    /// Whether it is over.
    pub ended: bool,
    /// Whether it did not come to its own end.
    pub unlucky: bool,
    /// Attempts after the first in iterations that are not in the state any more.
    pub retries: u32,
}

/// One iteration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// What it began with: by connection into the entry (its place), or what a `loop` node gave it.
    pub entry: BTreeMap<u32, Arc<Output>>,
    /// Whether it is over.
    pub over: bool,
}

/// Iterations that are over and were taken out of the state, to be kept elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Folded {
    /// The loop.
    pub frame: NodeKey,
    /// The iteration.
    pub iteration: u32,
    /// What it began with.
    pub round: Round,
    /// Its nodes.
    pub nodes: BTreeMap<NodeKey, NodeState>,
    /// The loops in it.
    pub frames: BTreeMap<NodeKey, Frame>,
}

/// The end of an execution, while nodes with `finally` run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finally {
    /// What it came to without them.
    pub status: ExecutionStatus,
    /// The first of them that failed.
    pub failure: Option<Failure>,
    /// Why they are to end too.
    pub stopped: Option<Ending>,
}

impl Finally {
    /// What the execution comes to.
    pub fn outcome(&self) -> ExecutionStatus {
        match (self.status, &self.stopped, &self.failure) {
            (ExecutionStatus::Success, Some(why), _) => why.status(),
            (ExecutionStatus::Success, None, Some(_)) => ExecutionStatus::Failed,
            (status, ..) => status,
        }
    }
}

impl Frame {
    /// A loop that was passed by.
    pub(super) fn skipped(unlucky: bool) -> Self {
        Self { ended: true, unlucky, ..Self::default() }
    }
    /// Iterations that go on.
    pub fn open(&self) -> impl Iterator<Item = u32> + '_ {
        self.rounds.iter().filter(|(_, round)| !round.over).map(|(index, _)| *index)
    }
    /// Size of the items that it keeps: what left it, and what was sent back.
    pub fn size_bytes(&self) -> u64 {
        let left = self.left.values().flat_map(BTreeMap::values);
        left.chain(self.results.values()).map(Sent::size_bytes).sum()
    }
    /// What all iterations sent over a handle of a node, in their order.
    pub fn sent(&self, node: &str, handle: &str) -> Sent {
        let key = (node.to_owned(), handle.to_owned());
        let all = self.left.get(&key).into_iter().flat_map(BTreeMap::values);
        Sent { items: all.flat_map(|sent| sent.items.iter().cloned()).collect(), from: Vec::new() }
    }
}

impl State {
    /// A loop; none where it was not come to.
    pub fn frame(&self, key: &NodeKey) -> Option<&Frame> {
        self.frames.get(key)
    }
    /// Whether it came to a loop.
    pub fn has_loops(&self) -> bool {
        !self.frames.is_empty()
    }
    /// Takes an iteration that is over out of the state.
    pub(super) fn take_round(
        &mut self,
        frame: &NodeKey,
        iteration: u32,
        nodes: &[NodeKey],
        frames: &[NodeKey],
    ) -> Folded {
        let nodes: BTreeMap<NodeKey, NodeState> =
            nodes.iter().filter_map(|key| self.nodes.take(key)).collect();
        let frames: BTreeMap<NodeKey, Frame> =
            frames.iter().filter_map(|key| self.frames.remove_entry(key)).collect();
        let of_nodes = nodes.values().map(|node| node.size_bytes() as u64);
        let bytes = of_nodes.chain(frames.values().map(Frame::size_bytes)).sum();
        self.result_bytes = self.result_bytes.saturating_sub(bytes);
        let own = nodes.values().map(NodeState::retries).fold(0, u32::saturating_add);
        let inner = frames.values().map(|frame| frame.retries).fold(0, u32::saturating_add);
        let found = self.frames.get_mut(frame);
        let round = found.and_then(|found| {
            found.retries = found.retries.saturating_add(own).saturating_add(inner);
            found.rounds.remove(&iteration)
        });
        let round = round.unwrap_or_default();
        Folded { frame: frame.clone(), iteration, round, nodes, frames }
    }
    /// Puts an iteration back, to look at it.
    pub fn unfold(&mut self, folded: Folded) {
        let Folded { frame, iteration, round, nodes, frames } = folded;
        self.frames.entry(frame).or_default().rounds.insert(iteration, round);
        nodes.into_iter().for_each(|(key, node)| self.nodes.put(key, node));
        self.frames.extend(frames);
    }
}

/// The path of an iteration below another path.
pub fn below(path: &str, index: u32) -> String {
    if path.is_empty() { index.to_string() } else { format!("{path}.{index}") }
}

/// The first `depth` iterations of a path.
pub fn prefix(path: &str, depth: usize) -> &str {
    if depth == 0 {
        return "";
    }
    match path.match_indices('.').nth(depth - 1) {
        Some((end, _)) => &path[..end],
        None => path,
    }
}

/// How many loops a path is within.
pub fn depth(path: &str) -> usize {
    if path.is_empty() { 0 } else { path.split('.').count() }
}

/// The number of the innermost iteration of a path.
pub fn index(path: &str) -> u32 {
    path.rsplit('.').next().and_then(|last| last.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_put_together_and_taken_apart() {
        assert_eq!((below("", 3), below("3", 12)), ("3".to_owned(), "3.12".to_owned()));
        assert_eq!([0, 1, 2, 3].map(|depth| prefix("3.12.0", depth)), ["", "3", "3.12", "3.12.0"]);
        assert_eq!((depth(""), depth("3"), depth("3.12")), (0, 1, 2));
        assert_eq!((index("3.12"), index("7")), (12, 7));
    }
}
