//! Goes over the nodes in their order once: starts what is ready, skips what nothing leads to, works
//! on what runs. A node stands after its sources, so one pass carries items as far as they come.

use a2n_proto::execution::{ExecutionStatus, NodeStatus};

use super::conclude::{conclude, resume};
use super::node::{start_node, work_on_node};
use super::turn::Turn;
use crate::engine::effect::Effect;
use crate::engine::fact::Fact;

pub(super) fn advance(turn: &mut Turn<'_>) {
    if turn.state.status() == ExecutionStatus::Pending {
        return;
    }
    let plan = turn.plan;
    for number in plan.order.iter().copied() {
        if turn.state.is_ending() {
            break;
        }
        match turn.node_state(number).map(|state| state.status) {
            None => begin_if_ready(turn, number),
            Some(NodeStatus::Running) => work_on_node(turn, number),
            Some(_) => {}
        }
        if turn.budget == 0 && !turn.state.is_ending() {
            // What was started runs, although the rest of the nodes was not looked at yet.
            resume(turn);
            turn.effects.push(Effect::Continue);
            return;
        }
    }
    conclude(turn);
}

fn begin_if_ready(turn: &mut Turn<'_>, number: usize) {
    let node = turn.node(number);
    let mut unlucky = false;
    for connection in node.incoming.iter().map(|c| &turn.plan.connections[*c]).filter(|c| !c.back) {
        match turn.node_state(connection.source) {
            Some(source) if source.is_settled() => {
                unlucky |= matches!(source.status, NodeStatus::Failed | NodeStatus::Cancelled);
            }
            _ => return,
        }
    }
    // What comes after a failure does not run on nothing; what comes after a skip may.
    let runs = is_taken(turn, number) || (node.run_on_empty && !unlucky);
    if runs && turn.state.pause_asked {
        return;
    }
    if runs {
        start_node(turn, number);
    } else {
        let (key, at) = (node.key.clone(), turn.env.now);
        turn.fact(Fact::NodeSkipped { node: key, at });
    }
}

/// Whether a connection to this node was taken, or it is one that starts.
pub(super) fn is_taken(turn: &Turn<'_>, number: usize) -> bool {
    let node = turn.node(number);
    node.incoming.is_empty()
        || node.incoming.iter().map(|c| &turn.plan.connections[*c]).any(|connection| {
            turn.node_state(connection.source).is_some_and(|source| {
                source.is_settled() && !source.output.items(&connection.source_handle).is_empty()
            })
        })
}
