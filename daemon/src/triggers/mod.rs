//! What starts executions: schedules and manual starts (of webhooks and events only the
//! configuration is known yet). `app` drives [`service`]; everything that decides is pure and takes its time as an
//! argument. Invariant: one due instant starts one execution, never two.

pub mod event;
mod keeper;
pub mod ledger;
mod length;
pub mod manual;
mod nearest;
mod planner;
pub mod schedule;
pub mod service;
mod starts;
mod unarmed;
pub mod webhook;

pub use nearest::nearest;
pub use planner::{Armed, Due, Planner, upcoming};
pub use starts::{Plan, StartError, Started, Starts};
pub use unarmed::{NOT_ARMED, arm_error, why_never};
