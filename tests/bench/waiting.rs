//! Executions that only wait: what each takes of memory, that they take nothing of the processor, and
//! that a start does not read them.

use std::time::{Duration, Instant};

use a2n_tests::daemon::World;
use a2n_tests::usage;
use anyhow::{Result, ensure};
use serde_json::{Value as Json, json};

use crate::figures::{Figures, Target, Value};
use crate::machine;

/// How many wait, unless `A2N_BENCH_WAITING` says otherwise.
const WAITING: usize = 100_000;
/// How many are started in one message.
const AT_ONCE: usize = 100;
/// What starting them leaves behind is done by then.
const SETTLED: Duration = Duration::from_secs(15);
const WATCHED: Duration = Duration::from_secs(20);

pub(crate) fn measure(figures: &mut Figures) -> Result<()> {
    let many = std::env::var("A2N_BENCH_WAITING").ok().and_then(|text| text.parse().ok());
    let many = many.unwrap_or(WAITING);
    let mut world = World::started()?;
    let document = json!({"name": "wait", "nodes": [
        {"id": "a", "type": "set", "config": {"values": {"n": "{{ inputs.n }}"}}},
        {"id": "b", "type": "wait", "config": {"duration": "1d"}},
    ], "connections": [{"source": "a", "target": "b"}]});
    world.lines()?.call("workflow.create", json!({"definition": document, "publish": true}))?;
    // What the first ones bring into memory stays for all.
    begin(&world, 0, 10_000.min(many / 2))?;
    std::thread::sleep(SETTLED);
    let before = usage::resident_bytes(world.pid())?;
    let begun = Instant::now();
    begin(&world, 10_000.min(many / 2), many)?;
    let took = begun.elapsed();
    std::thread::sleep(SETTLED);
    let grown = usage::resident_bytes(world.pid())?.saturating_sub(before);
    let grown_by = many - 10_000.min(many / 2);
    figures.add("executions that wait", Value::Count(many as f64), None, &Target::None);
    let rate = Value::Rate(grown_by as f64 / took.as_secs_f64());
    figures.add("accepted until they wait", rate, None, &Target::None);
    figures.add(
        "memory of each beyond the first 10,000, bytes",
        Value::Count((grown as f64 / grown_by as f64).round()),
        None,
        &Target::AtMost(Value::Count(600.0)),
    );
    let (cpu, switches) = (machine::cpu(world.pid())?, machine::switches(world.pid())?);
    std::thread::sleep(WATCHED);
    let used = machine::cpu(world.pid())?.saturating_sub(cpu);
    let none = Target::AtMost(Value::Time(Duration::ZERO));
    figures.add("processor time of all in 20 s", Value::Time(used), None, &none);
    let woken = machine::switches(world.pid())?.abs_diff(switches) as f64;
    figures.add("wake-ups in 20 s", Value::Count(woken), None, &Target::None);
    world.kill()?;
    let begun = Instant::now();
    world.start()?;
    figures.add("start to ready with them", Value::Time(begun.elapsed()), None, &Target::None);
    let resident = Value::MiB(machine::resident(world.pid())?);
    figures.add("resident after that start", resident, None, &Target::None);
    let stats = world.lines()?.call("system.stats", json!({}))?;
    ensure!(stats["executions"]["PAUSED"] == many, "{many} wait: {stats}");
    Ok(())
}

/// Starts those with these numbers.
fn begin(world: &World, from: usize, to: usize) -> Result<()> {
    let mut lines = world.lines()?;
    for first in (from..to).step_by(AT_ONCE) {
        let calls: Vec<Json> = (first..to.min(first + AT_ONCE))
            .map(|n| {
                let params = json!({"name": "wait", "inputs": {"n": n}});
                json!({"jsonrpc": "2.0", "id": n, "method": "workflow.run", "params": params})
            })
            .collect();
        let asked = calls.len();
        let mut text = Json::Array(calls).to_string();
        text.push('\n');
        lines.send(text.as_bytes())?;
        let answers = lines.read()?.unwrap_or_default();
        let accepted = answers.as_array().into_iter().flatten();
        let accepted = accepted.filter(|answer| answer["result"]["id"].is_string()).count();
        ensure!(accepted == asked, "{accepted} of {asked} were accepted");
    }
    Ok(())
}
