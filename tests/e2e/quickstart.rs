//! The first two minutes: `a2n quickstart` on a machine that has never seen A2N.

use std::process::Command;

use a2n_tests::daemon::{World, binary};
use anyhow::Result;

fn a2n(world: &World, args: &[&str]) -> Result<std::process::Output> {
    Ok(Command::new(binary("a2n"))
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .env("HOME", world.home())
        .env("LANG", "C.UTF-8")
        .args(args)
        .current_dir(world.home())
        .stdin(std::process::Stdio::null())
        .output()?)
}

#[test]
fn quickstart_runs_a_real_job_goes_on_and_stops() -> Result<()> {
    let world = World::new()?;
    for round in 1..=2 {
        let ran = a2n(&world, &["quickstart"])?;
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        let told = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success(), "round {round}: {text}{told}");
        for word in ["host-report", "a2n ps", "a2n logs", "quickstart --stop"] {
            assert!(text.contains(word), "round {round}: `{word}` is missing in\n{text}{told}");
        }
        if round == 1 {
            let said = text.contains("survives logout") || text.contains("when you log out");
            assert!(said, "nothing says what a logout does:\n{text}");
        }
        let listed = a2n(&world, &["ps", "-a", "-o", "name"])?;
        let n = String::from_utf8_lossy(&listed.stdout).lines().count();
        assert_eq!(n, round, "the store went on: {listed:?}");
    }
    // Every later a2n finds the daemon by itself.
    let plain = a2n(&world, &[])?;
    assert!(plain.status.success(), "{plain:?}");
    let stopped = a2n(&world, &["quickstart", "--stop"])?;
    assert!(stopped.status.success(), "{stopped:?}");
    let gone = a2n(&world, &["ps"])?;
    assert_eq!(gone.status.code(), Some(5), "{gone:?}");
    // Nobody listens any more where it said that it was ready; that is nothing to warn of.
    let log = std::fs::read_to_string(world.home().join(".local/state/a2n/a2nd.log"))?;
    assert!(!log.contains("not told"), "{log}");
    Ok(())
}

/// With a passed socket the kernel names the service manager as the peer, and one's own service was
/// called someone else's.
#[test]
fn ones_own_service_is_named_as_such() -> Result<()> {
    let mut world = World::new()?;
    let _listener = world.pass_socket()?;
    world.start()?;
    let socket = world.socket().display().to_string();
    let ran = a2n(&world, &["--socket", &socket, "quickstart", "--stop"])?;
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(1), "{told}");
    assert!(told.contains("is your own service"), "{told}");
    assert!(told.contains("`systemctl --user stop a2nd.socket a2nd.service`"), "{told}");
    assert!(world.is_running());
    let ran = a2n(&world, &["--socket", &socket, "quickstart"])?;
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(text.contains("\n  systemctl --user stop a2nd.socket a2nd.service\n"), "{text}");
    assert!(!text.contains("quickstart --stop") && !text.contains("install.sh"), "{text}");
    Ok(())
}
