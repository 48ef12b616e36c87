//! The harness of the upper test floors: a real `a2nd` on a temporary folder ([`daemon`]), the
//! conversations with it ([`lines`], [`command`]), one for several people ([`several`]), what it uses ([`usage`]), the places that it
//! can be put into ([`room`]), the failures that it can be made to see ([`strace`]), what has to
//! hold afterwards ([`history`]), and what fuzzing tries ([`fuzz`]).
//!
//! Nothing here sleeps: readiness comes over a notify socket, everything else over the daemon's
//! own subscriptions, each with a time limit that prints what was seen.

pub mod command;
pub mod daemon;
pub mod fuzz;
pub mod history;
pub mod lines;
pub mod past;
pub mod room;
pub mod several;
pub mod strace;
pub mod usage;
