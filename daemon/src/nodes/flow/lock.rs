//! `mutex` and `semaphore`: so many executions at once, over all workflows of an owner.

use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::{Value, json};

use crate::engine::kind::{NodeError, Outcome, Work, WorksOn};
use crate::engine::request::Request;
use crate::engine::request::lock::LockRequest;
use crate::nodes::config::{Config, wrong};
use crate::nodes::context::{all_items, output};
use crate::nodes::definition::{CarryOut, Definition, Fault, nothing_more, one_input, one_output};
use crate::nodes::schema;

const ACTIONS: [&str; 2] = ["ACQUIRE", "RELEASE"];
/// Longest name of a lock, in bytes.
const NAME: usize = 256;

const MUTEX: &str = "\
Lets one execution at a time pass, over all workflows of an owner that name the same mutex. It is held
until the execution ends or comes to a `mutex` with `action: RELEASE` and the same name; giving back
what is not held does nothing. Who has a mutex passes again at once.

Next is whoever has the highest priority, then whoever has waited longest. Waiting costs nothing,
outlives restarts, and shows as `waiting: LIMIT`; where nothing else is left the execution is PAUSED.
The node's `timeout` ends a wait that takes too long (TIMEOUT).

Two executions that wait for each other's mutex wait for ever: take several in the same order
everywhere, or give the node a `timeout`. The same holds for an execution that waits for another
workflow (`workflow`) that needs a mutex which it holds itself. An execution that is PAUSED keeps what
it holds. A retry after a node that held a mutex to the end is refused: it would not hold it.

```yaml
type: mutex
config: {name: database}
timeout: 600000
```

```yaml
type: mutex
config: {name: database, action: RELEASE}
```
";

const SEMAPHORE: &str = "\
Lets so many permits be out at once, over all workflows of an owner that name the same semaphore: an
execution that wants `permits` of them (1) waits until no more than `limit` are out together. Each node
goes by its own `limit`. They are held until the execution ends or comes to a `semaphore` with
`action: RELEASE` and the same name, which gives back all that it holds of it.

Next is whoever has the highest priority, then whoever has waited longest; who wants many is not passed
by those who want few. Waiting, time-outs and what to look out for are as with `mutex`; a mutex is a
semaphore of the same name with `limit` 1. In a loop, give permits back before the next turn.

```yaml
type: semaphore
config: {name: uplink, limit: 3}
```
";

pub(in crate::nodes) fn mutex() -> Definition {
    let members = json!({"name": name(), "action": action()});
    Definition {
        name: "mutex",
        display_name: "Mutex",
        description: "Lets one execution at a time pass.",
        icon: "⚿",
        tags: &["lock", "exclusive", "one at a time"],
        documentation: MUTEX,
        settings_schema: schema::object(members, &["name"]),
        check: nothing_more,
        carry_out: CarryOut::Inline(|work| compute(work, false)),
        ..lock()
    }
}

pub(in crate::nodes) fn semaphore() -> Definition {
    let members = json!({
        "name": name(),
        "action": action(),
        "limit": schema::integer(1, None, "How many permits may be out at once."),
        "permits": schema::integer(1, Some(1), "How many are wanted."),
    });
    Definition {
        name: "semaphore",
        display_name: "Semaphore",
        description: "Lets so many executions at a time pass.",
        icon: "⛶",
        tags: &["lock", "limit", "permits", "at once"],
        documentation: SEMAPHORE,
        settings_schema: schema::object(members, &["name"]),
        check: check_semaphore,
        carry_out: CarryOut::Inline(|work| compute(work, true)),
        ..lock()
    }
}

fn lock() -> Definition {
    Definition {
        name: "",
        version: "1.0.0",
        display_name: "",
        description: "",
        node_type: NodeType::Delay,
        category: "flow",
        icon: "",
        color: "blue",
        tags: &[],
        documentation: "",
        settings_schema: Value::Null,
        input_schema: json!(true),
        output_schema: json!(true),
        constant_paths: &["action"],
        works_on: WorksOn::All,
        inputs: one_input(),
        outputs: one_output,
        repeat: |_| Repeat::Retryable,
        check: nothing_more,
        carry_out: CarryOut::Inline(|work| compute(work, false)),
    }
}

fn name() -> Value {
    json!({"type": "string", "minLength": 1, "description": "Its name, shared by all workflows of the owner."})
}

