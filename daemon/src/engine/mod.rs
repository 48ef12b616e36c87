//! Runs executions. What stands in this folder is pure: plan, expression, execution, input, step,
//! retry decide, and import only proto and themselves. `driving/` commits and acts.

pub mod approval;
pub mod check;
pub mod driving;
pub mod effect;
pub mod execution;
pub mod expression;
pub mod fact;
#[cfg(debug_assertions)]
pub mod fail_point;
pub mod graph;
pub mod input;
pub mod items;
pub mod job;
pub mod kind;
pub mod language;
pub mod plan;
pub mod regions;
pub mod request;
pub mod retry;
pub mod scan;
pub mod scope;
pub mod steering;
pub mod step;
pub mod view;

mod builtins;
mod code;
mod filters;
mod guards;
mod limits;
mod lists;
mod operators;
mod statements;
mod value;
mod weight;
mod wiring;

#[cfg(test)]
pub(crate) mod scenario;
#[cfg(test)]
mod tests;
