//! Definitions that decide where items go, and when.

pub(super) mod approval;
pub(super) mod break_loop;
pub(super) mod choose;
pub(super) mod each_loop;
pub(super) mod emit;
pub(super) mod lock;
pub(super) mod merge;
pub(super) mod noop;
pub(super) mod pace;
pub(super) mod state;
pub(super) mod stop;
pub(super) mod switch;
pub(super) mod wait;
pub(super) mod watch;
pub(super) mod workflow;

mod joined;
