//! What comes to a node over its connections, and whether it has come.

use std::collections::BTreeMap;
use std::sync::Arc;

use a2n_proto::execution::NodeStatus;

use crate::engine::execution::{Frame, NodeKey, Output, Sent, State, below, depth, index, prefix};
use crate::engine::items::NodeInput;
use crate::engine::kind::{Inputs, LOOP};
use crate::engine::plan::{Plan, PlanConnection};

/// What has come over a connection.
pub(in crate::engine) enum Arrival {
    /// Nothing yet.
    Open,
    /// All that ever will.
    Settled {
        /// The output that it took its handle's items from.
        output: Arc<Output>,
        /// Whether its source failed or was cancelled.
        unlucky: bool,
    },
}

/// What has come over a connection to its target in this iteration.
pub(in crate::engine) fn arrival(
    plan: &Plan,
    state: &State,
    connection: &PlanConnection,
    path: &str,
) -> Arrival {
    let path = prefix(path, plan.regions[connection.common].depth);
    let source = &plan.nodes[connection.source];
    let at =
        |node: usize| NodeKey { node: plan.nodes[node].id.clone(), iteration: path.to_owned() };
    if let Some(left) = connection.leaves {
        return match state.frames.get(&at(plan.regions[left].entry)) {
            Some(frame) if frame.ended => Arrival::Settled {
                output: Arc::new(sent(frame, &source.id, &connection.source_handle)),
                unlucky: frame.unlucky,
            },
            _ => Arrival::Open,
        };
    }
    match state.nodes.get(&at(connection.source)) {
        Some(found) if found.is_settled() => Arrival::Settled {
            output: Arc::clone(&found.output),
            unlucky: matches!(found.status, NodeStatus::Failed | NodeStatus::Cancelled),
        },
        // What it watches over begins with it.
        Some(found)
            if found.is_inside()
                && source.role.gate() == Some(connection.source_handle.as_str()) =>
        {
            Arrival::Settled { output: Arc::clone(&found.output), unlucky: false }
        }
        _ => Arrival::Open,
    }
}

fn sent(frame: &Frame, node: &str, handle: &str) -> Output {
    let sent = frame.sent(node, handle);
    Output { handles: BTreeMap::from([(handle.to_owned(), sent)]), cut: false }
}

/// The items of a node's connections, in the document's order; the payload where it has none.
pub(in crate::engine) fn input(plan: &Plan, state: &State, number: usize, path: &str) -> NodeInput {
    input_taking(plan, state, number, path, None)
}

/// The same for one that begins on what came over one connection.
pub(in crate::engine) fn input_taking(
    plan: &Plan,
    state: &State,
    number: usize,
    path: &str,
    takes: Option<u32>,
) -> NodeInput {
    let node = &plan.nodes[number];
    let mut input = NodeInput::default();
    let key = NodeKey { node: node.id.clone(), iteration: path.to_owned() };
    let own = node.heads.filter(|own| plan.regions[*own].depth == depth(path));
    let round = own.map(|_| prefix(path, depth(path) - 1)).and_then(|outer| {
        let frame = NodeKey { node: node.id.clone(), iteration: outer.to_owned() };
        state.frames.get(&frame)
    });
    let again = own.is_some() && index(path) > 0;
    let took = match round {
        Some(frame) if !again => frame.took,
        _ => takes.or_else(|| state.nodes.get(&key).and_then(|found| found.took)),
    };
    for (place, connection) in (0_u32..).zip(&node.incoming) {
        let connection = &plan.connections[*connection];
        let other = connection.collects || connection.back != again;
        if other || took.is_some_and(|took| took != place) {
            continue;
        }
        let came = if again {
            let round = round.and_then(|frame| frame.rounds.get(&index(path)));
            round.and_then(|round| round.entry.get(&place)).map(|output| (Arc::clone(output), None))
        } else if connection.enters {
            given(plan, state, connection, path).map(|output| (output, Some(())))
        } else {
            match arrival(plan, state, connection, path) {
                Arrival::Settled { output, .. } => Some((output, Some(()))),
                Arrival::Open => None,
            }
        };
        let Some((output, known)) = came else { continue };
        // Where from is only known within the iteration and outside of it.
        let from = (known.is_some() && connection.leaves.is_none())
            .then(|| prefix(path, plan.regions[connection.common].depth).to_owned());
        input.push(
            &connection.target_handle,
            Some(connection.source),
            from,
            output,
            &connection.source_handle,
        );
    }
    if is_start(plan, number) {
        push_payload(plan, state, number, &mut input);
    }
    input
}

/// Whether nothing leads to a node.
pub(in crate::engine) fn is_start(plan: &Plan, number: usize) -> bool {
    plan.nodes[number].incoming.is_empty()
}

/// What a `loop` node gave to this iteration.
fn given(
    plan: &Plan,
    state: &State,
    connection: &PlanConnection,
    path: &str,
) -> Option<Arc<Output>> {
    let depth = plan.regions[connection.common].depth;
    let frame = NodeKey {
        node: plan.nodes[connection.source].id.clone(),
        iteration: prefix(path, depth).to_owned(),
    };
    let round = index(prefix(path, depth + 1));
    state.frames.get(&frame)?.rounds.get(&round)?.entry.get(&0).map(Arc::clone)
}

fn push_payload(plan: &Plan, state: &State, number: usize, input: &mut NodeInput) {
    let sent = Sent { items: vec![state.start.payload.clone()], from: Vec::new() };
    let output = Output { handles: BTreeMap::from([("output".to_owned(), sent)]), cut: false };
    let handle = match plan.nodes[number].kind.inputs() {
        Inputs::Named(names) => names.into_iter().next().unwrap_or_else(|| "input".to_owned()),
        Inputs::Numbered => "input1".to_owned(),
    };
    input.push(&handle, None, None, Arc::new(output), "output");
}

/// An output of a `loop` node's body: these items.
pub(in crate::engine) fn into_body(sent: Sent) -> Arc<Output> {
    Arc::new(Output { handles: BTreeMap::from([(LOOP.to_owned(), sent)]), cut: false })
}

/// The key of an iteration's entry.
pub(in crate::engine) fn round_path(frame: &NodeKey, index: u32) -> String {
    below(&frame.iteration, index)
}
