//! What the daemon does with the folder it finds: one clear line, the right exit code, nothing
//! touched.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use a2n_tests::daemon::{World, binary};
use anyhow::{Context, Result};

/// Starts the daemon in a mount namespace of its own, after `prepare`; none where this machine has
/// no unprivileged namespaces.
fn start_after(world: &World, prepare: &str) -> Result<Option<Output>> {
    let probe = Command::new("unshare").args(["-rm", "true"]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        return Ok(None);
    }
    let script = format!("set -e; {prepare}; exec \"$@\"");
    let daemon = binary("a2nd");
    let mut command = world.command("a2nd");
    let mut unshare = Command::new("unshare");
    unshare.args(["-rm", "sh", "-c", &script, "sh"]).arg(daemon).args(["--user", "--socket"]);
    unshare.arg(world.socket()).arg("--data-dir").arg(world.data_dir()).env_clear();
    unshare.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    unshare.current_dir(world.path());
    command.env_clear();
    Ok(Some(unshare.output()?))
}

fn start(world: &World) -> Result<Output> {
    start_as(world, &binary("a2nd"))
}

/// Starts the daemon from where it lies.
fn start_as(world: &World, program: &Path) -> Result<Output> {
    let dressed = world.command("a2nd");
    Ok(Command::new(program)
        .env_clear()
        .envs(dressed.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(world.path())
        .args(["--user", "--socket"])
        .arg(world.socket())
        .arg("--data-dir")
        .arg(world.data_dir())
        .output()?)
}

fn contents(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut all = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                all.insert(path.display().to_string(), std::fs::read(&path)?);
            }
        }
    }
    Ok(all)
}

fn refused(world: &World, code: i32, words: &[&str]) -> Result<()> {
    let before = contents(&world.data_dir())?;
    let output = start(world)?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(told.trim().lines().count() <= 2, "more than one clear line and its hint:\n{told}");
    for word in words {
        assert!(told.contains(word), "`{word}` is missing in: {told}");
    }
    assert!(before == contents(&world.data_dir())?, "something was touched");
    Ok(())
}

fn a_stopped_store() -> Result<World> {
    let mut world = World::started()?;
    world.stop()?;
    Ok(world)
}

#[test]
fn an_absent_folder_is_a_first_start() -> Result<()> {
    let mut world = World::new()?;
    world.start()?;
    let mode = std::fs::metadata(world.data_dir())?.permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
    assert!(world.data_dir().join("initialised").exists());
    world.stop()?;
    world.start()?;
    Ok(())
}

#[test]
fn a_store_that_is_gone_is_not_made_again() -> Result<()> {
    let world = a_stopped_store()?;
    std::fs::remove_dir_all(world.data_dir().join("store"))?;
    refused(&world, 78, &["store is gone", "initialised"])
}

#[test]
fn a_store_that_is_not_ours_is_left_alone() -> Result<()> {
    let world = a_stopped_store()?;
    std::fs::write(world.data_dir().join("store/state.redb"), "my shopping list\n".repeat(1000))?;
    refused(&world, 78, &["state.redb"])
}

#[test]
fn a_truncated_store_is_left_alone() -> Result<()> {
    let world = a_stopped_store()?;
    let path = world.data_dir().join("store/state.redb");
    for keep in [0, 100, 4096, 65_536] {
        let whole = std::fs::read(&path)?;
        std::fs::write(&path, &whole[..keep])?;
        refused(&world, 78, &["state.redb"])?;
        std::fs::write(&path, whole)?;
    }
    Ok(())
}

#[test]
fn a_folder_in_the_store_s_place_is_left_alone() -> Result<()> {
    let world = a_stopped_store()?;
    let path = world.data_dir().join("store/state.redb");
    std::fs::remove_file(&path)?;
    std::fs::create_dir(&path)?;
    refused(&world, 78, &["state.redb"])
}

#[test]
fn a_second_daemon_is_told_to_come_back_later() -> Result<()> {
    let world = World::started()?;
    let output = start(&world)?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(75), "{told}");
    assert!(told.trim().lines().count() <= 2, "{told}");
    Ok(())
}

