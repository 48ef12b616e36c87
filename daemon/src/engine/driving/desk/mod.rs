//! The desk: who answers the requests of executions. One file per variant of
//! [`Request`](crate::engine::request::Request).
//!
//! Every answer goes back to the driver like the end of an attempt. A request is asked again after
//! every start, so each file says how its answer stays the same.

mod approval;
mod asking;
mod emit;
mod events;
mod once;
mod shared;

pub(super) use asking::{Asked, Desk};
pub(super) use once::asker;
