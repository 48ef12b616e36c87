//! The simulation: the real driver over the real store and log, on a made-up machine whose disk
//! fails, whose power goes and whose clock jumps, all of it by a seed.
//!
//! `SIM_SEEDS=10000 cargo test --release -p a2n-tests --test sim` runs that many seeds;
//! `SIM_SEED=7` runs one again. A failing seed says its number and fails the same way each time.

mod chaos;
mod daemon;
mod ends;
mod executor;
mod machine;
mod scenarios;
mod seeds;
mod stories;
mod sweep;
/// The text form of workflows, shared with the engine's own tests.
#[path = "../../daemon/src/engine/scenario/text.rs"]
mod text;
