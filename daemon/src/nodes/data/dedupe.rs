//! `dedupe`: leaves out items that came before.

use std::collections::HashMap;

use a2n_proto::Json;
use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::json;

use super::order::canonical;
use super::path::Path;
use crate::engine::kind::{NodeError, Outcome, Work, WorksOn};
use crate::nodes::config::Config;
use crate::nodes::context::output;
use crate::nodes::definition::{CarryOut, Definition, one_input, one_output};
use crate::nodes::schema;

const DOCUMENTATION: &str = "\
Leaves out items that are equal to another one: in all that stands at the paths of `by`, or, without
`by`, in everything. `keep` says which of the equal ones stays, in its place: the `FIRST` (default) or
the `LAST`. Numbers are equal by value (`1` and `1.0`), objects whatever the order of their members;
`1` and `\"1\"` are not. What is missing or `null` is equal too, but an item that has none of the keys
is never left out.

It looks at the items of this execution only.

```yaml
type: dedupe
config: {by: [host], keep: LAST}
```

```text
in:  {\"host\":\"web1\",\"load\":0.50}
in:  {\"host\":\"web2\",\"load\":1.00}
in:  {\"host\":\"web1\",\"load\":0.75}
out: {\"host\":\"web2\",\"load\":1.00}
out: {\"host\":\"web1\",\"load\":0.75}
```
";

pub(in crate::nodes) fn definition() -> Definition {
    Definition {
        name: "dedupe",
        version: "1.0.0",
        display_name: "Remove duplicates",
        description: "Leaves out items that are equal to another one.",
        node_type: NodeType::Action,
        category: "data",
        icon: "≠",
        color: "yellow",
        tags: &["unique", "distinct", "duplicates"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({
                "by": schema::list(schema::path("A path."), "The paths of what is compared; without them the whole item is."),
                "keep": schema::choice(&["FIRST", "LAST"], Some("FIRST"), "Which of the equal ones stays."),
            }),
            &[],
        ),
        input_schema: json!(true),
        output_schema: json!(true),
        constant_paths: &[],
        works_on: WorksOn::All,
        inputs: one_input(),
        outputs: one_output,
        repeat: |_| Repeat::Pure,
        check: |config| Path::check_list("by", config.get("by")),
        carry_out: CarryOut::Inline(compute),
    }
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, &["by", "keep"])?;
    let by = Path::list(&config, "by")?;
    let keeps_last = config.choice("keep", &["FIRST", "LAST"])? == "LAST";
    let items: Vec<&Json> = work.items.values().flatten().collect();
    let mut stays = vec![true; items.len()];
    let mut seen = HashMap::<String, usize>::new();
    for (n, item) in items.iter().enumerate() {
        let Some(key) = key(&by, item) else { continue };
        if keeps_last {
            if let Some(before) = seen.insert(key, n) {
                stays[before] = false;
            }
        } else {
            stays[n] = *seen.entry(key).or_insert(n) == n;
        }
    }
    let kept = items.into_iter().zip(stays).filter(|(_, stays)| *stays);
    Ok(Outcome::Items(output(kept.map(|(item, _)| item.clone()).collect())))
}

/// What two equal items have in common; none where an item has no key at all.
fn key(by: &[Path], item: &Json) -> Option<String> {
    if by.is_empty() {
        return Some(canonical(item));
    }
    let found: Vec<Option<Json>> = by.iter().map(|path| path.find(item)).collect();
    found.iter().any(Option::is_some).then(|| {
        let parts = found.iter().map(|found| found.as_ref().map(canonical).unwrap_or_default());
        Json::of(&parts.collect::<Vec<_>>()).as_str().to_owned()
    })
}

#[cfg(test)]
mod tests {
    use crate::nodes::bench::check_all;

    fn check(config: &str, items: &str, wanted: &str) {
        check_all("dedupe", config, &[("input", items)], wanted);
    }

    #[test]
    fn equal_items_stay_once_as_they_are() {
        check(
            "{}",
            r#"[1.0,1,"1",{"a":1,"b":2},{"b":2,"a":1.0},null,null,[1]]"#,
            r#"output: 1.0 "1" {"a":1,"b":2} null [1]"#,
        );
        check(
            "{}",
            "[12345678901234567891,12345678901234567892]",
            "output: 12345678901234567891 12345678901234567892",
        );
        check(r#"{"keep":"LAST"}"#, "[1,2,1.0]", "output: 2 1.0");
        check("{}", "[]", "");
    }

    #[test]
    fn keys_decide_and_what_has_none_stays() {
        let items = r#"[{"a":1,"b":2,"n":1},{"a":1,"b":3,"n":2},{"a":1,"n":3},{"a":1,"b":null,"n":4},{"n":5},{"n":5},7]"#;
        check(r#"{"by":["a"]}"#, items, r#"output: {"a":1,"b":2,"n":1} {"n":5} {"n":5} 7"#);
        check(
            r#"{"by":["a","b"]}"#,
            items,
            r#"output: {"a":1,"b":2,"n":1} {"a":1,"b":3,"n":2} {"a":1,"n":3} {"n":5} {"n":5} 7"#,
        );
        let parts = r#"[{"a":"x\",\"","b":""},{"a":"x","b":"\",\""}]"#;
        check(
            r#"{"by":["a","b"]}"#,
            parts,
            r#"output: {"a":"x\",\"","b":""} {"a":"x","b":"\",\""}"#,
        );
    }
}
