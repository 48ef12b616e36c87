//! Pause, resume, answer and retry, over the socket and by the command.

use a2n_tests::command::{a2n, a2n_ok};
use a2n_tests::daemon::World;
use a2n_tests::lines::Lines;
use anyhow::{Context, Result};
use serde_json::{Value, json};

fn save(lines: &mut Lines, document: &Value) -> Result<()> {
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    Ok(())
}

fn ended(lines: &mut Lines, id: &Value) -> Result<Value> {
    lines.call("execution.wait", json!({"id": id, "timeout": 60000}))
}

fn id_of(execution: &Value) -> Result<String> {
    Ok(execution["id"].as_str().context("an id")?.to_owned())
}

#[test]
fn pause_starts_nothing_more_until_resume_also_across_a_restart() -> Result<()> {
    let mut world = World::started()?;
    let mut lines = world.lines()?;
    save(
        &mut lines,
        &json!({
            "name": "two",
            "nodes": [
                {"id": "wait", "type": "wait", "config": {"duration": 4000}},
                {"id": "after", "type": "shell", "config": {"command": ["echo", "after"]}},
            ],
            "connections": [{"source": "wait", "target": "after"}],
        }),
    )?;
    let run = id_of(&lines.call("workflow.run", json!({"name": "two"}))?)?;
    assert!(a2n_ok(&world, &["pause", &run, "--reason", "lunch"])?.contains("is paused"));
    let again = a2n(&world, &["pause", &run])?;
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("is paused already"), "{again:?}");
    world.stop()?;
    world.start()?;
    let mut lines = world.lines()?;
    let now = lines.call("execution.get", json!({"id": run}))?;
    assert_eq!((&now["status"], &now["pausedReason"]), (&json!("PAUSED"), &json!("USER")), "{now}");
    let refused = lines
        .refused("execution.answer", json!({"id": run, "nodeId": "after", "outcome": "DONE"}))?;
    assert!(
        refused["message"].as_str().unwrap_or_default().contains("has not started"),
        "{refused}"
    );
    a2n_ok(&world, &["resume", &run])?;
    assert_eq!(ended(&mut lines, &json!(run))?["status"], "SUCCESS");
    let late = lines.refused("execution.resume", json!({"id": run}))?;
    assert!(late["message"].as_str().unwrap_or_default().ends_with("is SUCCESS already"), "{late}");
    let audit = lines.call("auditLog.list", json!({"filter": {"resourceId": run}}))?;
    for action in ["execution.pause", "execution.resume"] {
        assert!(audit.to_string().contains(action), "{audit}");
    }
    Ok(())
}

#[test]
fn a_step_in_doubt_goes_on_as_a_person_says() -> Result<()> {
    let mut world = World::started()?;
    let mut lines = world.lines()?;
    save(
        &mut lines,
        &json!({
            "name": "doubt",
            "nodes": [
                {"id": "step", "type": "shell", "config": {"command": ["sh", "-c", "echo started; sleep 1000"]}},
                {"id": "after", "type": "set", "config": {"values": {"seen": "{{ item.copied }}"}}},
            ],
            "connections": [{"source": "step", "target": "after"}],
        }),
    )?;
    let run = id_of(&lines.call("workflow.run", json!({"name": "doubt"}))?)?;
    lines.call(
        "executionLog.subscribe",
        json!({"executionId": run, "afterSeq": 0, "follow": true}),
    )?;
    while !lines.notification()?.to_string().contains("started") {}
    world.kill()?;
    world.start()?;
    assert!(a2n_ok(&world, &["show", &run])?.contains("a2n answer"));
    a2n_ok(&world, &["answer", &run, "step", "done", "--items", "[{\"copied\": 12}]"])?;
    let mut lines = world.lines()?;
    let done = ended(&mut lines, &json!(run))?;
    assert_eq!(done["outputData"]["after"]["output"][0]["seen"], 12, "{done}");
    Ok(())
}

#[test]
fn only_the_failed_items_run_again() -> Result<()> {
    let world = World::started()?;
    let witness = world.path().join("witness");
    let mut lines = world.lines()?;
    let script = "echo \"$1\" >> \"$0\"; test -e \"$0.mended\" || test \"$1\" != 2";
    save(
        &mut lines,
        &json!({
            "name": "items",
            "nodes": [
                {"id": "list", "type": "shell", "config": {"command": ["printf", "1\\n2\\n3\\n"], "output": "LINES"}},
                {"id": "each", "type": "shell", "onError": "CONTINUE",
                 "config": {"command": ["sh", "-c", script, witness, "{{ item.line }}"]}},
                {"id": "after", "type": "set", "config": {"values": {"code": "{{ item.exitCode }}"}}},
            ],
            "connections": [{"source": "list", "target": "each"}, {"source": "each", "target": "after"}],
        }),
    )?;
    let first = id_of(&lines.call("workflow.run", json!({"name": "items", "wait": true}))?)?;
    assert_eq!(std::fs::read_to_string(&witness)?, "1\n2\n3\n");
    std::fs::write(world.path().join("witness.mended"), "")?;
    let told = a2n_ok(&world, &["retry", &first, "--from", "FAILED_ITEMS", "--wait"])?;
    assert!(told.contains("SUCCESS"), "{told}");
    assert_eq!(std::fs::read_to_string(&witness)?, "1\n2\n3\n2\n", "a good item ran again");
    let list = lines.call("execution.list", json!({"filter": {"retryOf": first}}))?;
    let again = lines.call("execution.get", json!({"id": list["items"][0]["id"]}))?;
    assert_eq!(again["contextData"]["itemsTakenOver"]["each"], 2, "{again}");
    assert_eq!(again["contextData"]["takenOver"], json!(["list"]), "{again}");
    let sent = &again["outputData"]["after"]["output"];
    assert_eq!(sent.as_array().map(Vec::len), Some(3), "{again}");
    let nothing = a2n(&world, &["retry", &id_of(&again)?, "--from", "FAILED_ITEMS"])?;
    assert!(nothing.stderr.contains("no item failed or was cancelled"), "{nothing:?}");
    Ok(())
}

#[test]
fn all_that_failed_lately_is_found_and_run_again_once() -> Result<()> {
    let world = World::started()?;
    let mut lines = world.lines()?;
    for name in ["one", "two"] {
        save(
            &mut lines,
            &json!({"name": name, "nodes": [{"id": "a", "type": "shell", "config": {"command": ["false"]}}]}),
        )?;
        lines.call("workflow.run", json!({"name": name, "wait": true}))?;
    }
    lines.call("workflow.run", json!({"name": "one", "wait": true}))?;
    let args = ["retry", "--failed", "--workflow", "one", "--since", "1h"];
    let list = a2n_ok(&world, &[&args[..], &["--dry-run"]].concat())?;
    assert!(list.contains("2 executions would be run again"), "{list}");
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    let done = a2n_ok(&world, &args)?;
    assert!(done.contains("2 executions run again"), "{done}");
    let list = a2n_ok(&world, &["retry", "--failed", "--workflow", "two", "--dry-run"])?;
    assert!(list.contains("1 execution would be run again"), "{list}");
    Ok(())
}
