//! Executions that start others, wait for each other, or answer for one that failed.

use a2n_tests::command::{a2n, a2n_ok};
use a2n_tests::daemon::World;
use a2n_tests::lines::Lines;
use anyhow::{Context, Result};
use serde_json::{Value, json};

fn publish(lines: &mut Lines, definition: &Value) -> Result<()> {
    lines.call("workflow.create", json!({"definition": definition, "publish": true}))?;
    Ok(())
}

/// A child that waits until `gate` is there, so that a crash or a cancel finds it at work.
fn gated(gate: &std::path::Path) -> Value {
    let script =
        "echo began >> \"$0.log\"; while [ ! -e \"$0\" ]; do sleep 0.05; done; echo '{\"n\": 1}'";
    json!({
        "name": "child",
        "nodes": [{
            "id": "step", "type": "shell", "repeat": "RETRYABLE",
            "config": {"command": ["sh", "-c", script, gate], "output": "JSON"},
        }],
    })
}

fn parent() -> Value {
    json!({
        "name": "parent",
        "nodes": [
            {"id": "call", "type": "workflow", "config": {"workflow": "child", "inputs": {"a": 1}}},
            {"id": "end", "type": "set", "config": {"values": {"got": "{{ item.n }}"}}},
        ],
        "connections": [{"source": "call", "target": "end"}],
    })
}

fn children(lines: &mut Lines, of: &Value) -> Result<Vec<Value>> {
    let filter = json!({"filter": {"parentExecutionId": of}});
    let found = lines.call("execution.list", filter)?;
    Ok(found["items"].as_array().context("a list")?.clone())
}

/// Waits until the child's step says that it began.
fn until_it_runs(lines: &mut Lines, parent: &Value) -> Result<Value> {
    lines.call("system.subscribe", json!({"topics": ["execution", "executionNodeState"]}))?;
    loop {
        let found = children(lines, parent)?;
        if let Some(child) = found.iter().find(|child| child["status"] == "RUNNING") {
            return Ok(child.clone());
        }
        lines.notification()?;
    }
}

#[test]
fn a_parent_finds_its_child_again_after_kill_9() -> Result<()> {
    let mut world = World::started()?;
    let gate = world.path().join("gate");
    let mut lines = world.lines()?;
    publish(&mut lines, &gated(&gate))?;
    publish(&mut lines, &parent())?;
    let run = lines.call("workflow.run", json!({"name": "parent"}))?;
    let before = until_it_runs(&mut lines, &run["id"])?;
    world.kill()?;
    world.start()?;
    std::fs::write(&gate, "")?;
    let mut lines = world.lines()?;
    let ended = lines.call("execution.wait", json!({"id": run["id"], "timeout": 60000}))?;
    assert_eq!(ended["status"], "SUCCESS", "{ended}");
    assert_eq!(ended["outputData"]["end"]["output"][0], json!({"n": 1, "got": 1}), "{ended}");
    let found = children(&mut lines, &run["id"])?;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["id"], before["id"]);
    let state = json!({"executionId": run["id"], "nodeId": "call"});
    let state = lines.call("executionNodeState.get", state)?;
    assert_eq!(state["units"][0]["attempts"].as_array().map(Vec::len), Some(1), "{state}");
    assert_eq!(lines.call("system.verify", json!({}))?["ok"], true);
    Ok(())
}

