//! The driving half of the engine: it brings inputs to the pure half, commits what comes of them, and
//! does the effects. The way of an execution: start, driver, persist, runner, and back to the driver.

pub mod driver;
pub mod handle;
pub mod inbox;
pub mod packed;
pub mod plans;
pub mod recover;
pub mod safe_mode;
pub mod start;
pub mod stuck;
pub mod trial;

mod alarm;
mod desk;
mod live;
mod parked;
mod persist;
mod places;
mod rates;
mod runner;
mod slots;
mod timers;

pub use places::Rule;
