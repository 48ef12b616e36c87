//! `kill -9` in the middle: what was accepted goes on from its last finished node.

use a2n_tests::daemon::World;
use anyhow::Result;
use serde_json::json;

#[test]
fn an_execution_goes_on_from_its_last_finished_node() -> Result<()> {
    let mut world = World::started()?;
    let count = world.path().join("count");
    let document = json!({
        "name": "phoenix",
        "nodes": [
            {"id": "once", "type": "shell", "config": {"command": ["sh", "-c", "echo ran >> \"$0\"", count]}},
            {"id": "pause", "type": "wait", "config": {"duration": 2000}},
            {"id": "end", "type": "set", "config": {"values": {"done": true}}},
        ],
        "connections": [{"source": "once", "target": "pause"}, {"source": "pause", "target": "end"}],
    });
    let mut lines = world.lines()?;
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    lines.call("system.subscribe", json!({"topics": ["execution"]}))?;
    let run = lines.call("workflow.run", json!({"name": "phoenix"}))?;
    loop {
        let seen = lines.notification()?;
        if seen.to_string().contains("PAUSED") {
            break;
        }
    }
    world.kill()?;
    world.start()?;
    let mut lines = world.lines()?;
    let ended = lines.call("execution.wait", json!({"id": run["id"], "timeout": 60000}))?;
    assert_eq!(ended["status"], "SUCCESS", "{ended}");
    assert_eq!(ended["outputData"]["end"]["output"][0]["done"], true, "{ended}");
    assert_eq!(std::fs::read_to_string(&count)?, "ran\n", "a finished step ran again");
    assert_eq!(lines.call("system.verify", json!({}))?["ok"], true);
    Ok(())
}

#[test]
fn a_once_step_that_was_running_is_in_doubt_and_is_not_run_again() -> Result<()> {
    let mut world = World::started()?;
    let count = world.path().join("count");
    let document = json!({
        "name": "doubt",
        "nodes": [{"id": "step", "type": "shell", "config": {"command": ["sh", "-c", "echo ran >> \"$0\"; echo started; sleep 1000", count]}}],
    });
    let mut lines = world.lines()?;
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    let run = lines.call("workflow.run", json!({"name": "doubt"}))?;
    lines.call(
        "executionLog.subscribe",
        json!({"executionId": run["id"], "afterSeq": 0, "follow": true}),
    )?;
    while !lines.notification()?.to_string().contains("started") {}
    // The story: the folder of each attempt that a crash broke off, credentials and all, stayed.
    let steps = world.data_dir().join("steps");
    let folders = || Ok::<_, anyhow::Error>(std::fs::read_dir(&steps)?.count());
    std::fs::create_dir(steps.join("somebody-elses"))?;
    assert_eq!(folders()?, 2);
    world.kill()?;
    world.start()?;
    assert_eq!(folders()?, 1, "the attempt's folder is still there");
    let mut lines = world.lines()?;
    let execution = lines.call("execution.get", json!({"id": run["id"]}))?;
    assert_eq!(
        (&execution["status"], &execution["pausedReason"]),
        (&json!("PAUSED"), &json!("IN_DOUBT")),
        "{execution}"
    );
    // The story: such an execution waits for a person for ever, and health said that all went on.
    let health = lines.call("system.health", json!({}))?;
    assert_eq!(health["status"], "DEGRADED", "{health}");
    let told = format!(
        "1 execution with a step in doubt (did it end?): {}",
        run["id"].as_str().unwrap_or("?")
    );
    assert!(health.to_string().contains(&told), "{health}");
    let state = lines
        .call("executionNodeState.get", json!({"executionId": run["id"], "nodeId": "step"}))?;
    assert_eq!(state["waiting"]["kind"], "IN_DOUBT", "{state}");
    assert_eq!(std::fs::read_to_string(&count)?, "ran\n", "a ONCE step ran again");
    lines.call("execution.cancel", json!({"id": run["id"]}))?;
    let ended = lines.call("execution.wait", json!({"id": run["id"], "timeout": 60000}))?;
    assert_eq!(ended["status"], "CANCELLED", "{ended}");
    Ok(())
}

