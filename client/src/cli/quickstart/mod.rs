//! `a2n quickstart`: a daemon of one's own, a real sample workflow, and its live log.
//!
//! `daemon` starts and stops the daemon, `sample` applies and runs the workflow, `command` tells
//! the story. Run again, it finds the daemon, changes nothing, and runs the workflow once more.

mod command;
mod daemon;
mod sample;

pub(super) use command::Args;
pub(super) use daemon::detach;
