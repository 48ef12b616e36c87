//! A node in a loop has a state for each iteration: one row for all of them, and those that want
//! looking at by themselves.

use a2n_proto::execution::{ExecutionNodeState, NodeStatus};

use super::super::ending::status_text;
use super::super::output::{Cell, status_style, took};
use super::symbol_of;

/// So many iterations of one node that failed or go on are shown by themselves.
const BY_THEMSELVES: usize = 5;

/// What one row shows.
pub(super) enum Shown<'n> {
    One(&'n ExecutionNodeState),
    Many(Many<'n>),
}

/// Several iterations of a node.
pub(super) struct Many<'n> {
    first: &'n ExecutionNodeState,
    count: usize,
    retries: u32,
    took_ms: u64,
    /// How many stand where, the one that matters most first.
    by_status: Vec<(NodeStatus, usize)>,
}

/// What matters most of several states comes first.
const WEIGHT: [NodeStatus; 6] = [
    NodeStatus::Failed,
    NodeStatus::Cancelled,
    NodeStatus::Running,
    NodeStatus::Pending,
    NodeStatus::Success,
    NodeStatus::Skipped,
];

/// The rows of a table: nodes in the order of the document.
pub(super) fn grouped(nodes: &[ExecutionNodeState]) -> Vec<Shown<'_>> {
    let mut by_node: Vec<&ExecutionNodeState> = nodes.iter().collect();
    // Within a node they stand in their order already.
    by_node.sort_by_key(|node| node.position);
    let mut shown = Vec::new();
    for of_one in by_node.chunk_by(|a, b| a.node_id == b.node_id) {
        if let [one] = of_one {
            shown.push(Shown::One(one));
            continue;
        }
        let Some(many) = Many::of(of_one) else { continue };
        shown.push(Shown::Many(many));
        let special = |node: &&&ExecutionNodeState| {
            !matches!(node.status, NodeStatus::Success | NodeStatus::Skipped)
        };
        shown.extend(of_one.iter().filter(special).take(BY_THEMSELVES).map(|one| Shown::One(one)));
    }
    shown
}

impl<'n> Many<'n> {
    fn of(nodes: &[&'n ExecutionNodeState]) -> Option<Self> {
        let count = |status| nodes.iter().filter(|node| node.status == status).count();
        let by_status = WEIGHT.map(|status| (status, count(status)));
        Some(Self {
            first: nodes.first()?,
            count: nodes.len(),
            retries: nodes.iter().map(|node| node.retry_count).sum(),
            took_ms: nodes.iter().filter_map(|node| node.duration).sum(),
            by_status: by_status.into_iter().filter(|(_, count)| *count > 0).collect(),
        })
    }

    pub(super) fn row(&self) -> [Cell; 7] {
        let worst = self.by_status.first().map_or(NodeStatus::Pending, |(status, _)| *status);
        let status = status_text(worst);
        let counts = self
            .by_status
            .iter()
            .map(|(status, count)| format!("{count} {}", status_text(*status)));
        let note = match self.by_status.len() {
            1 => String::new(),
            _ => counts.collect::<Vec<_>>().join(", "),
        };
        [
            Cell::styled(symbol_of(worst), status_style(&status)),
            format!("{} ×{}", self.first.node_id, self.count).into(),
            self.first.node_type.as_str().into(),
            Cell::status(&status),
            (self.count + self.retries as usize).to_string().into(),
            Cell::or_dash(Some(took(self.took_ms))),
            note.into(),
        ]
    }
}
