//! Under a service manager: its socket, its watchdog, and its signals.

use a2n_tests::daemon::World;
use a2n_tests::lines::Lines;
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

/// A client that connects before there is a daemon is served by the one that is started for it, and
/// the socket outlives that one.
#[test]
fn a_socket_that_was_passed_is_served_from_before_the_start() -> Result<()> {
    let mut world = World::new()?;
    let _listener = world.pass_socket()?;
    let mut early = Lines::connect(&world.socket())?;
    early.send(b"{\"jsonrpc\":\"2.0\",\"id\":\"early\",\"method\":\"system.info\"}\n")?;
    world.start()?;
    let answer = early.read()?.context("closed")?;
    assert_eq!(answer["id"], "early", "{answer}");
    assert_eq!(answer["result"]["socket"], world.socket().to_str().context("utf-8")?);
    world.lines()?.call("system.ping", json!({}))?;
    world.stop()?;
    assert!(world.socket().exists(), "the socket is the service manager's");
    world.start()?;
    world.lines()?.call("system.ping", json!({}))?;
    Ok(())
}

/// The story: one client waited at the socket of a daemon that can't start before a person acts.
/// systemd started it for that client twenty times in two seconds, and then gave up the socket.
#[test]
fn who_waits_for_a_daemon_that_cannot_start_is_let_go() -> Result<()> {
    let mut world = World::new()?;
    let _listener = world.pass_socket()?;
    // Neither settings that are wrong nor a store that is not ours.
    for settings in [true, false] {
        let mut early = Lines::connect(&world.socket())?;
        if settings {
            world.env.push(("A2N_SETTING__LOG__LEVEL".into(), "LOUD".into()));
        } else {
            world.env.pop();
            std::fs::create_dir_all(world.data_dir().join("store"))?;
            std::fs::write(world.data_dir().join("store/state.redb"), "not ours")?;
        }
        let error = format!("{:#}", world.start().err().context("it started")?);
        // 78, as `wait` writes it.
        assert!(error.contains("unix_wait_status(19968)"), "{error}");
        assert!(early.read()?.is_none(), "the client still waits");
    }
    Ok(())
}

#[test]
fn the_watchdog_is_fed_again_and_again() -> Result<()> {
    let mut world = World::new()?;
    world.env.push(("WATCHDOG_USEC".into(), "200000".into()));
    world.start()?;
    for _ in 0..3 {
        world.told("WATCHDOG=1")?;
    }
    world.stop()
}

/// A world with a grace that no test waits for, and an execution whose step reads from a pipe that
/// nobody has written to.
fn with_a_step_that_waits() -> Result<(World, std::path::PathBuf, Value)> {
    let mut world = World::new()?;
    world.env.push(("A2N_SETTING__SHUTDOWN__GRACE_MS".into(), "3600000".into()));
    world.start()?;
    let pipe = world.path().join("pipe");
    mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let command = json!(["sh", "-c", "echo begun; read line < \"$0\"; echo $line", pipe]);
    let document = json!({
        "name": "waits",
        "nodes": [{"id": "reads", "type": "shell", "config": {"command": command}}],
    });
    let mut lines = world.lines()?;
    lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
    let run = lines.call("workflow.run", json!({"name": "waits"}))?["id"].clone();
    lines.call("executionLog.subscribe", json!({"executionId": run, "follow": true}))?;
    while !lines.notification()?.to_string().contains("begun") {}
    Ok((world, pipe, run))
}

#[test]
fn the_first_signal_lets_steps_end() -> Result<()> {
    let (mut world, pipe, run) = with_a_step_that_waits()?;
    world.signal(Signal::SIGTERM)?;
    world.told("STOPPING=1")?;
    std::fs::write(&pipe, "in time\n")?;
    assert!(world.ended()?.success());
    world.start()?;
    let ended = world.lines()?.call("execution.get", json!({"id": run}))?;
    assert_eq!(ended["status"], "SUCCESS", "{ended}");
    Ok(())
}

#[test]
fn the_second_signal_cuts_the_grace() -> Result<()> {
    let (mut world, _, run) = with_a_step_that_waits()?;
    world.signal(Signal::SIGTERM)?;
    world.told("STOPPING=1")?;
    assert!(world.end_by(Signal::SIGTERM)?.success());
    world.start()?;
    let mut lines = world.lines()?;
    let ended = lines.call("execution.wait", json!({"id": run, "timeout": 60000}))?;
    assert_eq!(ended["status"], "FAILED", "{ended}");
    assert_eq!(ended["errorDetails"]["code"], "INTERRUPTED", "{ended}");
    Ok(())
}

/// A closed terminal and a hasty `kill -HUP` ask for nothing: settings are changed on the socket and
/// hold at once, so there is nothing to read again. Nor do they count as having been asked to stop.
#[test]
fn hup_changes_nothing() -> Result<()> {
    let (mut world, pipe, run) = with_a_step_that_waits()?;
    let mut lines = world.lines()?;
    let before = lines.call("system.info", json!({}))?;
    for _ in 0..3 {
        world.signal(Signal::SIGHUP)?;
        assert_eq!(lines.call("system.info", json!({}))?, before);
        assert_eq!(world.lines()?.call("system.ping", json!({}))?["pong"], true);
    }
    assert_eq!(before["pid"], world.pid().as_raw());
    world.signal(Signal::SIGTERM)?;
    world.told("STOPPING=1")?;
    world.signal(Signal::SIGHUP)?;
    std::fs::write(&pipe, "in time\n")?;
    assert!(world.ended()?.success());
    world.start()?;
    let ended = world.lines()?.call("execution.get", json!({"id": run}))?;
    assert_eq!(ended["status"], "SUCCESS", "{ended}");
    Ok(())
}
