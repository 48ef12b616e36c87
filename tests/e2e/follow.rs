//! `logs -f` through a daemon restart: no gap, no double line.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use a2n_tests::daemon::World;
use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

#[test]
fn a_follower_survives_a_daemon_restart() -> Result<()> {
    let mut world = World::started()?;
    let document = json!({
        "name": "talk",
        "nodes": [
            {"id": "before", "type": "shell", "config": {"command": ["sh", "-c", "for i in 1 2 3 4 5; do echo before-$i; done"]}},
            {"id": "pause", "type": "wait", "config": {"duration": 1500}},
            {"id": "after", "type": "shell", "config": {"command": ["sh", "-c", "for i in 1 2 3 4 5; do echo after-$i; done"]}},
        ],
        "connections": [{"source": "before", "target": "pause"}, {"source": "pause", "target": "after"}],
    });
    let mut lines = world.lines()?;
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    lines.call("system.subscribe", json!({"topics": ["execution"]}))?;
    let run = lines.call("workflow.run", json!({"name": "talk"}))?;
    let id = run["id"].as_str().expect("an id").to_owned();
    let mut follower =
        world.command("a2n").args(["logs", "-f", &id]).stdout(Stdio::piped()).spawn()?;
    let pid = Pid::from_raw(i32::try_from(follower.id())?);
    let mut output = BufReader::new(follower.stdout.take().expect("piped"));
    let mut seen = Vec::new();
    let mut line = String::new();
    while !seen.iter().any(|l: &String| l.contains("before-5")) {
        line.clear();
        if output.read_line(&mut line)? == 0 {
            anyhow::bail!("the follower ended: {seen:?}");
        }
        seen.push(line.clone());
    }
    // Only when the first step's end is committed: before that, a crash leaves it in doubt.
    while !lines.notification()?.to_string().contains("PAUSED") {}
    world.kill()?;
    world.start()?;
    loop {
        line.clear();
        if output.read_line(&mut line).context("read the follower")? == 0 {
            break;
        }
        seen.push(line.clone());
    }
    let status = follower.wait()?;
    let _ = kill(pid, Signal::SIGKILL);
    assert!(status.success(), "{status}: {seen:?}");
    for word in ["before", "after"] {
        for i in 1..=5 {
            let text = format!("{word}-{i}");
            let n = seen.iter().filter(|l| l.contains(&text)).count();
            assert_eq!(n, 1, "{text} is there {n} times in {seen:?}");
        }
    }
    Ok(())
}
