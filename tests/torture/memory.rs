//! R17: a daemon with little memory and more work than it takes.

use std::time::Instant;

use a2n_tests::daemon::World;
use a2n_tests::lines::Lines;
use a2n_tests::usage;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::counts::{QUEUED, say};

/// What the daemon may have resident, whatever waits.
const MOST_BYTES: u64 = 200 << 20;

/// R17: a million executions that wait are accepted, none is lost, memory stays bounded, nothing
/// aborts, and a start with them is as quick as one without.
#[test]
fn a_million_waiting_executions_fit() -> Result<()> {
    let mut world = limited()?;
    let mut lines = world.lines()?;
    let wait = json!({"name": "wait", "nodes": [
        {"id": "a", "type": "set", "config": {"values": {"n": "{{ inputs.n }}"}}},
        {"id": "b", "type": "wait", "config": {"duration": "1d"}},
    ], "connections": [{"source": "a", "target": "b"}]});
    lines.call("workflow.create", json!({"definition": wait, "publish": true}))?;
    let mut accepted = 0;
    while accepted < QUEUED.get() {
        let (yes, refused) = batch(&mut lines, "wait", accepted, &Value::Null)?;
        ensure!(refused == 0, "{refused} refused after {accepted}");
        accepted += yes;
    }
    let most = usage::most_resident_bytes(world.pid())?;
    say(format!("{accepted} wait: at most {} MiB resident", most >> 20));
    ensure!(most < MOST_BYTES, "{most} bytes resident");
    world.kill()?;
    let started = Instant::now();
    world.start()?;
    say(format!("started again with them in {} ms", started.elapsed().as_millis()));
    let stats = world.lines()?.call("system.stats", json!({}))?;
    ensure!(stats["executions"]["PAUSED"] == accepted, "{accepted} waited: {stats}");
    world.stop()
}

/// R17: few executions with large inputs are bounded as well.
#[test]
fn large_inputs_that_wait_fit_or_are_refused() -> Result<()> {
    let mut world = limited()?;
    let mut lines = world.lines()?;
    let wait = json!({"name": "wait", "nodes": [
        {"id": "b", "type": "wait", "config": {"duration": "1d"}},
    ]});
    lines.call("workflow.create", json!({"definition": wait, "publish": true}))?;
    let large = Value::String("x".repeat(500_000));
    let (mut accepted, mut refused) = (0, 0);
    while accepted + refused < 600 {
        let params = json!({"name": "wait", "inputs": {"large": large}});
        let answer = lines.response("workflow.run", params)?;
        let is_accepted = answer["result"]["id"].is_string();
        ensure!(is_accepted || answer["error"]["code"] == 503, "{answer}");
        (accepted, refused) =
            (accepted + usize::from(is_accepted), refused + usize::from(!is_accepted));
    }
    let most = usage::most_resident_bytes(world.pid())?;
    say(format!(
        "{accepted} with large inputs wait, {refused} refused: at most {} MiB resident",
        most >> 20
    ));
    ensure!(accepted > 0 && most < MOST_BYTES, "{accepted} accepted, {most} bytes resident");
    world.stop()
}

/// A daemon that gets no more than a gibibyte of addresses: an allocation beyond would abort it.
fn limited() -> Result<World> {
    let mut world = World::new()?;
    world.within = ["prlimit", "--as=1073741824", "--"].map(str::to_owned).into();
    world.start()?;
    Ok(world)
}

/// A hundred starts at once: how many were accepted and how many refused.
fn batch(lines: &mut Lines, name: &str, from: usize, inputs: &Value) -> Result<(usize, usize)> {
    let calls: Vec<Value> = (0..100)
        .map(|i| {
            let n = from + i;
            let params = json!({"name": name, "inputs": {"n": n, "more": inputs}});
            json!({"jsonrpc": "2.0", "id": n, "method": "workflow.run", "params": params})
        })
        .collect();
    let mut text = Value::Array(calls).to_string();
    text.push('\n');
    lines.send(text.as_bytes())?;
    let answers = lines.read()?.unwrap_or_default();
    let (mut accepted, mut refused) = (0, 0);
    for answer in answers.as_array().into_iter().flatten() {
        if answer["result"]["id"].is_string() {
            accepted += 1;
        } else {
            ensure!(answer["error"]["code"] == 503, "{answer}");
            refused += 1;
        }
    }
    ensure!(accepted + refused == 100, "not all were answered: {answers}");
    Ok((accepted, refused))
}
