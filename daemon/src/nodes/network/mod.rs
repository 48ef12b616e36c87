//! Definitions that speak to other machines.

pub(super) mod answer;
pub(super) mod base64;
pub(super) mod http;
pub(super) mod target;
