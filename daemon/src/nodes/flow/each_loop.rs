//! `loop`: repeats what comes after its handle `loop`, for each item, for each member of a list, or
//! as long as a condition holds.

use std::sync::Arc;

use a2n_proto::Json;
use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::{Value, json};

use crate::engine::kind::{DONE, Iterations, LOOP, NodeError, Outcome, Over, Role, Work, WorksOn};
use crate::nodes::config::{Config, condition, wrong};
use crate::nodes::definition::{CarryOut, Definition, Fault, one_input};
use crate::nodes::schema;

const DOCUMENTATION: &str = "\
Everything that is only come to through handle `loop` is the body, and runs once per iteration. What
the body sends back to this node is collected and leaves through `done` after the last iteration, in
the order of the iterations; where nothing leads back, what the body's last nodes send is.

- Without configuration each item is an iteration of its own. `batchSize` makes it several.
- `forEach` names another list to go over.
- `while` is asked before each iteration, and the loop ends when it is false. In it, `item` and `items`
  are what the iteration would work on. Without `forEach` each iteration works on what the one before
  sent back, the first on what came in, and only what was sent back last leaves through `done`; the
  loop also ends when nothing is sent back.
- The node's `concurrency` says how many iterations run beside each other (one where nothing is said,
  and always one with `while`), and its `maxIterations` how many there may be: 1,000 for `while` alone,
  as many as the list is long for the others. Where there would be more, the node fails.
- `break` ends the loop early. A step that fails with `onError: STOP` ends the other iterations, and
  the loop with them; put a `try` into the body to go on with the next item.

In the body, `loop.index` counts from 0, `loop.iteration` is the path of all loops (\"2.5\"), and there
are `loop.first`, `loop.last` and `loop.count` (where it goes over a list), and `loop.parent`.

```yaml
type: loop
```
```yaml
type: loop
concurrency: 8
config: {forEach: \"{{ inputs.hosts }}\"}
```
```yaml
type: loop
maxIterations: 50
config: {while: \"{{ item.status != 'ready' }}\"}
```
";

pub(in crate::nodes) fn definition() -> Definition {
    Definition {
        name: "loop",
        version: "1.0.0",
        display_name: "Loop",
        description: "Repeats what comes after it, item by item or as long as a condition holds.",
        node_type: NodeType::Loop,
        category: "flow",
        icon: "↻",
        color: "cyan",
        tags: &["for", "each", "while", "repeat", "batch", "parallel"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({
                "forEach": schema::with(
                    schema::list(json!(true), "The list to go over. Where it is not there, the items that come in."),
                    "examples", json!(["{{ inputs.hosts }}"]),
                ),
                "while": schema::condition("Asked before each iteration; the loop ends when it is false."),
                "batchSize": schema::integer(1, Some(1), "So many items an iteration."),
            }),
            &[],
        ),
        input_schema: json!(true),
        output_schema: json!(true),
        constant_paths: &[],
        works_on: WorksOn::All,
        inputs: one_input(),
        outputs: |_| vec![DONE.into(), LOOP.into()],
        repeat: |_| Repeat::Pure,
        check,
        carry_out: CarryOut::Flow(Role::Loop, compute),
    }
}

fn check(config: &Value) -> Vec<Fault> {
    let mut faults = condition("while", config.get("while"));
    let rounds = config.get("while").is_some() && config.get("forEach").is_none();
    if rounds && config.get("batchSize").is_some_and(|size| *size != json!(1)) {
        let message = "`while` without `forEach` goes over no list that could be cut up".to_owned();
        let hint = "leave batchSize out, or name the list in forEach".to_owned();
        faults.push(("batchSize".into(), message, Some(hint)));
    }
    faults
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, &["forEach", "while", "batchSize"])?;
    let batch = match config.get("batchSize") {
        None => 1,
        Some(size) => size
            .as_u64()
            .and_then(|size| u32::try_from(size).ok())
            .filter(|size| *size > 0)
            .ok_or_else(|| wrong("batchSize", size, "a whole number from 1 on"))?,
    };
    let over = match config.get("forEach") {
        Some(_) => {
            let list = config.list("forEach")?;
            Over::List(Arc::new(list.into_iter().map(|(_, value)| Json::of(value)).collect()))
        }
        // Its condition is asked by the engine.
        None if config.get("while").is_some() => Over::Rounds,
        None => Over::Input,
    };
    let last_only = over == Over::Rounds;
    Ok(Outcome::Loop(Iterations { over, batch, last_only }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::bench::check_all;

    #[test]
    fn what_it_goes_over_is_said_by_its_configuration() {
        let check = |config, wanted| check_all("loop", config, &[("input", "[1,2]")], wanted);
        check("{}", "loop Iterations { over: Input, batch: 1, last_only: false }");
        check(r#"{"while":true}"#, "loop Iterations { over: Rounds, batch: 1, last_only: true }");
        check(
            r#"{"forEach":[1,"a"],"batchSize":2}"#,
            "loop Iterations { over: List([1, \"a\"]), batch: 2, last_only: false }",
        );
        check(r#"{"forEach":7}"#, "CONFIG: `forEach` is 7, but must be a list");
        check(
            r#"{"batchSize":0}"#,
            "CONFIG: `batchSize` is 0, but must be a whole number from 1 on",
        );
    }

    #[test]
    fn a_condition_alone_has_no_list_to_cut_up() {
        assert_eq!(check(&json!({"while": "{{ x }}", "batchSize": 5}))[0].0, "batchSize");
        assert_eq!(check(&json!({"while": "{{ x }}", "forEach": "{{ y }}", "batchSize": 5})), []);
    }
}
