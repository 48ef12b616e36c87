//! `just bench-history`: what a long history costs, measured beside an empty one in the same run.
//!
//! Measures the release binaries beside this one. The argument is how many executions there are.
#![expect(clippy::disallowed_methods, reason = "it measures")]
#![expect(clippy::print_stdout, reason = "it prints a table")]

mod calls;
mod stalls;

use std::time::Instant;

use a2n_tests::daemon::World;
use a2n_tests::past;
use anyhow::{Result, bail};

fn main() -> Result<()> {
    if cfg!(debug_assertions) {
        bail!("this build is not optimised; `just bench-history` has the command");
    }
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse().ok());
    let n: u64 = numbers.next_back().unwrap_or(1_000_000);
    let mut empty = World::new()?;
    past::seed(&mut empty)?;
    let mut full = World::new()?;
    past::seed(&mut full)?;
    let began = Instant::now();
    past::multiply(&full.data_dir(), n)?;
    let took = began.elapsed();
    println!("{n} executions made in {:.1} s, {} MiB", took.as_secs_f64(), size(&full)? >> 20);
    calls::compare(&mut empty, &mut full, n)?;
    stalls::measure()?;
    Ok(())
}

fn size(world: &World) -> Result<u64> {
    let mut all = 0;
    for entry in std::fs::read_dir(world.data_dir().join("store"))? {
        all += entry?.metadata()?.len();
    }
    Ok(all)
}
