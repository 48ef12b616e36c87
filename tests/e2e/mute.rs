//! A daemon that is there but does not answer, as one that was stopped with SIGSTOP.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use a2n_tests::daemon::World;
use anyhow::{Context, Result};
use nix::sys::signal::Signal;

/// The command hung without a word, and nobody knew what it waited for.
#[test]
fn a_mute_daemon_is_named_and_still_waited_for() -> Result<()> {
    let world = World::started()?;
    world.signal(Signal::SIGSTOP)?;
    let mut asking = world
        .command("a2n")
        .args(["ps", "-a"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut told = BufReader::new(asking.stderr.take().context("piped")?);
    let mut line = String::new();
    told.read_line(&mut line)?;
    world.signal(Signal::SIGCONT)?;
    let wanted = format!("a2n: the daemon does not answer (pid {}); still waiting\n", world.pid());
    assert_eq!(line, wanted);
    let ended = asking.wait()?;
    let (mut shown, mut rest) = (String::new(), String::new());
    asking.stdout.take().context("piped")?.read_to_string(&mut shown)?;
    told.read_to_string(&mut rest)?;
    assert!(ended.success(), "{shown}{rest}");
    assert_eq!((shown.as_str(), rest.as_str()), ("No executions.\n", ""));
    Ok(())
}
