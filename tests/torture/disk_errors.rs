//! R8, R9, R15: calls to the disk that fail. Once each, at every call from the start on; and all of
//! them from a moment on until the disk is well again.

use std::time::Duration;

use a2n_tests::daemon::World;
use a2n_tests::strace::{self, Fault};
use anyhow::{Context, Result, ensure};

use crate::counts::{FAULTS, is_strict, say};
use crate::work::{Work, health, page, until_health};

/// Whatever makes something durable, on any file of the data folder. Sockets are written by others.
const WRITES: &str = "pwrite64,fdatasync,fsync,ftruncate,fallocate";
/// The same and what reads the store.
const ALL: &str = "pread64,pwrite64,fdatasync,fsync,ftruncate,fallocate";

/// R8: ENOSPC at the k-th write of each thread.
#[test]
fn a_full_disk_at_any_call_is_never_a_false_success() -> Result<()> {
    at_every_call("ENOSPC", WRITES)
}

/// R9: EIO at the k-th read, write or flush of each thread.
#[test]
fn an_error_at_any_call_is_never_a_false_success() -> Result<()> {
    at_every_call("EIO", ALL)
}

fn at_every_call(error: &'static str, calls: &'static str) -> Result<()> {
    if !strace::is_there() {
        say("skipped: strace can't trace here");
        return Ok(());
    }
    let mut world = World::started()?;
    let mut work = Work::publish(&world)?;
    world.stop()?;
    let log = world.path().join("strace");
    let (mut struck, mut not_started) = (0, 0);
    for k in which_calls(FAULTS.get()) {
        let fault = Fault { calls, error, when: k.to_string(), path: None };
        world.within = fault.within(&log);
        let started =
            one_round(&mut world, &mut work).with_context(|| format!("{error} at {k}"))?;
        not_started += usize::from(!started);
        let injected = strace::injected(&log);
        if injected == 0 {
            break;
        }
        struck += injected;
        world.within.clear();
        world.start().with_context(|| format!("after {error} at {k}"))?;
        work.compare(&mut world.lines()?).with_context(|| format!("after {error} at {k}"))?;
        world.kill()?;
    }
    ensure!(struck > 0, "nothing was made to fail");
    ensure!(!world.stderr().contains("panicked"), "a panic:\n{}", world.stderr());
    say(format!(
        "{error}: {struck} calls failed, {not_started} starts refused, {} refused, {} accepted and kept",
        work.refused,
        work.accepted()
    ));
    Ok(())
}

/// One life with a fault somewhere in it. A start that meets it says so and ends; a daemon that
/// runs gives an error or keeps what it acknowledges, and takes work again by itself.
fn one_round(world: &mut World, work: &mut Work) -> Result<bool> {
    if let Err(error) = world.start() {
        let told = format!("{error:#}");
        let code = told.split("unix_wait_status(").nth(1).and_then(|rest| rest.split(')').next());
        let code = code.and_then(|status| status.parse::<i32>().ok()).map(|status| status >> 8);
        // 127: the fault met the loader, before the program was there.
        ensure!(matches!(code, Some(75 | 78 | 127)), "it ended with {code:?}: {told}");
        return Ok(false);
    }
    let mut lines = world.lines()?;
    for _ in 0..12 {
        work.until_accepted(&mut lines)?;
    }
    until_health(&mut lines, "store", "HEALTHY")?;
    world.kill()?;
    Ok(true)
}

/// The short form takes a few, ever further apart.
fn which_calls(n: usize) -> Vec<usize> {
    if n < 10 { (0..n).map(|i| (3 << i) - 1).collect() } else { (1..=n).collect() }
}

/// R9: while every write to the store fails nothing is acknowledged and health says so; afterwards
/// service returns by itself.
#[test]
fn a_disk_that_fails_for_a_while_is_said_and_gotten_over() -> Result<()> {
    fails_for_a_while("EIO")
}

/// R8: the same with a disk that is full.
#[test]
fn a_disk_that_is_full_for_a_while_is_said_and_gotten_over() -> Result<()> {
    fails_for_a_while("ENOSPC")
}

/// R15: the same with a file system that turned read-only, as the kernel does it after an error.
#[test]
fn a_disk_that_turns_read_only_is_said_and_gotten_over() -> Result<()> {
    fails_for_a_while("EROFS")
}

fn fails_for_a_while(error: &'static str) -> Result<()> {
    if !strace::is_there() {
        say("skipped: strace can't trace here");
        return Ok(());
    }
    let mut world = World::started()?;
    let mut work = Work::publish(&world)?;
    let mut lines = world.lines()?;
    work.until_accepted(&mut lines)?;
    let store = Some(world.data_dir().join("store/state.redb"));
    let fault = Fault { calls: WRITES, error, when: String::new(), path: store };
    let log = world.path().join("strace");
    let Ok(striking) = fault.strike(world.pid(), &log) else {
        say("skipped: strace may not attach here");
        return Ok(());
    };
    let before = work.accepted();
    for _ in 0..10 {
        ensure!(!work.try_one(&mut lines)?, "acknowledged on a disk that takes nothing");
    }
    let said = health(&mut lines, "store")?;
    ensure!(said["status"] == "UNHEALTHY", "health says {said}");
    ensure!(page(&world, "/readyz")? == 503 && page(&world, "/healthz")? == 503, "ready?");
    drop(striking);
    ensure!(strace::injected(&log) > 0, "nothing was made to fail");
    let took = work.until_accepted(&mut lines)?;
    until_health(&mut lines, "store", "HEALTHY")?;
    ensure!(page(&world, "/readyz")? == 200, "not ready");
    ensure!(!is_strict() || took < Duration::from_secs(5), "service returned after {took:?}");
    ensure!(work.accepted() == before + 1, "counted wrongly");
    work.compare(&mut lines)?;
    world.kill()?;
    world.start()?;
    work.compare(&mut world.lines()?)?;
    ensure!(!world.stderr().contains("panicked"), "a panic:\n{}", world.stderr());
    say(format!("{error} for a while: {} refused, back after {took:?}", work.refused));
    world.stop()
}
