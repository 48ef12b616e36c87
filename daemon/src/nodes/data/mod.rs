//! Definitions that change, choose or order items.

pub(super) mod aggregate;
pub(super) mod dedupe;
pub(super) mod filter;
pub(super) mod limit;
pub(super) mod set;
pub(super) mod sort;
pub(super) mod split;

pub(super) mod bound;
pub(super) mod members;
pub(super) mod order;
pub(super) mod path;

mod measure;
mod number;
