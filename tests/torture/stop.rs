//! R6: SIGTERM under load.

use std::time::{Duration, Instant};

use a2n_tests::daemon::World;
use anyhow::{Result, ensure};

use crate::counts::{STOPS, is_strict, say};
use crate::load::Load;

/// R6: the daemon ends by itself, in time and well, and nothing that was acknowledged is lost.
#[test]
fn a_stop_under_load_is_quick_and_loses_nothing() -> Result<()> {
    let mut world = World::started()?;
    let load = Load::start(&world)?;
    let mut took = Vec::new();
    for n in 1..=STOPS.get() {
        load.hear(20 + n * 41 % 100)?;
        load.goes_down();
        let began = Instant::now();
        world.stop()?;
        took.push(began.elapsed());
        world.start()?;
        load.is_up(n);
    }
    let found = load.finish(&world)?;
    let most = took.iter().max().copied().unwrap_or_default();
    say(format!("{} stops, {found:?}, slowest {most:?}", took.len()));
    ensure!(!world.stderr().contains("panicked"), "the daemon panicked:\n{}", world.stderr());
    ensure!(found.in_doubt == 0, "a stop left doubts: {found:?}");
    ensure!(!is_strict() || most < Duration::from_secs(5), "a stop took {most:?}");
    world.stop()
}
