//! R22: more clients than anybody has.

use std::time::Instant;

use a2n_tests::daemon::World;
use a2n_tests::usage;
use anyhow::{Result, ensure};
use serde_json::json;

use crate::counts::{CLIENTS, is_strict, say};
use crate::crowd::{Crowd, raise_own_limit};

/// R22: with the limits raised all are served and stay so, in bounded memory, and cost nothing
/// while they are silent.
#[test]
fn ten_thousand_clients_are_served() -> Result<()> {
    // The daemon inherits our limit and has some files of its own open.
    let n = CLIENTS.get().min(raise_own_limit()?.saturating_sub(1000));
    let mut world = World::new()?;
    for name in ["MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_USER"] {
        world.env.push((format!("A2N_SETTING__RPC__{name}"), (n + 100).to_string()));
    }
    world.start()?;
    let mut lines = world.lines()?;
    let before = usage::resident_bytes(world.pid())?;
    let mut crowd = Crowd::gather(&world.socket(), n)?;
    let fared = crowd.hear()?;
    ensure!(fared.served == n, "{fared:?} of {n}");
    ensure!(crowd.ask_again()? == n, "not all are still served");
    let most = usage::most_resident_bytes(world.pid())?;

    // The daemon's own timer says when two seconds of silence are over.
    let nap = json!({"name": "nap", "nodes": [{"id": "a", "type": "wait", "config": {"duration": 2000}}]});
    lines.call("workflow.create", json!({"definition": nap, "publish": true}))?;
    let run = lines.call("workflow.run", json!({"name": "nap"}))?;
    let (began, cpu) = (Instant::now(), usage::cpu(world.pid())?);
    lines.call("execution.wait", json!({"id": run["id"], "timeout": 60000}))?;
    let idle = (usage::cpu(world.pid())? - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    say(format!(
        "{n} clients: {fared:?}, {} MiB resident ({} before), {:.1} % of a processor while silent",
        most >> 20,
        before >> 20,
        idle * 100.0
    ));
    ensure!(most < 512 << 20, "{most} bytes resident");
    ensure!(!is_strict() || idle < 0.02, "busy while nobody asks: {idle}");
    world.stop()
}

/// R22: with the limits as they are, whoever is not served is told why.
#[test]
fn clients_beyond_the_limit_are_told() -> Result<()> {
    let n = CLIENTS.get().min(raise_own_limit()?.saturating_sub(1000));
    let world = World::started()?;
    let mut lines = world.lines()?;
    let mut crowd = Crowd::gather(&world.socket(), n)?;
    let fared = crowd.hear()?;
    ensure!(fared.served >= 200 && fared.served + fared.refused + fared.closed == n, "{fared:?}");
    ensure!(fared.refused > 0, "{fared:?}");
    ensure!(crowd.ask_again()? == fared.served, "a client that was served is no longer");
    ensure!(lines.call("system.ping", json!({}))?["pong"] == true, "no ping");
    let records = world.stderr().lines().count();
    ensure!(records < 100, "{records} log records about a crowd");
    say(format!("{n} clients against the default limits: {fared:?}, {records} log records"));
    Ok(())
}
