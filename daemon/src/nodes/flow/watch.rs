//! `try`: watches over what comes after its handle `try`, and sends a failure in there to `catch`.

use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::json;

use crate::engine::kind::{CATCH, NodeError, Outcome, Role, TRY, Work, WorksOn};
use crate::nodes::config::Config;
use crate::nodes::context::all_items;
use crate::nodes::definition::{CarryOut, Definition, nothing_more, one_input};
use crate::nodes::schema;

const DOCUMENTATION: &str = "\
Sends its items out of handle `try` and watches over everything that is only come to through it. Where
a step in there fails and would fail the execution (`onError: STOP`), the rest of it is ended as by
cancel, the execution goes on, and one item leaves through `catch`:

`{error: {kind, message, code, nodeId, attempt}, input: …}`, where `nodeId` names the step that
failed and `input` is what came into this node (the item, or a list where there were several).

Without a failure `catch` is not taken. To go on in one way after either, let both lead to the same
node. What fails behind `catch` is caught by the next `try` further out.

```yaml
type: try
```
";

pub(in crate::nodes) fn definition() -> Definition {
    Definition {
        name: "try",
        version: "1.0.0",
        display_name: "Try",
        description: "Watches over what comes after it, and goes on elsewhere if that fails.",
        node_type: NodeType::Condition,
        category: "flow",
        icon: "⛨",
        color: "cyan",
        tags: &["catch", "error", "failure", "handle"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(json!({}), &[]),
        input_schema: json!(true),
        output_schema: json!(true),
        constant_paths: &[],
        works_on: WorksOn::All,
        inputs: one_input(),
        outputs: |_| vec![TRY.into(), CATCH.into()],
        repeat: |_| Repeat::Pure,
        check: nothing_more,
        carry_out: CarryOut::Flow(Role::Try, compute),
    }
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    Config::of(&work.config, &[])?;
    Ok(Outcome::Try(all_items(&work.items)))
}

#[cfg(test)]
mod tests {
    use crate::nodes::bench::check_all;

    #[test]
    fn its_items_go_in() {
        check_all("try", "{}", &[("input", "[1,2]")], "try [1,2]");
        check_all("try", "{}", &[], "try [null]");
    }
}
