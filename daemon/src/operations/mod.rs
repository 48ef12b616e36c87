//! Settings, health, metrics and the daemon's own log.
