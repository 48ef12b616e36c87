//! Results that a person gives for nodes of a run: they stand for what the nodes would send.

use std::sync::Arc;

use a2n_proto::Timestamp;

use super::again::Error;
use crate::engine::execution::{NodeState, State};
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
    let mut state = NodeState::given(handles, at);
    let Some(before) = old.nodes.get(&node.key) else { return Ok(state) };
    for (handle, sent) in &mut Arc::make_mut(&mut state.output).handles {
        // As many items as before are those of before, one by one.
        let old = before.output.handles.get(handle);
        if let Some(old) = old.filter(|old| old.items.len() == sent.items.len()) {
            sent.from.clone_from(&old.from);
        }
    }
    Ok(state)
}
