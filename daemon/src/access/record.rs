//! Writes down what a person changed: one change for the feed and one row for the audit chain, in
//! the transaction of the change itself.

use a2n_proto::merge_patch::{members, object};
use a2n_proto::{ChangeKind, Entity, Json, WorkflowId};

use super::audit;
use crate::store::Tx;

/// Members that a change in the feed never carries: they may be large, and who wants them reads
/// the entity.
const LARGE: &[&str] = &["definition", "inputData", "outputData", "triggerData", "contextData"];

/// Notes that `old` became `new` (new where there is no old, gone where there is no new).
pub fn changed<E: Entity>(
    tx: &mut Tx<'_>,
    action: &str,
    old: Option<&E>,
    new: Option<&E>,
    workflow: Option<WorkflowId>,
) {
    let (kind, subject) = match (old, new) {
        (None, Some(new)) => (ChangeKind::Created, new),
        (Some(_), Some(new)) => (ChangeKind::Updated, new),
        (Some(old), None) => (ChangeKind::Deleted, old),
        (None, None) => return,
    };
    let (id, revision) = (subject.id().to_string(), subject.revision());
    let before = old.map_or_else(Json::null, |old| Json::of(old));
    let after = new.map_or_else(Json::null, |new| Json::of(new));
    tx.change(E::NAME, &id, revision, kind, fields(&before, &after), None, workflow);
    let (before, after) = audit::values(&before, &after);
    tx.audit(action, E::NAME, &id, before, after);
}

/// The members of `after` that differ from `before`, without the large ones.
pub fn fields(before: &Json, after: &Json) -> Json {
    let before = members(before).unwrap_or_default();
    let differing: Vec<(String, Json)> = members(after)
        .unwrap_or_default()
        .into_iter()
        .filter(|member| !before.contains(member) && !LARGE.contains(&member.0.as_str()))
        .collect();
    object(&differing)
}
