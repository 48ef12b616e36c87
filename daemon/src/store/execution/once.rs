//! Accepted once: the keys under which callers and webhooks had an execution accepted, unique per
//! workflow and source while in their window.

use std::ops::ControlFlow;

use a2n_proto::execution::Execution;
use a2n_proto::{ExecutionId, WorkflowId};

use crate::store::keys::{Key, KeyRange};
use crate::store::schema::EXECUTION_BY_KEY;
use crate::store::{Error, Read, Tx, codec, read, rows};

/// The execution that was accepted with this key within the window, if there is one.
pub fn find_by_key(
    tx: &Tx<'_>,
    workflow: WorkflowId,
    source: &str,
    idempotency_key: &str,
) -> Result<Option<ExecutionId>, Error> {
    key_taken(tx, &idempotency_key_of(workflow, source, idempotency_key))
}

/// Removes at most `slice` idempotency keys whose window is over. Answers how many went.
pub fn trim_keys(tx: &mut Tx<'_>, slice: usize) -> Result<usize, Error> {
    let (at, window) = (tx.at().as_unix_ms(), tx.idempotency_ms());
    let mut old = Vec::new();
    tx.scan(EXECUTION_BY_KEY, &KeyRange::all(), false, &mut |key, value| {
        let (_, body) = read::checked(tx, EXECUTION_BY_KEY, key, value)?;
        let (_, then): ([u8; 16], i64) =
            codec::body(body).map_err(|_| tx.damaged(EXECUTION_BY_KEY, key))?;
        if is_over(then, at, window) {
            old.push(Key::of_bytes(key));
        }
        Ok(if old.len() >= slice { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    for key in &old {
        rows::remove(tx, EXECUTION_BY_KEY, key)?;
    }
    Ok(old.len())
}

/// The key of an execution that has one, and its text.
pub(super) fn idempotency_of(execution: &Execution) -> Option<(Key, &str)> {
    let text = execution.metadata.idempotency_key.as_deref()?;
    let source = execution.metadata.source.as_deref().unwrap_or_default();
    Some((idempotency_key_of(execution.workflow_id, source, text), text))
}

fn idempotency_key_of(workflow: WorkflowId, source: &str, text: &str) -> Key {
    Key::of_id(workflow.as_bytes()).text(source).text(text)
}

/// The execution that has a key, while its window lasts.
pub(super) fn key_taken(tx: &Tx<'_>, key: &Key) -> Result<Option<ExecutionId>, Error> {
    let found: Option<([u8; 16], i64)> = rows::get_as(tx, EXECUTION_BY_KEY, key.as_bytes())?;
    let (at, window) = (tx.at().as_unix_ms(), tx.idempotency_ms());
    Ok(found
        .filter(|(_, then)| !is_over(*then, at, window))
        .map(|(id, _)| ExecutionId::from_bytes(id)))
}

pub(crate) fn is_over(then: i64, at: i64, window: u64) -> bool {
    u64::try_from(at.saturating_sub(then)).is_ok_and(|age| age > window)
}
