//! A made-up machine: the twin of each port, made of a seed. The same seed gives the same world.

mod clock;
mod entropy;

pub use clock::SimClock;
pub use entropy::SimEntropy;
