//! `workflow`: runs another workflow for each item, and waits for its end or not.

use a2n_proto::Json;
use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::{Value, json};

use crate::engine::kind::{NodeError, Outcome, Work, WorksOn};
use crate::engine::request::Request;
use crate::engine::request::child::ChildRequest;
use crate::nodes::config::{Config, wrong};
use crate::nodes::context::first_item;
use crate::nodes::definition::{CarryOut, Definition, nothing_more, one_input, one_output};
use crate::nodes::schema;

const DOCUMENTATION: &str = "\
Runs the published version of another workflow, or `version` of it, once per item, up to the node's
`concurrency` at once. `workflow` is its name as the owner of this workflow says it, `owner/name`, or
its id. It runs with the rights of whoever this execution runs for: they need the permission EXECUTE.

`inputs` is what the other workflow sees as `inputs`, and what its first nodes get as their item. Where
it is absent it is the item itself, or nothing where that is no object.

What goes on are the items that the last nodes of the other execution gave, by the order of the nodes'
ids. If it fails the step fails with WORKFLOW_FAILED, the other execution's id and its reason; if
somebody cancels it, with WORKFLOW_CANCELLED. With `wait: false` the step is done once the other one is
accepted; what goes on is `{executionId, workflowId, workflow}`.

Each attempt has one execution of its own, whatever crashes. Cancelling this execution, or a time-out
of the node or of the execution, cancels those that it waits for and all below them; a detached one
goes on. 16 executions may stand above another one; one more fails with DEPTH. `a2n tree` shows them
all.

```yaml
type: workflow
config: {workflow: resize-image, inputs: {path: \"{{ item.path }}\", width: 200}}
concurrency: 4
```

```yaml
type: workflow
config: {workflow: report, wait: false}
```
";

pub(in crate::nodes) fn definition() -> Definition {
    Definition {
        name: "workflow",
        version: "1.0.0",
        display_name: "Workflow",
        description: "Runs another workflow.",
        node_type: NodeType::Action,
        category: "flow",
        icon: "⧉",
        color: "magenta",
        tags: &["sub-workflow", "child", "call", "execute"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({
                "workflow": {"type": "string", "minLength": 1, "description": "Its name, `owner/name`, or its id."},
                "version": schema::integer(1, None, "Which version; the published one where absent."),
                "inputs": schema::map(json!(true), "Its inputs; the item where absent."),
                "wait": schema::flag(true, "Whether to wait for its end."),
            }),
            &["workflow"],
        ),
        input_schema: json!(true),
        output_schema: json!(true),
        constant_paths: &[],
        works_on: WorksOn::Each,
        inputs: one_input(),
        outputs: one_output,
        repeat: |_| Repeat::Retryable,
        check: nothing_more,
        carry_out: CarryOut::Inline(compute),
    }
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, &["workflow", "version", "inputs", "wait"])?;
    let workflow = config.require_text("workflow")?;
    let version = config.get("version").map(version).transpose()?;
    let inputs = match config.get("inputs") {
        Some(inputs @ Value::Object(_)) => Json::of(inputs),
        Some(other) => return Err(wrong("inputs", other, "an object")),
        None => Some(first_item(&work.items))
            .filter(|item| item.as_str().starts_with('{'))
            .unwrap_or_else(Json::object),
    };
    let detach = !config.flag("wait", true)?;
    let request = ChildRequest { workflow, version, inputs, detach };
    Ok(Outcome::Request(Box::new(Request::Child(request))))
}

fn version(value: &Value) -> Result<u32, NodeError> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.filter(|number| *number > 0).ok_or_else(|| wrong("version", value, "a version's number"))
}

#[cfg(test)]
mod tests {
    use crate::nodes::bench::check_each;

    #[test]
    fn the_item_is_its_input_where_nothing_else_is_said() {
        let check = |config, item, wanted| check_each("workflow", config, item, wanted);
        check(
            r#"{"workflow":"w"}"#,
            r#"{"a":1.50}"#,
            r#"asks Child(ChildRequest { workflow: "w", version: None, inputs: {"a":1.50}, detach: false })"#,
        );
        check(
            r#"{"workflow":"w","version":3,"wait":false}"#,
            "7",
            r#"asks Child(ChildRequest { workflow: "w", version: Some(3), inputs: {}, detach: true })"#,
        );
        check(
            r#"{"workflow":"w","inputs":{"b":2}}"#,
            r#"{"a":1}"#,
            r#"asks Child(ChildRequest { workflow: "w", version: None, inputs: {"b":2}, detach: false })"#,
        );
        check(
            r#"{"workflow":"w","inputs":[1]}"#,
            "{}",
            "CONFIG: `inputs` is [1], but must be an object",
        );
        check(
            r#"{"workflow":"w","version":0}"#,
            "{}",
            "CONFIG: `version` is 0, but must be a version's number",
        );
    }
}
