//! `switch`: sends each item the way of the first case that holds.

use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::{Value, json};

use crate::engine::kind::{Handles, NodeError, Outcome, Work, WorksOn};
use crate::nodes::config::{Config, condition, holds};
use crate::nodes::context::all_items;
use crate::nodes::definition::{CarryOut, Definition, Fault, one_input};
use crate::nodes::schema;

const DOCUMENTATION: &str = "\
Asks the cases from the first to the last and sends the item out of handle `case:NAME` of the first
that holds; out of `default` where none does. What holds is said at `filter`.

```yaml
type: switch
config:
  cases:
    - {name: full, where: \"{{ item.percent > 95 }}\"}
    - {name: high, where: \"{{ item.percent > 80 }}\"}
```
";

pub(in crate::nodes) fn definition() -> Definition {
    let case = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "where"],
        "properties": {
            "name": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$", "description": "Names the handle: `case:NAME`."},
            "where": schema::condition("The condition, asked for each item."),
        },
    });
    Definition {
        name: "switch",
        version: "1.0.0",
        display_name: "Switch",
        description: "Sends each item the way of the first case that holds.",
        node_type: NodeType::Condition,
        category: "flow",
        icon: "⑂",
        color: "cyan",
        tags: &["case", "branch", "route"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({"cases": {"type": "array", "minItems": 1, "items": case, "description": "Asked in this order."}}),
            &["cases"],
        ),
        input_schema: json!(true),
        output_schema: json!(true),
        constant_paths: &["cases.*.name"],
        works_on: WorksOn::Each,
        inputs: one_input(),
        outputs,
        repeat: |_| Repeat::Pure,
        check,
        carry_out: CarryOut::Inline(compute),
    }
}

fn names(config: &Value) -> impl Iterator<Item = &str> {
    let cases = config.get("cases").and_then(Value::as_array).into_iter().flatten();
    cases.filter_map(|case| case.get("name")?.as_str())
}

fn outputs(config: &Value) -> Vec<String> {
    // In the order in which they are asked.
    let cases = names(config).map(|name| format!("case:{name}"));
    cases.chain(["default".to_owned()]).collect()
}

fn check(config: &Value) -> Vec<Fault> {
    let cases = config.get("cases").and_then(Value::as_array).into_iter().flatten();
    let conditions = cases
        .zip(0..)
        .flat_map(|(case, n)| condition(&format!("cases[{n}].where"), case.get("where")));
    let conditions: Vec<Fault> = conditions.collect();
    let names: Vec<&str> = names(config).collect();
    let twice = |n: &usize| names[..*n].contains(&names[*n]);
    (0..names.len())
        .filter(twice)
        .map(|n| {
            let message = format!("case `{}` stands twice", names[n]);
            (format!("cases[{n}].name"), message, Some("give it another name".into()))
        })
        .chain(conditions)
        .collect()
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, &["cases"])?;
    let mut way = "default".to_owned();
    for (at, case) in config.list("cases")? {
        let case = Config::within(&at, case, &["name", "where"])?;
        if case.get("where").is_some_and(holds) {
            way = format!("case:{}", case.require_text("name")?);
            break;
        }
    }
    Ok(Outcome::Items(Handles::from([(way, all_items(&work.items))])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::bench::check_each;

    #[test]
    fn the_first_case_that_holds_is_taken() {
        let check = |a, b, wanted| {
            let config =
                format!(r#"{{"cases":[{{"name":"a","where":{a}}},{{"name":"b","where":{b}}}]}}"#);
            check_each("switch", &config, "{}", wanted);
        };
        check(true, true, "case:a: {}");
        check(false, true, "case:b: {}");
        check(false, false, "default: {}");
    }

    #[test]
    fn its_handles_come_from_the_cases_and_a_name_stands_once() {
        let config = json!({"cases": [{"name": "a"}, {"name": "b"}, {"name": "a"}]});
        assert_eq!(outputs(&config), ["case:a", "case:b", "case:a", "default"]);
        assert_eq!(check(&config)[0].0, "cases[2].name");
    }
}
