//! What every pure definition has to stand of its items: none, very many, and texts that broke others.
//! What a definition does not touch comes out byte for byte.

use std::collections::BTreeMap;

use a2n_proto::{Json, Timestamp};
use serde_json::{Map, Value, json};

use super::Registry;
use super::definition::{CarryOut, Definition};
use super::sweep_tests::{naughty, works};
use crate::engine::kind::{Handles, InboxAt, Inputs, Kind, NodeError, Outcome, Work, WorksOn};
use crate::engine::plan::Plan;
use crate::engine::scenario::{Run, start};
use crate::engine::view;

/// How many are very many.
const MANY: usize = 100_000;

fn pure(definition: &Definition) -> bool {
    matches!(definition.carry_out, CarryOut::Inline(_) | CarryOut::Look(_))
}

fn compute(definition: &Definition, config: Value, items: &[Json]) -> Result<Outcome, NodeError> {
    let handle = match &definition.inputs {
        Inputs::Named(names) => names[0].clone(),
        Inputs::Numbered => "input1".into(),
    };
    let items = Handles::from([(handle, items.to_vec())]);
    definition.compute(&Work {
        config,
        items,
        now: Timestamp::from_unix_ms(0),
        inbox: InboxAt::default(),
    })
}

/// What came out, whatever it is for.
fn all(outcome: Outcome) -> Vec<Json> {
    match outcome {
        Outcome::Items(handles) | Outcome::WaitUntil(_, handles) => {
            handles.into_values().flatten().collect()
        }
        _ => Vec::new(),
    }
}

/// Those that pass their items on as they are, with a configuration in which they do.
fn passes_on(kind: &str) -> Option<Value> {
    match kind {
        "noop" | "merge" | "if" | "filter" | "switch" | "wait" | "limit" | "sort" | "dedupe" => {
            Some(works(kind))
        }
        _ => None,
    }
}

/// Objects whose names and values are such texts, some of them nested, and numbers with many digits.
fn odd_items() -> Vec<Json> {
    let texts = naughty();
    let mut items: Vec<Json> = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        let mut members = Map::from_iter([("n".to_owned(), json!(n))]);
        members.insert(text.clone(), json!({"list": [text, {"deep": text}]}));
        items.push(Json::of(&members));
    }
    for text in
        ["1.50", "123456789012345678901234567890", "-0", "1E400", "null", "[]", "\"\\u0041\""]
    {
        items.push(Json::trusted(format!(r#"{{"v":{text},"w":[{text}]}}"#)).unwrap());
    }
    items
}

#[test]
fn what_is_not_touched_comes_out_byte_for_byte() {
    let items = odd_items();
    for definition in Registry::built_in().all().filter(|definition| pure(definition)) {
        let Some(config) = passes_on(definition.name) else { continue };
        let (mut came, mut went) = (Vec::new(), Vec::new());
        // One by one, and where it works on all of them, together.
        for item in &items {
            let done = compute(definition, config.clone(), std::slice::from_ref(item));
            came.extend(all(done.unwrap_or_else(|e| panic!("{definition:?} {item}: {e}"))));
            went.push(item.clone());
        }
        assert_eq!(came, went, "{definition:?}");
        let mut together = all(compute(definition, config, &items).unwrap());
        together.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        went.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        assert_eq!(together, went, "{definition:?} on all of them");
    }
}

#[test]
fn what_holds_other_items_keeps_their_text() {
    let registry = Registry::built_in();
    let items = odd_items();
    let run = |kind: &str, config: Value, items: &[Json]| {
        all(compute(registry.definition(kind).unwrap(), config, items).unwrap())
    };
    let one = run("aggregate", json!({}), &items);
    let back = run("split", json!({"field": "items"}), &one);
    assert_eq!(back, items);
    let set: Vec<Json> =
        items.iter().flat_map(|i| run("set", json!({}), std::slice::from_ref(i))).collect();
    assert_eq!(set, items);
    for (text, item) in naughty().iter().zip(&items) {
        let kept = run("set", json!({"keep": [text, "n"]}), std::slice::from_ref(item));
        assert_eq!(&kept[0], item, "{text:?}");
        let put = run("set", json!({"values": {(text.clone()): text}}), &[Json::object()]);
        assert_eq!(put[0].to_value()[text], json!(text));
    }
}

#[test]
fn nothing_at_all_and_odd_values_are_no_panic() {
    let odd = ["null", "0", "\"\"", "[]", "{}", "[[]]", "{\"\":{}}"];
    let odd: Vec<Json> = odd.iter().map(|text| Json::parse(text).unwrap()).collect();
    for definition in Registry::built_in().all().filter(|definition| pure(definition)) {
        let config = || works(definition.name);
        for items in [&[][..], &odd[..]] {
            let _answer = compute(definition, config(), items);
            for item in items {
                let _answer = compute(definition, config(), std::slice::from_ref(item));
            }
        }
        let nothing = Work {
            config: config(),
            items: BTreeMap::new(),
            now: Timestamp::from_unix_ms(0),
            inbox: InboxAt::default(),
        };
        let _answer = definition.compute(&nothing);
    }
}

#[test]
fn very_many_items_are_no_trouble() {
    let item = |n: usize| {
        Json::of(&json!({"n": (n * 7_919) % MANY, "list": [n], "name": format!("web{n}")}))
    };
    let items: Vec<Json> = (0..MANY).map(item).collect();
    for definition in Registry::built_in().all().filter(|definition| pure(definition)) {
        if definition.works_on == WorksOn::Each {
            continue;
        }
        let done = compute(definition, works(definition.name), &items)
            .unwrap_or_else(|e| panic!("{definition:?}: {e}"));
        if passes_on(definition.name).is_some() {
            assert_eq!(all(done).len(), MANY, "{definition:?}");
        }
    }
    let registry = Registry::built_in();
    let run = |kind: &str, config: Value| {
        all(compute(registry.definition(kind).unwrap(), config, &items).unwrap())
    };
    let sorted = run("sort", json!({"by": [{"key": "name", "compare": "NATURAL"}]}));
    assert!(sorted == items);
    assert_eq!(run("aggregate", json!({"by": ["n"]})).len(), MANY);
    assert_eq!(run("dedupe", json!({"by": ["n"]})).len(), MANY);
    assert_eq!(run("split", json!({"field": "list"})).len(), MANY);
}

/// A text that comes out of an expression is data: it is not read once more, and loses nothing.
#[test]
fn an_expression_hands_on_any_text_as_it_is() {
    let document = json!({
        "name": "odd",
        "nodes": [
            {"id": "a", "type": "set", "config": {"values": {"copy": "{{ item.v }}", "in": "<{{ item.v }}>"}}},
            {"id": "b", "type": "split", "config": {"field": "list", "keep": true}},
            {"id": "c", "type": "filter", "config": {"where": "{{ item.copy == item.v }}"}},
        ],
        "connections": [{"source": "a", "target": "b"}, {"source": "b", "target": "c"}],
    });
    let document = serde_json::from_value(document).unwrap();
    let plan = Plan::new(&document, &Registry::built_in()).unwrap();
    for text in naughty() {
        let mut begin = start();
        begin.payload = Json::of(&json!({"v": text, "list": [text]}));
        let mut run = Run::with(&plan, begin);
        run.play("begin");
        let wanted = json!({"v": text, "list": text, "copy": text, "in": format!("<{text}>")});
        let out = view::output_data(&plan, &run.state, usize::MAX).to_value();
        assert_eq!(out["c"]["output"], json!([wanted]), "{text:?}\n{}", run.outcome());
    }
}
