//! Why an execution failed or was cancelled: a sentence for people, details for programs.

use a2n_proto::Json;
use a2n_proto::execution::{ErrorDetails, ExecutionStatus};

use crate::engine::execution::{Ending, Failure, Finally, NodeKey, State};
use crate::engine::kind::NodeError;
use crate::engine::plan::Plan;

/// `execution.error` as expressions see it once all but what runs at the end is over.
pub(in crate::engine) fn error_seen(plan: &Plan, state: &State) -> Json {
    match error_so_far(plan, state) {
        (Some(message), Some(details)) => Json::of(&serde_json::json!({
            "kind": details.code, "message": message, "nodeId": details.node_id,
        })),
        _ => Json::null(),
    }
}

/// Why it failed or was cancelled: a sentence, and details for programs.
pub fn error(plan: &Plan, state: &State) -> (Option<String>, Option<ErrorDetails>) {
    match &state.finally {
        Some(Finally {
            status: ExecutionStatus::Success,
            failure: Some(failure),
            stopped: None,
        }) => failed(failure),
        Some(Finally { status: ExecutionStatus::Success, stopped: Some(why), .. }) => {
            why_ended(plan, why)
        }
        _ => error_so_far(plan, state),
    }
}

/// The same without what runs at the end.
fn error_so_far(plan: &Plan, state: &State) -> (Option<String>, Option<ErrorDetails>) {
    match (&state.ending, &state.failure) {
        (Some(why), _) => why_ended(plan, why),
        (None, Some(failure)) => failed(failure),
        (None, None) => (None, None),
    }
}

fn why_ended(plan: &Plan, why: &Ending) -> (Option<String>, Option<ErrorDetails>) {
    let plain = |code: &str, node: Option<&NodeKey>, message: String| {
        let details = ErrorDetails {
            code: code.to_owned(),
            node_id: node.map(|node| node.node.clone()),
            retry_count: 0,
            cause: Vec::new(),
        };
        (Some(message), Some(details))
    };
    match why {
        Ending::Failed(failure) => failed(failure),
        Ending::Cancelled { by, reason } => {
            let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            let reason = reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            plain("CANCELLED", None, format!("cancelled{by}{reason}"))
        }
        Ending::TimedOut { after_ms } => {
            plain("TIMEOUT", None, format!("ran longer than settings.timeout ({after_ms} ms)"))
        }
        Ending::Stopped { status: ExecutionStatus::Success, .. } => (None, None),
        Ending::Stopped { node, message, .. } => {
            let shown = plan.node(&node.node).map_or(node.node.as_str(), |node| &node.id);
            let message = message.clone().unwrap_or_else(|| format!("stopped by node `{shown}`"));
            plain("STOPPED", Some(node), message)
        }
    }
}

fn failed(failure: &Failure) -> (Option<String>, Option<ErrorDetails>) {
    let Failure { node, error, retries } = failure;
    // A wrong expression names its node itself.
    let message = if error.message.starts_with("node `") {
        error.message.clone()
    } else {
        let at = match node.iteration.as_str() {
            "" => String::new(),
            path => format!(" in iteration {path}"),
        };
        format!("node `{}` failed{at}: {}", node.node, error.message)
    };
    (Some(message), Some(details(node, error, *retries)))
}

pub(super) fn details(node: &NodeKey, error: &NodeError, retries: u32) -> ErrorDetails {
    ErrorDetails {
        code: error.kind.clone(),
        node_id: Some(node.node.clone()),
        retry_count: retries,
        cause: vec![error.message.clone()],
    }
}
