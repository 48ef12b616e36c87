//! Why a trigger that is switched on starts nothing, for `armError`: pure.

use a2n_proto::Timestamp;
use a2n_proto::workflow::{TriggerType, Workflow, WorkflowTrigger};

use super::planner::Armed;
use super::schedule::Zone;

/// What this version does not arm.
pub const NOT_ARMED: &str = "this version does not arm WEBHOOK and EVENT triggers";

/// What stands in the way of an active trigger, whatever its configuration says; none where
/// nothing does.
pub fn why_never(kind: TriggerType, workflow: Option<&Workflow>) -> Option<String> {
    let why = match (kind, workflow) {
        (TriggerType::Webhook | TriggerType::Event, _) => NOT_ARMED,
        (_, None) => "its workflow is gone",
        (_, Some(workflow)) if workflow.archived_at.is_some() => "its workflow is archived",
        (_, Some(workflow)) if !workflow.is_active => "its workflow is not active",
        (_, Some(workflow)) if workflow.published_version.is_none() => {
            "its workflow is not published"
        }
        _ => return None,
    };
    Some(why.to_owned())
}

/// The whole answer for a trigger that is about to be written; none too where it is switched off.
pub fn arm_error(
    trigger: &WorkflowTrigger,
    workflow: &Workflow,
    since: Timestamp,
    host: &Zone,
) -> Option<String> {
    if !trigger.is_active {
        return None;
    }
    why_never(trigger.kind, Some(workflow)).or_else(|| match trigger.kind {
        TriggerType::Schedule => Armed::of(trigger, since, host).err(),
        _ => None,
    })
}
