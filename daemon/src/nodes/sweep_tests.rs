//! Every member of every definition with values that nobody should write: each ends as a step that
//! failed or was done, never as a fault of ours.

use a2n_proto::Timestamp;
use futures_util::FutureExt;
use serde_json::{Map, Value, json};

use super::Registry;
use super::bench::{Bench, told};
use crate::engine::kind::Kind;
use crate::system::sim::Sim;

/// A configuration that works, for each definition.
fn works(kind: &str) -> Value {
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
        _ => json!({}),
    }
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

/// Runs it to its end on a machine whose time passes by itself.
async fn end(bench: &Bench, sim: &Sim, kind: &str, config: &Value) -> String {
    let job = Bench::job(kind, config.clone(), r#"{"a":1}"#);
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

#[tokio::test]
async fn every_member_takes_any_value() {
    let sim = Sim::new(7, Timestamp::from_unix_ms(1_800_000_000_000));
    let bench = Bench::with(sim.system.clone(), |_| {});
    for definition in Registry::built_in().all() {
        let base = works(definition.name);
        let done = end(&bench, &sim, definition.name, &base).await;
        let failed = done.starts_with("CONFIG");
        assert!(!failed, "{definition:?} with {base}: {done}");
        let none = Map::new();
        let members = definition.settings_schema()["properties"].as_object().unwrap_or(&none);
        for member in members.keys().map(String::as_str).chain(["unknown", "", "\0"]) {
            for value in hostile() {
                let mut config = base.clone();
                config[member] = value;
                let _told_when_saved = definition.check_config(&config);
                let done = end(&bench, &sim, definition.name, &config).await;
                let ours = ["PANIC", "INTERNAL"].iter().any(|kind| done.starts_with(kind));
                let shown: String = config.to_string().chars().take(200).collect();
                assert!(!ours, "{definition:?} with {shown}: {done}");
                assert!(
                    members.contains_key(member) || done.starts_with("CONFIG"),
                    "{definition:?} with {shown}: {done}"
                );
            }
        }
    }
}

#[test]
fn what_works_on_everything_at_once_sends_everything() {
    use super::bench::check_all;
    let items = [("input", r#"[{"a":1},{"a":2}]"#)];
    check_all("filter", r#"{"where":true}"#, &items, r#"output: {"a":1} {"a":2}"#);
    check_all("if", r#"{"where":false}"#, &items, r#"false: {"a":1} {"a":2}"#);
    check_all("switch", r#"{"cases":[]}"#, &items, r#"default: {"a":1} {"a":2}"#);
    check_all("if", r#"{"where":false}"#, &[], "false: null");
}
