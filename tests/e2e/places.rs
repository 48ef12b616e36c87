//! How many executions of a workflow run at once: each policy, on the real daemon, across `kill -9`,
//! and with people who steer those that wait.

use std::path::Path;

use a2n_tests::command::a2n_ok;
use a2n_tests::daemon::World;
use a2n_tests::lines::Lines;
use anyhow::Result;
use serde_json::{Value, json};

/// A workflow whose executions end when the file `go` is there.
fn gated(lines: &mut Lines, name: &str, gate: &Path, concurrency: Value) -> Result<Value> {
    let wait = "while [ ! -e \"$0\" ]; do sleep 0.02; done";
    let document = json!({
        "name": name,
        "nodes": [{"id": "step", "type": "shell", "config": {"command": ["sh", "-c", wait, gate]}}],
        "settings": {"concurrency": concurrency},
    });
    lines.call("workflow.create", json!({"definition": document, "publish": true}))
}

fn run(lines: &mut Lines, name: &str, priority: i32) -> Result<Value> {
    let params = json!({"name": name, "priority": priority});
    Ok(lines.call("workflow.run", params)?["id"].clone())
}

fn status(lines: &mut Lines, id: &Value) -> Result<String> {
    let found = lines.call("execution.get", json!({"id": id}))?;
    Ok(found["status"].as_str().unwrap_or_default().to_owned())
}

fn ended(lines: &mut Lines, id: &Value) -> Result<Value> {
    lines.call("execution.wait", json!({"id": id, "timeout": 60_000}))
}

/// Waits until an execution has this status.
fn becomes(world: &World, id: &Value, wanted: &str) -> Result<()> {
    let mut lines = world.lines()?;
    lines.call("system.subscribe", json!({"topics": ["execution"]}))?;
    while status(&mut lines, id)? != wanted {
        lines.notification()?;
    }
    Ok(())
}

#[test]
fn a_queue_goes_on_after_a_kill_by_priority_and_age() -> Result<()> {
    let mut world = World::started()?;
    let gate = world.path().join("go");
    let mut lines = world.lines()?;
    gated(&mut lines, "one", &gate, json!({"maxInstances": 1, "policy": "QUEUE", "maxQueued": 3}))?;
    let first = run(&mut lines, "one", 0)?;
    let second = run(&mut lines, "one", 0)?;
    let third = run(&mut lines, "one", 0)?;
    let urgent = run(&mut lines, "one", 5)?;
    assert_eq!(status(&mut lines, &first)?, "RUNNING");
    for one in [&second, &third, &urgent] {
        assert_eq!(status(&mut lines, one)?, "PENDING");
    }
    let error = lines.refused("workflow.run", json!({"name": "one"}))?;
    assert_eq!((&error["code"], &error["data"]["kind"]), (&json!(503), &json!("OVERLOADED")));
    assert!(error["data"]["retryAfterMs"].as_u64() > Some(0), "{error}");
    let all = lines.call("execution.list", json!({}))?;
    assert_eq!(all["items"].as_array().map(Vec::len), Some(4), "nothing was half accepted: {all}");

    // One that waits can be cancelled; it never ran.
    lines.call("execution.cancel", json!({"id": second}))?;
    let cancelled = ended(&mut lines, &second)?;
    assert_eq!(
        (&cancelled["status"], &cancelled["startTime"]),
        (&json!("CANCELLED"), &json!(null))
    );

    world.kill()?;
    world.start()?;
    let mut lines = world.lines()?;
    assert_eq!(status(&mut lines, &third)?, "PENDING");
    assert_eq!(status(&mut lines, &urgent)?, "PENDING");
    // The killed step is in doubt, and keeps its place: somebody has to say how it ended.
    becomes(&world, &first, "PAUSED")?;
    assert_eq!(status(&mut lines, &urgent)?, "PENDING");
    lines.call("execution.cancel", json!({"id": first}))?;
    std::fs::write(&gate, "")?;
    let (urgent, third) = (ended(&mut lines, &urgent)?, ended(&mut lines, &third)?);
    assert_eq!((&urgent["status"], &third["status"]), (&json!("SUCCESS"), &json!("SUCCESS")));
    assert!(urgent["endTime"].as_str() <= third["startTime"].as_str(), "{urgent} {third}");
    Ok(())
}

