//! `merge`: brings the items of several ways together.

use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::{Value, json};

use super::joined::{Input, Rule, by_key, by_position};
use crate::engine::kind::{Handles, Inputs, NodeError, Outcome, Work, WorksOn};
use crate::nodes::config::{Config, is_expression};
use crate::nodes::context::output;
use crate::nodes::data::path::Path;
use crate::nodes::definition::{CarryOut, Definition, Fault, one_output};
use crate::nodes::schema;

const MODES: [&str; 4] = ["APPEND", "POSITION", "KEY", "FIRST"];
const JOINS: [&str; 3] = ["INNER", "LEFT", "OUTER"];
const WINS: [&str; 2] = ["LAST", "FIRST"];

const DOCUMENTATION: &str = "\
Connect the ways to the handles `input1`, `input2`, … The mode says how they come together:

- `APPEND` (default): all items, those of `input1` first.
- `POSITION`: the first items of all inputs become one item, then the second ones, and so on.
- `KEY`: items where the same stands at the path `key` become one item, in the order of `input1`; a list
  of paths wants all of them. A key that repeats gives every combination. An item without the key, or
  with `null`, finds no partner. `1` and `1.0` are the same, `1` and `\"1\"` are not.
- `FIRST`: the items of the first input that brought any.

For `POSITION` and `KEY`, `join` says what happens with items that find no partner: `INNER` (default)
drops them, `LEFT` keeps those of `input1`, `OUTER` keeps all. Where members have the same name, the
`LAST` input wins, or with `wins: FIRST` the first that has it. A join gives at most 1,000,000 items and
64 MiB; beyond, it fails.

```yaml
type: merge
config: {mode: KEY, key: host, join: LEFT}
```

```text
in1: {\"host\":\"web1\",\"load\":0.50}
in1: {\"host\":\"web2\",\"load\":1.00}
in2: {\"host\":\"web1\",\"free\":7}
out: {\"host\":\"web1\",\"load\":0.50,\"free\":7}
out: {\"host\":\"web2\",\"load\":1.00}
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
                "mode": schema::choice(&MODES, Some("APPEND"), "How the items come together."),
                "key": schema::path_or_paths("KEY: the path of what has to be equal, or a list of paths."),
                "join": schema::choice(&JOINS, Some("INNER"), "POSITION and KEY: what happens with items that find no partner."),
                "wins": schema::choice(&WINS, Some("LAST"), "POSITION and KEY: whose member stays where names are the same."),
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
    let mut faults: Vec<Fault> = Path::check("key", config.get("key")).into_iter().collect();
    faults.extend(Path::check_list("key", config.get("key")));
    if config.get("key").is_some() && mode != "KEY" {
        faults.push(unused("key", "KEY", "set mode: KEY"));
    }
    for name in ["join", "wins"] {
        if config.get(name).is_some() && !matches!(mode, "KEY" | "POSITION") {
            faults.push(unused(name, "KEY or POSITION", "set mode: KEY"));
        }
    }
    if mode == "KEY" && config.get("key").is_none() {
        let hint = Some("name what has to be equal".to_owned());
        faults.push(("key".into(), "mode KEY needs a `key`".into(), hint));
    }
    faults
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, &["mode", "key", "join", "wins"])?;
    let join = config.choice("join", &JOINS)?;
    let rule = Rule {
        keeps_first: join != "INNER",
        keeps_all: join == "OUTER",
        last_wins: config.choice("wins", &WINS)? == "LAST",
    };
    let inputs = in_order(&work.items);
    let items = match config.choice("mode", &MODES)? {
        "POSITION" => by_position(&inputs, rule)?,
        "KEY" => by_key(&inputs, &key(&config)?, rule)?,
        "FIRST" => {
            inputs.iter().find(|(_, i)| !i.is_empty()).map(|(_, i)| i.to_vec()).unwrap_or_default()
        }
        _ => inputs.iter().flat_map(|(_, items)| items.iter().cloned()).collect(),
    };
    Ok(Outcome::Items(output(items)))
}

/// One path, or several.
fn key(config: &Config<'_>) -> Result<Vec<Path>, NodeError> {
    match config.require("key")? {
        Value::Array(list) if list.is_empty() => {
            Err(NodeError::new("CONFIG", "`key` is an empty list; name what has to be equal"))
        }
        Value::Array(_) => Path::list(config, "key"),
        one => Ok(vec![Path::of("key", one)?]),
    }
}

/// `input2` before `input10`.
fn in_order(items: &Handles) -> Vec<Input<'_>> {
    let mut inputs: Vec<Input<'_>> = items.iter().map(|(h, i)| (h.as_str(), &i[..])).collect();
    inputs.sort_by_key(|(handle, _)| {
        handle.strip_prefix("input").and_then(|n| n.parse().ok()).unwrap_or(u64::MAX)
    });
    inputs
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
    fn several_paths_every_digit_and_whose_member_stays() {
        let items = [
            ("input1", r#"[{"a":{"b":12345678901234567891},"c":"x","n":1}]"#),
            (
                "input2",
                r#"[{"a":{"b":12345678901234567892},"c":"x","n":2},{"a":{"b":12345678901234567891.0},"c":"x","n":3}]"#,
            ),
        ];
        let joined = |config: &str, wanted: &str| check_all("merge", config, &items, wanted);
        joined(
            r#"{"mode":"KEY","key":["a.b","c"],"wins":"FIRST"}"#,
            r#"output: {"a":{"b":12345678901234567891},"c":"x","n":1}"#,
        );
        joined(
            r#"{"mode":"KEY","key":["a.b","c"]}"#,
            r#"output: {"a":{"b":12345678901234567891.0},"c":"x","n":3}"#,
        );
        joined(
            r#"{"mode":"POSITION","wins":"FIRST"}"#,
            r#"output: {"a":{"b":12345678901234567891},"c":"x","n":1}"#,
        );
        joined(r#"{"mode":"KEY","key":["a.b","z"]}"#, "");
        joined(
            r#"{"mode":"KEY","key":[]}"#,
            "CONFIG: `key` is an empty list; name what has to be equal",
        );
        joined(
            r#"{"mode":"KEY","key":"a["}"#,
            "CONFIG: `key` lacks a `]`; write it as `size`, `disk.name`, `disks[0]` or `['a.b']`",
        );
    }

    #[test]
    fn a_key_that_repeats_everywhere_is_bounded() {
        let same = format!("[{}]", vec![r#"{"k":1}"#; 1_001].join(","));
        let items = [("input1", same.as_str()), ("input2", same.as_str())];
        let wanted = "TOO_LARGE: this gives more than 1000000 items; leave out what is not needed before (`filter`, `set`)";
        check_all("merge", r#"{"mode":"KEY","key":"k"}"#, &items, wanted);
    }

    #[test]
    fn what_can_not_be_joined_is_named() {
        check(r#"{"mode":"KEY"}"#, "CONFIG: `key` is missing or null");
        check(
            r#"{"mode":"ZIP"}"#,
            r#"CONFIG: `mode` is "ZIP", but must be one of APPEND, POSITION, KEY, FIRST"#,
        );
        let text = [("input1", r#"[{"k":1}]"#), ("input2", r#"[{"k":1},"x"]"#)];
        let wanted = "ITEM: item 1 of input2 is not an object, so it can't be joined; make it one with `set`, or use mode APPEND";
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
        assert_eq!(faults(serde_json::json!({"mode": "KEY", "key": ["a", "a."]})), "key[1]");
        assert_eq!(faults(serde_json::json!({"wins": "FIRST"})), "wins");
    }
}
