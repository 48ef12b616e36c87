//! R8, R15 on a real file system: a small one of its own that is filled, emptied, and mounted
//! read-only.

use std::time::Duration;

use a2n_tests::daemon::World;
use a2n_tests::room::Room;
use anyhow::{Result, ensure};

use crate::counts::{is_strict, say};
use crate::work::{Work, until_health};

/// A world whose data folder is a small file system; none where this machine has no namespaces.
fn small(size: &str) -> Result<Option<(World, Room)>> {
    let mut world = World::new()?;
    std::fs::create_dir(world.data_dir())?;
    let Some(room) = Room::mount(&world.data_dir(), size)? else {
        say("skipped: no user namespaces here");
        return Ok(None);
    };
    world.within = room.within();
    world.env.push(("A2N_SETTING__STORE__BALLAST_BYTES".into(), "4194304".into()));
    Ok(Some((world, room)))
}

/// R8: below the least free room nothing new is accepted, and health says so; once there is room
/// again, service returns without a restart.
#[test]
fn little_room_refuses_new_work_and_more_room_brings_it_back() -> Result<()> {
    let Some((mut world, room)) = small("64m")? else { return Ok(()) };
    world.env.push(("A2N_SETTING__STORE__MIN_FREE_BYTES".into(), "8388608".into()));
    world.start()?;
    let mut work = Work::publish(&world)?;
    let mut lines = world.lines()?;
    work.until_accepted(&mut lines)?;
    let folder = world.data_dir();
    room.run(
        "head -c $(($(df --output=avail -B1 $1 | tail -1) - 1048576)) /dev/zero > $1/filler",
        &[&folder],
    )?;
    ensure!(!work.try_one(&mut lines)?, "accepted on a disk that is all but full");
    until_health(&mut lines, "disk", "UNHEALTHY")?;
    room.run("rm $1/filler", &[&folder])?;
    let took = work.until_accepted(&mut lines)?;
    ensure!(!is_strict() || took < Duration::from_secs(5), "service returned after {took:?}");
    until_health(&mut lines, "disk", "HEALTHY")?;
    work.compare(&mut lines)?;
    say(format!("little room: {} refused, back after {took:?}", work.refused));
    world.stop()
}

/// R8: with no least free room the disk really fills up: each answer is durable or an error, what
/// was accepted ends by the room that was kept for it, and service returns.
#[test]
fn a_disk_that_really_fills_up_loses_nothing() -> Result<()> {
    let Some((mut world, room)) = small("48m")? else { return Ok(()) };
    for name in ["MIN_FREE_BYTES", "MIN_FREE_PERCENT"] {
        world.env.push((format!("A2N_SETTING__STORE__{name}"), "0".into()));
    }
    world.start()?;
    let mut work = Work::publish(&world)?;
    let mut lines = world.lines()?;
    let folder = world.data_dir();
    for round in 1..=3 {
        work.until_accepted(&mut lines)?;
        room.run("cat /dev/zero > $1/filler 2> /dev/null || true", &[&folder])?;
        let before = work.refused;
        // Its own file has some room inside and the reserve is given up once: after that it ends.
        while work.refused < before + 5 && work.accepted() < round * 20_000 {
            work.try_one(&mut lines)?;
        }
        ensure!(work.refused > before, "a full disk took {} executions", work.accepted());
        room.run("rm $1/filler", &[&folder])?;
        let took = work.until_accepted(&mut lines)?;
        ensure!(!is_strict() || took < Duration::from_secs(5), "service returned after {took:?}");
        until_health(&mut lines, "store", "HEALTHY")?;
    }
    work.compare(&mut lines)?;
    world.kill()?;
    world.start()?;
    work.compare(&mut world.lines()?)?;
    ensure!(!world.stderr().contains("panicked"), "a panic:\n{}", world.stderr());
    say(format!("full disk: {} accepted and kept, {} refused", work.accepted(), work.refused));
    world.stop()
}

/// R15: a start on a read-only file system says so and may be tried again; nothing is lost.
#[test]
fn a_read_only_disk_is_waited_for() -> Result<()> {
    let Some((mut world, room)) = small("48m")? else { return Ok(()) };
    world.env.push(("A2N_SETTING__STORE__MIN_FREE_BYTES".into(), "0".into()));
    world.start()?;
    let mut work = Work::publish(&world)?;
    work.until_accepted(&mut world.lines()?)?;
    world.stop()?;
    let folder = world.data_dir();
    room.run("mount -o remount,ro $1", &[&folder])?;
    let refused = world.start().expect_err("it started on a disk that takes nothing");
    let told = format!("{refused:#}");
    // 75 << 8: it may be tried again.
    ensure!(told.contains("(19200)") && told.to_lowercase().contains("read-only"), "{told}");
    room.run("mount -o remount,rw $1", &[&folder])?;
    world.start()?;
    work.until_accepted(&mut world.lines()?)?;
    work.compare(&mut world.lines()?)?;
    world.stop()
}
