//! What starts executions: schedules and manual starts (webhooks and events come with their own
//! files). `app` drives [`service`]; everything that decides is pure and takes its time as an
//! argument. Invariant: one due instant starts one execution, never two.

mod keeper;
pub mod ledger;
pub mod manual;
mod nearest;
mod planner;
pub mod schedule;
pub mod service;
mod starts;

pub use nearest::nearest;
pub use planner::{Armed, Due, Planner, upcoming};
pub use starts::{Plan, StartError, Started, Starts};
