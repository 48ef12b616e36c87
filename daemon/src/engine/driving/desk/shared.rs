//! Values that executions share: one write does what was asked and keeps the answer.

use a2n_proto::{Json, Timestamp};
use serde_json::{Number, Value};

use super::asking::{Asked, Desk};
use super::once::once;
use crate::engine::driving::handle::SharedLimits;
use crate::engine::kind::{NodeError, Outcome};
use crate::engine::request::Reply;
use crate::engine::request::shared::{SharedAction, SharedAnswer, SharedRequest, SharedScope};
use crate::store::shared_value::{self, Scope, SharedValue};
use crate::store::{self, Tx};

pub(super) fn ask(desk: &Desk, asked: Asked, request: SharedRequest) {
    let limits = desk.tuning.borrow().shared;
    let scope = match request.scope {
        SharedScope::Workflow => Scope::Workflow(asked.workflow),
        SharedScope::Global => Scope::Owner(asked.owner),
    };
    let tell = desk.teller(asked.key.clone());
    desk.store.hand_over(
        desk.origin(),
        move |tx| once(tx, &asked.key, |tx| act(tx, scope, &request, limits)),
        tell,
    );
}

fn act(
    tx: &mut Tx<'_>,
    scope: Scope,
    request: &SharedRequest,
    limits: SharedLimits,
) -> Result<Reply, store::Error> {
    let SharedRequest { key, action, .. } = request;
    if key.len() > limits.key_bytes {
        let message = format!("`key` has {} bytes; {} are allowed", key.len(), limits.key_bytes);
        return Ok(Err(NodeError::new("LIMIT", message)));
    }
    let before = shared_value::get(tx, scope, key, tx.at())?.map(|found| found.value);
    let (existed, old) = (before.is_some(), before.unwrap_or_else(Json::null));
    let answer =
        |value: Json, changed: bool| SharedAnswer { key: key.clone(), value, existed, changed };
    let (value, ttl) = match action {
        SharedAction::Get => return told(request, answer(old, false)),
        SharedAction::Delete => {
            shared_value::remove(tx, scope, key)?;
            return told(request, answer(old, existed));
        }
        SharedAction::CompareAndSet { expected, .. } if expected.to_value() != old.to_value() => {
            return told(request, answer(old, false));
        }
        SharedAction::Set { value, ttl } | SharedAction::CompareAndSet { value, ttl, .. } => {
            (value.clone(), ttl)
        }
        SharedAction::Add { by, ttl } => match sum(key, &old, by) {
            Ok(sum) => (sum, ttl),
            Err(error) => return Ok(Err(error)),
        },
    };
    if value.is_null() {
        shared_value::remove(tx, scope, key)?;
        return told(request, answer(value, existed));
    }
    if value.size_bytes() > limits.value_bytes {
        let (size, most) = (value.size_bytes(), limits.value_bytes);
        let message = format!("the value of `{key}` has {size} bytes; {most} are allowed");
        return Ok(Err(NodeError::new("LIMIT", message)));
    }
    let expires_at: Option<Timestamp> = ttl.map(|ttl| tx.at().plus(ttl));
    let row = SharedValue { value: value.clone(), updated_at: tx.at(), expires_at };
    if !shared_value::put(tx, scope, key, &row, limits.keys)? {
        let most = limits.keys;
        let message = format!("{most} values are shared here already; `{key}` would be one more");
        return Ok(Err(NodeError::new("LIMIT", message)));
    }
    told(request, answer(value, true))
}

fn told(request: &SharedRequest, answer: SharedAnswer) -> Result<Reply, store::Error> {
    Ok(Ok(Outcome::Items(request.items(&answer))))
}

