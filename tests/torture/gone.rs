//! What is taken away from under a running daemon: its socket's folder, its data folder. One clear
//! line of health, no acknowledgement that nothing stands behind.

use a2n_tests::daemon::World;
use anyhow::{Result, ensure};
use serde_json::json;

use crate::work::{Work, health, until_health};

#[test]
fn a_socket_that_was_removed_is_said_to_those_who_are_connected() -> Result<()> {
    let mut world = World::started()?;
    let mut work = Work::publish(&world)?;
    let mut lines = world.lines()?;
    ensure!(health(&mut lines, "socket")?["status"] == "HEALTHY", "no health of the socket");
    std::fs::remove_dir_all(world.socket().parent().expect("a folder"))?;
    let said = health(&mut lines, "socket")?;
    ensure!(said["status"] == "UNHEALTHY", "health says {said}");
    ensure!(said["message"].as_str().is_some_and(|m| m.contains("a2nd.sock")), "where? {said}");
    // Who is connected goes on, and a restart brings it back.
    work.until_accepted(&mut lines)?;
    world.stop()?;
    world.start()?;
    work.compare(&mut world.lines()?)?;
    world.stop()
}

#[test]
fn a_data_folder_that_was_removed_takes_no_more_work() -> Result<()> {
    for below in ["", "store", "store/state.redb"] {
        let mut world = World::started()?;
        let mut work = Work::publish(&world)?;
        let mut lines = world.lines()?;
        work.until_accepted(&mut lines)?;
        let path = world.data_dir().join(below);
        if path.is_dir() {
            std::fs::remove_dir_all(&path)?
        } else {
            std::fs::remove_file(&path)?
        }
        ensure!(!work.try_one(&mut lines)?, "accepted without {below:?}");
        until_health(&mut lines, "store", "UNHEALTHY")?;
        let said = health(&mut lines, "store")?;
        ensure!(said["message"].as_str().is_some_and(|m| m.contains("gone")), "{said}");
        ensure!(lines.call("system.ping", json!({}))?["pong"] == true, "no ping");
        world.end_by(nix::sys::signal::Signal::SIGTERM)?;
        ensure!(!world.stderr().contains("panicked"), "a panic:\n{}", world.stderr());
    }
    Ok(())
}
