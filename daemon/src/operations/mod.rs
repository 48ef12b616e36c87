//! Looking after the daemon itself: settings, health, metrics, retention, statistics.

pub mod settings;
