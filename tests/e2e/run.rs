//! Apply, run, read the log: the daily round, with the `a2n` command.

use a2n_tests::command::{a2n, a2n_ok, a2n_with_input};
use a2n_tests::daemon::World;
use anyhow::Result;
use serde_json::{Value, json};

const GREET: &str = r#"
name: greet
nodes:
  - id: say
    type: shell
    config:
      command: [sh, -c, "echo one; echo two >&2; echo three", sh, "{{ inputs.who | default('nobody') }}"]
      output: LINES
  - {id: shout, type: set, config: {values: {loud: "{{ item.line | upper }}"}}}
connections:
  - {source: say, target: shout}
"#;

#[test]
fn apply_run_and_read_the_log() -> Result<()> {
    let world = World::started()?;
    std::fs::write(world.path().join("greet.yaml"), GREET)?;
    let applied = a2n_ok(&world, &["apply", "-f", "greet.yaml"])?;
    assert!(applied.contains("greet"), "{applied}");
    let again: Value =
        serde_json::from_str(&a2n_ok(&world, &["apply", "-f", "greet.yaml", "-o", "json"])?)?;
    assert!(again.to_string().to_lowercase().contains("unchanged"), "{again}");

    let run = a2n(&world, &["run", "greet", "-i", "who=alice", "--follow"])?;
    assert_eq!(run.code, Some(0), "{run:?}");
    for word in ["one", "two", "three"] {
        assert!(run.stdout.contains(word), "{word} is missing in {run:?}");
    }

    let listed: Value = serde_json::from_str(&a2n_ok(&world, &["ps", "-a", "-o", "json"])?)?;
    let id = listed[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(listed[0]["status"], "SUCCESS");
    let logs: Value = serde_json::from_str(&a2n_ok(&world, &["logs", &id, "-o", "json"])?)?;
    let lines: Vec<&str> = logs
        .as_array()
        .expect("an array")
        .iter()
        .filter(|l| l["source"] == "NODE")
        .filter_map(|l| l["message"].as_str())
        .collect();
    assert_eq!(lines.len(), 3, "{logs}");
    let seqs: Vec<u64> =
        logs.as_array().expect("an array").iter().filter_map(|l| l["seq"].as_u64()).collect();
    assert!(seqs.windows(2).all(|w| w[0] < w[1]), "{seqs:?}");

    let shown = a2n_ok(&world, &["show", &id])?;
    assert!(
        shown.contains("say") && shown.contains("shout") && shown.contains("SUCCESS"),
        "{shown}"
    );
    let mut socket = world.lines()?;
    let execution = socket.call("execution.get", json!({"id": id}))?;
    assert_eq!(execution["outputData"]["shout"]["output"][1]["loud"], "THREE", "{execution}");
    let counted = socket.call("workflow.get", json!({"name": "greet"}))?;
    assert_eq!((&counted["executionCount"], &counted["successCount"]), (&json!(1), &json!(1)));
    Ok(())
}

#[test]
fn a_failed_step_fails_the_execution_and_a_retry_goes_on_from_there() -> Result<()> {
    let world = World::started()?;
    let flag = world.path().join("flag");
    let document = json!({
        "name": "shaky",
        "nodes": [
            {"id": "first", "type": "shell", "config": {"command": ["sh", "-c", "echo first >> \"$0\"", world.path().join("count")]}},
            {"id": "second", "type": "shell", "config": {"command": ["cat", flag]}},
        ],
        "connections": [{"source": "first", "target": "second"}],
    });
    let ran = a2n_with_input(&world, &["apply", "-f", "-"], &document.to_string())?;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let failed = a2n(&world, &["run", "shaky", "--wait"])?;
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let mut lines = world.lines()?;
    let list = lines.call("execution.list", json!({"filter": {"status": "FAILED"}}))?;
    let execution = lines.call("execution.get", json!({"id": list["items"][0]["id"]}))?;
    assert_eq!(execution["errorDetails"]["nodeId"], "second", "{execution}");
    assert!(execution["errorMessage"].is_string(), "{execution}");

    std::fs::write(&flag, "ok")?;
    let retry =
        lines.call("execution.retry", json!({"id": execution["id"], "from": "FAILED_NODE"}))?;
    assert_eq!(retry["retryOf"], execution["id"]);
    let ended = lines.call("execution.wait", json!({"id": retry["id"], "timeout": 60000}))?;
    assert_eq!(ended["status"], "SUCCESS", "{ended}");
    assert_eq!(
        std::fs::read_to_string(world.path().join("count"))?,
        "first\n",
        "the first step ran again"
    );
    Ok(())
}

#[test]
fn a_step_retries_by_its_own_policy() -> Result<()> {
    let world = World::started()?;
    let count = world.path().join("count");
    let document = json!({
        "name": "third-time",
        "nodes": [{
            "id": "step", "type": "shell",
            "config": {"command": ["sh", "-c", "echo x >> \"$0\"; test $(wc -l < \"$0\") -ge 3", count]},
            "retry": {"maxRetries": 5, "retryDelay": 10, "backoffType": "FIXED"},
        }],
    });
    let mut lines = world.lines()?;
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    let run = lines.call("workflow.run", json!({"name": "third-time"}))?;
    let ended = lines.call("execution.wait", json!({"id": run["id"], "timeout": 60000}))?;
    assert_eq!(ended["status"], "SUCCESS", "{ended}");
    assert_eq!(ended["retryCount"], 2, "{ended}");
    let state = lines
        .call("executionNodeState.get", json!({"executionId": run["id"], "nodeId": "step"}))?;
    assert_eq!(state["units"][0]["attempts"].as_array().map(Vec::len), Some(3), "{state}");
    Ok(())
}

#[test]
fn hostile_inputs_arrive_as_arguments_and_nothing_else() -> Result<()> {
    let world = World::started()?;
    let document = json!({
        "name": "args",
        "nodes": [{"id": "step", "type": "shell", "config": {"command": ["printf", "%s", "{{ inputs.text }}"]}}],
    });
    let mut lines = world.lines()?;
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    for text in [
        "$(touch pwned)",
        "; touch pwned",
        "`touch pwned`",
        "a\nb",
        "{{ 7 * 7 }}",
        "\u{1b}[31m",
        "' \" \\ |&<>",
    ] {
        let run = lines.call("workflow.run", json!({"name": "args", "inputs": {"text": text}}))?;
        let ended = lines.call("execution.wait", json!({"id": run["id"], "timeout": 60000}))?;
        assert_eq!(ended["outputData"]["step"]["output"][0]["stdout"], text, "{ended}");
    }
    assert!(!world.home().join("pwned").exists() && !world.path().join("pwned").exists());
    Ok(())
}

/// A node that works on one item at a time has others ready all along. The engine once asked such an
/// execution for more work without end, and answered nobody any more.
#[test]
fn items_wait_for_each_other_and_executions_for_a_slot() -> Result<()> {
    let mut world = World::new()?;
    world.env.push(("A2N_SETTING__ENGINE__PARALLEL_STEPS".into(), "2".into()));
    world.start()?;
    let order = world.path().join("order");
    let document = json!({
        "name": "one-by-one",
        "nodes": [
            {"id": "list", "type": "shell", "config": {"command": ["seq", "1", "20"], "output": "LINES"}},
            {"id": "each", "type": "shell", "config": {"command": ["sh", "-c", "echo $1 >> \"$0\"", order, "{{ item.line }}"]}},
        ],
        "connections": [{"source": "list", "target": "each"}],
    });
    let mut lines = world.lines()?;
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    let runs: Vec<Value> = (0..4)
        .map(|_| lines.call("workflow.run", json!({"name": "one-by-one"})))
        .collect::<Result<_>>()?;
    for run in &runs {
        let ended = lines.call("execution.wait", json!({"id": run["id"], "timeout": 60000}))?;
        assert_eq!(ended["status"], "SUCCESS", "{ended}");
    }
    assert_eq!(std::fs::read_to_string(&order)?.lines().count(), 80);
    Ok(())
}
