//! `merge`: brings the items of several ways together.

use std::collections::BTreeMap;

use a2n_proto::Json;
use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::{Value, json};

use crate::engine::kind::{Handles, Inputs, NodeError, Outcome, Work, WorksOn};
use crate::nodes::config::{Config, is_expression};
use crate::nodes::context::output;
use crate::nodes::data::members::Members;
use crate::nodes::definition::{CarryOut, Definition, Fault, one_output};
use crate::nodes::schema;

/// Most items that a join gives: a key that repeats on both sides multiplies.
const MAX_ITEMS: usize = 1_000_000;

const DOCUMENTATION: &str = "\
Connect the ways to the handles `input1`, `input2`, … The mode says how they come together:

- `APPEND` (default): all items, those of `input1` first.
- `POSITION`: the first items of all inputs become one item, then the second ones, and so on.
- `KEY`: items whose member `key` is equal become one item, in the order of `input1`. A key that
  repeats gives every combination. An item without the key, or with `null`, finds no partner.
- `FIRST`: the items of the first input that brought any.

For `POSITION` and `KEY`, `join` says what happens with items that find no partner: `INNER` (default)
drops them, `LEFT` keeps those of `input1`, `OUTER` keeps all. Where members have the same name, the
later input wins.

```yaml
type: merge
config: {mode: KEY, key: host, join: LEFT}
```
";

pub(in crate::nodes) fn definition() -> Definition {
    Definition {
        name: "merge",
        version: "1.0.0",
        display_name: "Merge",
        description: "Brings the items of several ways together.",
        node_type: NodeType::Action,
        category: "flow",
        icon: "⋈",
        color: "cyan",
        tags: &["join", "combine", "append", "zip"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({
                "mode": schema::choice(&["APPEND", "POSITION", "KEY", "FIRST"], Some("APPEND"), "How the items come together."),
                "key": schema::with(schema::text("KEY: the member that has to be equal."), "examples", json!(["host"])),
                "join": schema::choice(&["INNER", "LEFT", "OUTER"], Some("INNER"), "POSITION and KEY: what happens with items that find no partner."),
            }),
            &[],
        ),
        input_schema: json!(true),
        output_schema: json!(true),
        constant_paths: &[],
        works_on: WorksOn::All,
        inputs: Inputs::Numbered,
        outputs: one_output,
        repeat: |_| Repeat::Pure,
        check,
        carry_out: CarryOut::Inline(compute),
    }
}

fn check(config: &Value) -> Vec<Fault> {
    let mode = config.get("mode");
    if mode.is_some_and(is_expression) {
        return Vec::new();
    }
    let mode = mode.and_then(Value::as_str).unwrap_or("APPEND");
    let unused = |name: &str, modes: &str, hint: &str| {
        (name.to_owned(), format!("`{name}` is read only with mode {modes}"), Some(hint.to_owned()))
    };
    let mut faults = Vec::new();
    if config.get("key").is_some() && mode != "KEY" {
        faults.push(unused("key", "KEY", "set mode: KEY"));
    }
    if config.get("join").is_some() && !matches!(mode, "KEY" | "POSITION") {
        faults.push(unused("join", "KEY or POSITION", "set mode: KEY"));
    }
    if mode == "KEY" && config.get("key").is_none() {
        let hint = Some("name the member that has to be equal".to_owned());
        faults.push(("key".into(), "mode KEY needs a `key`".into(), hint));
    }
    faults
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, &["mode", "key", "join"])?;
    let join = config.choice("join", &["INNER", "LEFT", "OUTER"])?;
    let inputs = in_order(&work.items);
    let items = match config.choice("mode", &["APPEND", "POSITION", "KEY", "FIRST"])? {
        "POSITION" => by_position(&inputs, join)?,
        "KEY" => by_key(&inputs, &config.require_text("key")?, join)?,
        "FIRST" => {
            inputs.iter().find(|(_, i)| !i.is_empty()).map(|(_, i)| i.to_vec()).unwrap_or_default()
        }
        _ => inputs.iter().flat_map(|(_, items)| items.iter().cloned()).collect(),
    };
    Ok(Outcome::Items(output(items)))
}

type Input<'a> = (&'a str, &'a [Json]);

/// `input2` before `input10`.
fn in_order(items: &Handles) -> Vec<Input<'_>> {
    let mut inputs: Vec<Input<'_>> = items.iter().map(|(h, i)| (h.as_str(), &i[..])).collect();
    inputs.sort_by_key(|(handle, _)| {
        handle.strip_prefix("input").and_then(|n| n.parse().ok()).unwrap_or(u64::MAX)
    });
    inputs
}

fn members(handle: &str, n: usize, item: &Json) -> Result<Members, NodeError> {
    Members::of(item).ok_or_else(|| {
        let message = format!("item {n} of {handle} is not an object, so it can't be joined");
        NodeError::new("ITEM", message)
    })
}