#[test]
fn a_full_disk_is_told_and_tried_again_later() -> Result<()> {
    let world = World::new()?;
    let data = world.data_dir().display().to_string();
    let prepare = format!("mkdir -p {data}; mount -t tmpfs -o size=64k,mode=0700 tmpfs {data}");
    let Some(output) = start_after(&world, &prepare)? else {
        let _ = writeln!(std::io::stderr(), "skipped: no user namespaces here");
        return Ok(());
    };
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(75), "{told}");
    assert!(told.trim().lines().count() <= 2 && told.contains("space"), "{told}");
    Ok(())
}

#[test]
fn a_read_only_disk_is_told_and_tried_again_later() -> Result<()> {
    let mut world = World::new()?;
    world.start()?;
    world.stop()?;
    let data = world.data_dir().display().to_string();
    let prepare = format!("mount --bind {data} {data}; mount -o remount,ro,bind {data}");
    let Some(output) = start_after(&world, &prepare)? else {
        let _ = writeln!(std::io::stderr(), "skipped: no user namespaces here");
        return Ok(());
    };
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(75), "{told}");
    assert!(told.trim().lines().count() <= 2, "{told}");
    Ok(())
}

/// Someone copied `a2nd` alone to where they wanted it: every step would have failed.
#[test]
fn a_daemon_without_the_program_that_holds_steps_says_what_is_missing() -> Result<()> {
    let world = World::new()?;
    let whole = binary("a2nd");
    // On the same disk as the program, which is too large to copy for this.
    let alone = tempfile::tempdir_in(whole.parent().context("a folder")?)?;
    let program = alone.path().join("a2nd");
    std::fs::hard_link(&whole, &program)?;
    let shim = alone.path().join("a2n-shim");
    for there in [false, true] {
        if there {
            // A file that is not a program is no better.
            std::fs::write(&shim, "")?;
        }
        let output = start_as(&world, &program)?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.trim().lines().count() == 1, "more than one clear line:\n{told}");
        assert!(told.contains(&shim.display().to_string()), "{told}");
        assert!(told.contains("install A2N again"), "{told}");
        assert!(!world.data_dir().exists(), "something was made");
    }
    Ok(())
}

/// The story: with a full disk the only word was "the file `run` of the log folder failed", without
/// a path, a reason or anything to do, behind a warning about a power cut.
#[test]
fn a_log_folder_that_cannot_be_written_is_told_whole_and_alone() -> Result<()> {
    let mut world = World::started()?;
    world.stop()?;
    let said = world.stderr().len();
    // What root may not do either: replace a folder by a file.
    std::fs::create_dir_all(world.data_dir().join("logs/run.new/there"))?;
    std::fs::create_dir_all(world.data_dir().join("running.new/there"))?;
    let error = format!("{:#}", world.start().err().context("it started")?);
    // 75, as `wait` writes it.
    assert!(error.contains("unix_wait_status(19200)"), "{error}");
    let told = world.stderr()[said..].to_owned();
    for word in ["data/logs", "Is a directory", "; move what stands there out of the way"] {
        assert!(told.contains(word), "`{word}` is missing in {told}");
    }
    assert!(!told.contains("WARN"), "{told}");
    std::fs::remove_dir_all(world.data_dir().join("logs/run.new"))?;
    world.start()?;
    assert!(world.stderr().contains("a power cut from here on"), "{}", world.stderr());
    Ok(())
}

/// The story: the second daemon found the socket taken, and left a new data folder behind.
#[test]
fn a_taken_socket_makes_no_data_folder() -> Result<()> {
    let world = World::started()?;
    let other = world.path().join("other");
    let said = world
        .command("a2nd")
        .args(["--user", "--socket"])
        .arg(world.socket())
        .arg("--data-dir")
        .arg(&other)
        .output()?;
    assert_eq!(said.status.code(), Some(75));
    let told = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(told.contains("already listens on") && told.contains("--socket"), "{told}");
    assert!(!other.exists());
    Ok(())
}

#[test]
fn who_reads_only_the_beginning_of_the_configuration_gets_no_panic() -> Result<()> {
    use std::process::Stdio;
    let world = World::new()?;
    let mut child = world
        .command("a2nd")
        .args(["--user", "--check-config"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    drop(child.stdout.take());
    let ended = child.wait_with_output()?;
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(!told.contains("panic"), "{told}");
    Ok(())
}
