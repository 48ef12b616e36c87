//! Looking after the daemon itself: settings, health, metrics, retention.

pub mod health;
pub mod logbook;
pub mod metrics;
pub mod retention;
pub mod settings;
pub mod sweeper;