#[test]
fn reject_names_what_runs() -> Result<()> {
    let world = World::started()?;
    let gate = world.path().join("go");
    let mut lines = world.lines()?;
    gated(&mut lines, "one", &gate, json!({"maxInstances": 1, "policy": "REJECT"}))?;
    let params = json!({"name": "one", "idempotencyKey": "a"});
    let first = lines.call("workflow.run", params.clone())?["id"].clone();
    let error = lines.refused("workflow.run", json!({"name": "one"}))?;
    assert_eq!((&error["code"], &error["data"]["kind"]), (&json!(412), &json!("PRECONDITION")));
    assert!(error.to_string().contains(first.as_str().unwrap_or("none")), "{error}");
    // Asking again with the same key is not another start.
    assert_eq!(lines.call("workflow.run", params)?["id"], first);
    std::fs::write(&gate, "")?;
    ended(&mut lines, &first)?;
    let next = run(&mut lines, "one", 0)?;
    assert_eq!(ended(&mut lines, &next)?["status"], "SUCCESS");
    Ok(())
}

#[test]
fn replace_cancels_what_runs_and_the_newest_waits_for_its_end() -> Result<()> {
    let world = World::started()?;
    let gate = world.path().join("go");
    let mut lines = world.lines()?;
    gated(&mut lines, "one", &gate, json!({"maxInstances": 1, "policy": "REPLACE"}))?;
    let first = run(&mut lines, "one", 0)?;
    let second = run(&mut lines, "one", 0)?;
    let first = ended(&mut lines, &first)?;
    assert_eq!(first["status"], "CANCELLED", "{first}");
    assert!(first["errorMessage"].to_string().contains("REPLACE"), "{first}");
    becomes(&world, &second, "RUNNING")?;
    std::fs::write(&gate, "")?;
    let second = ended(&mut lines, &second)?;
    assert_eq!(second["status"], "SUCCESS", "{second}");
    assert!(first["endTime"].as_str() <= second["startTime"].as_str(), "{first} {second}");
    Ok(())
}

#[test]
fn a_limit_that_is_raised_or_a_workflow_that_is_deleted_reaches_those_that_wait() -> Result<()> {
    let world = World::started()?;
    let gate = world.path().join("go");
    let mut lines = world.lines()?;
    let made = gated(&mut lines, "one", &gate, json!({"maxInstances": 1, "policy": "QUEUE"}))?;
    let _first = run(&mut lines, "one", 0)?;
    let second = run(&mut lines, "one", 0)?;
    let third = run(&mut lines, "one", 0)?;
    let mut document = lines.call("workflow.get", json!({"name": "one"}))?["definition"].clone();
    document["settings"]["concurrency"]["maxInstances"] = json!(2);
    let patch = json!({"definition": document});
    // A draft changes nothing.
    lines.call("workflow.update", json!({"name": "one", "patch": patch}))?;
    let fourth = run(&mut lines, "one", 0)?;
    assert_eq!(status(&mut lines, &second)?, "PENDING");
    lines.call("workflow.publish", json!({"id": made["id"]}))?;
    becomes(&world, &second, "RUNNING")?;
    assert_eq!(status(&mut lines, &third)?, "PENDING");
    let shown = a2n_ok(&world, &["ps"])?;
    assert!(shown.contains("PENDING (1 before it)"), "{shown}");
    let shown = a2n_ok(&world, &["show", fourth.as_str().unwrap_or_default()])?;
    assert!(shown.contains("waits for a place: 1 before it"), "{shown}");

    // Archived, what was accepted still runs.
    lines.call("workflow.archive", json!({"id": made["id"], "archived": true}))?;
    lines.call("execution.cancel", json!({"id": second}))?;
    becomes(&world, &third, "RUNNING")?;
    lines.call("workflow.delete", json!({"id": made["id"], "force": true}))?;
    let gone = lines.refused("execution.get", json!({"id": fourth}))?;
    assert_eq!(gone["data"]["kind"], "NOT_FOUND", "{gone}");
    // And the daemon is well.
    std::fs::write(&gate, "")?;
    let health = lines.call("system.health", json!({}))?;
    assert_eq!(health["status"], "HEALTHY", "{health}");
    Ok(())
}

#[test]
fn an_administrator_limits_how_often_a_definition_is_used() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    let rates = json!({"shell": {"requests": 1, "window": 3_600_000, "burst": 2}});
    lines.call("appSetting.set", json!({"key": "nodes.rateLimits", "value": rates}))?;
    let wrong = json!({"shell": {"requests": 0, "window": 1000, "burst": 1}});
    let refused =
        lines.refused("appSetting.set", json!({"key": "nodes.rateLimits", "value": wrong}))?;
    assert_eq!(refused["data"]["kind"], "INVALID", "{refused}");
    let document = json!({
        "name": "quick",
        "nodes": [{"id": "step", "type": "shell", "config": {"command": ["true"]}}],
    });
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    for _ in 0..2 {
        let id = run(&mut lines, "quick", 0)?;
        assert_eq!(ended(&mut lines, &id)?["status"], "SUCCESS");
    }
    let third = run(&mut lines, "quick", 0)?;
    let node =
        lines.call("executionNodeState.get", json!({"executionId": third, "nodeId": "step"}))?;
    assert_eq!(node["waiting"]["kind"], "LIMIT", "{node}");
    let health = lines.call("system.health", json!({}))?.to_string();
    assert!(health.contains("1 execution waiting for a rate limit"), "{health}");
    // Whoever takes the limit away lets it through at once.
    lines.call("appSetting.reset", json!({"key": "nodes.rateLimits"}))?;
    assert_eq!(ended(&mut lines, &third)?["status"], "SUCCESS");
    Ok(())
}

