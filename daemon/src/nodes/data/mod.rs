//! Definitions that change or choose items.

pub(super) mod filter;
pub(super) mod members;
pub(super) mod set;
