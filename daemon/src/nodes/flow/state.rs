//! `state`: values that outlive an execution, shared by those of a workflow or of an owner.

use std::time::Duration;

use a2n_proto::Json;
use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::{Value, json};

use super::wait::duration;
use crate::engine::kind::{NodeError, Outcome, Work, WorksOn};
use crate::engine::request::Request;
use crate::engine::request::shared::{SharedAction, SharedRequest, SharedScope};
use crate::nodes::config::{Config, is_expression, wrong};
use crate::nodes::definition::{CarryOut, Definition, Fault, one_input};
use crate::nodes::schema;

const ACTIONS: [&str; 5] = ["GET", "SET", "ADD", "COMPARE_AND_SET", "DELETE"];
const SCOPES: [&str; 2] = ["WORKFLOW", "GLOBAL"];

const DOCUMENTATION: &str = "\
Reads or writes a value by its `key`. Values outlive the execution: those of scope WORKFLOW are shared
by all executions of the workflow and go with it, those of scope GLOBAL by all workflows of its owner.

- `GET` reads. `SET` writes `value`. `DELETE` removes.
- `ADD` adds `by` (1 where absent) to a number; where there is no value, to 0. Executions that add at
  the same time are all counted.
- `COMPARE_AND_SET` writes `value` only where the present one is `expected` (`null`: where there is
  none). Where it is another, the answer leaves by handle `differs`.

The item that goes on is `{key, value, existed, changed}`: the value as it is afterwards (for DELETE:
the one that went), whether there was one before, whether this changed something. What came in is still
there as `nodes['x'].item`. With `ttl` the value is gone after that time. `null` is no value: to write
it removes. Each attempt does its work once, also where the daemon is killed in between.

The settings `state.maxKeyBytes`, `state.maxValueBytes` and `state.maxKeys` bound what is kept; beyond
them the step fails with LIMIT. An attachment in a value is kept only while an execution names it.

```yaml
type: state
config: {action: ADD, key: \"seen/{{ item.host }}\", ttl: 1d}
```

```yaml
type: state
config: {action: COMPARE_AND_SET, key: leader, expected: null, value: \"{{ execution.id }}\", scope: GLOBAL}
```
";

pub(in crate::nodes) fn definition() -> Definition {
    let ttl = json!({
        "description": "How long the value stays: milliseconds, or a text such as 90s, 5m, 1d.",
        "type": ["integer", "string"],
        "minimum": 1,
        "minLength": 1,
        "examples": ["1d"],
    });
    let any = |description: &str| json!({"description": description});
    Definition {
        name: "state",
        version: "1.0.0",
        display_name: "State",
        description: "Reads or writes a value that outlives the execution.",
        node_type: NodeType::Action,
        category: "flow",
        icon: "⛁",
        color: "yellow",
        tags: &["key", "value", "counter", "remember", "store"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({
                "action": schema::choice(&ACTIONS, None, "What is done."),
                "key": schema::text("The value's name."),
                "scope": schema::choice(&SCOPES, Some("WORKFLOW"), "Who shares it: this workflow, or all of its owner."),
                "value": any("SET, COMPARE_AND_SET: what is written."),
                "by": schema::or_expression(json!({"type": "number", "default": 1, "description": "ADD: how much."})),
                "expected": any("COMPARE_AND_SET: what it has to be; null for no value."),
                "ttl": ttl,
            }),
            &["action", "key"],
        ),
        input_schema: json!(true),
        output_schema: json!({
            "type": "object",
            "properties": {
                "key": {"type": "string"},
                "value": true,
                "existed": {"type": "boolean"},
                "changed": {"type": "boolean"},
            },
        }),
        constant_paths: &["action"],
        works_on: WorksOn::Each,
        inputs: one_input(),
        outputs,
        repeat: |_| Repeat::Retryable,
        check,
        carry_out: CarryOut::Inline(compute),
    }
}

fn outputs(config: &Value) -> Vec<String> {
    let swaps = config["action"] == "COMPARE_AND_SET";
    let handles = if swaps { &["output", "differs"][..] } else { &["output"] };
    handles.iter().map(|&handle| handle.to_owned()).collect()
}

