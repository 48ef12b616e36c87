//! The feed of changes: cursors that mean nothing here, topics that do not exist, and `a2n rpc`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use a2n_tests::daemon::World;
use anyhow::Result;
use serde_json::{Value, json};

const NOTHING: &str = r#"{"nodes": [{"id": "a", "type": "noop"}], "connections": []}"#;

fn named(name: &str) -> Value {
    let mut document: Value = serde_json::from_str(NOTHING).expect("JSON");
    document["name"] = name.into();
    document
}

/// The story: after a store was restored or made anew, a client that came back with its old cursor
/// was answered and then never heard of anything again.
#[test]
fn a_cursor_that_the_feed_has_not_come_to_is_a_gap() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    lines.call("system.subscribe", json!({"cursor": "99999999", "topics": ["workflow"]}))?;
    let gap = lines.notification()?["params"]["result"].take();
    let head = gap["gap"]["to"].as_u64().expect("a number");
    assert_eq!(gap, json!({"gap": {"from": 1, "to": head}, "cursor": head.to_string()}));
    lines.call("workflow.create", json!({"definition": named("n")}))?;
    let next = lines.notification()?["params"]["result"].take();
    assert_eq!(next["items"][0]["change"], "CREATED", "{next}");

    let refused =
        lines.refused("system.subscribe", json!({"topics": ["workflow", "executoin"]}))?;
    assert_eq!((&refused["code"], &refused["data"]["path"]), (&json!(422), &json!("topics[1]")));
    assert_eq!(refused["data"]["hint"], "did you mean `execution`?", "{refused}");
    Ok(())
}

#[test]
fn a2n_rpc_stays_with_a_subscription() -> Result<()> {
    let world = World::started()?;
    let mut listener = world
        .command("a2n")
        .args(["rpc", "system.subscribe", r#"{"topics": ["workflow"]}"#])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut told = BufReader::new(listener.stdout.take().expect("piped")).lines();
    let mut next =
        || -> Result<Value> { Ok(serde_json::from_str(&told.next().expect("a line")?)?) };
    assert_eq!(next()?["items"], json!([]));
    world.lines()?.call("workflow.create", json!({"definition": named("n")}))?;
    assert_eq!(next()?["items"][0]["entity"], "workflow");
    listener.kill()?;
    listener.wait()?;
    Ok(())
}
