//! `noop`: passes its items on.

use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::json;

use crate::engine::kind::{NodeError, Outcome, Work, WorksOn};
use crate::nodes::config::Config;
use crate::nodes::context::output;
use crate::nodes::definition::{CarryOut, Definition, nothing_more, one_input, one_output};
use crate::nodes::schema;

const DOCUMENTATION: &str = "\
Passes all items on as they are: a place where ways meet, or a named point in a drawing.

```yaml
type: noop
```
";

pub(in crate::nodes) fn definition() -> Definition {
    Definition {
        name: "noop",
        version: "1.0.0",
        display_name: "Nothing",
        description: "Passes its items on.",
        node_type: NodeType::Action,
        category: "flow",
        icon: "·",
        color: "gray",
        tags: &["pass", "placeholder"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(json!({}), &[]),
        input_schema: json!(true),
        output_schema: json!(true),
        constant_paths: &[],
        works_on: WorksOn::All,
        inputs: one_input(),
        outputs: one_output,
        repeat: |_| Repeat::Pure,
        check: nothing_more,
        carry_out: CarryOut::Inline(compute),
    }
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    Config::of(&work.config, &[])?;
    Ok(Outcome::Items(output(work.items.values().flatten().cloned().collect())))
}

#[cfg(test)]
mod tests {
    use crate::nodes::bench::check_all;

    #[test]
    fn everything_passes() {
        check_all("noop", "{}", &[("input", r#"[1,{"a":1.0}]"#)], r#"output: 1 {"a":1.0}"#);
        check_all("noop", "{}", &[], "");
    }
}