/// Whole numbers stay whole; one too large for 64 bits is an error and not another number.
fn sum(key: &str, old: &Json, by: &Json) -> Result<Json, NodeError> {
    let wrong = |what: String| NodeError::new("VALUE", what);
    let number = |value: Value, what: &str| match value {
        Value::Null => Ok(Number::from(0)),
        Value::Number(number) => Ok(number),
        other => {
            let shown: String = other.to_string().chars().take(60).collect();
            Err(wrong(format!("{what} is {shown}, but only numbers can be added")))
        }
    };
    let (a, b) = (number(old.to_value(), &format!("`{key}`"))?, number(by.to_value(), "`by`")?);
    let sum = match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a.checked_add(b).map(Number::from),
        _ => a.as_f64().zip(b.as_f64()).and_then(|(a, b)| Number::from_f64(a + b)),
    };
    let sum = sum.ok_or_else(|| wrong(format!("`{key}` would be larger than a number may be")))?;
    Ok(Json::from(Value::Number(sum)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{World, at};
    use a2n_proto::WorkflowId;
    use std::time::Duration;

    const LIMITS: SharedLimits = SharedLimits { key_bytes: 8, value_bytes: 20, keys: 2 };

    fn json(text: &str) -> Json {
        Json::parse(text).unwrap()
    }

    fn told(world: &World, now: i64, key: &str, action: SharedAction) -> String {
        let scope = Scope::Workflow(WorkflowId::from_bytes([5; 16]));
        let request = SharedRequest { scope: SharedScope::Workflow, key: key.into(), action };
        let origin = crate::store::Origin::daemon(at(now), "TEST");
        let reply = world.store.write_blocking(origin, move |tx| act(tx, scope, &request, LIMITS));
        match reply.unwrap() {
            Ok(Outcome::Items(handles)) => {
                let (handle, items) = handles.first_key_value().unwrap();
                format!("{handle}: {}", items[0])
            }
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("{}: {error}", error.kind),
        }
    }

    #[test]
    fn every_action_says_what_became_of_the_value() {
        let world = World::new();
        let set = |text: &str| SharedAction::Set { value: json(text), ttl: None };
        let add = |text: &str| SharedAction::Add { by: json(text), ttl: None };
        let swap = |expected: &str, value: &str| SharedAction::CompareAndSet {
            expected: json(expected),
            value: json(value),
            ttl: None,
        };
        let steps = [
            ("n", SharedAction::Get),
            ("n", add("1")),
            ("n", add("41")),
            ("n", add("0.5")),
            ("n", swap("1", "2")),
            ("n", swap("42.5", r#""a""#)),
            ("n", add("1")),
            ("m", swap("null", "9223372036854775807")),
            ("m", add("1")),
            ("third", set("1")),
            ("n", set(r#""more than twenty bytes""#)),
            ("long name", set("1")),
            ("m", SharedAction::Delete),
            ("m", SharedAction::Delete),
            ("n", set("null")),
            ("n", SharedAction::Get),
        ];
        let said: Vec<String> =
            steps.map(|(key, action)| told(&world, 10, key, action)).into_iter().collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        output: {"key":"n","value":null,"existed":false,"changed":false}
        output: {"key":"n","value":1,"existed":false,"changed":true}
        output: {"key":"n","value":42,"existed":true,"changed":true}
        output: {"key":"n","value":42.5,"existed":true,"changed":true}
        differs: {"key":"n","value":42.5,"existed":true,"changed":false}
        output: {"key":"n","value":"a","existed":true,"changed":true}
        VALUE: `n` is "a", but only numbers can be added
        output: {"key":"m","value":9223372036854775807,"existed":false,"changed":true}
        VALUE: `m` would be larger than a number may be
        LIMIT: 2 values are shared here already; `third` would be one more
        LIMIT: the value of `n` has 24 bytes; 20 are allowed
        LIMIT: `key` has 9 bytes; 8 are allowed
        output: {"key":"m","value":9223372036854775807,"existed":true,"changed":true}
        output: {"key":"m","value":null,"existed":false,"changed":false}
        output: {"key":"n","value":null,"existed":true,"changed":true}
        output: {"key":"n","value":null,"existed":false,"changed":false}
        "#);
        let brief = SharedAction::Set { value: json("1"), ttl: Some(Duration::from_millis(5)) };
        told(&world, 20, "n", brief);
        assert!(told(&world, 24, "n", SharedAction::Get).contains(r#""existed":true"#));
        assert!(told(&world, 25, "n", SharedAction::Get).contains(r#""existed":false"#));
    }
}
