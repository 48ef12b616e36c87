//! Events that nodes tell of: the event and the answer are one write.

use a2n_proto::event::Event;

use super::asking::{Asked, Desk};
use super::once::once;
use crate::engine::kind::NodeError;
use crate::engine::request::event::EmitRequest;
use crate::store::{event, execution};

pub(super) fn ask(desk: &Desk, asked: Asked, request: EmitRequest) {
    let tell = desk.teller(asked.key.clone());
    let inbox = desk.inbox.clone();
    desk.store.hand_over(
        desk.origin(),
        move |tx| {
            let mut seq = None;
            let reply = once(tx, &asked.key, |tx| {
                let depth = asked.depth.saturating_add(1);
                if depth > Event::MAX_DEPTH {
                    let message = format!(
                        "{} executions and events led to this one; it tells of no more",
                        Event::MAX_DEPTH
                    );
                    return Ok(Err(NodeError::new("DEPTH", message)));
                }
                let head = execution::head(tx, asked.key.execution)?;
                let workflow = head.map(|head| head.workflow_name).unwrap_or_default();
                let what = Event {
                    seq: 0,
                    at: tx.at(),
                    source: request.source.clone().unwrap_or_else(|| source(workflow)),
                    event_type: request.event_type.clone(),
                    data: request.data.clone(),
                    data_bytes: 0,
                    shared: request.shared,
                    user_id: asked.owner,
                    execution_id: Some(asked.key.execution),
                    depth,
                };
                let made = event::emit(tx, what)?;
                seq = Some(made.seq);
                Ok(request.told(&made))
            })?;
            Ok((reply, seq))
        },
        move |result| {
            // Whoever waits is told after the commit, and before the one who told goes on.
            if let Ok((_, Some(seq))) = &result {
                inbox.ring(*seq);
            }
            tell(result.map(|(reply, _)| reply));
        },
    );
}

/// A workflow's name may be longer than a source.
fn source(workflow: String) -> String {
    workflow.chars().take(Event::MAX_NAME).collect()
}
