//! `limit`: passes on only so many items.

use a2n_proto::Json;
use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use serde_json::{Value, json};

use crate::engine::kind::{NodeError, Outcome, Work, WorksOn};
use crate::nodes::config::Config;
use crate::nodes::context::output;
use crate::nodes::definition::{CarryOut, Definition, Fault, one_input, one_output};
use crate::nodes::schema;

const DOCUMENTATION: &str = "\
Passes on the `first` or the `last` so many items, in their order. `skip` leaves so many out before, at
the side from which is counted; alone it passes on all others. Where nothing is left, the connections
behind it are not taken.

```yaml
type: limit
config: {skip: 1, first: 2}
```

```text
in:  {\"n\":1}
in:  {\"n\":2}
in:  {\"n\":3}
in:  {\"n\":4}
out: {\"n\":2}
out: {\"n\":3}
```
";

pub(in crate::nodes) fn definition() -> Definition {
    Definition {
        name: "limit",
        version: "1.0.0",
        display_name: "Limit",
        description: "Passes on the first or the last so many items.",
        node_type: NodeType::Action,
        category: "data",
        icon: "⊤",
        color: "yellow",
        tags: &["first", "last", "skip", "top", "head", "tail"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({
                "first": schema::integer(0, None, "How many from the front."),
                "last": schema::integer(0, None, "How many from the end."),
                "skip": schema::integer(0, Some(0), "How many are left out before."),
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
        check,
        carry_out: CarryOut::Inline(compute),
    }
}

const NOTHING_SAID: &str = "`limit` needs to know how many: `first`, `last` or `skip`";
const BOTH_SAID: &str = "`first` and `last` exclude each other";

fn check(config: &Value) -> Vec<Fault> {
    let has = |name: &str| config.get(name).is_some();
    if has("first") && has("last") {
        let hint = "use one of them, or two nodes after another".to_owned();
        return vec![("last".into(), BOTH_SAID.into(), Some(hint))];
    }
    if !has("first") && !has("last") && !has("skip") {
        let hint = "for example `first: 10`".to_owned();
        return vec![(String::new(), NOTHING_SAID.into(), Some(hint))];
    }
    Vec::new()
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, &["first", "last", "skip"])?;
    let (first, last) = (config.count("first")?, config.count("last")?);
    let skip = config.count("skip")?;
    let wrong = match (first, last, skip) {
        (Some(_), Some(_), _) => Some(BOTH_SAID),
        (None, None, None) => Some(NOTHING_SAID),
        _ => None,
    };
    if let Some(wrong) = wrong {
        return Err(NodeError::new("CONFIG", wrong));
    }
    let items = work.items.values().flatten();
    let (count, skip) = (items.clone().count(), skip.unwrap_or(0));
    let (from, to) = match last {
        Some(last) => {
            let to = count.saturating_sub(skip);
            (to.saturating_sub(last), to)
        }
        None => (skip, skip.saturating_add(first.unwrap_or(count)).min(count)),
    };
    let items: Vec<Json> = items.take(to).skip(from).cloned().collect();
    Ok(Outcome::Items(output(items)))
}

#[cfg(test)]
mod tests {
    use crate::nodes::bench::check_all;

    #[test]
    fn so_many_from_one_side() {
        for (config, wanted) in [
            (r#"{"first":2}"#, "output: 1 2"),
            (r#"{"last":2}"#, "output: 3 4"),
            (r#"{"skip":3}"#, "output: 4"),
            (r#"{"first":2,"skip":1}"#, "output: 2 3"),
            (r#"{"last":2,"skip":1}"#, "output: 2 3"),
            (r#"{"first":0}"#, ""),
            (r#"{"skip":9}"#, ""),
            (r#"{"last":9,"skip":3}"#, "output: 1"),
            (r#"{"first":18446744073709551615,"skip":2}"#, "output: 3 4"),
            (r#"{"first":"2"}"#, "output: 1 2"),
            (r#"{"first":-1}"#, "CONFIG: `first` is -1, but must be a whole number from 0"),
            (r#"{"first":1.5}"#, "CONFIG: `first` is 1.5, but must be a whole number from 0"),
            (r#"{"first":1,"last":1}"#, "CONFIG: `first` and `last` exclude each other"),
            ("{}", "CONFIG: `limit` needs to know how many: `first`, `last` or `skip`"),
        ] {
            check_all("limit", config, &[("input", "[1,2,3,4]")], wanted);
        }
        check_all("limit", r#"{"first":2}"#, &[], "");
    }
}
