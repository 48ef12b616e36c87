//! What an execution that has not begun waits for, as it is shown: its place in the queue is nowhere
//! stored, since it changes with every other one.

use a2n_proto::Json;
use a2n_proto::execution::{Execution, ExecutionStatus};
use a2n_proto::merge_patch::{members, object};
use serde_json::json;

use crate::engine::driving::handle::{COUNTED, Engine};
use crate::store::execution::Queued;

/// Adds `contextData.waiting` to one that waits for a place: kind, detail, how many are before it.
pub(super) async fn tell(engine: &Engine, execution: &mut Execution) {
    if execution.status != ExecutionStatus::Pending {
        return;
    }
    let one =
        Queued { workflow: execution.workflow_id, priority: execution.priority, id: execution.id };
    let asked = engine.queued_before(one).await;
    // Where it does not wait, it is about to begin.
    let Ok(Some(before)) = asked else { return };
    let many = if before < COUNTED { before.to_string() } else { format!("{COUNTED} or more") };
    let detail = format!("waits for a place: {many} before it");
    let waiting = Json::from(json!({"kind": "LIMIT", "detail": detail, "before": before}));
    let mut all = members(&execution.context_data).unwrap_or_default();
    all.retain(|(name, _)| name != "waiting");
    all.push(("waiting".to_owned(), waiting));
    execution.context_data = object(&all);
}
