//! `filter`: lets items pass that fulfil a condition.

use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::json;

use crate::engine::kind::{Handles, NodeError, Outcome, Work, WorksOn};
use crate::nodes::config::{Config, condition, holds};
use crate::nodes::context::{all_items, output};
use crate::nodes::definition::{CarryOut, Definition, one_input, one_output};
use crate::nodes::schema;

const DOCUMENTATION: &str = "\
Passes an item on where `where` holds, and drops it where not. `false`, `null`, `0`, the empty text,
list and object, and the word `false` don't hold; everything else does. Where no item passes, the
connections behind it are not taken.

```yaml
type: filter
config: {where: \"{{ item['Use%'] | replace('%', '') | int(0) > 90 }}\"}
```
";

pub(in crate::nodes) fn definition() -> Definition {
    Definition {
        name: "filter",
        version: "1.0.0",
        display_name: "Filter",
        description: "Lets the items pass that fulfil a condition.",
        node_type: NodeType::Condition,
        category: "data",
        icon: "▽",
        color: "yellow",
        tags: &["where", "select", "drop"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({"where": schema::condition("The condition, asked for each item.")}),
            &["where"],
        ),
        input_schema: json!(true),
        output_schema: json!(true),
        constant_paths: &[],
        works_on: WorksOn::Each,
        inputs: one_input(),
        outputs: one_output,
        repeat: |_| Repeat::Pure,
        check: |config| condition("where", config.get("where")),
        carry_out: CarryOut::Inline(compute),
    }
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, &["where"])?;
    Ok(Outcome::Items(match config.get("where") {
        Some(condition) if holds(condition) => output(all_items(&work.items)),
        _ => Handles::new(),
    }))
}

#[cfg(test)]
mod tests {
    use crate::nodes::bench::check_each;

    #[test]
    fn only_what_holds_passes() {
        for (condition, passes) in [
            ("true", true),
            ("1", true),
            (r#""x""#, true),
            ("[0]", true),
            ("false", false),
            ("null", false),
            ("0", false),
            ("0.0", false),
            (r#""""#, false),
            (r#"" False ""#, false),
            ("[]", false),
            ("{}", false),
        ] {
            let config = format!(r#"{{"where":{condition}}}"#);
            let wanted = if passes { r#"output: {"a":1}"# } else { "" };
            check_each("filter", &config, r#"{"a":1}"#, wanted);
        }
    }
}
