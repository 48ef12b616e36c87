//! A flood in one workflow, and what another one feels of it: how long its executions take from the
//! call to their end, alone and beside the flood.
//!
//! The flood is work that was accepted and waits: thousands of executions with a step outside each, so
//! that every slot that one workflow may have is taken all the time.

use std::time::Duration;

use a2n_tests::daemon::World;
use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};

use crate::figures::{Figures, Target, Value};
use crate::fleet::{self, Played};

/// Executions of the flood; more than end while it is measured.
const FLOOD: usize = 40_000;
/// How many are started in one message.
const AT_ONCE: usize = 100;
const SECONDS: f64 = 10.0;
const WARM_UP: f64 = 2.0;

pub(crate) fn measure(figures: &mut Figures) -> Result<()> {
    let mut world = World::started()?;
    std::fs::write(world.home().join("small.txt"), "a line\n")?;
    let read = json!({"action": "READ", "path": "small.txt"});
    let document = |name: &str| {
        json!({"name": name, "nodes": [
            {"id": "a", "type": "set", "config": {"values": {"n": 1}}},
            {"id": "b", "type": "file", "config": read},
        ], "connections": [{"source": "a", "target": "b"}]})
    };
    create(&world, &document("flood"))?;
    let other = create(&world, &document("other"))?;
    play(&world, &other, WARM_UP)?;
    let alone = play(&world, &other, SECONDS)?;
    flood(&world)?;
    let beside = play(&world, &other, SECONDS)?;
    let stats = world.lines()?.call("system.stats", json!({}))?;
    let left = stats["executions"]["RUNNING"].as_u64().unwrap_or(0)
        + stats["executions"]["PENDING"].as_u64().unwrap_or(0);
    ensure!(left > 100, "the flood was over before it was measured: {stats}");
    let limit = Some(("the same alone", Value::Time(alone.p99)));
    let most = Target::AtMost(Value::Time(alone.p99 * 2));
    figures.add("beside a flood in another workflow, p99", Value::Time(beside.p99), limit, &most);
    let limit = Some(("the same alone", Value::Time(alone.p50)));
    figures.add(
        "beside a flood in another workflow, p50",
        Value::Time(beside.p50),
        limit,
        &Target::None,
    );
    world.kill()
}

fn create(world: &World, document: &Json) -> Result<String> {
    let params = json!({"definition": document, "publish": true});
    let made = world.lines()?.call("workflow.create", params)?;
    Ok(made["id"].as_str().context("an id")?.to_owned())
}

fn play(world: &World, id: &str, seconds: f64) -> Result<Played> {
    fleet::play("play-run", 1, &world.socket(), seconds, &[id])
}

/// Has the flood accepted, without waiting for its end.
fn flood(world: &World) -> Result<()> {
    let mut lines = world.lines()?;
    lines.stream().set_read_timeout(Some(Duration::from_secs(60)))?;
    for first in (0..FLOOD).step_by(AT_ONCE) {
        let call = |n| {
            json!({"jsonrpc": "2.0", "id": n, "method": "workflow.run",
            "params": {"name": "flood"}})
        };
        let calls: Vec<Json> = (first..first + AT_ONCE).map(call).collect();
        let mut text = Json::Array(calls).to_string();
        text.push('\n');
        lines.send(text.as_bytes())?;
        let answers = lines.read()?.unwrap_or_default();
        let answers = answers.as_array().into_iter().flatten();
        let accepted = answers.filter(|answer| answer["result"]["id"].is_string()).count();
        ensure!(accepted == AT_ONCE, "{accepted} of {AT_ONCE} were accepted");
    }
    Ok(())
}
