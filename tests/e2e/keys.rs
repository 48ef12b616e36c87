//! Idempotency keys: the same key and params give the first answer again, one after the other and
//! at once; other params are a conflict.
//!
//! Two cancels at the same moment with one key: the second was told that the execution had ended
//! already, although it was its own doing. Sending every call twice at once catches it.

use std::sync::Barrier;

use a2n_tests::daemon::World;
use a2n_tests::lines::Lines;
use anyhow::{Result, anyhow};
use serde_json::{Value, json};

/// A workflow that waits for long after a first step, with a MANUAL trigger.
fn waiting(name: &str) -> Value {
    json!({
        "name": name,
        "nodes": [
            {"id": "first", "type": "set", "config": {"values": {"a": 1}}},
            {"id": "long", "type": "wait", "config": {"duration": "2h"}},
        ],
        "connections": [{"source": "first", "target": "long"}],
        "triggers": [{"type": "MANUAL", "name": "hand"}],
    })
}

/// The same call from two clients at the same moment.
fn at_once(world: &World, method: &str, params: &Value) -> Result<(Value, Value)> {
    let (barrier, socket) = (Barrier::new(2), world.socket());
    let ask = || -> Result<Value> {
        let mut lines = Lines::connect(&socket)?;
        barrier.wait();
        lines.call(method, params.clone())
    };
    std::thread::scope(|scope| {
        let (one, two) = (scope.spawn(ask), scope.spawn(ask));
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Value>>| {
            thread.join().map_err(|_| anyhow!("a client panicked"))?
        };
        Ok((join(one)?, join(two)?))
    })
}

fn with_key(mut params: Value, key: &str) -> Value {
    params["idempotencyKey"] = json!(key);
    params
}

/// Calls twice, twice at once, and with other params; answers the id that all answers have.
fn same_answer(
    world: &World,
    lines: &mut Lines,
    method: &str,
    (params, other): (Value, Value),
    key: &str,
) -> Result<Value> {
    let params = with_key(params, key);
    let (one, two) = at_once(world, method, &params)?;
    assert_eq!(one["id"], two["id"], "{method}: {one} {two}");
    let again = lines.call(method, params)?;
    assert_eq!(again["id"], one["id"], "{method}: {again}");
    let error = lines.refused(method, with_key(other, key))?;
    let told = (&error["code"], &error["data"]["kind"], &error["data"]["path"]);
    assert_eq!(told, (&json!(409), &json!("CONFLICT"), &json!("idempotencyKey")), "{error}");
    Ok(one["id"].clone())
}

fn count(lines: &mut Lines, method: &str, filter: Value) -> Result<usize> {
    let found = lines.call(method, json!({"filter": filter, "limit": 1000}))?;
    Ok(found["items"].as_array().map_or(0, Vec::len))
}

#[test]
fn the_same_key_gives_the_first_answer_again() -> Result<()> {
    let mut world = World::started()?;
    let mut lines = world.lines()?;
    let (publish, draft) = (
        json!({"definition": waiting("w"), "publish": true}),
        json!({"definition": waiting("w"), "publish": false}),
    );
    let workflow = same_answer(&world, &mut lines, "workflow.create", (publish, draft), "make")?;
    let filter = json!({"filter": {"workflowId": workflow}});
    let trigger = lines.call("workflowTrigger.list", filter)?["items"][0]["id"].clone();

    let runs = (json!({"name": "w"}), json!({"name": "w", "priority": 1}));
    let run = same_answer(&world, &mut lines, "workflow.run", runs, "k")?;
    let fires = (json!({"id": trigger}), json!({"id": trigger, "payload": {"b": 2}}));
    let fired = same_answer(&world, &mut lines, "workflowTrigger.fire", fires, "k")?;
    assert_ne!(run, fired, "a key belongs to a method");
    assert_eq!(count(&mut lines, "execution.list", json!({"workflowId": workflow}))?, 2);

    let cancels = (json!({"id": run}), json!({"id": run, "reason": "other"}));
    assert_eq!(same_answer(&world, &mut lines, "execution.cancel", cancels.clone(), "k")?, run);
    lines.call("execution.wait", json!({"id": run, "timeout": 60000}))?;
    let retries = (json!({"id": run, "from": "START"}), json!({"id": run, "from": "long"}));
    let retried = same_answer(&world, &mut lines, "execution.retry", retries.clone(), "k")?;
    assert_ne!(retried, run);
    assert_eq!(count(&mut lines, "execution.list", json!({"retryOf": run}))?, 1);
    for (id, source) in [(&run, "API"), (&fired, "MANUAL"), (&retried, "RETRY")] {
        let metadata = &lines.call("execution.get", json!({"id": id}))?["metadata"];
        assert_eq!(metadata["source"], source, "{metadata}");
        let peer = format!("uid={} pid={}", nix::unistd::getuid(), std::process::id());
        assert_eq!(metadata["ipAddress"], peer, "{metadata}");
    }
    for (action, times) in [
        ("workflow.create", 1),
        ("workflow.run", 1),
        ("workflowTrigger.fire", 1),
        ("execution.cancel", 1),
        ("execution.retry", 1),
    ] {
        assert_eq!(
            count(&mut lines, "auditLog.list", json!({"action": action}))?,
            times,
            "{action}"
        );
    }

    // Also after a restart, and whatever has become of the workflow meanwhile.
    world.stop()?;
    world.start()?;
    let mut lines = world.lines()?;
    lines.call("workflow.archive", json!({"id": workflow}))?;
    for (method, params, expect) in [
        ("workflow.run", json!({"name": "w"}), &run),
        ("workflowTrigger.fire", json!({"id": trigger}), &fired),
        ("execution.cancel", cancels.0, &run),
        ("execution.retry", retries.0, &retried),
    ] {
        assert_eq!(lines.call(method, with_key(params, "k"))?["id"], *expect, "{method}");
    }
    Ok(())
}

#[test]
fn cancels_at_the_same_moment_with_one_key_are_one() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    lines.call("workflow.create", json!({"definition": waiting("w"), "publish": true}))?;
    for n in 0..20 {
        let run = lines.call("workflow.run", json!({"name": "w"}))?;
        let params = with_key(json!({"id": run["id"]}), &format!("cancel-{n}"));
        let (one, two) = at_once(&world, "execution.cancel", &params)?;
        assert_eq!((&one["id"], &two["id"]), (&run["id"], &run["id"]));
    }
    assert_eq!(count(&mut lines, "auditLog.list", json!({"action": "execution.cancel"}))?, 20);
    Ok(())
}
