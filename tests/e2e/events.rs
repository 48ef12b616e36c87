//! The inbox: an event that was answered is there whatever happens, and is told once.

use a2n_tests::command::{a2n, a2n_ok};
use a2n_tests::daemon::World;
use anyhow::{Context, Result};
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

fn waiter(name: &str, config: &serde_json::Value) -> serde_json::Value {
    json!({"name": name, "nodes": [{"id": "w", "type": "wait", "config": config}]})
}

/// Every wait that an event fits gets it; a daemon that dies in between loses none.
#[test]
fn all_who_wait_get_the_event_also_across_a_crash() -> Result<()> {
    let mut world = World::started()?;
    let mut lines = world.lines()?;
    let config = json!({"event": {"type": "paid", "where": {"order": {"id": "{{ inputs.id }}"}}}});
    let create = json!({"definition": waiter("waits", &config), "publish": true});
    lines.call("workflow.create", create)?;
    let start = |lines: &mut a2n_tests::lines::Lines, id: u32| -> Result<_> {
        let run = lines.call("workflow.run", json!({"name": "waits", "inputs": {"id": id}}))?;
        Ok(run["id"].clone())
    };
    // Told before the wait began: it does not count.
    a2n_ok(&world, &["emit", "paid", "-d", r#"{"order": {"id": 1}}"#])?;
    let (first, second) = (start(&mut lines, 1)?, start(&mut lines, 1)?);
    let other = start(&mut lines, 2)?;
    world.kill()?;
    world.start()?;
    let mut lines = world.lines()?;
    for run in [&first, &second, &other] {
        let now = lines.call("execution.get", json!({"id": run}))?;
        assert_eq!((&now["status"], &now["pausedReason"]), (&json!("PAUSED"), &json!("WAITING")));
    }
    a2n_ok(&world, &["emit", "paid", "-d", r#"{"order": {"id": 1, "n": 3}}"#])?;
    world.kill()?;
    world.start()?;
    let mut lines = world.lines()?;
    for run in [&first, &second] {
        let ended = lines.call("execution.wait", json!({"id": run, "timeout": 60000}))?;
        assert_eq!(ended["status"], "SUCCESS", "{ended}");
        let event = &ended["outputData"]["w"]["output"][0]["event"];
        assert_eq!(
            (&event["seq"], &event["data"]["order"]["n"]),
            (&json!(2), &json!(3)),
            "{ended}"
        );
    }
    let still = lines.call("execution.get", json!({"id": other}))?;
    assert_eq!(still["status"], "PAUSED", "{still}");
    lines.call("execution.cancel", json!({"id": other}))?;
    let ended = lines.call("execution.wait", json!({"id": other, "timeout": 60000}))?;
    assert_eq!(ended["status"], "CANCELLED", "{ended}");
    Ok(())
}

/// An event that came before the wait was reached, told by a node of another workflow.
#[test]
fn a_wait_may_look_back_to_the_start_and_give_up_in_time() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    let config = json!({"event": {"type": "built"}, "from": "START_OF_EXECUTION", "timeout": "1h"});
    let mut back = waiter("back", &config);
    let first = json!({"id": "first", "type": "wait", "config": {"event": {"type": "go"}}});
    back["nodes"].as_array_mut().context("nodes")?.push(first);
    back["connections"] = json!([{"source": "first", "target": "w"}]);
    lines.call("workflow.create", json!({"definition": back, "publish": true}))?;
    let tells = json!({"name": "tells", "nodes": [
        {"id": "e", "type": "emit", "config": {"type": "built", "data": {"n": "{{ inputs.n }}"}}},
    ]});
    lines.call("workflow.create", json!({"definition": tells, "publish": true}))?;
    let run = lines.call("workflow.run", json!({"name": "back"}))?["id"].clone();
    let told =
        lines.call("workflow.run", json!({"name": "tells", "inputs": {"n": 7}, "wait": true}))?;
    assert_eq!(told["status"], "SUCCESS", "{told}");
    a2n_ok(&world, &["emit", "go"])?;
    let ended = lines.call("execution.wait", json!({"id": run, "timeout": 60000}))?;
    assert_eq!(ended["outputData"]["w"]["output"][0]["event"]["data"]["n"], 7, "{ended}");

    let late = json!({"event": {"type": "never"}, "timeout": 50});
    lines.call("workflow.create", json!({"definition": waiter("late", &late), "publish": true}))?;
    let run = lines.call("workflow.run", json!({"name": "late"}))?["id"].clone();
    let ended = lines.call("execution.wait", json!({"id": run, "timeout": 60000}))?;
    assert_eq!(
        (&ended["status"], &ended["errorDetails"]["code"]),
        (&json!("FAILED"), &json!("TIMEOUT"))
    );
    Ok(())
}
