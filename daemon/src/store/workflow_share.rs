//! workflowShare: lets another user at a workflow; one per workflow and user.

use a2n_proto::workflow::{SharePermission, WorkflowShare};
use a2n_proto::{Timestamp, UserId, WorkflowId, WorkflowShareId};

use super::keys::Key;
use super::rows::{self, Page, Paging, Stored, Unique};
use super::schema::{self, SHARE, SHARE_BY_USER, SHARE_BY_WORKFLOW, Table};
use super::{Error, Read, Tx, user, workflow};

impl Stored for WorkflowShare {
    const TABLE: Table = SHARE;
    const ENTITY: &'static str = "workflowShare";
}

/// The share with this id.
pub fn get(read: &impl Read, id: WorkflowShareId) -> Result<Option<WorkflowShare>, Error> {
    rows::get(read, id.as_bytes())
}

/// The same, or *not found*.
pub fn require(read: &impl Read, id: WorkflowShareId) -> Result<WorkflowShare, Error> {
    rows::require(read, id.as_bytes(), &id)
}

/// The share of a workflow with a user.
pub fn find(
    read: &impl Read,
    workflow: WorkflowId,
    user: UserId,
) -> Result<Option<WorkflowShare>, Error> {
    let key = Key::of_id(workflow.as_bytes()).id(user.as_bytes());
    match rows::unique_id(read, SHARE_BY_WORKFLOW, &key)? {
        Some(id) => rows::get(read, &id),
        None => Ok(None),
    }
}

/// What a share allows a user at this moment; none without one that holds.
pub fn permission(
    read: &impl Read,
    workflow: WorkflowId,
    user: UserId,
    at: Timestamp,
) -> Result<Option<SharePermission>, Error> {
    let share = find(read, workflow, user)?;
    let holds = |share: &WorkflowShare| {
        share.is_active && share.expires_at.is_none_or(|expires| at < expires)
    };
    Ok(share.filter(holds).map(|share| share.permission))
}

/// The shares of a workflow.
pub fn list(
    read: &impl Read,
    workflow: WorkflowId,
    paging: &Paging,
) -> Result<Page<WorkflowShare>, Error> {
    page_of(read, SHARE_BY_WORKFLOW, workflow.as_bytes(), paging)
}

/// What is shared with a user.
pub fn list_with(
    read: &impl Read,
    user: UserId,
    paging: &Paging,
) -> Result<Page<WorkflowShare>, Error> {
    page_of(read, SHARE_BY_USER, user.as_bytes(), paging)
}

fn page_of(
    read: &impl Read,
    table: Table,
    id: &[u8; 16],
    paging: &Paging,
) -> Result<Page<WorkflowShare>, Error> {
    rows::page(read, table, Key::of_id(id).under(), paging, &mut |key, _| match rows::unique_id(
        read,
        table,
        &Key::of_bytes(key),
    )? {
        Some(id) => rows::get(read, &id),
        None => Ok(None),
    })
}

/// Writes a share with its indexes.
pub fn put(tx: &mut Tx<'_>, share: &WorkflowShare) -> Result<(), Error> {
    workflow::check(tx, share.workflow_id, "workflowShare")?;
    user::check(tx, share.owner_id, "workflowShare", "ownerId")?;
    user::check(tx, share.shared_with_user_id, "workflowShare", "sharedWithUserId")?;
    let old: Option<WorkflowShare> = rows::get(tx, share.id.as_bytes())?;
    let value = share.shared_with_user_id.to_string();
    for (table, key) in INDEXES {
        let field = "sharedWithUserId";
        let unique = Unique { table, entity: "workflowShare", field, value: &value };
        let (before, after) = (old.as_ref().map(key), Some(key(share)));
        rows::move_unique(tx, &unique, before, after, share.id.as_bytes())?;
    }
    rows::put(tx, &Key::of_id(share.id.as_bytes()), share)
}

/// Removes a share.
pub fn remove(tx: &mut Tx<'_>, id: WorkflowShareId) -> Result<(), Error> {
    let old: WorkflowShare = rows::require(tx, id.as_bytes(), &id)?;
    for (table, key) in INDEXES {
        rows::remove(tx, table, &key(&old))?;
    }
    rows::remove(tx, schema::SHARE, &Key::of_id(id.as_bytes())).map(|_| ())
}

type KeyOf = fn(&WorkflowShare) -> Key;

/// Both ways to find a share; both are unique.
pub(crate) const INDEXES: [(Table, KeyOf); 2] = [
    (SHARE_BY_WORKFLOW, |share| {
        Key::of_id(share.workflow_id.as_bytes()).id(share.shared_with_user_id.as_bytes())
    }),
    (SHARE_BY_USER, |share| {
        Key::of_id(share.shared_with_user_id.as_bytes()).id(share.workflow_id.as_bytes())
    }),
];
