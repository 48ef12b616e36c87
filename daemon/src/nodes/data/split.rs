//! `split`: makes items of the elements of a list.

use a2n_proto::Json;
use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::{Value, json};

use super::bound::Bound;
use super::members::Members;
use super::path::{Path, elements};
use crate::engine::kind::{NodeError, Outcome, Work, WorksOn};
use crate::nodes::config::{Config, wrong};
use crate::nodes::context::output;
use crate::nodes::definition::{CarryOut, Definition, Fault, one_input, one_output};
use crate::nodes::schema;

const DOCUMENTATION: &str = "\
Makes an item of each element of the list at `field`; without `field`, of the item itself. Elements
keep their text, numbers every digit.

- `keep: true` keeps the other members of the item: the element stands where the list stood.
- `as` puts the element under this name, so that a text or a number becomes an object.
- `index` puts the element's place, from 0, under this name. An element that is no object stands beside
  it under `as`, else under the field's name, else as `value`.

An empty list gives no items. A list that is missing or `null` is an error; with `missing: NONE` it
gives none either. One attempt gives at most 1,000,000 items and 64 MiB.

```yaml
type: split
config: {field: disks, keep: true, index: place}
```

```text
in:  {\"host\":\"web1\",\"disks\":[{\"name\":\"sda\",\"size\":480.0},{\"name\":\"sdb\",\"size\":960.0}]}
out: {\"host\":\"web1\",\"disks\":{\"name\":\"sda\",\"size\":480.0},\"place\":0}
out: {\"host\":\"web1\",\"disks\":{\"name\":\"sdb\",\"size\":960.0},\"place\":1}
```

```yaml
type: split
```

```text
in:  [1,{\"a\":2}]
out: 1
out: {\"a\":2}
```
";

pub(in crate::nodes) fn definition() -> Definition {
    Definition {
        name: "split",
        version: "1.0.0",
        display_name: "Split",
        description: "Makes items of the elements of a list.",
        node_type: NodeType::Action,
        category: "data",
        icon: "⋔",
        color: "yellow",
        tags: &["explode", "unwind", "flatten", "array"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({
                "field": schema::also(
                    schema::path("The path of the list; without it the item itself is one."),
                    &["key", "path", "list", "items", "by"],
                ),
                "keep": schema::flag(false, "Whether the other members of the item stay."),
                "as": schema::text("The name under which the element stands."),
                "index": schema::text("The name under which the element's place stands, from 0."),
                "missing": schema::choice(&["FAIL", "NONE"], Some("FAIL"), "What a missing list is: an error, or no items."),
            }),
            &[],
        ),
        input_schema: json!(true),
        output_schema: json!(true),
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
    let mut faults: Vec<Fault> = Path::check("field", config.get("field")).into_iter().collect();
    if config.get("field").is_none() && config.get("keep") == Some(&Value::Bool(true)) {
        let hint = "name the list with `field`, or leave `keep` out".to_owned();
        let message = "an item that is the list itself has no other members".to_owned();
        faults.push(("keep".into(), message, Some(hint)));
    }
    faults
}

/// What is asked for.
struct Split {
    field: Option<Path>,
    keep: bool,
    name: Option<String>,
    index: Option<String>,
    missing_is_none: bool,
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, &["field", "keep", "as", "index", "missing"])?;
    let split = Split {
        field: config.get("field").map(|field| Path::of("field", field)).transpose()?,
        keep: config.flag("keep", false)?,
        name: config.text("as")?,
        index: config.text("index")?,
        missing_is_none: config.choice("missing", &["FAIL", "NONE"])? == "NONE",
    };
    if split.keep && split.field.is_none() {
        let message = "`keep` needs a `field`: a list itself has no other members";
        return Err(NodeError::new("CONFIG", message));
    }
    let (mut items, mut bound) = (Vec::new(), Bound::default());
    for item in work.items.values().flatten() {
        split.one(item, &mut items, &mut bound)?;
    }
    Ok(Outcome::Items(output(items)))
}

