//! `idempotencyKey`: the same key and params give the first answer again.
//!
//! Every method that changes something goes through [`Once::of`]. Calls with the same key go one
//! after the other, so that one that comes while the first is under way waits for its answer
//! instead of failing on what the first has just changed. The answer's id is remembered in the
//! transaction of the change: a key without its change, or the other way round, can't be.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use a2n_proto::{ErrorKind, ExecutionId, RpcError};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedMutexGuard;

use super::{Call, Context};
use crate::engine::driving::handle::Admission;
use crate::operations::settings::table::RPC_IDEMPOTENCY;
use crate::store::{self, Tx, idempotency};

const DAY_MS: u64 = 24 * 3_600_000;

/// A call with a key, while it is under way.
#[derive(Debug)]
pub(super) struct Once {
    key: Key,
    before: Option<String>,
    _turn: Turn,
}

impl Once {
    /// The key of a call, where it has one: waits until no other call with it is under way, and
    /// refuses one that was used with other params. `params` are hashed, never kept.
    pub(super) async fn of<P: Serialize>(
        context: &Context,
        call: &Call,
        key: Option<&str>,
        params: &P,
    ) -> Result<Option<Self>, RpcError> {
        let Some(text) = key else { return Ok(None) };
        if text.is_empty() || text.len() > 255 {
            let message = "idempotencyKey has to have 1 to 255 characters";
            return Err(RpcError::new(ErrorKind::Invalid, message).at("idempotencyKey"));
        }
        let params = serde_json::to_vec(params).expect("our types are JSON");
        let key = Key {
            caller: call.caller()?.user.to_string(),
            method: call.method,
            text: text.to_owned(),
            params: Sha256::digest(&params).into(),
        };
        let turn = context.turns.next(format!("{} {} {text}", key.caller, key.method)).await;
        let before = key.before(context)?;
        Ok(Some(Self { key, before, _turn: turn }))
    }

    /// The id that the same call was answered with before.
    pub(super) fn before<I: std::str::FromStr>(once: Option<&Self>) -> Option<I> {
        once?.before.as_deref()?.parse().ok()
    }

    /// What the transaction of the change gets.
    pub(super) fn key(once: Option<&Self>) -> Option<Key> {
        once.map(|once| once.key.clone())
    }
}

/// A caller's key for a method, with the hash of the params.
#[derive(Debug, Clone)]
pub(super) struct Key {
    caller: String,
    method: &'static str,
    text: String,
    params: [u8; 32],
}

impl Key {
    fn before(&self, context: &Context) -> Result<Option<String>, RpcError> {
        let found = idempotency::find(
            &context.store.read()?,
            &self.caller,
            self.method,
            &self.text,
            context.now(),
            context.settings.get(&RPC_IDEMPOTENCY) * DAY_MS,
        )?;
        match found {
            None => Ok(None),
            Some(answered) if answered.params_hash == self.params => Ok(Some(answered.result_id)),
            Some(_) => Err(RpcError::new(
                ErrorKind::Conflict,
                format!("the idempotency key `{}` was used with other params", self.text),
            )
            .at("idempotencyKey")
            .hint("take a new key for a new call")),
        }
    }

    /// Remembers the answer, in the transaction of the change. *Taken* where the change of a call
    /// that was broken off is there after all.
    pub(super) fn remember(
        key: Option<&Self>,
        tx: &mut Tx<'_>,
        result: impl std::fmt::Display,
    ) -> Result<(), store::Error> {
        let Some(key) = key else { return Ok(()) };
        if let Some(before) = idempotency::find_in(tx, &key.caller, key.method, &key.text)? {
            return Err(store::Error::Taken {
                entity: "idempotencyKey",
                field: "idempotencyKey",
                value: key.text.clone(),
                by: before.result_id,
            });
        }
        let result = result.to_string();
        idempotency::put(tx, &key.caller, key.method, &key.text, key.params, &result)
    }

    /// For a start: the execution that the key was answered with before, else remembers this one.
    pub(super) fn admit(
        key: Option<&Self>,
        tx: &mut Tx<'_>,
        id: ExecutionId,
    ) -> Result<Admission, store::Error> {
        if let Some(key) = key
            && let Some(before) = idempotency::find_in(tx, &key.caller, key.method, &key.text)?
            && before.params_hash == key.params
            && let Ok(before) = before.result_id.parse()
        {
            return Ok(Admission::Already(before));
        }
        Self::remember(key, tx, id)?;
        Ok(Admission::New)
    }
}

type Line = tokio::sync::Mutex<()>;

/// Who is under way with which key. Cheap to clone; holds nothing for keys that nobody uses now.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<Mutex<BTreeMap<String, Weak<Line>>>>);

impl Turns {
    async fn next(&self, name: String) -> Turn {
        let line = {
            let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            lines.get(&name).and_then(Weak::upgrade).unwrap_or_else(|| {
                let line = Arc::new(Line::default());
                lines.insert(name.clone(), Arc::downgrade(&line));
                line
            })
        };
        let mut turn = Turn { name, turns: self.clone(), guard: None };
        turn.guard = Some(line.lock_owned().await);
        turn
    }
}

/// The right to go on with a key; the next one has it when this is dropped.
#[derive(Debug)]
struct Turn {
    name: String,
    turns: Turns,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.guard = None;
        let mut lines = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.get(&self.name).is_some_and(|line| line.strong_count() == 0) {
            lines.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_with_one_key_go_one_after_the_other_and_leave_nothing_behind() {
        let turns = Turns::default();
        let first = turns.next("a".into()).await;
        let other = turns.next("b".into()).await;
        let mut second = Box::pin(turns.next("a".into()));
        assert!(futures_util::poll!(&mut second).is_pending());
        let third = Box::pin(turns.next("a".into()));
        drop((first, third));
        drop(second.await);
        drop(other);
        assert!(turns.0.lock().unwrap().is_empty());
    }
}
