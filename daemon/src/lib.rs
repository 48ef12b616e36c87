//! `a2nd`: keeps every A2N entity in an embedded store and runs triggers, schedules and executions.
//!
//! The modules stand in the order of who may import whom: each may use those above it and none
//! below (`tests/tidy` reads the `use` lines and checks).

pub mod system;

pub mod tasks;

pub mod store;

pub mod access;

pub mod engine;

pub mod nodes;

pub mod triggers;

pub mod workflows;

pub mod operations;

mod error;

pub mod rpc;

pub mod config;

pub mod app;
