//! An orderly stop seen from the command: who waits goes on waiting.

use std::io::Read;
use std::process::Stdio;

use a2n_tests::daemon::World;
use anyhow::Result;
use serde_json::json;

/// The story: `a2n run --wait` ended with 1 ("the execution failed") when the daemon was stopped in
/// order and started again, although the execution succeeded; after `kill -9` it was right.
#[test]
fn who_waits_for_the_end_waits_through_a_restart() -> Result<()> {
    let mut world = World::started()?;
    let document = json!({
        "name": "pause",
        "nodes": [{"id": "pause", "type": "wait", "config": {"duration": 2000}}],
        "connections": [],
    });
    let mut lines = world.lines()?;
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    lines.call("system.subscribe", json!({"topics": ["execution"]}))?;
    let mut waiter = world
        .command("a2n")
        .args(["run", "pause", "--wait"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    while !lines.notification()?.to_string().contains("PAUSED") {}
    world.stop()?;
    world.start()?;
    let status = waiter.wait()?;
    let (mut out, mut err) = (String::new(), String::new());
    waiter.stdout.take().expect("piped").read_to_string(&mut out)?;
    waiter.stderr.take().expect("piped").read_to_string(&mut err)?;
    assert!(status.success(), "{status}: {out}{err}");
    assert!(out.contains("SUCCESS"), "{out}");
    assert_eq!(err, "", "where no terminal reads along, nothing is told meanwhile");
    Ok(())
}
