//! `aggregate`: makes one item of many, or one of each group.

use std::collections::{BTreeSet, HashMap};

use a2n_proto::Json;
use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::{Value, json};

use super::bound::{Bound, flat_enough};
use super::measure::{Found, Measure, OPERATIONS};
use super::members::Members;
use super::order::{COMPARE, canonical};
use super::path::Path;
use crate::engine::kind::{NodeError, Outcome, Work, WorksOn};
use crate::nodes::config::{Config, is_expression};
use crate::nodes::context::output;
use crate::nodes::definition::{CarryOut, Definition, Fault, one_input, one_output};
use crate::nodes::schema;

const DOCUMENTATION: &str = "\
Makes one item of all, or one of each group: items are of one group where the same stands at every path
of `by`. The item of a group has what stands there, under the last name of each path, and the `values`:
for each name an `operation` over what stands at `key` (without `key`, over the items themselves).

- `COUNT`, `LIST` (all of them in their order), `UNIQUE` (each once, in the order of the first), `FIRST`
  and `LAST`.
- `SUM` and `AVG` of numbers and of texts that read as numbers; anything else is an error that names the
  item. A sum has every digit (0.1 and 0.2 make 0.3); an average that does not end has 17.
- `MIN` and `MAX`; `compare` is that of `sort`: `VALUE` (default), `NUMBER`, `TEXT`, `NATURAL`.

Where nothing stands at `key`, or `null`, the item does not count for this value. Without `values` there
is one: `items`, the list of all. Groups come in the order of their first items.

```yaml
type: aggregate
config:
  by: [host]
  values:
    disks: {operation: COUNT}
    free: {operation: SUM, key: disk.free}
    names: {operation: LIST, key: disk.name}
```

```text
in:  {\"host\":\"web1\",\"disk\":{\"name\":\"sda\",\"free\":0.1}}
in:  {\"host\":\"web2\",\"disk\":{\"name\":\"sda\",\"free\":\"7\"}}
in:  {\"host\":\"web1\",\"disk\":{\"name\":\"sdb\",\"free\":0.2}}
out: {\"host\":\"web1\",\"disks\":2,\"free\":0.3,\"names\":[\"sda\",\"sdb\"]}
out: {\"host\":\"web2\",\"disks\":1,\"free\":7,\"names\":[\"sda\"]}
```

```yaml
type: aggregate
```

```text
in:  {\"a\":1}
in:  2
out: {\"items\":[{\"a\":1},2]}
```
";

pub(in crate::nodes) fn definition() -> Definition {
    let value = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["operation"],
        "properties": {
            "operation": schema::choice(&OPERATIONS, None, "What is found out."),
            "key": schema::path("The path of what it is about; without it the item itself."),
            "compare": schema::choice(&COMPARE, Some("VALUE"), "MIN and MAX: how two values are compared."),
        },
    });
    Definition {
        name: "aggregate",
        version: "1.0.0",
        display_name: "Aggregate",
        description: "Makes one item of many, or one of each group.",
        node_type: NodeType::Action,
        category: "data",
        icon: "Σ",
        color: "yellow",
        tags: &["group", "sum", "count", "average", "collect", "list"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({
                "by": schema::list(schema::path("A path."), "The paths whose values make a group; without them all items are one."),
                "values": schema::map(value, "What is found out, by name: {operation COUNT, SUM, MIN, MAX, AVG, FIRST, LAST, LIST or UNIQUE, key, compare}."),
            }),
            &[],
        ),
        input_schema: json!(true),
        output_schema: json!({"type": "object"}),
        constant_paths: &[],
        works_on: WorksOn::All,
        inputs: one_input(),
        outputs: one_output,
        repeat: |_| Repeat::Pure,
        check,
        carry_out: CarryOut::Inline(compute),
    }
}

const TWICE_HINT: &str = "give it another name; for a path of `by`, with `set` before";

