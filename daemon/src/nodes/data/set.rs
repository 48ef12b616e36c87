//! `set`: changes an item's members.

use a2n_proto::Json;
use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::{Value, json};

use super::members::Members;
use crate::engine::kind::{NodeError, Outcome, Work, WorksOn};
use crate::nodes::config::Config;
use crate::nodes::context::{first_item, output};
use crate::nodes::definition::{CarryOut, Definition, Fault, one_input, one_output};
use crate::nodes::schema;

const DOCUMENTATION: &str = "\
Gives the item with `values` merged in: a member of the same name is replaced whole, a new one comes
to the end. With `keep` only the named members of the item stay, with `drop` all but the named; both
are applied before the values. Members that are not touched keep their order and the digits of their
numbers. An item that is not an object counts as one without members.

```yaml
type: set
config:
  keep: [host]
  values: {full: \"{{ item.percent > 90 }}\", checkedAt: \"{{ now }}\"}
```
";

pub(in crate::nodes) fn definition() -> Definition {
    Definition {
        name: "set",
        version: "1.0.0",
        display_name: "Set",
        description: "Adds, replaces, keeps or drops members of an item.",
        node_type: NodeType::Action,
        category: "data",
        icon: "✎",
        color: "yellow",
        tags: &["edit", "map", "rename", "fields"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({
                "values": schema::map(json!(true), "Members to put into the item, by name."),
                "keep": schema::list(schema::text("A member's name."), "Members that stay; all others go."),
                "drop": schema::list(schema::text("A member's name."), "Members that go."),
            }),
            &[],
        ),
        input_schema: json!(true),
        output_schema: json!({"type": "object"}),
        constant_paths: &[],
        works_on: WorksOn::Each,
        inputs: one_input(),
        outputs: one_output,
        repeat: |_| Repeat::Pure,
        check,
        carry_out: CarryOut::Inline(compute),
    }
}

fn check(config: &Value) -> Vec<Fault> {
    if config.get("keep").is_some() && config.get("drop").is_some() {
        let hint = "members that are not kept are dropped: leave `drop` out".to_owned();
        return vec![("drop".into(), "`keep` and `drop` exclude each other".into(), Some(hint))];
    }
    Vec::new()
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, &["values", "keep", "drop"])?;
    let mut members = Members::of(&first_item(&work.items)).unwrap_or_default();
    if config.get("keep").is_some() {
        let keep = config.texts("keep")?;
        members.retain(|name| keep.iter().any(|kept| kept == name));
    }
    let drop = config.texts("drop")?;
    members.retain(|name| !drop.iter().any(|dropped| dropped == name));
    if let Some(values) = config.get("values") {
        let Value::Object(values) = values else {
            return Err(crate::nodes::config::wrong("values", values, "an object"));
        };
        // A null is a value here: it is put in.
        for (name, value) in values {
            members.put(name, Json::of(value));
        }
    }
    Ok(Outcome::Items(output(vec![members.into_item()])))
}

#[cfg(test)]
mod tests {
    use crate::nodes::bench::check_each;

    #[test]
    fn values_are_merged_in_and_the_rest_passes_untouched() {
        let check = |config, item, wanted| check_each("set", config, item, wanted);
        check(
            r#"{"values":{"b":2,"c":null}}"#,
            r#"{"b":1,"a":1.50}"#,
            r#"output: {"b":2,"a":1.50,"c":null}"#,
        );
        check(
            r#"{"keep":["a"],"values":{"x":[1]}}"#,
            r#"{"a":1,"b":2}"#,
            r#"output: {"a":1,"x":[1]}"#,
        );
        check(r#"{"drop":["a"]}"#, r#"{"a":1,"b":{"a":2}}"#, r#"output: {"b":{"a":2}}"#);
        check(r#"{"keep":[]}"#, r#"{"a":1}"#, "output: {}");
        check(r#"{"values":{"v":1}}"#, r#""text""#, r#"output: {"v":1}"#);
        check(
            "{}",
            r#"{"n":123456789012345678901234567890}"#,
            r#"output: {"n":123456789012345678901234567890}"#,
        );
        check(r#"{"values":7}"#, "{}", "CONFIG: `values` is 7, but must be an object");
    }
}
