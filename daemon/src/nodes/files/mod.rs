//! Definitions that read and write files.

pub(super) mod file;
