//! Runs executions. The pure half (plan, expression, execution, input, effect, step, retry) decides
//! and imports only proto and itself; the driving half (start, driver, runner, persist, recover, live,
//! handle) commits and acts.

pub mod check;
pub mod driver;
pub mod effect;
pub mod execution;
pub mod expression;
pub mod fact;
pub mod graph;
pub mod handle;
pub mod input;
pub mod items;
pub mod job;
pub mod kind;
pub mod language;
pub mod persist;
pub mod plan;
pub mod plans;
pub mod recover;
pub mod retry;
pub mod scan;
pub mod scope;
pub mod start;
pub mod step;
pub mod view;

mod alarm;
mod live;
mod runner;
mod timers;
mod value;

#[cfg(test)]
pub(crate) mod scenario;
#[cfg(test)]
mod tests;
