//! Accepted once: the keys under which callers and webhooks had an execution accepted, unique per
//! workflow and source while in their window.

use std::ops::ControlFlow;

use a2n_proto::execution::Execution;
use a2n_proto::{ExecutionId, Timestamp, WorkflowId};

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

/// At most `most` idempotency keys that were used before a time. They stand in no order of time, so
/// all are looked at.
pub fn keys_before(read: &impl Read, before: Timestamp, most: usize) -> Result<Vec<Key>, Error> {
    let mut old = Vec::new();
    read.scan(EXECUTION_BY_KEY, &KeyRange::all(), false, &mut |key, value| {
        if accepted_at(read, key, value).is_some_and(|then| then < before.as_unix_ms()) {
            old.push(Key::of_bytes(key));
        }
        Ok(if old.len() >= most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(old)
}

/// Removes an idempotency key if its window is over. Answers whether it went.
pub fn forget_key(tx: &mut Tx<'_>, key: &Key) -> Result<bool, Error> {
    let (at, window) = (tx.at().as_unix_ms(), tx.idempotency_ms());
    let mut goes = false;
    tx.look(EXECUTION_BY_KEY, key.as_bytes(), &mut |value| {
        let then = accepted_at(tx, key.as_bytes(), value);
        goes = then.is_some_and(|then| is_over(then, at, window));
        Ok(())
    })?;
    if goes { rows::remove(tx, EXECUTION_BY_KEY, key) } else { Ok(false) }
}

/// When a key was used; none where its row is damaged, which is noted.
fn accepted_at(read: &impl Read, key: &[u8], value: &[u8]) -> Option<i64> {
    let (_, body) = read::checked(read, EXECUTION_BY_KEY, key, value).ok()?;
    match codec::body::<([u8; 16], i64)>(body) {
        Ok((_, then)) => Some(then),
        Err(_) => {
            let _ = read.damaged(EXECUTION_BY_KEY, key);
            None
        }
    }
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
