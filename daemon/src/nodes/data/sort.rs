//! `sort`: puts the items in order.

use std::cmp::Ordering;

use a2n_proto::Json;
use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::{Value, json};

use super::order::{COMPARE, Rank};
use super::path::Path;
use crate::engine::kind::{NodeError, Outcome, Work, WorksOn};
use crate::nodes::config::{Config, wrong};
use crate::nodes::context::output;
use crate::nodes::definition::{CarryOut, Definition, Fault, one_input, one_output};
use crate::nodes::schema;

const DOCUMENTATION: &str = "\
Puts the items in order by what stands at each `key`, the first one counting most; without `by`, by the
items themselves. Items that are equal keep their order. `compare` says how:

- `VALUE` (default): `false`, `true`, numbers by value, texts by their characters, lists, objects.
- `NUMBER`: numbers, and texts that read as numbers (a table's columns are texts). Anything else is an
  error that names the item.
- `TEXT`: everything as its text.
- `NATURAL`: as its text, but `web2` before `web10`, and capital letters as small ones.

An item where the key is missing or `null` comes last, `DESCENDING` too.

```yaml
type: sort
config:
  by:
    - {key: size, compare: NUMBER, order: DESCENDING}
    - {key: host, compare: NATURAL}
```

```text
in:  {\"host\":\"web10\",\"size\":\"9\"}
in:  {\"host\":\"web2\",\"size\":\"9\"}
in:  {\"host\":\"db\"}
in:  {\"host\":\"web1\",\"size\":10}
out: {\"host\":\"web1\",\"size\":10}
out: {\"host\":\"web2\",\"size\":\"9\"}
out: {\"host\":\"web10\",\"size\":\"9\"}
out: {\"host\":\"db\"}
```
";

pub(in crate::nodes) fn definition() -> Definition {
    let by = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "key": schema::path("The path of what is compared; without it the item itself is."),
            "order": schema::choice(&ORDERS, Some("ASCENDING"), "Which end comes first."),
            "compare": schema::choice(&COMPARE, Some("VALUE"), "How two of them are compared."),
        },
    });
    Definition {
        name: "sort",
        version: "1.0.0",
        display_name: "Sort",
        description: "Puts the items in order.",
        node_type: NodeType::Action,
        category: "data",
        icon: "⇅",
        color: "yellow",
        tags: &["order", "rank", "descending"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({"by": schema::list(by, "What they are ordered by: {key, order ASCENDING or DESCENDING, compare VALUE, NUMBER, TEXT or NATURAL}. The first counts most.")}),
            &[],
        ),
        input_schema: json!(true),
        output_schema: json!(true),
        constant_paths: &[],
        works_on: WorksOn::All,
        inputs: one_input(),
        outputs: one_output,
        repeat: |_| Repeat::Pure,
        check,
        carry_out: CarryOut::Inline(compute),
    }
}

const ORDERS: [&str; 2] = ["ASCENDING", "DESCENDING"];

fn check(config: &Value) -> Vec<Fault> {
    let by = config.get("by").and_then(Value::as_array).into_iter().flatten();
    by.zip(0..).filter_map(|(by, n)| Path::check(&format!("by[{n}].key"), by.get("key"))).collect()
}

/// One thing that they are ordered by.
struct Criterion {
    key: Option<Path>,
    descending: bool,
    compare: &'static str,
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, &["by"])?;
    let mut criteria = Vec::new();
    for (at, by) in config.list("by")? {
        let by = Config::within(&at, by, &["key", "order", "compare"])?;
        let key = by.get("key").map(|key| Path::of(&format!("{at}.key"), key)).transpose()?;
        let descending = by.choice("order", &ORDERS)? == "DESCENDING";
        criteria.push(Criterion { key, descending, compare: by.choice("compare", &COMPARE)? });
    }
    if criteria.is_empty() {
        criteria.push(Criterion { key: None, descending: false, compare: "VALUE" });
    }
    let items = work.items.values().flatten();
    let mut ranked = Vec::new();
    for (n, item) in items.enumerate() {
        let ranks: Result<Vec<_>, _> = criteria.iter().map(|by| by.rank(n, item)).collect();
        ranked.push((ranks?, item.clone()));
    }
    ranked.sort_by(|(one, _), (other, _)| {
        let by = criteria.iter().zip(one.iter().zip(other));
        by.map(|(by, (one, other))| by.order(one, other))
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal)
    });
    Ok(Outcome::Items(output(ranked.into_iter().map(|(_, item)| item).collect())))
}

impl Criterion {
    fn rank(&self, n: usize, item: &Json) -> Result<Option<Rank>, NodeError> {
        let found = match &self.key {
            Some(key) => key.find(item),
            None => Some(item.clone()).filter(|item| !item.is_null()),
        };
        let Some(value) = found else { return Ok(None) };
        Rank::of(&value, self.compare).map(Some).map_err(|_| {
            let key = self.key.as_ref().map_or(String::new(), |key| format!(".{key}"));
            let wanted = "a number; use compare NATURAL, or leave such items out before";
            let error = wrong(&format!("items[{n}]{key}"), &value.to_value(), wanted);
            NodeError { kind: "ITEM".into(), ..error }
        })
    }
    fn order(&self, one: &Option<Rank>, other: &Option<Rank>) -> Ordering {
        match (one, other) {
            (Some(one), Some(other)) if self.descending => other.cmp(one),
            (Some(one), Some(other)) => one.cmp(other),
            // What has none comes last, whichever end comes first.
            (one, other) => one.is_none().cmp(&other.is_none()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::nodes::bench::check_all;

    fn check(config: &str, items: &str, wanted: &str) {
        check_all("sort", config, &[("input", items)], wanted);
    }

    #[test]
    fn several_keys_each_in_its_own_order() {
        let items = r#"[{"a":1,"b":"x","n":1},{"a":2,"b":"x","n":2},{"a":1,"b":"y","n":3},{"a":1.0,"b":"y","n":4}]"#;
        check(
            r#"{"by":[{"key":"a","order":"DESCENDING"},{"key":"b","order":"DESCENDING"}]}"#,
            items,
            r#"output: {"a":2,"b":"x","n":2} {"a":1,"b":"y","n":3} {"a":1.0,"b":"y","n":4} {"a":1,"b":"x","n":1}"#,
        );
        check("{}", "[3,1,null,2]", "output: 1 2 3 null");
        check(r#"{"by":[{"order":"DESCENDING"}]}"#, "[3,1,null,2]", "output: 3 2 1 null");
        check(
            "{}",
            "[9007199254740993,9007199254740992]",
            "output: 9007199254740992 9007199254740993",
        );
        check(r#"{"by":[]}"#, "[]", "");
    }

    #[test]
    fn what_can_not_be_ordered_is_named() {
        check(
            r#"{"by":[{"key":"s.t","compare":"NUMBER"}]}"#,
            r#"[{"s":{"t":"1"}},{"s":{"t":"1 GiB"}}]"#,
            r#"ITEM: `items[1].s.t` is "1 GiB", but must be a number; use compare NATURAL, or leave such items out before"#,
        );
        check(
            r#"{"by":[{"key":"a","order":"UP"}]}"#,
            "[]",
            r#"CONFIG: `by[0].order` is "UP", but must be one of ASCENDING, DESCENDING"#,
        );
        check(r#"{"by":["a"]}"#, "[]", r#"CONFIG: `by[0]` is "a", but must be an object"#);
        let faults = super::check(&serde_json::json!({"by": [{"key": "a"}, {"key": "a..b"}]}));
        assert_eq!(faults[0].0, "by[1].key");
    }
}
