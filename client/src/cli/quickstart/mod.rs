//! `a2n quickstart`: a daemon of one's own, a real sample workflow, and its live log.
//!
//! `daemon` starts and stops the daemon, `logout` knows what a logout does to it, `sample` applies
//! and runs the workflow, `command` tells the story, `next` what to do then. Run again, it finds the
//! daemon, changes nothing, and runs the workflow once more.

mod command;
mod daemon;
mod logout;
mod next;
mod sample;

pub(super) use command::Args;
pub(super) use daemon::detach;