#[test]
fn a_cancel_goes_down_the_whole_tree() -> Result<()> {
    let world = World::started()?;
    let gate = world.path().join("gate");
    let mut lines = world.lines()?;
    publish(&mut lines, &gated(&gate))?;
    publish(&mut lines, &parent())?;
    let grand = json!({
        "name": "grandparent",
        "nodes": [{"id": "top", "type": "workflow", "config": {"workflow": "parent"}}],
    });
    publish(&mut lines, &grand)?;
    let run = lines.call("workflow.run", json!({"name": "grandparent"}))?;
    let middle = until_it_runs(&mut lines, &run["id"])?;
    let lowest = until_it_runs(&mut lines, &middle["id"])?;
    let id = run["id"].as_str().context("an id")?;
    let shown = a2n_ok(&world, &["tree", id])?;
    assert!(shown.contains("└─ parent") && shown.contains("   └─ child"), "{shown}");
    assert!(shown.contains("top#0") && shown.contains("call#0"), "{shown}");
    lines.call("execution.cancel", json!({"id": id}))?;
    for one in [&run, &middle, &lowest] {
        let wait = json!({"id": one["id"], "timeout": 60000});
        let ended = lines.call("execution.wait", wait)?;
        assert_eq!(ended["status"], "CANCELLED", "{ended}");
    }
    let tree = lines.call("execution.tree", json!({"id": id}))?;
    let depths: Vec<_> = tree["items"].as_array().context("a list")?.iter().collect();
    assert_eq!(depths.iter().map(|b| b["depth"].clone()).collect::<Vec<_>>(), [0, 1, 2]);
    Ok(())
}

#[test]
fn what_can_not_be_run_fails_the_step_with_its_reason() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    let call = |name: &str, config: Value| json!({"name": name, "nodes": [{"id": "call", "type": "workflow", "config": config}]});
    let bad = json!({"name": "bad", "nodes": [{"id": "stop", "type": "stop", "config": {"status": "FAILED", "message": "no paper"}}]});
    publish(&mut lines, &bad)?;
    lines.call(
        "workflow.create",
        json!({"definition": call("draft", json!({"workflow": "bad"}))}),
    )?;
    let cases = [
        ("by-failure", json!({"workflow": "bad"}), "of `bad` failed: no paper"),
        ("by-name", json!({"workflow": "{{ 'nobody' }}"}), "there is no workflow `nobody`"),
        ("by-draft", json!({"workflow": "draft"}), "is not published"),
        ("by-version", json!({"workflow": "bad", "version": 7}), "has no version 7"),
        ("endless", json!({"workflow": "endless"}), "16 executions stand above this one"),
    ];
    for (name, config, reason) in cases {
        publish(&mut lines, &call(name, config))?;
        let run = lines.call("workflow.run", json!({"name": name}))?;
        let ended = lines.call("execution.wait", json!({"id": run["id"], "timeout": 60000}))?;
        assert_eq!(ended["status"], "FAILED", "{ended}");
        let message = ended["errorMessage"].as_str().context("a message")?;
        assert!(message.contains(reason), "{message}");
    }
    let definition = call("typo", json!({"workflow": "bda"}));
    let problems = lines.call("workflow.validate", json!({"definition": definition}))?;
    let told = &problems["problems"][0];
    assert_eq!(told["path"], "nodes[0].config.workflow", "{problems}");
    assert_eq!(told["hint"], "did you mean `bad`?", "{problems}");
    Ok(())
}

