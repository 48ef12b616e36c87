//! What every definition of the registry has to stand: values that nobody should write, in every member
//! and every text of its configuration, a cancel and a time limit. Each ends as a step that failed or
//! was done, never as a fault of ours. A new definition is swept from the moment it is registered.

use std::time::Duration;

use a2n_proto::Timestamp;
use futures_util::FutureExt;
use serde_json::{Map, Value, json};

use super::Registry;
use super::bench::{Bench, told};
use super::definition::Definition;
use crate::engine::job::Job;
use crate::engine::kind::Kind;
use crate::system::sim::Sim;

/// A configuration that works, for each definition.
pub(super) fn works(kind: &str) -> Value {
    match kind {
        "shell" => json!({"command": ["echo", "x"]}),
        "http" => json!({"url": "http://nobody.invalid/"}),
        "file" => json!({"action": "WRITE", "path": "x", "content": "y"}),
        "if" | "filter" => json!({"where": true}),
        "switch" => json!({"cases": [{"name": "a", "where": true}]}),
        "state" => json!({"action": "SET", "key": "k", "value": 1}),
        "workflow" => json!({"workflow": "w"}),
        "mutex" => json!({"name": "l"}),
        "semaphore" => json!({"name": "l", "limit": 2}),
        "throttle" => json!({"limit": 2, "window": "1s"}),
        "debounce" => json!({"window": "1s"}),
        "wait" => json!({"duration": "1s"}),
        "approval" => json!({"message": "sure?"}),
        "emit" => json!({"type": "a"}),
        "limit" => json!({"first": 1_000_000}),
        "split" => json!({"missing": "NONE", "field": "list"}),
        _ => json!({}),
    }
}

/// Further configurations that work, where a definition has several forms.
fn more_forms(kind: &str) -> Vec<Value> {
    match kind {
        "wait" => vec![
            json!({"until": "2030-01-01T00:00:00Z"}),
            json!({"event": {"type": "a"}, "timeout": "1h"}),
            json!({"file": {"path": "/x"}, "every": "1m", "timeout": "1h"}),
            json!({"port": {"host": "h", "port": 1}, "every": "1m", "timeout": "1h"}),
            json!({"http": {"url": "http://h/", "where": "{{ answer.body }}"}, "every": "1m"}),
        ],
        "shell" => vec![json!({"script": "true"})],
        "file" => vec![json!({"path": "x"})],
        "mutex" | "semaphore" => vec![json!({"name": "l", "action": "RELEASE"})],
        "loop" => vec![json!({"forEach": [1, 2]}), json!({"while": true})],
        "state" => vec![json!({"action": "GET", "key": "k"})],
        _ => Vec::new(),
    }
}

/// Texts that broke others, from the list of that name; none where it is not there.
pub(super) fn naughty() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/naughty-strings/blns.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("{path} is not there: its texts are not tried");
        return Vec::new();
    };
    let mut texts: Vec<String> = serde_json::from_str(&text).expect("a list of texts");
    texts.extend(["\0", "a\0b", "\u{feff}", "\u{202e}", "\u{10ffff}", "\r\n"].map(str::to_owned));
    texts
}

fn hostile() -> Vec<Value> {
    let mut values: Vec<Value> = [
        "",
        "\0",
        "a\0b",
        "$(touch pwned)",
        "; touch pwned",
        "--upload-pack=touch pwned",
        "a\r\nb: c",
        "../../../etc/passwd",
        "\u{1b}[2J\u{202e}",
        "{{ 7 * 7 }}",
        "99999999999999999999999999",
        "-1",
        "unix:/\0:/",
        "http://[::1",
    ]
    .map(Value::from)
    .into();
    values.push("x".repeat(1 << 20).into());
    values.extend([json!(null), json!(true), json!(-1), json!(1e308), json!(u64::MAX)]);
    values.extend([json!([]), json!([[]]), json!([null, "\0", -5, {}]), json!({})]);
    values.extend([json!({"": null}), json!({"a\0=b": ["\n"]}), json!({"type": "BASIC"})]);
    values
}

/// A made-up machine, and a bench on it.
fn machine() -> (Sim, Bench) {
    let sim = Sim::new(7, Timestamp::from_unix_ms(1_800_000_000_000));
    let bench = Bench::with(sim.system.clone(), |_| {});
    (sim, bench)
}

/// Runs it to its end on a machine whose time passes by itself.
async fn end_of(bench: &Bench, sim: &Sim, job: Job) -> String {
    let mut end = Box::pin(bench.end(job));
    loop {
        for _ in 0..20 {
            if let Some(end) = (&mut end).now_or_never() {
                return told(&end.result);
            }
            tokio::task::yield_now().await;
        }
        sim.clock.advance_to_next().expect("somebody sleeps");
    }
}