/// Members that belong to other actions than this one, and those that it needs.
fn check(config: &Value) -> Vec<Fault> {
    let Some(action) = config["action"].as_str() else { return Vec::new() };
    let (needs, takes): (&[&str], &[&str]) = match action {
        "SET" => (&["value"], &["value", "ttl"]),
        "ADD" => (&[], &["by", "ttl"]),
        "COMPARE_AND_SET" => (&["expected", "value"], &["expected", "value", "ttl"]),
        _ => (&[], &[]),
    };
    let fault =
        |at: &str, message: String, hint: &str| (at.to_owned(), message, Some(hint.to_owned()));
    let missing = needs
        .iter()
        .filter(|name| config.get(**name).is_none())
        .map(|name| fault(name, format!("{action} needs `{name}`"), "null stands for no value"));
    let needless = ["value", "by", "expected", "ttl"]
        .into_iter()
        .filter(|name| config.get(*name).is_some() && !takes.contains(name))
        .map(|name| fault(name, format!("{action} takes no `{name}`"), "leave it out"));
    let ttl = config.get("ttl").filter(|value| !is_expression(value));
    let wrong_ttl = ttl.and_then(|value| duration("ttl", value).err());
    let wrong_ttl = wrong_ttl.map(|e| fault("ttl", e.message, "for example 1d"));
    missing.chain(needless).chain(wrong_ttl).collect()
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let known = ["action", "key", "scope", "value", "by", "expected", "ttl"];
    let config = Config::of(&work.config, &known)?;
    config.require("action")?;
    let key = config.require_text("key")?;
    if key.is_empty() {
        return Err(wrong("key", &work.config["key"], "a text that is not empty"));
    }
    let scope = match config.choice("scope", &SCOPES)? {
        "GLOBAL" => SharedScope::Global,
        _ => SharedScope::Workflow,
    };
    let value = |name: &str| config.get(name).map(Json::of).unwrap_or_default();
    let action = match config.choice("action", &ACTIONS)? {
        "SET" => SharedAction::Set { value: value("value"), ttl: ttl(config)? },
        "ADD" => SharedAction::Add { by: by(config)?, ttl: ttl(config)? },
        "COMPARE_AND_SET" => SharedAction::CompareAndSet {
            expected: value("expected"),
            value: value("value"),
            ttl: ttl(config)?,
        },
        "DELETE" => SharedAction::Delete,
        _ => SharedAction::Get,
    };
    Ok(Outcome::Request(Box::new(Request::Shared(SharedRequest { scope, key, action }))))
}

fn ttl(config: Config<'_>) -> Result<Option<Duration>, NodeError> {
    config.get("ttl").map(|value| duration("ttl", value)).transpose()
}

fn by(config: Config<'_>) -> Result<Json, NodeError> {
    match config.get("by") {
        None => Ok(Json::from(json!(1))),
        Some(Value::Number(by)) => Ok(Json::from(Value::Number(by.clone()))),
        Some(other) => Err(wrong("by", other, "a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kind::{Handles, InboxAt, Kinds};
    use crate::nodes::Registry;

    fn asked(config: Value) -> String {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let work = Work { config, items: Handles::new(), now, inbox: InboxAt::default() };
        match Registry::built_in().find("state").unwrap().compute(&work) {
            Ok(Outcome::Request(request)) => {
                let Request::Shared(SharedRequest { scope, key, action }) = *request else {
                    return format!("{request:?}");
                };
                format!("{scope:?} {key} {action:?}")
            }
            other => crate::nodes::bench::told(&other),
        }
    }

    #[test]
    fn a_configuration_is_a_request() {
        insta::assert_snapshot!(asked(json!({"action": "GET", "key": 7})), @"Workflow 7 Get");
        insta::assert_snapshot!(
            asked(json!({"action": "ADD", "key": "n", "scope": "GLOBAL", "ttl": "1s"})),
            @"Global n Add { by: 1, ttl: Some(1s) }"
        );
        insta::assert_snapshot!(
            asked(json!({"action": "COMPARE_AND_SET", "key": "n", "expected": null, "value": [1]})),
            @"Workflow n CompareAndSet { expected: null, value: [1], ttl: None }"
        );
        insta::assert_snapshot!(
            asked(json!({"action": "ADD", "key": "n", "by": "x"})),
            @r#"CONFIG: `by` is "x", but must be a number"#
        );
        insta::assert_snapshot!(
            asked(json!({"action": "GET", "key": ""})),
            @r#"CONFIG: `key` is "", but must be a text that is not empty"#
        );
    }

    #[test]
    fn members_of_other_actions_are_told_when_saved() {
        let faults = |config: Value| {
            let told =
                check(&config).into_iter().map(|(at, message, _)| format!("{at}: {message}"));
            told.collect::<Vec<_>>().join("; ")
        };
        assert_eq!(faults(json!({"action": "SET", "key": "k", "value": null})), "");
        assert_eq!(faults(json!({"action": "SET", "key": "k"})), "value: SET needs `value`");
        assert_eq!(faults(json!({"action": "GET", "key": "k", "by": 2})), "by: GET takes no `by`");
        assert!(faults(json!({"action": "ADD", "key": "k", "ttl": "soon"})).starts_with("ttl: "));
    }
}
