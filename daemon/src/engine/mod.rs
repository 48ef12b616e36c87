//! Runs executions. The pure half (plan, expression, execution, input, effect, step, retry) decides
//! and imports only proto and itself; the driving half (driver, runner, recover) commits and acts.

pub mod job;
pub mod kind;
