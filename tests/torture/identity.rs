//! S6: who somebody is, is what the kernel says of the connection; nothing that is sent, named or
//! handed on changes it, and where the kernel says nothing the connection is closed.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use a2n_tests::daemon::{LIMIT, World, binary};
use a2n_tests::lines::Lines;
use a2n_tests::strace::{self, Fault};
use anyhow::{Result, ensure};
use serde_json::json;

use crate::counts::say;

/// Somebody else, who has no account.
const NOBODY: u32 = 65534;
const WHOAMI: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"auth.whoami\"}\n";

#[test]
fn a_connection_of_which_the_kernel_says_nothing_is_closed() -> Result<()> {
    if !strace::is_there() {
        say("skipped: strace can't trace here");
        return Ok(());
    }
    let mut world = World::new()?;
    let when = String::new();
    let fault = Fault { calls: "getsockopt", error: "ENOTCONN", when, path: None };
    world.within = fault.within(&world.path().join("strace"));
    world.start()?;
    let mut stream = UnixStream::connect(world.socket())?;
    stream.set_read_timeout(Some(LIMIT))?;
    let _ = stream.write_all(WHOAMI.as_bytes());
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    ensure!(said.is_empty(), "answered somebody unknown: {}", String::from_utf8_lossy(&said));
    ensure!(world.stderr().contains("credentials can't be read"), "{}", world.stderr());
    world.kill()
}

#[test]
fn a_socket_s_name_says_nothing_about_its_user() -> Result<()> {
    let world = World::new()?;
    let strange = world.path().join("run;uid=0;x/a2nd.sock");
    let mut child = Command::new(binary("a2nd"))
        .env_clear()
        .env("HOME", world.home())
        .args(["--user", "--data-dir"])
        .arg(world.data_dir())
        .arg("--socket")
        .arg(&strange)
        .stderr(Stdio::piped())
        .spawn()?;
    let mut said = String::new();
    let mut stderr = child.stderr.take().expect("piped");
    let mut buffer = [0; 4096];
    while !said.contains("ready") {
        let n = stderr.read(&mut buffer)?;
        ensure!(n > 0, "it ended: {said}");
        said.push_str(&String::from_utf8_lossy(&buffer[..n]));
    }
    let who = Lines::connect(&strange)?.call("auth.whoami", json!({}));
    child.kill()?;
    child.wait()?;
    let who = who?;
    ensure!(who["uid"] == nix::unistd::getuid().as_raw(), "{who}");
    Ok(())
}

/// Root in a namespace of its own is outside who made it.
#[test]
fn a_namespace_s_root_is_who_made_it() -> Result<()> {
    let world = World::started()?;
    let a2n = binary("a2n");
    let mut command = world.command("a2n");
    let words = ["-r", "--", a2n.to_str().expect("a plain path"), "rpc", "auth.whoami"];
    let environment: Vec<_> =
        command.get_envs().map(|(n, v)| (n.to_owned(), v.map(ToOwned::to_owned))).collect();
    command.env_clear();
    let mut unshare = Command::new("unshare");
    unshare.args(words).env_clear().stdin(Stdio::null());
    unshare.envs(environment.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let output = unshare.output();
    let Ok(output) = output.as_ref() else {
        say("skipped: no unshare here");
        return Ok(());
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        say("skipped: no user namespaces here");
        return Ok(());
    }
    let who: serde_json::Value = serde_json::from_str(&said)?;
    ensure!(who["uid"] == nix::unistd::getuid().as_raw(), "{who}");
    Ok(())
}

#[test]
fn another_user_gets_nowhere_and_a_handed_on_socket_stays_its_opener_s() -> Result<()> {
    if !nix::unistd::getuid().is_root() {
        say("skipped: becoming another user takes root");
        return Ok(());
    }
    let world = World::started()?;
    // The folders keep others out; to see that the daemon does too, they are opened.
    for path in [world.path().to_owned(), world.path().join("run")] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755))?;
    }
    std::fs::set_permissions(world.socket(), PermissionsExt::from_mode(0o666))?;
    let connected = |uid: u32| -> Result<String> {
        // A shell of that user that gets a connection which was opened by us.
        let stream = UnixStream::connect(world.socket())?;
        let copy = stream.try_clone()?;
        let mut child = Command::new("sh")
            .args(["-c", "printf '%s' \"$1\"; head -n 1 >&2", "sh", WHOAMI])
            .stdin(OwnedFd::from(stream))
            .stdout(OwnedFd::from(copy))
            .stderr(Stdio::piped())
            .uid(uid)
            .gid(uid)
            .spawn()?;
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said)?;
        child.wait()?;
        Ok(said)
    };
    let handed_on = connected(NOBODY)?;
    ensure!(handed_on.contains("\"uid\":0"), "a handed-on connection became another: {handed_on}");

    let copy = world.path().join("a2n");
    std::fs::copy(binary("a2n"), &copy)?;
    std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755))?;
    for method in
        ["workflow.list", "system.health", "execution.list", "appSetting.list", "system.info"]
    {
        let output = Command::new(&copy)
            .args(["rpc", method])
            .env_clear()
            .env("A2N_SOCKET", world.socket())
            .env("HOME", "/")
            .uid(NOBODY)
            .gid(NOBODY)
            .output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(4), "{method}: {:?} {told}", output.status);
    }
    Ok(())
}
