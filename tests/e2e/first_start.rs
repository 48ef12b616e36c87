//! What the daemon does with the folder it finds: one clear line, the right exit code, nothing
//! touched.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use a2n_tests::daemon::World;
use anyhow::Result;

fn start(world: &World) -> Result<Output> {
    Ok(world
        .command("a2nd")
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
