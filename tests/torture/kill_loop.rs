//! R1: `kill -9` of the daemon at moments of chance, under load from eight clients.

use std::time::{Duration, Instant};

use a2n_tests::daemon::World;
use anyhow::{Result, ensure};

use crate::counts::{KILLS, is_strict, say};
use crate::load::Load;

/// R1, R2: no acknowledged execution is lost, none is recorded twice, no step runs twice; in doubt
/// is only what was running; it is ready again in time.
#[test]
fn what_was_acknowledged_outlives_kill_nine() -> Result<()> {
    let mut world = World::started()?;
    let load = Load::start(&world)?;
    let mut starts = Vec::new();
    for n in 1..=KILLS.get() {
        // Between one and a few hundred: early and late in the life of a daemon.
        load.hear(1 + n * 37 % 150)?;
        load.goes_down();
        world.kill()?;
        let began = Instant::now();
        world.start()?;
        starts.push(began.elapsed());
        load.is_up(n);
    }
    let found = load.finish(&world)?;
    ensure!(!world.stderr().contains("panicked"), "the daemon panicked:\n{}", world.stderr());
    // As many steps run at once; those of one kill can be in doubt, no more.
    ensure!(found.in_doubt <= starts.len() * 32, "{found:?}");
    starts.sort();
    let p99 = starts.get((starts.len() * 99).div_ceil(100) - 1).copied().unwrap_or_default();
    say(format!(
        "{} kills, {found:?}, ready again p99 {p99:?}, most {:?}",
        starts.len(),
        starts.last()
    ));
    ensure!(!is_strict() || p99 < Duration::from_millis(500), "ready again only after {p99:?}");
    world.stop()
}
