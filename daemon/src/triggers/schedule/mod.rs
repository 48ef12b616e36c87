//! When a SCHEDULE trigger is due: pure calendar arithmetic, no clock and no timer.
//!
//! `parse` reads the configuration and finds everything that is wrong with it at once, `fields`
//! checks cron expressions, `cron` finds wall-clock times, `occur` maps them to instants by one
//! rule for clock changes (`once` those of a one-off time), `describe` says it in words, `misfire`
//! decides what happens to instants that were missed. Invariant: `next_after(t)` is always later than `t`, and walking it visits
//! every due instant exactly once and in order.

mod cron;
mod describe;
pub(super) mod duration;
mod fields;
mod misfire;
mod occur;
mod once;
mod parse;
mod rule;
mod zone;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;

pub use misfire::{Decided, Decision, decide};
pub use occur::Preview;
pub use rule::{Dialect, DstFold, DstGap, Misfire, Overlap, Schedule};
pub use zone::Zone;