impl Split {
    fn one(&self, item: &Json, out: &mut Vec<Json>, bound: &mut Bound) -> Result<(), NodeError> {
        let found = match &self.field {
            Some(field) => field.find(item),
            None => Some(item.clone()).filter(|item| !item.is_null()),
        };
        let Some(list) = found else {
            return if self.missing_is_none { Ok(()) } else { Err(self.no_list(None)) };
        };
        let all = elements(&list).ok_or_else(|| self.no_list(Some(&list)))?;
        // What each of the items repeats.
        let beside =
            if self.keep { item.size_bytes().saturating_sub(list.size_bytes()) } else { 0 };
        // One item without the list is made once, not for each of its elements.
        let frame = self.frame(item);
        for (place, element) in all.into_iter().enumerate() {
            bound.count(beside + element.size_bytes())?;
            out.push(self.item(&frame, element, place));
        }
        Ok(())
    }
    /// The item with nothing where the list stood; none where it does not stay.
    fn frame(&self, item: &Json) -> Option<Json> {
        let field = self.field.as_ref().filter(|_| self.keep)?;
        match self.name {
            Some(_) => field.remove(item),
            None => field.replace(item, Json::null()),
        }
    }
    fn item(&self, frame: &Option<Json>, element: Json, place: usize) -> Json {
        let mut item = match (frame, &self.name, &self.field) {
            (Some(frame), None, Some(field)) => {
                field.replace(frame, element).unwrap_or_else(|| frame.clone())
            }
            (frame, Some(name), _) => {
                let mut members = frame.as_ref().and_then(Members::of).unwrap_or_default();
                members.put(name, element);
                members.into_item()
            }
            (_, None, field) if self.index.is_some() && Members::of(&element).is_none() => {
                let name = field.as_ref().and_then(Path::name).unwrap_or("value");
                let mut members = Members::default();
                members.put(name, element);
                members.into_item()
            }
            _ => element,
        };
        if let (Some(name), Some(mut members)) = (&self.index, Members::of(&item)) {
            members.put(name, Json::of(&place));
            item = members.into_item();
        }
        item
    }
    fn no_list(&self, found: Option<&Json>) -> NodeError {
        let at = self.field.as_ref().map_or_else(|| "item".to_owned(), |f| format!("item.{f}"));
        let wanted = match found {
            None => "a list; set `missing: NONE` where there may be none",
            Some(_) => "a list",
        };
        let found = found.map_or(Value::Null, Json::to_value);
        NodeError { kind: "ITEM".into(), ..wrong(&at, &found, wanted) }
    }
}

#[cfg(test)]
mod tests {
    use crate::nodes::bench::{check_all, check_each};

    fn check(config: &str, item: &str, wanted: &str) {
        check_each("split", config, item, wanted);
    }

    const HOST: &str = r#"{"h":"a","d":{"l":[1.50,{"x":2}]}}"#;

    #[test]
    fn each_element_becomes_an_item_with_its_text() {
        check("{}", "[1.0,12345678901234567890123]", "output: 1.0 12345678901234567890123");
        check(r#"{"field":"d.l"}"#, HOST, r#"output: 1.50 {"x":2}"#);
        check(r#"{"field":"d.l","as":"v"}"#, HOST, r#"output: {"v":1.50} {"v":{"x":2}}"#);
        check(r#"{"field":"d.l","index":"i"}"#, HOST, r#"output: {"l":1.50,"i":0} {"x":2,"i":1}"#);
        check(
            r#"{"field":"d.l","keep":true}"#,
            HOST,
            r#"output: {"h":"a","d":{"l":1.50}} {"h":"a","d":{"l":{"x":2}}}"#,
        );
        check(
            r#"{"field":"d.l","keep":true,"as":"v","index":"i"}"#,
            HOST,
            r#"output: {"h":"a","d":{},"v":1.50,"i":0} {"h":"a","d":{},"v":{"x":2},"i":1}"#,
        );
        check(r#"{"index":"i"}"#, "[7]", r#"output: {"value":7,"i":0}"#);
        check(r#"{"field":"d[1]"}"#, r#"{"d":[0,[1,2]]}"#, "output: 1 2");
    }

    #[test]
    fn all_at_once_and_nothing_at_all() {
        check_all("split", "{}", &[("input", "[[1],[],[2,3]]")], "output: 1 2 3");
        check_all("split", "{}", &[], "");
        check("{}", "[]", "");
    }

    #[test]
    fn what_is_no_list_is_named() {
        let missing = "ITEM: `item.x` is null, but must be a list; set `missing: NONE` where there may be none";
        check(r#"{"field":"x"}"#, "{}", missing);
        check(r#"{"field":"x"}"#, r#"{"x":null}"#, missing);
        check(r#"{"field":"x","missing":"NONE"}"#, "{}", "");
        check(
            r#"{"field":"x"}"#,
            r#"{"x":"1,2"}"#,
            r#"ITEM: `item.x` is "1,2", but must be a list"#,
        );
        check("{}", "7", "ITEM: `item` is 7, but must be a list");
        check(
            r#"{"keep":true}"#,
            "[1]",
            "CONFIG: `keep` needs a `field`: a list itself has no other members",
        );
        let path = "CONFIG: `field` lacks a name before or after a `.`; write it as `size`, `disk.name`, `disks[0]` or `['a.b']`";
        check(r#"{"field":"a..b"}"#, "{}", path);
    }

    #[test]
    fn what_stays_beside_many_elements_is_bounded() {
        let list = vec!["1"; 100_000].join(",");
        let item = format!(r#"{{"l":[{list}],"more":"{}"}}"#, "x".repeat(1000));
        let wanted = "TOO_LARGE: this gives more than 64 MiB of items; leave out what is not needed before (`filter`, `set`)";
        check(r#"{"field":"l","keep":true}"#, &item, wanted);
    }

    #[test]
    fn faults_are_found_when_saved() {
        let faults = |config: serde_json::Value| {
            super::check(&config).into_iter().map(|(at, ..)| at).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(faults(serde_json::json!({"field": "a[", "keep": true})), "field");
        assert_eq!(faults(serde_json::json!({"keep": true})), "keep");
        assert_eq!(faults(serde_json::json!({"field": "{{ vars.f }}"})), "");
    }
}
