//! Results that a person gives for nodes of a run: they stand for what the nodes would send.

use std::collections::BTreeMap;
use std::sync::Arc;

use a2n_proto::Timestamp;
use a2n_proto::execution::NodeStatus;

use super::again::Error;
use crate::engine::execution::{NodeState, Output, Sent, State};
use crate::engine::kind::Handles;
use crate::engine::plan::Plan;

/// A node that is over and sent just this.
pub(super) fn state(
    plan: &Plan,
    old: &State,
    number: usize,
    handles: &Handles,
    at: Timestamp,
) -> Result<NodeState, Error> {
    let node = &plan.nodes[number];
    for handle in handles.keys() {
        if handle != "error" && !node.outputs.contains(handle) {
            return Err(Error::UnknownHandle {
                node: node.id.clone(),
                handle: handle.clone(),
                known: match node.outputs.as_slice() {
                    [] => "none".to_owned(),
                    known => known.join(", "),
                },
            });
        }
    }
    let before = old.nodes.get(&node.key);
    let sent = |(handle, items): (&String, &Vec<_>)| {
        // As many items as before are those of before, one by one.
        let from = before.and_then(|before| before.output.handles.get(handle));
        let from = from.filter(|sent| sent.items.len() == items.len());
        let from = from.map(|sent| sent.from.clone()).unwrap_or_default();
        (handle.clone(), Sent { items: items.clone(), from })
    };
    let handles: BTreeMap<String, Sent> = handles.iter().map(sent).collect();
    Ok(NodeState {
        status: NodeStatus::Success,
        started_at: Some(at),
        ended_at: Some(at),
        output: Arc::new(Output { handles, cut: false }),
        carried: true,
        ..NodeState::unstarted()
    })
}
