//! `throttle` and `debounce`: how often the executions of a workflow pass, or only the last of many.

use std::time::Duration;

use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::{Value, json};

use super::wait::duration;
use crate::engine::kind::{NodeError, Outcome, Work, WorksOn};
use crate::engine::request::Request;
use crate::engine::request::pace::{DebounceRequest, ThrottleRequest};
use crate::nodes::config::{Config, is_expression, wrong};
use crate::nodes::context::all_items;
use crate::nodes::definition::{CarryOut, Definition, Fault, one_input};
use crate::nodes::schema;

const ON_LIMIT: [&str; 2] = ["WAIT", "DROP"];
/// Most that may pass in a window; the moments of so many are kept.
const MOST: u32 = 1_000;
/// Longest window: a month.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);
/// Longest key, in bytes.
const KEY: usize = 256;

const THROTTLE: &str = "\
Lets `limit` items pass in any stretch of `window`, counted over all executions of the workflow. One
too many waits for its turn (`onLimit: WAIT`), in the order in which they came, or leaves by handle
`dropped` (`onLimit: DROP`). With `key` each value of it is counted by itself. An item that waits and is
cancelled has used its turn. What is counted outlives restarts.

```yaml
type: throttle
config: {limit: 10, window: 1m, key: \"{{ item.host }}\"}
```

```yaml
type: throttle
config: {limit: 1, window: 1h, onLimit: DROP}
```
";

const DEBOUNCE: &str = "\
Waits for `window`, and passes the item on if no other has come to this node meanwhile, in this or
another execution of the workflow. If one has, this item leaves by handle `superseded` at once, and the
wait begins anew with the other one: of many that come close together only the last goes on. With `key`
only those of the same value count. The wait is kept in the store and outlives restarts.

```yaml
type: debounce
config: {window: 30s, key: \"{{ item.path }}\"}
```
";

pub(in crate::nodes) fn throttle() -> Definition {
    let limit = schema::with(
        schema::integer(1, None, "How many may pass in a window."),
        "maximum",
        json!(MOST),
    );
    let members = json!({
        "limit": limit,
        "window": window(),
        "key": key(),
        "onLimit": schema::choice(&ON_LIMIT, Some("WAIT"), "What one too many does."),
    });
    Definition {
        name: "throttle",
        version: "1.0.0",
        display_name: "Throttle",
        description: "Lets so many items pass in a time.",
        node_type: NodeType::Delay,
        category: "flow",
        icon: "⧗",
        color: "blue",
        tags: &["rate", "limit", "slow down"],
        documentation: THROTTLE,
        settings_schema: schema::object(members, &["limit", "window"]),
        input_schema: json!(true),
        output_schema: json!(true),
        constant_paths: &["onLimit"],
        works_on: WorksOn::Each,
        inputs: one_input(),
        outputs: |config| {
            let drops = config["onLimit"] == "DROP";
            let handles = if drops { &["output", "dropped"][..] } else { &["output"] };
            handles.iter().map(|&handle| handle.to_owned()).collect()
        },
        repeat: |_| Repeat::Retryable,
        check,
        carry_out: CarryOut::Inline(compute_throttle),
    }
}

pub(in crate::nodes) fn debounce() -> Definition {
    Definition {
        name: "debounce",
        version: "1.0.0",
        display_name: "Debounce",
        description: "Lets only the last of many pass that come close together.",
        node_type: NodeType::Delay,
        category: "flow",
        icon: "⇥",
        color: "blue",
        tags: &["settle", "last", "quiet"],
        documentation: DEBOUNCE,
        settings_schema: schema::object(json!({"window": window(), "key": key()}), &["window"]),
        input_schema: json!(true),
        output_schema: json!(true),
        constant_paths: &[],
        works_on: WorksOn::Each,
        inputs: one_input(),
        outputs: |_| vec!["output".to_owned(), "superseded".to_owned()],
        repeat: |_| Repeat::Retryable,
        check,
        carry_out: CarryOut::Inline(compute_debounce),
    }
}

fn window() -> Value {
    json!({
        "description": "How long: milliseconds, or a text such as 30s, 5m, 1h; at most 31 days.",
        "type": ["integer", "string"],
        "minimum": 1,
        "minLength": 1,
        "examples": ["30s", "1h"],
    })
}

fn key() -> Value {
    schema::text("What is counted by itself; everything together where absent.")
}

fn check(config: &Value) -> Vec<Fault> {
    let window = config.get("window").filter(|value| !is_expression(value));
    match window.map(window_of) {
        Some(Err(e)) => vec![("window".to_owned(), e.message, Some("for example 30s".to_owned()))],
        _ => Vec::new(),
    }
}

fn window_of(value: &Value) -> Result<Duration, NodeError> {
    let window = duration("window", value)?;
    if window.is_zero() || window > LONGEST {
        return Err(wrong("window", value, "longer than 0 and at most 31 days"));
    }
    Ok(window)
}

fn key_of(config: Config<'_>) -> Result<String, NodeError> {
    let key = config.text("key")?.unwrap_or_default();
    if key.len() > KEY {
        return Err(wrong("key", &Value::from(key), &format!("a text of at most {KEY} bytes")));
    }
    Ok(key)
}

fn compute_throttle(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, &["limit", "window", "key", "onLimit"])?;
    let limit = config.require("limit")?;
    let number = limit.as_u64().and_then(|number| u32::try_from(number).ok());
    let number = number.filter(|n| (1..=MOST).contains(n));
    let limit = number.ok_or_else(|| wrong("limit", limit, &format!("from 1 to {MOST}")))?;
    let window = window_of(config.require("window")?)?;
    let drop = config.choice("onLimit", &ON_LIMIT)? == "DROP";
    let (key, items) = (key_of(config)?, all_items(&work.items));
    let request = ThrottleRequest { key, limit, window, drop, items };
    Ok(Outcome::Request(Box::new(Request::Throttle(request))))
}

fn compute_debounce(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, &["window", "key"])?;
    let until = work.now.plus(window_of(config.require("window")?)?);
    let request = DebounceRequest { key: key_of(config)?, until, items: all_items(&work.items) };
    Ok(Outcome::Request(Box::new(Request::Debounce(request))))
}

#[cfg(test)]
mod tests {
    use crate::nodes::bench::check_each;

    #[test]
    fn they_ask_by_their_key() {
        check_each(
            "throttle",
            r#"{"limit":3,"window":"1m","key":7,"onLimit":"DROP"}"#,
            "1",
            r#"asks Throttle(ThrottleRequest { key: "7", limit: 3, window: 60s, drop: true, items: [1] })"#,
        );
        check_each(
            "debounce",
            r#"{"window":1500}"#,
            "1",
            r#"asks Debounce(DebounceRequest { key: "", until: 2026-11-22T12:00:01.500Z, items: [1] })"#,
        );
        check_each(
            "throttle",
            r#"{"limit":0,"window":"1m"}"#,
            "1",
            "CONFIG: `limit` is 0, but must be from 1 to 1000",
        );
        check_each(
            "debounce",
            r#"{"window":"40d"}"#,
            "1",
            r#"CONFIG: `window` is "40d", but must be longer than 0 and at most 31 days"#,
        );
    }
}
