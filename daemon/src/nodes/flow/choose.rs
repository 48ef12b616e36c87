//! `if`: sends each item one of two ways.

use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::json;

use crate::engine::kind::{Handles, NodeError, Outcome, Work, WorksOn};
use crate::nodes::config::{Config, condition, holds};
use crate::nodes::context::all_items;
use crate::nodes::definition::{CarryOut, Definition, one_input};
use crate::nodes::schema;

const DOCUMENTATION: &str = "\
Sends each item out of handle `true` where `where` holds, else out of `false`. What holds is said at
`filter`. Connections of a way that no item takes are not taken.

```yaml
type: if
config: {where: \"{{ item.status == 200 }}\"}
```
";

pub(in crate::nodes) fn definition() -> Definition {
    Definition {
        name: "if",
        version: "1.0.0",
        display_name: "If",
        description: "Sends each item one of two ways.",
        node_type: NodeType::Condition,
        category: "flow",
        icon: "◇",
        color: "cyan",
        tags: &["condition", "branch", "else"],
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
        outputs: |_| vec!["true".into(), "false".into()],
        repeat: |_| Repeat::Pure,
        check: |config| condition("where", config.get("where")),
        carry_out: CarryOut::Inline(compute),
    }
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, &["where"])?;
    let way = if config.get("where").is_some_and(holds) { "true" } else { "false" };
    Ok(Outcome::Items(Handles::from([(way.to_owned(), all_items(&work.items))])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::bench::check_each;

    #[test]
    fn a_condition_is_one_expression_or_no_text_at_all() {
        let faults = |where_: serde_json::Value| (definition().check)(&json!({"where": where_}));
        for fine in [json!("{{ item.n > 3 }}"), json!(" {{ item.n }} "), json!(true), json!(null)] {
            assert_eq!(faults(fine.clone()), [], "{fine}");
        }
        for wrong in ["{{ item.n }} > 3", "item.n > 3", "{{ item.n > 3 }", ""] {
            assert_eq!(faults(json!(wrong)).len(), 1, "{wrong}");
        }
    }

    #[test]
    fn each_item_takes_one_way() {
        check_each("if", r#"{"where":true}"#, "7", "true: 7");
        check_each("if", r#"{"where":null}"#, "7", "false: 7");
        check_each("if", r#"{"were":true}"#, "7", "CONFIG: `were` is not known here");
    }
}