#[test]
fn an_error_workflow_is_started_once_for_each_that_fails() -> Result<()> {
    let mut world = World::started()?;
    let told = world.path().join("told");
    let mut lines = world.lines()?;
    let write = "{{ inputs.workflow }}: {{ inputs.error.message }} ({{ inputs.inputs.who }})\n";
    let bad = json!({
        "name": "bad",
        "nodes": [{"id": "stop", "type": "stop", "config": {"status": "FAILED", "message": "no paper"}}],
    });
    publish(&mut lines, &bad)?;
    publish(
        &mut lines,
        &json!({
            "name": "alarm",
            "settings": {"errorWorkflow": "bad"},
            "nodes": [
                {"id": "note", "type": "file", "config": {"action": "APPEND", "path": told, "create": true, "content": write}},
                {"id": "fail", "type": "stop", "config": {"status": "FAILED"}},
            ],
            "connections": [{"source": "note", "target": "fail"}],
        }),
    )?;
    let patch = json!({"settings": {"errorWorkflow": "alarm"}});
    lines.call("workflow.update", json!({"name": "bad", "patch": patch, "publish": true}))?;
    let run = lines.call("workflow.run", json!({"name": "bad", "inputs": {"who": "anna"}}))?;
    world.kill()?;
    world.start()?;
    let mut lines = world.lines()?;
    lines.call("system.subscribe", json!({"topics": ["execution"]}))?;
    let handler = loop {
        let found = children(&mut lines, &run["id"])?;
        if let Some(handler) = found.first() {
            break handler.clone();
        }
        lines.notification()?;
    };
    let ended = lines.call("execution.wait", json!({"id": handler["id"], "timeout": 60000}))?;
    // It fails itself, and names a workflow for that: none is started for one that handles a failure.
    assert_eq!(ended["status"], "FAILED", "{ended}");
    assert_eq!(std::fs::read_to_string(&told)?, "bad: no paper (anna)\n");
    let shown = a2n(&world, &["tree", run["id"].as_str().context("an id")?])?;
    assert!(
        shown.stdout.contains("(error)") && shown.stdout.contains("└─ alarm"),
        "{}",
        shown.stdout
    );
    let all = lines.call("execution.list", json!({}))?;
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2), "{all}");
    Ok(())
}

#[test]
fn a_mutex_lets_one_at_a_time_pass_over_workflows_and_crashes() -> Result<()> {
    let mut world = World::started()?;
    let trail = world.path().join("trail");
    let mut lines = world.lines()?;
    let script = "echo in >> \"$0\"; sleep 0.1; echo out >> \"$0\"";
    let locked = |name: &str| {
        json!({
            "name": name,
            "nodes": [
                {"id": "lock", "type": "mutex", "config": {"name": "trail"}},
                {"id": "step", "type": "shell", "config": {"command": ["sh", "-c", script, trail]}},
                {"id": "count", "type": "state", "config": {"action": "ADD", "key": "n", "scope": "GLOBAL"}},
            ],
            "connections": [{"source": "lock", "target": "step"}, {"source": "step", "target": "count"}],
        })
    };
    publish(&mut lines, &locked("one"))?;
    publish(&mut lines, &locked("two"))?;
    // One that holds it until the daemon is killed, and after: it waits for a person's word.
    let held = json!({
        "name": "held",
        "nodes": [
            {"id": "lock", "type": "mutex", "config": {"name": "trail"}},
            {"id": "step", "type": "shell", "config": {"command": ["sleep", "1000"]}},
        ],
        "connections": [{"source": "lock", "target": "step"}],
    });
    publish(&mut lines, &held)?;
    let holder = lines.call("workflow.run", json!({"name": "held"}))?;
    let mut runs = Vec::new();
    for n in 0..6 {
        let name = if n % 2 == 0 { "one" } else { "two" };
        runs.push(lines.call("workflow.run", json!({"name": name}))?["id"].clone());
    }
    world.kill()?;
    world.start()?;
    let mut lines = world.lines()?;
    for id in &runs {
        let state = json!({"executionId": id, "nodeId": "lock"});
        let state = lines.call("executionNodeState.get", state)?;
        assert_eq!(state["waiting"]["kind"], "LIMIT", "{state}");
        assert_eq!(state["waiting"]["detail"], "mutex `trail`", "{state}");
    }
    assert!(!trail.exists(), "somebody passed a mutex that is held");
    lines.call("execution.cancel", json!({"id": holder["id"]}))?;
    for id in &runs {
        let ended = lines.call("execution.wait", json!({"id": id, "timeout": 60000}))?;
        assert_eq!(ended["status"], "SUCCESS", "{ended}");
    }
    assert_eq!(std::fs::read_to_string(&trail)?, "in\nout\n".repeat(6));
    let last = lines.call("execution.wait", json!({"id": runs[5], "timeout": 60000}))?;
    let counted = &last["outputData"]["count"]["output"][0]["value"];
    assert_eq!(counted, &json!(6), "in the order in which they came: {last}");
    Ok(())
}

