//! `stop`: ends the execution.

use a2n_proto::document::Repeat;
use a2n_proto::execution::ExecutionStatus;
use a2n_proto::nodes::NodeType;
use serde_json::json;

use crate::engine::kind::{NodeError, Outcome, Work, WorksOn};
use crate::nodes::config::Config;
use crate::nodes::definition::{CarryOut, Definition, nothing_more, one_input};
use crate::nodes::schema;

const DOCUMENTATION: &str = "\
Ends the whole execution at once, as SUCCESS or FAILED, with a message. Steps that still run are
ended as by cancel.

```yaml
type: stop
config: {status: FAILED, message: \"no backup newer than {{ vars.age }} days\"}
```
";

pub(in crate::nodes) fn definition() -> Definition {
    Definition {
        name: "stop",
        version: "1.0.0",
        display_name: "Stop",
        description: "Ends the execution, well or badly.",
        node_type: NodeType::Action,
        category: "flow",
        icon: "■",
        color: "red",
        tags: &["end", "fail", "exit", "abort"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({
                "status": schema::choice(&["SUCCESS", "FAILED"], Some("SUCCESS"), "How the execution ends."),
                "message": schema::text("Why, for people."),
            }),
            &[],
        ),
        input_schema: json!(true),
        output_schema: json!(false),
        constant_paths: &[],
        works_on: WorksOn::All,
        inputs: one_input(),
        outputs: |_| Vec::new(),
        repeat: |_| Repeat::Pure,
        check: nothing_more,
        carry_out: CarryOut::Inline(compute),
    }
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, &["status", "message"])?;
    let status = match config.choice("status", &["SUCCESS", "FAILED"])? {
        "FAILED" => ExecutionStatus::Failed,
        _ => ExecutionStatus::Success,
    };
    Ok(Outcome::Stop(status, config.text("message")?))
}

#[cfg(test)]
mod tests {
    use crate::nodes::bench::check_all;

    #[test]
    fn it_ends_the_execution_as_told() {
        let one = [("input", "[1]")];
        check_all("stop", "{}", &one, "stop Success: ");
        check_all("stop", r#"{"status":"FAILED","message":"no"}"#, &one, "stop Failed: no");
        check_all(
            "stop",
            r#"{"status":"BAD"}"#,
            &one,
            r#"CONFIG: `status` is "BAD", but must be one of SUCCESS, FAILED"#,
        );
    }
}
