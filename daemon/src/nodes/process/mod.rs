//! Definitions that run processes.

pub(super) mod environment;
pub(super) mod folders;
mod hearing;
pub(super) mod lines;
pub(super) mod output;
pub(super) mod shell;
pub(super) mod table;