#[test]
fn what_may_be_repeated_goes_on_after_an_orderly_stop() -> Result<()> {
    let mut world = World::new()?;
    world.env.push(("A2N_SETTING__SHUTDOWN__GRACE_MS".into(), "100".into()));
    world.start()?;
    let mark = world.path().join("mark");
    // The first time it never ends.
    let script = "if [ -e \"$0\" ]; then exit 3; fi; touch \"$0\"; echo started; sleep 1000";
    let step = |more: serde_json::Value| {
        let config = json!({"command": ["sh", "-c", script, mark], "successCodes": [0, 3]});
        let mut node = json!({"id": "step", "type": "shell", "config": config});
        node.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("too"));
        json!({"name": "again", "nodes": [node]})
    };
    let mut lines = world.lines()?;
    let document = step(json!({"repeat": "RETRYABLE"}));
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    let run = lines.call("workflow.run", json!({"name": "again"}))?;
    lines.call(
        "executionLog.subscribe",
        json!({"executionId": run["id"], "afterSeq": 0, "follow": true}),
    )?;
    while !lines.notification()?.to_string().contains("started") {}
    world.stop()?;
    world.start()?;
    let mut lines = world.lines()?;
    let ended = lines.call("execution.wait", json!({"id": run["id"], "timeout": 60000}))?;
    assert_eq!(ended["status"], "SUCCESS", "{ended}");
    let state = lines
        .call("executionNodeState.get", json!({"executionId": run["id"], "nodeId": "step"}))?;
    let attempts = &state["units"][0]["attempts"];
    assert_eq!(attempts[1]["exit"], 3, "the exit code of a success: {state}");
    Ok(())
}

#[test]
fn everything_acknowledged_under_load_is_there_after_kill_nine() -> Result<()> {
    let mut world = World::started()?;
    let document = json!({"name": "quick", "nodes": [{"id": "a", "type": "set", "config": {"values": {"n": "{{ inputs.n }}"}}}]});
    let mut lines = world.lines()?;
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    let mut accepted = Vec::new();
    for n in 0..200 {
        let run = lines.call(
            "workflow.run",
            json!({"name": "quick", "inputs": {"n": n}, "idempotencyKey": format!("k{n}")}),
        )?;
        accepted.push(run["id"].clone());
    }
    world.kill()?;
    world.start()?;
    let mut lines = world.lines()?;
    for (n, id) in accepted.iter().enumerate() {
        let ended = lines.call("execution.wait", json!({"id": id, "timeout": 60000}))?;
        assert_eq!(ended["status"], "SUCCESS", "{ended}");
        assert_eq!(ended["outputData"]["a"]["output"][0]["n"], n, "{ended}");
        // The same key and params answer the same execution, also after the restart.
        let again = lines.call(
            "workflow.run",
            json!({"name": "quick", "inputs": {"n": n}, "idempotencyKey": format!("k{n}")}),
        )?;
        assert_eq!(&again["id"], id);
    }
    let other = lines.refused(
        "workflow.run",
        json!({"name": "quick", "inputs": {"n": -1}, "idempotencyKey": "k1"}),
    )?;
    assert_eq!(other["code"], 409, "{other}");
    Ok(())
}

/// A step ended well, but the disk refused to note it. What was known then must not become a doubt:
/// once the disk takes writes again, the result is stored and the next step runs, once.
#[test]
fn a_disk_that_refuses_for_a_while_loses_no_result() -> Result<()> {
    let world = World::started()?;
    let (gate, count) = (world.path().join("gate"), world.path().join("count"));
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU)?;
    let document = json!({
        "name": "patient",
        "nodes": [
            {"id": "a", "type": "shell", "config": {"command": ["sh", "-c", "read go < \"$0\"", gate]}},
            {"id": "b", "type": "shell", "config": {"command": ["sh", "-c", "echo ran >> \"$0\"", count]}},
        ],
        "connections": [{"source": "a", "target": "b"}],
    });
    let mut lines = world.lines()?;
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    let run = lines.call("workflow.run", json!({"name": "patient"}))?;
    limit_files(&world, "4096:unlimited")?;
    // Opening a pipe for writing waits until the step reads: it has begun.
    std::fs::write(&gate, "go\n")?;
    let queue = |health: &serde_json::Value| {
        let checks = health["checks"].as_array().cloned().unwrap_or_default();
        checks.into_iter().find(|c| c["serviceName"] == "queue").map(|c| c["status"].clone())
    };
    while queue(&lines.call("system.health", json!({}))?) != Some(json!("UNHEALTHY")) {}
    let refused = lines.refused("workflow.run", json!({"name": "patient"}))?;
    assert_eq!(refused["code"], 507, "{refused}");
    limit_files(&world, "unlimited:unlimited")?;
    let ended = lines.call("execution.wait", json!({"id": run["id"], "timeout": 60000}))?;
    assert_eq!(ended["status"], "SUCCESS", "{ended}");
    assert_eq!(std::fs::read_to_string(&count)?, "ran\n");
    assert_eq!(lines.call("system.verify", json!({}))?["ok"], true);
    let mut world = world;
    world.stop()
}

/// Sets how large files of the daemon may grow.
fn limit_files(world: &World, limit: &str) -> Result<()> {
    let pid = world.pid().to_string();
    let fsize = format!("--fsize={limit}");
    let done = std::process::Command::new("prlimit").args(["--pid", &pid, &fsize]).status()?;
    anyhow::ensure!(done.success(), "prlimit: {done}");
    Ok(())
}
