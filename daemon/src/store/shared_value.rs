//! sharedValue: values that the executions of a workflow, or of all workflows of an owner, share by
//! name. One whose time is over counts as gone; its row goes when the name is written again, when
//! room is needed, or with its workflow.

use std::ops::ControlFlow;

use a2n_proto::{Json, Timestamp, UserId, WorkflowId};
use serde::{Deserialize, Serialize};

use super::keys::{Key, KeyRange};
use super::rows::{self, Stored};
use super::schema::{SHARED_COUNT, SHARED_VALUE, Table};
use super::{Error, Read, Tx};

/// Who shares values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The executions of a workflow.
    Workflow(WorkflowId),
    /// Those of all workflows of an owner.
    Owner(UserId),
    /// The throttles of a workflow: when executions passed them.
    Throttle(WorkflowId),
}

impl Scope {
    fn key(self) -> Key {
        match self {
            Self::Workflow(id) => Key::new().u8(1).id(id.as_bytes()),
            Self::Owner(id) => Key::new().u8(2).id(id.as_bytes()),
            Self::Throttle(id) => Key::new().u8(3).id(id.as_bytes()),
        }
    }
}

/// A value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SharedValue {
    /// What it is.
    pub value: Json,
    /// When it was written.
    pub updated_at: Timestamp,
    /// From when on it counts as gone.
    pub expires_at: Option<Timestamp>,
}

impl SharedValue {
    fn is_over(&self, at: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= at)
    }
}

impl Stored for SharedValue {
    const TABLE: Table = SHARED_VALUE;
    const ENTITY: &'static str = "sharedValue";
}

/// The value of this name; none where there is none or its time is over.
pub fn get(
    read: &impl Read,
    scope: Scope,
    name: &str,
    at: Timestamp,
) -> Result<Option<SharedValue>, Error> {
    let found: Option<SharedValue> = rows::get(read, scope.key().text(name).as_bytes())?;
    Ok(found.filter(|value| !value.is_over(at)))
}

/// Writes a value. Answers whether there was room: at most `most` may be shared in one scope.
pub fn put(
    tx: &mut Tx<'_>,
    scope: Scope,
    name: &str,
    value: &SharedValue,
    most: u64,
) -> Result<bool, Error> {
    let key = scope.key().text(name);
    if !rows::has(tx, SHARED_VALUE, key.as_bytes())? {
        let mut n = count(tx, scope)?;
        if n >= most {
            n -= remove_over(tx, scope)?.min(n);
        }
        if n >= most {
            set_count(tx, scope, n)?;
            return Ok(false);
        }
        set_count(tx, scope, n + 1)?;
    }
    rows::put(tx, &key, value)?;
    Ok(true)
}

/// Removes a value. Answers whether it was there.
pub fn remove(tx: &mut Tx<'_>, scope: Scope, name: &str) -> Result<bool, Error> {
    let gone = rows::remove(tx, SHARED_VALUE, &scope.key().text(name))?;
    if gone {
        let n = count(tx, scope)?;
        set_count(tx, scope, n.saturating_sub(1))?;
    }
    Ok(gone)
}

/// How many values a scope has, those included whose time is over.
pub fn count(read: &impl Read, scope: Scope) -> Result<u64, Error> {
    Ok(rows::get_as(read, SHARED_COUNT, scope.key().as_bytes())?.unwrap_or(0))
}

/// Removes at most so many values of a workflow that is gone. Answers how many went.
pub(crate) fn forget_workflow(
    tx: &mut Tx<'_>,
    workflow: WorkflowId,
    slice: usize,
) -> Result<usize, Error> {
    for scope in [Scope::Workflow(workflow), Scope::Throttle(workflow)] {
        let keys = rows::some_keys(tx, SHARED_VALUE, &scope.key().under(), slice)?;
        for key in &keys {
            rows::remove(tx, SHARED_VALUE, &Key::of_bytes(key))?;
        }
        if !keys.is_empty() {
            return Ok(keys.len());
        }
        rows::remove(tx, SHARED_COUNT, &scope.key())?;
    }
    Ok(0)
}

fn set_count(tx: &mut Tx<'_>, scope: Scope, n: u64) -> Result<(), Error> {
    if n == 0 {
        return rows::remove(tx, SHARED_COUNT, &scope.key()).map(|_| ());
    }
    rows::put_as(tx, SHARED_COUNT, &scope.key(), &n)
}

/// Removes the values of a scope whose time is over. Answers how many.
fn remove_over(tx: &mut Tx<'_>, scope: Scope) -> Result<u64, Error> {
    let (at, range): (_, KeyRange) = (tx.at(), scope.key().under());
    let mut over = Vec::new();
    tx.scan(SHARED_VALUE, &range, false, &mut |key, value| {
        match rows::decode::<SharedValue>(tx, key, value) {
            Ok(value) if value.is_over(at) => over.push(Key::of_bytes(key)),
            Ok(_) | Err(Error::Damaged { .. }) => {}
            Err(e) => return Err(e),
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let mut n = 0;
    for key in over {
        n += u64::from(rows::remove(tx, SHARED_VALUE, &key)?);
    }
    Ok(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{World, at};

    fn value(text: &str, until: Option<i64>) -> SharedValue {
        let value = Json::parse(text).unwrap();
        SharedValue { value, updated_at: at(0), expires_at: until.map(at) }
    }

    #[test]
    fn values_are_counted_and_give_way_when_their_time_is_over() {
        let world = World::new();
        let scope = Scope::Workflow(WorkflowId::from_bytes([5; 16]));
        let other = Scope::Owner(UserId::from_bytes([5; 16]));
        world.write(10, move |tx| {
            assert!(put(tx, scope, "a", &value("1", Some(20)), 2)?);
            assert!(put(tx, scope, "b", &value("2", None), 2)?);
            assert!(!put(tx, scope, "c", &value("3", None), 2)?);
            assert!(put(tx, scope, "b", &value("4", None), 2)?);
            assert!(put(tx, other, "a", &value("5", None), 2)?);
            Ok(())
        });
        let read = world.store.read().unwrap();
        let text = |scope, name, now| {
            get(&read, scope, name, at(now)).unwrap().map(|found| found.value.to_string())
        };
        assert_eq!(text(scope, "a", 19).as_deref(), Some("1"));
        assert_eq!(text(scope, "a", 20), None);
        assert_eq!(text(scope, "b", 99).as_deref(), Some("4"));
        assert_eq!(text(other, "a", 99).as_deref(), Some("5"));
        world.write(30, move |tx| {
            assert!(put(tx, scope, "c", &value("3", None), 2)?);
            assert_eq!(count(tx, scope)?, 2);
            assert!(remove(tx, scope, "c")?);
            assert!(!remove(tx, scope, "a")?);
            assert_eq!(count(tx, scope)?, 1);
            assert_eq!(forget_workflow(tx, WorkflowId::from_bytes([5; 16]), 9)?, 1);
            assert_eq!(forget_workflow(tx, WorkflowId::from_bytes([5; 16]), 9)?, 0);
            assert_eq!(count(tx, scope)?, 0);
            assert_eq!(count(tx, other)?, 1);
            Ok(())
        });
    }
}