fn action() -> Value {
    schema::choice(&ACTIONS, Some("ACQUIRE"), "Whether it is taken or given back.")
}

fn check_semaphore(config: &Value) -> Vec<Fault> {
    let fault = |at: &str, message: String, hint: &str| {
        vec![(at.to_owned(), message, Some(hint.to_owned()))]
    };
    let releases = config["action"] == "RELEASE";
    let (limit, permits) = (config.get("limit"), config.get("permits"));
    match (limit.and_then(Value::as_u64), permits.and_then(Value::as_u64)) {
        _ if releases && limit.or(permits).is_some() => {
            let at = if limit.is_some() { "limit" } else { "permits" };
            fault(at, format!("RELEASE takes no `{at}`"), "it gives back all that is held")
        }
        _ if !releases && limit.is_none() => {
            fault("limit", "ACQUIRE needs `limit`".into(), "for example limit: 3")
        }
        (Some(limit), Some(permits)) if permits > limit => fault(
            "permits",
            format!("{permits} permits can never be out where the limit is {limit}"),
            "raise `limit`, or want fewer",
        ),
        _ => Vec::new(),
    }
}

fn compute(work: &Work, counts: bool) -> Result<Outcome, NodeError> {
    let known: &[&str] =
        if counts { &["name", "action", "limit", "permits"] } else { &["name", "action"] };
    let config = Config::of(&work.config, known)?;
    let name = config.require_text("name")?;
    if name.is_empty() || name.len() > NAME {
        let wanted = format!("a text of at most {NAME} bytes that is not empty");
        return Err(wrong("name", &Value::from(name), &wanted));
    }
    let then = output(all_items(&work.items));
    if config.choice("action", &ACTIONS)? == "RELEASE" {
        return Ok(Outcome::Release(name, then));
    }
    let limit = if counts { count("limit", config.require("limit")?)? } else { 1 };
    let permits = config.get("permits").map_or(Ok(1), |value| count("permits", value))?;
    if permits > limit {
        return Err(wrong("permits", &json!(permits), &format!("at most the limit, {limit}")));
    }
    let request = LockRequest { name, limit, permits, then };
    Ok(Outcome::Request(Box::new(Request::Lock(request))))
}

fn count(at: &str, value: &Value) -> Result<u32, NodeError> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.filter(|n| *n > 0).ok_or_else(|| wrong(at, value, "a whole number of at least 1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::bench::check_all;

    #[test]
    fn they_ask_for_permits_and_give_them_back() {
        let items = [("input", "[1,2]")];
        let check = |kind, config, wanted| check_all(kind, config, &items, wanted);
        let asks = |limit: u32, permits: u32| {
            format!(
                "asks Lock(LockRequest {{ name: \"l\", limit: {limit}, permits: {permits}, \
                 then: {{\"output\": [1, 2]}} }})"
            )
        };
        check_all("mutex", r#"{"name":"l"}"#, &items, &asks(1, 1));
        let config = r#"{"name":"l","limit":3,"permits":2}"#;
        check_all("semaphore", config, &items, &asks(3, 2));
        check("mutex", r#"{"name":"l","action":"RELEASE"}"#, "gives back l, then output: 1 2");
        check(
            "semaphore",
            r#"{"name":"l","limit":1,"permits":2}"#,
            "CONFIG: `permits` is 2, but must be at most the limit, 1",
        );
        check("semaphore", r#"{"name":"l"}"#, "CONFIG: `limit` is missing or null");
        check("mutex", r#"{"name":"l","limit":2}"#, "CONFIG: `limit` is not known here");
    }

    #[test]
    fn what_can_never_be_granted_is_told_when_saved() {
        let at = |config: Value| check_semaphore(&config).first().map(|fault| fault.0.clone());
        assert_eq!(at(json!({"name": "l", "limit": 2, "permits": 3})).as_deref(), Some("permits"));
        assert_eq!(at(json!({"name": "l"})).as_deref(), Some("limit"));
        assert_eq!(at(json!({"name": "l", "action": "RELEASE"})), None);
        let config = json!({"name": "l", "action": "RELEASE", "permits": 1});
        assert_eq!(at(config).as_deref(), Some("permits"));
        assert_eq!(at(json!({"name": "l", "limit": "{{ vars.n }}", "permits": 3})), None);
    }
}