#[test]
fn a_throttle_drops_and_a_debounce_keeps_the_last() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    let paced = |name: &str, kind: &str, config: Value, other: &str| {
        json!({
            "name": name,
            "nodes": [
                {"id": "pace", "type": kind, "config": config},
                {"id": "on", "type": "set", "config": {"values": {"way": "on"}}},
                {"id": "off", "type": "set", "config": {"values": {"way": "off"}}},
            ],
            "connections": [
                {"source": "pace", "target": "on"},
                {"source": "pace", "target": "off", "sourceHandle": other},
            ],
        })
    };
    let throttle = json!({"limit": 2, "window": "1h", "key": "{{ item.k }}", "onLimit": "DROP"});
    publish(&mut lines, &paced("slow", "throttle", throttle, "dropped"))?;
    let debounce = json!({"window": 2000, "key": "{{ item.k }}"});
    publish(&mut lines, &paced("calm", "debounce", debounce, "superseded"))?;
    let mut ways = |name: &str| -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for k in ["a", "a", "b", "a"] {
            let run = lines.call("workflow.run", json!({"name": name, "inputs": {"k": k}}))?;
            ids.push(run["id"].clone());
        }
        let mut ways = Vec::new();
        for id in ids {
            let ended = lines.call("execution.wait", json!({"id": id, "timeout": 60000}))?;
            let output = &ended["outputData"];
            ways.push(if output.get("on").is_some() { "on".into() } else { "off".into() });
        }
        Ok(ways)
    };
    assert_eq!(ways("slow")?, ["on", "on", "on", "off"]);
    assert_eq!(ways("calm")?, ["off", "off", "on", "on"]);
    Ok(())
}

/// What happened: two workflows with one place each that call one another waited for ever, each for the
/// other's place. Now the start that would close the ring is refused, and the other one goes on.
#[test]
fn workflows_that_call_one_another_crosswise_do_not_wait_for_ever() -> Result<()> {
    let world = World::started()?;
    let gate = world.path().join("gate");
    let mut lines = world.lines()?;
    let script = "while [ ! -e \"$0\" ]; do sleep 0.05; done; echo '{\"n\": 1}'";
    // Depth ends it where no ring does: the innermost finds nobody to call.
    let caller = |name: &str, other: &str, call: bool| {
        let mut nodes = vec![json!({
            "id": "step", "type": "shell",
            "config": {"command": ["sh", "-c", script, gate], "output": "JSON"},
        })];
        if call {
            nodes.push(json!({"id": "call", "type": "workflow", "config": {"workflow": other}}));
        }
        let connections =
            if call { json!([{"source": "step", "target": "call"}]) } else { json!([]) };
        json!({
            "name": name, "nodes": nodes, "connections": connections,
            "settings": {"concurrency": {"maxInstances": 1, "policy": "QUEUE"}},
        })
    };
    publish(&mut lines, &caller("left", "right", false))?;
    publish(&mut lines, &caller("right", "left", true))?;
    let left = lines.call("workflow.get", json!({"name": "left"}))?;
    let update = json!({
        "id": left["id"], "patch": {"definition": caller("left", "right", true)}, "publish": true,
    });
    lines.call("workflow.update", update)?;
    let first = lines.call("workflow.run", json!({"name": "left"}))?;
    let second = lines.call("workflow.run", json!({"name": "right"}))?;
    std::fs::write(&gate, "")?;
    let mut ends = Vec::new();
    for run in [&first, &second] {
        let wait = json!({"id": run["id"], "timeout": 60000});
        ends.push(lines.call("execution.wait", wait)?);
    }
    let failed: Vec<&Value> =
        ends.iter().filter(|end| end.to_string().contains("neither would ever end")).collect();
    assert!(!failed.is_empty(), "{ends:?}");
    for end in failed {
        let why = end["errorMessage"].as_str().unwrap_or_default();
        assert!(why.contains("runs 1 at once, and execution "), "{end}");
    }
    Ok(())
}