#[test]
fn what_waits_outside_memory_is_found_by_whoever_speaks_to_it() -> Result<()> {
    let mut world = World::started()?;
    let mut lines = world.lines()?;
    let document = json!({
        "name": "tomorrow",
        "nodes": [{"id": "wait", "type": "wait", "config": {"duration": "1d"}}],
        "settings": {"concurrency": {"maxInstances": 2, "policy": "QUEUE"}},
    });
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    let first = run(&mut lines, "tomorrow", 0)?;
    let second = run(&mut lines, "tomorrow", 0)?;
    let third = run(&mut lines, "tomorrow", 0)?;
    let in_memory = |lines: &mut Lines| -> Result<Value> {
        // Answered by the engine, after what came before.
        lines.call("system.health", json!({}))?;
        Ok(lines.call("system.stats", json!({}))?["executionsInMemory"].clone())
    };
    assert_eq!(in_memory(&mut lines)?, 0);
    world.kill()?;
    world.start()?;
    let mut lines = world.lines()?;
    assert_eq!(in_memory(&mut lines)?, 0);
    // Both places are still taken, also by who is not in memory.
    assert_eq!(status(&mut lines, &third)?, "PENDING");
    let fourth = run(&mut lines, "tomorrow", 9)?;
    assert_eq!(status(&mut lines, &fourth)?, "PENDING");
    lines.call("execution.cancel", json!({"id": first}))?;
    assert_eq!(ended(&mut lines, &first)?["status"], "CANCELLED");
    becomes(&world, &fourth, "PAUSED")?;
    lines.call("execution.cancel", json!({"id": third}))?;
    for id in [&second, &fourth] {
        lines.call("execution.cancel", json!({"id": id}))?;
        assert_eq!(ended(&mut lines, id)?["status"], "CANCELLED");
    }
    assert_eq!(in_memory(&mut lines)?, 0);
    let verified = lines.call("system.verify", json!({}))?;
    assert_eq!(verified["ok"], true, "{verified}");
    Ok(())
}

/// With one slot, the attempts begin by what their nodes say; a start of the daemon keeps that order.
#[test]
fn a_nodes_priority_decides_who_gets_the_next_slot_also_after_a_kill() -> Result<()> {
    let mut world = World::new()?;
    world.env.push(("A2N_SETTING__ENGINE__PARALLEL_STEPS".into(), "1".into()));
    world.start()?;
    let (gate, log) = (world.path().join("go"), world.path().join("log"));
    let mut lines = world.lines()?;
    // Made again by a start, so that it has the slot then too.
    let wait = "while [ ! -e \"$0\" ]; do sleep 0.02; done";
    let first = json!({"name": "first", "nodes": [{
        "id": "step", "type": "shell", "repeat": "RETRYABLE",
        "config": {"command": ["sh", "-c", wait, gate]},
    }]});
    let script = "echo \"$1\" >> \"$0\"";
    let step = |word: &str, priority: i32| {
        json!({
            "id": word, "type": "shell", "priority": priority, "repeat": "RETRYABLE",
            "config": {"command": ["sh", "-c", script, log, word]},
        })
    };
    let both = json!({"name": "both", "nodes": [step("low", -5), step("high", 5)]});
    let plain = json!({"name": "plain", "nodes": [step("plain", 0)]});
    for document in [first, both, plain] {
        lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    }
    let blocking = run(&mut lines, "first", 0)?;
    becomes(&world, &blocking, "RUNNING")?;
    let (plain, both) = (run(&mut lines, "plain", 0)?, run(&mut lines, "both", 0)?);
    world.kill()?;
    world.start()?;
    let mut lines = world.lines()?;
    becomes(&world, &blocking, "RUNNING")?;
    std::fs::write(&gate, "")?;
    for one in [&plain, &both] {
        assert_eq!(ended(&mut lines, one)?["status"], "SUCCESS");
    }
    assert_eq!(std::fs::read_to_string(&log)?, "high\nplain\nlow\n");
    Ok(())
}
