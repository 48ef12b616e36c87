//! workflowComment: remarks on a workflow or one of its nodes, in threads.

use a2n_proto::workflow::WorkflowComment;
use a2n_proto::{WorkflowCommentId, WorkflowId};

use super::keys::{Key, last_id};
use super::rows::{self, Page, Paging, Stored};
use super::schema::{self, COMMENT, COMMENT_BY_PARENT, COMMENT_BY_WORKFLOW, Table};
use super::{Error, Read, Tx, user, workflow};

impl Stored for WorkflowComment {
    const TABLE: Table = COMMENT;
    const ENTITY: &'static str = "workflowComment";
}

/// The comment with this id.
pub fn get(read: &impl Read, id: WorkflowCommentId) -> Result<Option<WorkflowComment>, Error> {
    rows::get(read, id.as_bytes())
}

/// The same, or *not found*.
pub fn require(read: &impl Read, id: WorkflowCommentId) -> Result<WorkflowComment, Error> {
    rows::require(read, id.as_bytes(), &id)
}

/// A workflow's comments, newest first unless asked otherwise.
pub fn list(
    read: &impl Read,
    workflow: WorkflowId,
    paging: &Paging,
) -> Result<Page<WorkflowComment>, Error> {
    let range = Key::of_id(workflow.as_bytes()).under();
    rows::page(read, COMMENT_BY_WORKFLOW, range, paging, &mut |key, _| {
        let id = last_id(key).ok_or_else(|| read.damaged(COMMENT_BY_WORKFLOW, key))?;
        get(read, WorkflowCommentId::from_bytes(id))
    })
}

/// Writes a comment with its indexes. What it answers must be of the same workflow.
pub fn put(tx: &mut Tx<'_>, comment: &WorkflowComment) -> Result<(), Error> {
    workflow::check(tx, comment.workflow_id, "workflowComment")?;
    user::check(tx, comment.user_id, "workflowComment", "userId")?;
    if let Some(parent) = comment.parent_comment_id {
        let found = get(tx, parent)?.filter(|p| p.workflow_id == comment.workflow_id);
        if found.is_none() || parent == comment.id {
            return Err(Error::Dangling {
                entity: "workflowComment",
                field: "parentCommentId",
                id: parent.to_string(),
            });
        }
    }
    let old: Option<WorkflowComment> = rows::get(tx, comment.id.as_bytes())?;
    let before = old.as_ref().map(by_workflow);
    rows::move_mark(tx, COMMENT_BY_WORKFLOW, before, Some(by_workflow(comment)))?;
    let before = old.as_ref().and_then(by_parent);
    rows::move_mark(tx, COMMENT_BY_PARENT, before, by_parent(comment))?;
    rows::put(tx, &Key::of_id(comment.id.as_bytes()), comment)
}

/// Removes a comment and all answers to it. Answers how many went.
pub fn remove(tx: &mut Tx<'_>, id: WorkflowCommentId) -> Result<usize, Error> {
    rows::require::<WorkflowComment>(tx, id.as_bytes(), &id)?;
    let (mut open, mut gone) = (vec![id], 0);
    while let Some(id) = open.pop() {
        let range = Key::of_id(id.as_bytes()).under();
        for key in rows::some_keys(tx, COMMENT_BY_PARENT, &range, usize::MAX)? {
            open.extend(last_id(&key).map(WorkflowCommentId::from_bytes));
        }
        gone += usize::from(remove_row(tx, id)?);
    }
    Ok(gone)
}

/// Removes only the row and its indexes.
pub(crate) fn remove_row(tx: &mut Tx<'_>, id: WorkflowCommentId) -> Result<bool, Error> {
    let Some(old) = get(tx, id)? else { return Ok(false) };
    rows::remove(tx, COMMENT_BY_WORKFLOW, &by_workflow(&old))?;
    if let Some(key) = by_parent(&old) {
        rows::remove(tx, COMMENT_BY_PARENT, &key)?;
    }
    rows::remove(tx, schema::COMMENT, &Key::of_id(id.as_bytes()))
}

pub(crate) fn by_workflow(comment: &WorkflowComment) -> Key {
    Key::of_id(comment.workflow_id.as_bytes()).id(comment.id.as_bytes())
}

pub(crate) fn by_parent(comment: &WorkflowComment) -> Option<Key> {
    let parent = comment.parent_comment_id?;
    Some(Key::of_id(parent.as_bytes()).id(comment.id.as_bytes()))
}
