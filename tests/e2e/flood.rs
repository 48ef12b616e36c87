//! A step that prints without end or measure: the daemon holds no more than before, and the log says
//! where it was cut.

use a2n_tests::command::{a2n, a2n_ok, a2n_with_input};
use a2n_tests::daemon::World;
use anyhow::Result;
use serde_json::{Value, json};

/// What the daemon may hold more than before.
const GROWTH: u64 = 16 << 20;

/// Runs a script that floods; answers the execution and what the daemon held more meanwhile.
fn flood(world: &World, name: &str, script: &str, output: &str) -> Result<(Value, u64)> {
    let config = json!({"command": ["sh", "-c", script], "output": output});
    let document =
        json!({"name": name, "nodes": [{"id": "flood", "type": "shell", "config": config}]});
    let applied = a2n_with_input(world, &["apply", "-f", "-"], &document.to_string())?;
    assert_eq!(applied.code, Some(0), "{applied:?}");
    // What a first step brings into memory is not what a flood does.
    let small = json!({"name": "small", "nodes": [{"id": "one", "type": "shell",
        "config": {"command": ["true"]}}]});
    a2n_with_input(world, &["apply", "-f", "-"], &small.to_string())?;
    a2n(world, &["run", "small", "--wait"])?;
    world.peak_memory()?;
    let before = world.peak_memory()?;
    a2n(world, &["run", name, "--wait"])?;
    let grown = world.peak_memory()?.saturating_sub(before);
    let listed: Value = serde_json::from_str(&a2n_ok(world, &["ps", "-a", "-o", "json"])?)?;
    let id = listed[0]["id"].as_str().expect("an id");
    Ok((world.lines()?.call("execution.get", json!({"id": id}))?, grown))
}

#[test]
fn a_line_without_end_is_held_nowhere_and_its_log_is_cut_with_a_mark() -> Result<()> {
    let world = World::started()?;
    a2n_ok(&world, &["settings", "set", "step.maxLogBytes", "33554432"])?;
    let script = "head -c 67108864 /dev/zero | tr '\\0' x";
    let (execution, grown) = flood(&world, "long-line", script, "TEXT")?;
    assert_eq!(execution["status"], "SUCCESS", "{}", execution["errorMessage"]);
    assert!(grown < GROWTH, "the daemon holds {grown} bytes more");
    assert_eq!(execution["outputData"]["flood"]["output"][0]["truncated"], json!(true));
    let query = json!({"executionId": execution["id"], "text": "cut off here", "limit": 10});
    let marks = world.lines()?.call("executionLog.query", query)?;
    assert_eq!(marks["items"].as_array().map(Vec::len), Some(1), "{marks}");
    Ok(())
}
