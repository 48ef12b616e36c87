//! The daemon that has nothing to do: how fast it is there, what it holds, and that it sleeps.

use std::time::{Duration, Instant};

use a2n_tests::daemon::World;
use anyhow::Result;

use crate::figures::{Figures, Target, Value};
use crate::machine;

const STARTS: usize = 9;
/// What a start leaves behind is done by then, and threads that waited for more have ended.
const SETTLED: Duration = Duration::from_secs(15);
const WATCHED: Duration = Duration::from_secs(60);

pub(crate) fn measure(figures: &mut Figures) -> Result<()> {
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let mut world = World::new()?;
        first.push(start(&mut world)?);
        world.stop()?;
        again.push(start(&mut world)?);
        world.stop()?;
    }
    let middle = |all: &mut Vec<Duration>| {
        all.sort_unstable();
        Value::Time(all[all.len() / 2])
    };
    let most = Target::AtMost(Value::Time(Duration::from_millis(50)));
    figures.add("first start to ready", middle(&mut first), None, &most);
    figures.add("start to ready, empty store", middle(&mut again), None, &most);

    let world = World::started()?;
    std::thread::sleep(SETTLED);
    let resident = Value::MiB(machine::resident(world.pid())?);
    figures.add("resident, idle", resident, None, &Target::AtMost(Value::MiB(20.0)));
    let before = machine::switches(world.pid())?;
    std::thread::sleep(WATCHED);
    let switches = Value::Count(machine::switches(world.pid())?.abs_diff(before) as f64);
    figures.add("wake-ups in 60 s, idle", switches, None, &Target::AtMost(Value::Count(0.0)));
    Ok(())
}

fn start(world: &mut World) -> Result<Duration> {
    let begun = Instant::now();
    world.start()?;
    Ok(begun.elapsed())
}
