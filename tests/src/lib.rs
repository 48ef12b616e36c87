//! The harness of the upper test floors: a real `a2nd` on a temporary folder ([`daemon`]), and the
//! conversations with it ([`lines`], [`command`]).
//!
//! Nothing here sleeps: readiness comes over a notify socket, everything else over the daemon's
//! own subscriptions, each with a time limit that prints what was seen.

pub mod command;
pub mod daemon;
pub mod lines;
