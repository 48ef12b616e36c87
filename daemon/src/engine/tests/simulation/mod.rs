//! Simulation of the pure half by seeds: a random workflow, random inputs, and what has to hold after
//! every step. A failing seed prints its workflow and its moves, made as short as they come.
//!
//! `SIM_SEEDS=100000 cargo test --release -p a2n-daemon --lib simulation` plays that many,
//! `SIM_SEED=7` one again.

mod again;
mod chance;
mod check;
mod desk;
mod flow;
mod graphs;
mod members;
mod moves;
mod parts;
mod seeds;
mod shrink;
mod story;
mod world;
