//! R16: a daemon with 64 descriptors, and a thousand clients.

use a2n_tests::daemon::World;
use a2n_tests::usage;
use anyhow::{Result, ensure};
use serde_json::json;

use crate::counts::{CROWD, say};
use crate::crowd::{Crowd, raise_own_limit};
use crate::work::Work;

/// R16: who is connected goes on, the store and the steps have what they need, new clients are
/// refused with a reason, and when the crowd has gone everything is as before.
#[test]
fn a_crowd_takes_no_descriptors_from_the_work() -> Result<()> {
    let n = CROWD.get().min(raise_own_limit()?.saturating_sub(100));
    let mut world = World::new()?;
    world.within = ["prlimit", "--nofile=64:64", "--"].map(str::to_owned).into();
    world.start()?;
    let mut work = Work::publish(&world)?;
    let mut lines = world.lines()?;
    let step = json!({"name": "step", "nodes": [
        {"id": "a", "type": "shell", "config": {"command": ["echo", "hello"]}},
    ]});
    lines.call("workflow.create", json!({"definition": step, "publish": true}))?;
    let before = usage::descriptors(world.pid())?;

    let mut crowd = Crowd::gather(&world.socket(), n)?;
    let mut ended = 0;
    for _ in 0..10 {
        work.until_accepted(&mut lines)?;
        let run = lines.call("workflow.run", json!({"name": "step"}))?;
        let end = lines.call("execution.wait", json!({"id": run["id"], "timeout": 60000}))?;
        ensure!(end["status"] == "SUCCESS", "a step found no descriptors: {end}");
        ended += 1;
    }
    let most = usage::descriptors(world.pid())?;
    let fared = crowd.hear()?;
    ensure!(fared.served > 0 && fared.refused > 0, "{fared:?}");
    ensure!(fared.served + fared.refused + fared.closed == n, "{fared:?}");
    ensure!(crowd.ask_again()? == fared.served, "a client that was served is no longer");
    drop(crowd);

    // Who comes now is served again, as soon as the daemon has seen the others go.
    while usage::descriptors(world.pid())? > before {
        lines.call("system.ping", json!({}))?;
    }
    let mut crowd = Crowd::gather(&world.socket(), 1)?;
    ensure!(crowd.hear()?.served == 1, "nobody is served after the crowd");
    work.compare(&mut lines)?;
    let said = world.stderr();
    ensure!(!said.contains("client not accepted"), "it ran out of descriptors:\n{said}");
    say(format!("64 descriptors, {n} clients: {fared:?}, {ended} steps, {before} to {most} open"));
    world.stop()
}
