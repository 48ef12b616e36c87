//! Loops: by a connection back, by a `loop` node, and what they weigh.

mod back;
mod beside;
mod each;
mod weight;
