//! `break`: ends the loop around it.

use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::json;

use crate::engine::kind::{NodeError, Outcome, Role, Work, WorksOn};
use crate::nodes::config::Config;
use crate::nodes::definition::{CarryOut, Definition, nothing_more, one_input};
use crate::nodes::schema;

const DOCUMENTATION: &str = "\
Ends the `loop` whose body it stands in, the innermost one. Its items leave through the loop's handle
`done`, after what the iterations before it sent back; the iteration that it ends, and those that run
beside it, add nothing else.

```yaml
type: break
```
";

pub(in crate::nodes) fn definition() -> Definition {
    Definition {
        name: "break",
        version: "1.0.0",
        display_name: "Break",
        description: "Ends the loop around it.",
        node_type: NodeType::Action,
        category: "flow",
        icon: "⇥",
        color: "cyan",
        tags: &["loop", "end", "leave", "stop"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(json!({}), &[]),
        input_schema: json!(true),
        output_schema: json!(false),
        constant_paths: &[],
        works_on: WorksOn::All,
        inputs: one_input(),
        outputs: |_| Vec::new(),
        repeat: |_| Repeat::Pure,
        check: nothing_more,
        carry_out: CarryOut::Flow(Role::Break, compute),
    }
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    Config::of(&work.config, &[])?;
    Ok(Outcome::Break(work.items.values().flatten().cloned().collect()))
}

#[cfg(test)]
mod tests {
    use crate::nodes::bench::check_all;

    #[test]
    fn it_takes_its_items_along() {
        check_all("break", "{}", &[("input", "[1,2]")], "break [1,2]");
    }
}