fn by_position(inputs: &[Input<'_>], join: &str) -> Result<Vec<Json>, NodeError> {
    let lengths = inputs.iter().map(|(_, items)| items.len());
    let count = match join {
        "LEFT" => inputs.first().map(|(_, items)| items.len()),
        "OUTER" => lengths.max(),
        _ => lengths.min(),
    };
    let mut merged = Vec::new();
    for n in 0..count.unwrap_or(0) {
        let mut all = Members::default();
        for (handle, items) in inputs {
            if let Some(item) = items.get(n) {
                all.merge(&members(handle, n, item)?);
            }
        }
        merged.push(all.into_item());
    }
    Ok(merged)
}

fn by_key(inputs: &[Input<'_>], key: &str, join: &str) -> Result<Vec<Json>, NodeError> {
    let mut inputs = inputs.iter();
    let Some((handle, items)) = inputs.next() else { return Ok(Vec::new()) };
    let mut left = all_members(handle, items)?;
    for (handle, items) in inputs {
        let right = all_members(handle, items)?;
        let mut partners = BTreeMap::<String, Vec<usize>>::new();
        for (n, item) in right.iter().enumerate() {
            if let Some(key) = comparable(item.get(key)) {
                partners.entry(key).or_default().push(n);
            }
        }
        let mut found = vec![false; right.len()];
        let mut joined = Vec::new();
        for item in &left {
            let matches = comparable(item.get(key)).and_then(|key| partners.get(&key));
            if matches.is_none() && join != "INNER" {
                joined.push(item.clone());
            }
            for &n in matches.into_iter().flatten() {
                found[n] = true;
                let mut both = item.clone();
                both.merge(&right[n]);
                joined.push(both);
                if joined.len() > MAX_ITEMS {
                    let message = format!("the join by `{key}` gives more than {MAX_ITEMS} items");
                    return Err(NodeError::new("TOO_LARGE", message));
                }
            }
        }
        if join == "OUTER" {
            joined.extend(right.into_iter().zip(found).filter(|(_, f)| !f).map(|(item, _)| item));
        }
        left = joined;
    }
    Ok(left.into_iter().map(Members::into_item).collect())
}

fn all_members(handle: &str, items: &[Json]) -> Result<Vec<Members>, NodeError> {
    items.iter().enumerate().map(|(n, item)| members(handle, n, item)).collect()
}

/// A key as a text that is equal where the values are: 1 and 1.0 are, 1 and "1" are not.
fn comparable(value: Option<&Json>) -> Option<String> {
    match value?.to_value() {
        Value::Null => None,
        Value::Number(number) => match number.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
            Some(float) if float.fract() == 0.0 && float.abs() < 9.0e15 => {
                Some(format!("{}", float as i64))
            }
            _ => Some(number.to_string()),
        },
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use crate::nodes::bench::check_all;

    const ONE: &str = r#"[{"k":1,"a":1},{"k":2,"a":2},{"a":3}]"#;
    const TWO: &str = r#"[{"k":2.0,"b":"x"},{"k":"1","b":"y"},{"k":2,"b":"z"},{"b":"w"}]"#;

    fn check(config: &str, wanted: &str) {
        check_all("merge", config, &[("input1", ONE), ("input2", TWO)], wanted);
    }

    #[test]
    fn append_and_first_keep_the_order_of_the_handles() {
        let many = [("input10", "[10]"), ("input2", "[2]"), ("input1", "[]")];
        check_all("merge", "{}", &many, "output: 2 10");
        check_all("merge", r#"{"mode":"FIRST"}"#, &many, "output: 2");
        check_all("merge", r#"{"mode":"FIRST"}"#, &[], "");
    }

    #[test]
    fn position_pairs_and_join_says_how_far() {
        let two = [("input1", r#"[{"a":1},{"a":2}]"#), ("input2", r#"[{"b":1,"a":9}]"#)];
        check_all("merge", r#"{"mode":"POSITION"}"#, &two, r#"output: {"a":9,"b":1}"#);
        check_all(
            "merge",
            r#"{"mode":"POSITION","join":"LEFT"}"#,
            &two,
            r#"output: {"a":9,"b":1} {"a":2}"#,
        );
        let swapped = [("input1", "[]"), ("input2", r#"[{"b":1}]"#)];
        check_all("merge", r#"{"mode":"POSITION","join":"LEFT"}"#, &swapped, "");
        check_all("merge", r#"{"mode":"POSITION","join":"OUTER"}"#, &swapped, r#"output: {"b":1}"#);
    }

    #[test]
    fn keys_join_like_a_database() {
        check(
            r#"{"mode":"KEY","key":"k"}"#,
            r#"output: {"k":2.0,"a":2,"b":"x"} {"k":2,"a":2,"b":"z"}"#,
        );
        check(
            r#"{"mode":"KEY","key":"k","join":"LEFT"}"#,
            r#"output: {"k":1,"a":1} {"k":2.0,"a":2,"b":"x"} {"k":2,"a":2,"b":"z"} {"a":3}"#,
        );
        check(
            r#"{"mode":"KEY","key":"k","join":"OUTER"}"#,
            r#"output: {"k":1,"a":1} {"k":2.0,"a":2,"b":"x"} {"k":2,"a":2,"b":"z"} {"a":3} {"k":"1","b":"y"} {"b":"w"}"#,
        );
    }

    #[test]
    fn what_can_not_be_joined_is_named() {
        check(r#"{"mode":"KEY"}"#, "CONFIG: `key` is missing or null");
        check(
            r#"{"mode":"ZIP"}"#,
            r#"CONFIG: `mode` is "ZIP", but must be one of APPEND, POSITION, KEY, FIRST"#,
        );
        let text = [("input1", r#"[{"k":1}]"#), ("input2", r#"[{"k":1},"x"]"#)];
        let wanted = "ITEM: item 1 of input2 is not an object, so it can't be joined";
        check_all("merge", r#"{"mode":"KEY","key":"k"}"#, &text, wanted);
    }

    #[test]
    fn what_the_mode_does_not_read_is_found_when_saved() {
        let faults = |config: serde_json::Value| {
            super::check(&config).into_iter().map(|(at, ..)| at).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(faults(serde_json::json!({"key": "a", "join": "LEFT"})), "key join");
        assert_eq!(faults(serde_json::json!({"mode": "POSITION", "join": "LEFT"})), "");
        assert_eq!(faults(serde_json::json!({"mode": "KEY", "key": "a", "join": "LEFT"})), "");
        assert_eq!(faults(serde_json::json!({"mode": "{{ m }}", "key": "a"})), "");
    }
}