fn check(config: &Value) -> Vec<Fault> {
    let mut faults = Path::check_list("by", config.get("by"));
    let by = config.get("by").and_then(Value::as_array).into_iter().flatten();
    let by = by.filter(|path| !is_expression(path)).filter_map(Value::as_str);
    let names = by.filter_map(|path| Path::parse(path).ok()?.name().map(str::to_owned));
    let mut known = BTreeSet::new();
    for (n, name) in names.enumerate() {
        if !known.insert(name.clone()) {
            faults.push((format!("by[{n}]"), twice(&name), Some(TWICE_HINT.into())));
        }
    }
    for (name, value) in config.get("values").and_then(Value::as_object).into_iter().flatten() {
        if known.contains(name) {
            faults.push((format!("values.{name}"), twice(name), Some(TWICE_HINT.into())));
        }
        faults.extend(Path::check(&format!("values.{name}.key"), value.get("key")));
        let operation = value.get("operation").and_then(Value::as_str).unwrap_or_default();
        if matches!(operation, "SUM" | "AVG") && value.get("key").is_none() {
            let hint = "name what is added up, for example `key: size`".to_owned();
            let message = format!("{operation} without `key` adds up the items themselves");
            faults.push((format!("values.{name}"), message, Some(hint)));
        }
    }
    faults
}

fn twice(name: &str) -> String {
    format!("the item would have `{name}` twice")
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, &["by", "values"])?;
    let by = Path::list(&config, "by")?;
    let measures = measures(&config)?;
    let names = names(&by, &measures)?;
    let mut groups = Groups { by, measures, names, places: HashMap::new(), all: Vec::new() };
    if groups.by.is_empty() {
        // All items are one group, also where there are none.
        groups.place(&[]);
    }
    for (n, item) in work.items.values().flatten().enumerate() {
        groups.take(n, item)?;
    }
    Ok(Outcome::Items(output(groups.items()?)))
}

fn measures(config: &Config<'_>) -> Result<Vec<Measure>, NodeError> {
    let mut measures = Vec::new();
    if config.get("values").is_none() {
        let (name, compare) = ("items".to_owned(), COMPARE[0]);
        measures.push(Measure { name, operation: "LIST", key: None, compare });
    }
    for (name, value) in config.map("values")? {
        let at = format!("values.{name}");
        let value = Config::within(&at, value, &["operation", "key", "compare"])?;
        value.require("operation")?;
        let operation = value.choice("operation", &OPERATIONS)?;
        let key = value.get("key").map(|key| Path::of(&format!("{at}.key"), key)).transpose()?;
        let compare = value.choice("compare", &COMPARE)?;
        measures.push(Measure { name, operation, key, compare });
    }
    Ok(measures)
}

