//! Executions that a start can't take up again: the others go on, health names them with what to
//! do, cancel ends them, and a retry from the start runs them again.
//!
//! A damaged state row used to keep the daemon from starting at all; a lost version left an
//! execution that ran for ever and that nothing could end.

use std::path::Path;

use a2n_tests::daemon::World;
use a2n_tests::lines::Lines;
use anyhow::{Context, Result};
use redb::{Database, ReadableTable, TableDefinition};
use serde_json::{Value, json};

/// Changes every value of a table behind the daemon's back; none removes it.
fn spoil(state: &Path, table: &str, change: impl Fn(Vec<u8>) -> Option<Vec<u8>>) -> Result<usize> {
    let database = Database::open(state)?;
    let write = database.begin_write()?;
    let mut n = 0;
    {
        let mut rows = write.open_table(TableDefinition::<&[u8], &[u8]>::new(table))?;
        let all: Vec<(Vec<u8>, Vec<u8>)> = rows
            .iter()?
            .map(|row| row.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())))
            .collect::<Result<_, _>>()?;
        for (key, value) in all {
            n += 1;
            match change(value) {
                Some(value) => rows.insert(key.as_slice(), value.as_slice())?,
                None => rows.remove(key.as_slice())?,
            };
        }
    }
    write.commit()?;
    Ok(n)
}

fn flipped(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    Some(bytes)
}

/// Starts `name`, which waits for two hours; its inputs are big enough for rows of their own.
fn run(lines: &mut Lines, name: &str, size: usize) -> Result<Value> {
    let document = json!({
        "name": name,
        "nodes": [{"id": "long", "type": "wait", "config": {"duration": "2h"}}],
    });
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    let inputs = json!({"text": "x".repeat(size)});
    Ok(lines.call("workflow.run", json!({"name": name, "inputs": inputs}))?["id"].clone())
}

fn finding(lines: &mut Lines) -> Result<(String, String)> {
    let health = lines.call("system.health", json!({}))?;
    let checks = health["checks"].as_array().context("no checks")?;
    let one = checks.iter().find(|check| check["serviceName"] == "executions");
    let text = |name: &str| one.and_then(|one| one[name].as_str()).unwrap_or_default().to_owned();
    Ok((text("status"), text("message")))
}

#[test]
fn what_cannot_go_on_is_named_and_can_be_ended_and_run_again() -> Result<()> {
    let mut world = World::started()?;
    let mut lines = world.lines()?;
    let torn = run(&mut lines, "torn", 6_000)?;
    assert_eq!(finding(&mut lines)?.0, "HEALTHY");
    world.stop()?;
    let state = world.data_dir().join("store/state.redb");
    assert_eq!(spoil(&state, "execution_state", flipped)?, 1);
    world.start()?;

    let mut lines = world.lines()?;
    let id = torn.as_str().context("an id")?;
    let (status, message) = finding(&mut lines)?;
    assert_eq!(status, "DEGRADED", "{message}");
    assert!(message.contains(id) && message.contains("a2n cancel"), "{message}");
    let error = lines.refused("execution.wait", json!({"id": torn}))?;
    assert_eq!(error["data"]["kind"], "PRECONDITION", "{error}");
    assert!(error.to_string().contains("its state is damaged"), "{error}");

    let ended = lines.call("execution.cancel", json!({"id": torn, "reason": "enough"}))?;
    assert_eq!(ended["status"], "CANCELLED", "{ended}");
    let told = ended["errorMessage"].as_str().unwrap_or_default();
    assert!(told.contains("enough") && told.contains("its state is damaged"), "{told}");
    assert_eq!(finding(&mut lines)?.0, "HEALTHY");
    let audit = lines.call("auditLog.list", json!({"filter": {"action": "execution.cancel"}}))?;
    assert_eq!(audit["items"][0]["resourceId"], torn, "{audit}");
    let again = lines.refused("execution.cancel", json!({"id": torn}))?;
    assert_eq!(again["data"]["kind"], "PRECONDITION", "{again}");

    let refused = lines.refused("execution.retry", json!({"id": torn, "from": "FAILED_NODE"}))?;
    assert!(refused["data"]["hint"].is_string(), "{refused}");
    let retried = lines.call("execution.retry", json!({"id": torn, "from": "START"}))?;
    assert_eq!(retried["retryOf"], torn, "{retried}");
    let inputs = &lines.call("execution.get", json!({"id": retried["id"]}))?["inputData"];
    assert_eq!(inputs["text"].as_str().map(str::len), Some(6_000));
    let counted = lines.call("workflow.get", json!({"name": "torn"}))?;
    assert_eq!(counted["executionCount"], 1, "{counted}");

    // It has ended for good.
    world.stop()?;
    world.start()?;
    let mut lines = world.lines()?;
    assert_eq!(finding(&mut lines)?.0, "HEALTHY");
    let verified = lines.call("system.verify", json!({}))?;
    assert_eq!(verified["ok"], true, "{verified}");
    Ok(())
}

#[test]
fn an_execution_whose_version_is_gone_can_be_ended() -> Result<()> {
    let mut world = World::started()?;
    let mut lines = world.lines()?;
    let lost = run(&mut lines, "lost", 6)?;
    world.stop()?;
    let state = world.data_dir().join("store/state.redb");
    assert_eq!(spoil(&state, "workflow_version_definition", |_| None)?, 1);
    world.start()?;
    let mut lines = world.lines()?;
    let (status, message) = finding(&mut lines)?;
    assert_eq!(status, "DEGRADED", "{message}");
    assert!(message.contains("version 1 of its workflow is gone"), "{message}");
    let ended = lines.call("execution.cancel", json!({"id": lost}))?;
    assert_eq!(ended["status"], "CANCELLED", "{ended}");

    // A new version runs it again.
    let patch = json!({"definition": {
        "name": "lost",
        "nodes": [{"id": "set", "type": "set", "config": {"values": {"a": "{{ inputs.text }}"}}}],
    }});
    lines.call("workflow.update", json!({"name": "lost", "patch": patch, "publish": true}))?;
    let params = json!({"id": lost, "from": "START", "version": 2});
    let retried = lines.call("execution.retry", params)?;
    let done = lines.call("execution.wait", json!({"id": retried["id"], "timeout": 60000}))?;
    assert_eq!(done["outputData"]["set"]["output"][0]["a"], "xxxxxx", "{done}");
    Ok(())
}
