//! The inbox: an event that was answered is there whatever happens, and is told once.

use a2n_tests::command::{a2n, a2n_ok};
use a2n_tests::daemon::World;
use anyhow::Result;
use serde_json::json;

#[test]
fn an_event_that_was_answered_survives_a_crash_and_keeps_its_number() -> Result<()> {
    let mut world = World::started()?;
    let told = a2n_ok(&world, &["emit", "backup.done", "--source", "nas", "-d", r#"{"n": 1.10}"#])?;
    assert_eq!(told, "backup.done is event 1\n");
    world.kill()?;
    let down = a2n(&world, &["emit", "backup.done"])?;
    assert_eq!(down.code, Some(5), "nobody answers: {}", down.stderr);
    world.start()?;
    let mut lines = world.lines()?;
    let event = lines.call("event.get", json!({"seq": 1}))?;
    assert_eq!(event["data"].to_string(), r#"{"n":1.1}"#);
    assert_eq!((&event["source"], &event["depth"]), (&json!("nas"), &json!(0)));
    // The same key tells it once; other words under it are refused.
    let emit = json!({"eventType": "x", "data": {"a": 1}, "idempotencyKey": "k"});
    let first = lines.call("event.emit", emit.clone())?;
    assert_eq!(
        (&first["seq"], lines.call("event.emit", emit)?["seq"].clone()),
        (&json!(2), json!(2))
    );
    let other = lines.refused("event.emit", json!({"eventType": "x", "idempotencyKey": "k"}))?;
    assert_eq!(other["code"], 409, "{other}");
    let listed = a2n_ok(&world, &["events", "-o", "name"])?;
    assert_eq!(listed, "2\n1\n");
    Ok(())
}

#[test]
fn what_is_no_event_is_refused_with_its_path() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    for (params, path) in [
        (json!({"eventType": "a b"}), "eventType"),
        (json!({"eventType": "HEALTH"}), "eventType"),
        (json!({"eventType": "a", "source": "\u{1b}[2J"}), "source"),
        (json!({"eventType": "a", "data": "x".repeat(2 << 20)}), "data"),
        (json!({"eventType": "a", "wen": 1}), "wen"),
    ] {
        let error = lines.refused("event.emit", params)?;
        assert_eq!(error["data"]["path"], path, "{error}");
    }
    assert_eq!(lines.call("event.list", json!({}))?["items"], json!([]));
    Ok(())
}