/// The names of what stands at the paths, each once among all.
fn names(by: &[Path], measures: &[Measure]) -> Result<Vec<String>, NodeError> {
    let mut known: BTreeSet<&str> = measures.iter().map(|m| m.name.as_str()).collect();
    let mut names = Vec::new();
    for path in by {
        let name = path.name().unwrap_or(path.as_str());
        if !known.insert(name) {
            return Err(NodeError::new("CONFIG", format!("{}; {TWICE_HINT}", twice(name))));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

/// The groups so far, in the order of their first items.
struct Groups {
    by: Vec<Path>,
    measures: Vec<Measure>,
    names: Vec<String>,
    places: HashMap<String, usize>,
    all: Vec<(Vec<Json>, Vec<Found>)>,
}

impl Groups {
    fn take(&mut self, n: usize, item: &Json) -> Result<(), NodeError> {
        let keys: Vec<Json> = self.by.iter().map(|p| p.find(item).unwrap_or_default()).collect();
        let place = self.place(&keys);
        for (measure, found) in self.measures.iter().zip(&mut self.all[place].1) {
            measure.take(found, n, item)?;
        }
        Ok(())
    }
    /// The group that has these keys, made where there is none.
    fn place(&mut self, keys: &[Json]) -> usize {
        let parts: Vec<String> = keys.iter().map(canonical).collect();
        let next = self.all.len();
        let place = *self.places.entry(Json::of(&parts).as_str().to_owned()).or_insert(next);
        if place == next {
            let found = self.measures.iter().map(|_| Found::default()).collect();
            self.all.push((keys.to_vec(), found));
        }
        place
    }
    fn items(self) -> Result<Vec<Json>, NodeError> {
        let (mut items, mut bound) = (Vec::new(), Bound::default());
        for (keys, found) in self.all {
            let mut members = Members::default();
            for (name, key) in self.names.iter().zip(keys) {
                members.put(name, key);
            }
            for (measure, found) in self.measures.iter().zip(found) {
                members.put(&measure.name, measure.result(found)?);
            }
            bound.count(members.size_bytes())?;
            items.push(flat_enough(members.into_item())?);
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::nodes::bench::check_all;

    fn check(config: &str, items: &str, wanted: &str) {
        check_all("aggregate", config, &[("input", items)], wanted);
    }

    #[test]
    fn each_operation_over_one_group() {
        let items = r#"[{"v":2.50},{"v":10},{"v":null},{"v":"2.5"},{}]"#;
        for (operation, wanted) in [
            ("COUNT", "3"),
            ("SUM", "15"),
            ("AVG", "5"),
            ("MIN", "2.50"),
            ("MAX", r#""2.5""#),
            ("FIRST", "2.50"),
            ("LAST", r#""2.5""#),
            ("LIST", r#"[2.50,10,"2.5"]"#),
            ("UNIQUE", r#"[2.50,10,"2.5"]"#),
        ] {
            let config = format!(r#"{{"values":{{"x":{{"operation":"{operation}","key":"v"}}}}}}"#);
            check(&config, items, &format!(r#"output: {{"x":{wanted}}}"#));
        }
        check(
            r#"{"values":{"x":{"operation":"MAX","key":"v","compare":"NUMBER"},"n":{"operation":"COUNT"}}}"#,
            items,
            r#"output: {"x":10,"n":5}"#,
        );
        check(r#"{"values":{"u":{"operation":"UNIQUE"}}}"#, "[1,1.0,2]", r#"output: {"u":[1,2]}"#);
    }

    #[test]
    fn groups_come_in_the_order_of_their_first_items() {
        check(
            r#"{"by":["a.b","c"],"values":{"n":{"operation":"COUNT"}}}"#,
            r#"[{"a":{"b":2}},{"a":{"b":1},"c":"x"},{"a":{"b":2.0},"c":null},7]"#,
            r#"output: {"b":2,"c":null,"n":2} {"b":1,"c":"x","n":1} {"b":null,"c":null,"n":1}"#,
        );
        check(r#"{"by":["a"]}"#, r#"[{"a":1}]"#, r#"output: {"a":1,"items":[{"a":1}]}"#);
    }

    #[test]
    fn nothing_is_one_group_and_no_groups() {
        let all = r#"{"values":{"n":{"operation":"COUNT"},"s":{"operation":"SUM","key":"a"},"a":{"operation":"AVG","key":"a"},"m":{"operation":"MIN","key":"a"}}}"#;
        check(all, "[]", r#"output: {"n":0,"s":0,"a":null,"m":null}"#);
        check(r#"{"by":["a"]}"#, "[]", "");
        check("{}", "[]", r#"output: {"items":[]}"#);
        check(r#"{"values":{}}"#, "[1]", "output: {}");
    }

    #[test]
    fn what_can_not_be_added_is_named() {
        let sum = r#"{"values":{"s":{"operation":"SUM","key":"a"}}}"#;
        check(
            sum,
            r#"[{"a":1},{"a":"1,5"}]"#,
            r#"ITEM: `items[1].a` is "1,5", but must be a number for `s`; take it out of the text with `set` before, or leave such items out"#,
        );
        check(
            sum,
            r#"[{"a":1},{"a":1e-9999}]"#,
            "TOO_LARGE: `values.s`: an exact sum would need more than 2000 digits",
        );
        check(r#"{"values":{"s":{}}}"#, "[]", "CONFIG: `values.s.operation` is missing or null");
        check(
            r#"{"values":{"s":{"operation":"MEDIAN"}}}"#,
            "[]",
            r#"CONFIG: `values.s.operation` is "MEDIAN", but must be one of LIST, COUNT, SUM, MIN, MAX, AVG, FIRST, LAST, UNIQUE"#,
        );
        check(
            r#"{"by":["a.x","b.x"]}"#,
            "[]",
            "CONFIG: the item would have `x` twice; give it another name; for a path of `by`, with `set` before",
        );
    }

    #[test]
    fn a_list_of_lists_does_not_grow_too_deep() {
        let deep = format!("[{}{}]", "[".repeat(63), "]".repeat(63));
        check("{}", &deep, "TOO_LARGE: the item would be nested deeper than 64 levels");
    }

    #[test]
    fn faults_are_found_when_saved() {
        let faults = |config: serde_json::Value| {
            super::check(&config).into_iter().map(|(at, ..)| at).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            faults(json!({"by": ["a", "b.a"], "values": {"a": {"operation": "SUM"}}})),
            "by[1] values.a values.a"
        );
        assert_eq!(
            faults(json!({"by": ["a."], "values": {"x": {"operation": "MIN", "key": ""}}})),
            "by[0] values.x.key"
        );
        assert_eq!(faults(json!({"by": "{{ vars.by }}", "values": {"{{ a }}": "{{ b }}"}})), "");
    }
}
