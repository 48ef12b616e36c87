//! The short conversation of the contract, word for word on the line protocol.

use a2n_tests::daemon::World;
use anyhow::{Context, Result};
use serde_json::json;

#[test]
fn the_short_conversation() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;

    let pong = lines.call("system.ping", json!({}))?;
    assert_eq!(pong["pong"], true);
    assert!(pong["now"].as_str().is_some_and(|now| now.ends_with('Z')), "{pong}");

    let info = lines.call("system.info", json!({}))?;
    assert_eq!(info["protocol"], 1);
    assert_eq!(info["mode"], "USER");
    assert_eq!(info["schemaVersion"], "1");
    assert_eq!(info["pid"], world.pid().as_raw());
    assert_eq!(info["safeMode"], false);
    assert_eq!(info["dataDir"], world.data_dir().to_str().expect("utf-8"));

    let me = lines.call("auth.whoami", json!({}))?;
    assert_eq!(me["user"]["role"], "OWNER");
    assert_eq!(me["via"], "UNIX");
    assert_eq!(me["uid"], nix::unistd::getuid().as_raw());

    let health = lines.call("system.health", json!({}))?;
    assert_eq!(health["status"], "HEALTHY", "{health}");
    assert!(
        health["checks"].as_array().is_some_and(|c| c.iter().any(|c| c["serviceName"] == "store"))
    );

    let hello = json!({
        "name": "hello",
        "nodes": [{"id": "greet", "type": "set", "config": {"values": {"text": "hello {{ inputs.who }}"}}}],
        "connections": [],
    });
    let checked = lines.call("workflow.validate", json!({"definition": hello}))?;
    assert_eq!(checked, json!({"problems": []}));
    let made = lines.call("workflow.create", json!({"definition": hello, "publish": true}))?;
    assert_eq!(
        (&made["version"], &made["publishedVersion"], &made["revision"]),
        (&json!(1), &json!(1), &json!(1))
    );

    let run = lines.call("workflow.run", json!({"name": "hello", "inputs": {"who": "world"}}))?;
    assert_eq!(run["status"], "PENDING");
    assert_eq!(run["workflowVersion"], 1);
    let ended = lines.call("execution.wait", json!({"id": run["id"], "timeout": 60000}))?;
    assert_eq!(ended["status"], "SUCCESS", "{ended}");
    assert_eq!(ended["outputData"]["greet"]["output"][0]["text"], "hello world", "{ended}");

    let states =
        lines.call("executionNodeState.list", json!({"filter": {"executionId": run["id"]}}))?;
    assert_eq!(states["nextCursor"], json!(null));
    assert_eq!(states["items"][0]["nodeId"], "greet");
    assert_eq!(states["items"][0]["status"], "SUCCESS");
    assert_eq!(states["items"][0]["iteration"], "");
    assert_eq!(states["items"][0]["inputData"], json!(null));
    let state = lines
        .call("executionNodeState.get", json!({"executionId": run["id"], "nodeId": "greet"}))?;
    assert_eq!(state["outputData"]["output"][0]["text"], "hello world", "{state}");
    assert!(state["inputData"]["input"].is_array(), "{state}");

    let stale = lines.call(
        "workflow.update",
        json!({"id": made["id"], "patch": {"description": "x"}, "ifRevision": 1}),
    )?;
    assert_eq!(stale["description"], "x");
    let error = lines.refused(
        "workflow.update",
        json!({"id": made["id"], "patch": {"description": "y"}, "ifRevision": 1}),
    )?;
    assert_eq!(error["code"], 409);
    assert_eq!(error["data"]["kind"], "CONFLICT");
    assert_eq!(error["data"]["current"], stale["revision"]);

    let preview = lines.call(
        "executionSchedule.preview",
        json!({"schedule": {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}, "from": "2026-03-28T00:00:00Z", "count": 3}),
    )?;
    assert_eq!(
        preview,
        json!({
            "times": ["2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"],
            "description": "at 02:30 every day",
            "warnings": ["2026-03-29: 02:30 does not exist, runs at 03:00"],
        })
    );

    let part = lines.call("auditLog.verify", json!({"from": 2, "to": 2}))?;
    assert_eq!((&part["ok"], &part["rows"]), (&json!(true), &json!(1)), "{part}");
    assert_eq!((&part["from"], &part["to"]), (&json!(2), &json!(2)), "{part}");
    for nothing in [json!({"from": 3, "to": 2}), json!({"from": 1_000_000})] {
        assert_eq!(lines.refused("auditLog.verify", nothing)?["code"], 422);
    }
    let audit = lines.call("auditLog.verify", json!({}))?;
    assert_eq!(audit["ok"], true, "{audit}");
    assert_eq!(audit["from"], 1);
    assert!(audit["rows"].as_u64().is_some_and(|rows| rows >= 3), "{audit}");
    let verified = lines.call("system.verify", json!({}))?;
    assert_eq!(verified["ok"], true, "{verified}");
    Ok(())
}

/// Whatever the contract lists is there: without its params a method may refuse, but never with
/// "no such method".
#[test]
fn every_method_of_the_contract_has_a_body() -> Result<()> {
    let world = World::started()?;
    let contract = world.lines()?.call("rpc.discover", json!({}))?;
    let methods = contract["methods"].as_array().context("rpc.discover lists no methods")?;
    let names: Vec<&str> = methods.iter().filter_map(|method| method["name"].as_str()).collect();
    assert!(names.len() == methods.len() && names.contains(&"workflow.run"), "{names:?}");
    for name in names {
        // A connection of its own, so that what a subscription sends disturbs nobody.
        let answer = world.lines()?.response(name, json!({}))?;
        assert_ne!(answer["error"]["code"], -32601, "{name}: {answer}");
    }
    Ok(())
}
