//! What starts executions: schedules and manual starts (webhooks and events come with their own
//! files). `app` drives [`service`]; everything that decides is pure and takes its time as an
//! argument. Invariant: one due instant starts one execution, never two.

mod nearest;

mod planner;
pub mod schedule;

pub use nearest::nearest;
pub use planner::{Armed, Due, Planner, upcoming};