async fn end(bench: &Bench, sim: &Sim, kind: &str, config: &Value) -> String {
    end_of(bench, sim, Bench::job(kind, config.clone(), r#"{"a":1,"list":[1,{"b":2}]}"#)).await
}

#[track_caller]
fn not_ours(definition: &Definition, config: &Value, done: &str) {
    let ours = ["PANIC", "INTERNAL"].iter().any(|kind| done.starts_with(kind));
    let shown: String = config.to_string().chars().take(200).collect();
    assert!(!ours, "{definition:?} with {shown}: {done}");
}

#[tokio::test]
async fn every_member_takes_any_value() {
    let (sim, bench) = machine();
    for definition in Registry::built_in().all() {
        let base = works(definition.name);
        for form in more_forms(definition.name).iter().chain([&base]) {
            let faults = definition.check_config(form);
            assert_eq!(faults, [], "{definition:?} with {form}");
            let done = end(&bench, &sim, definition.name, form).await;
            assert!(!done.starts_with("CONFIG"), "{definition:?} with {form}: {done}");
        }
        let none = Map::new();
        let members = definition.settings_schema()["properties"].as_object().unwrap_or(&none);
        for member in members.keys().map(String::as_str).chain(["unknown", "", "\0"]) {
            let forms = bases(definition, member);
            for (value, form) in hostile()
                .into_iter()
                .flat_map(|value| forms.iter().map(move |f| (value.clone(), f)))
            {
                let mut config = form.clone();
                config[member] = value;
                let _told_when_saved = definition.check_config(&config);
                let done = end(&bench, &sim, definition.name, &config).await;
                not_ours(definition, &config, &done);
                assert!(
                    members.contains_key(member) || done.starts_with("CONFIG"),
                    "{definition:?} takes the unknown member {member:?}: {done}"
                );
            }
        }
    }
}

/// The places in a configuration that take a text, as the schema shows them.
fn slots(schema: &Value, at: &str, found: &mut Vec<String>) {
    let kinds = &schema["type"];
    let is = |kind: &str| {
        kinds == kind || kinds.as_array().is_some_and(|kinds| kinds.iter().any(|k| k == kind))
    };
    if is("string") || schema == &json!(true) || schema.get("anyOf").is_some() {
        found.push(at.to_owned());
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        slots(member, &format!("{at}/{name}"), found);
    }
    if schema["items"].is_object() {
        slots(&schema["items"], &format!("{at}/-"), found);
    }
    if schema["additionalProperties"].is_object() || schema["additionalProperties"] == true {
        slots(&schema["additionalProperties"], &format!("{at}/*"), found);
    }
}

/// Puts a text where a slot says: `-` stands for one more element, `*` for a member of that very name.
fn put(config: &mut Value, slot: &str, text: &str) {
    let Some((first, rest)) = slot.strip_prefix('/').map(|s| s.split_once('/').unwrap_or((s, "")))
    else {
        *config = text.into();
        return;
    };
    let rest = if rest.is_empty() { String::new() } else { format!("/{rest}") };
    if first == "-" {
        if !config.is_array() {
            *config = json!([]);
        }
        let list = config.as_array_mut().expect("a list");
        list.push(json!(null));
        return put(list.last_mut().expect("the new one"), &rest, text);
    }
    if !config.is_object() {
        *config = json!({});
    }
    let name = if first == "*" { text } else { first };
    put(&mut config[name], &rest, text);
}

#[tokio::test]
async fn every_text_takes_what_broke_others() {
    let (sim, bench) = machine();
    let texts = naughty();
    for definition in Registry::built_in().all() {
        let mut all = Vec::new();
        slots(definition.settings_schema(), "", &mut all);
        for slot in all.iter().filter(|slot| !slot.is_empty()) {
            for base in bases(definition, slot) {
                for text in &texts {
                    let mut config = base.clone();
                    put(&mut config, slot, text);
                    let _told_when_saved = definition.check_config(&config);
                    let _handles = definition.outputs(&config);
                    let _touches = definition.touches_world(&config);
                    let done = end(&bench, &sim, definition.name, &config).await;
                    not_ours(definition, &config, &done);
                }
            }
        }
    }
}

/// The configurations in which a slot is tried: the usual one, and those forms that have its member.
fn bases(definition: &Definition, slot: &str) -> Vec<Value> {
    let member = slot.trim_start_matches('/').split('/').next().unwrap_or_default();
    let mut bases = vec![works(definition.name)];
    bases.extend(more_forms(definition.name).into_iter().filter(|form| form.get(member).is_some()));
    bases
}

#[tokio::test]
async fn a_cancel_and_a_time_limit_end_it() {
    for definition in Registry::built_in().all() {
        let config = works(definition.name);
        let job = || Bench::job(definition.name, config.clone(), r#"{"a":1}"#);
        // At once, and while it works: nothing may hang, and what was not done says why.
        for yields in [0, 1, 5] {
            let (sim, bench) = machine();
            let cancel = async {
                for _ in 0..yields {
                    tokio::task::yield_now().await;
                }
                bench.stop.cancel();
            };
            let (done, ()) = tokio::join!(end_of(&bench, &sim, job()), cancel);
            not_ours(definition, &config, &done);
            let mut cut = job();
            cut.timeout = Some(Duration::from_millis(1));
            let (sim, bench) = machine();
            let done = end_of(&bench, &sim, cut).await;
            not_ours(definition, &config, &done);
        }
    }
}
