//! The desk: who answers the requests of executions. One file per variant of
//! [`Request`](crate::engine::request::Request).
//!
//! Every answer goes back to the driver like the end of an attempt. A request is asked again after
//! every start, so each file says how its answer stays the same.

mod approval;
mod asking;
mod child;
mod debounce;
mod emit;
mod events;
mod failed;
mod lock;
mod locks;
mod looking;
mod looks;
mod once;
mod shared;
mod throttle;

pub(super) use asking::{Asked, Desk};
pub(super) use child::{child_of, reply_of};
pub(super) use once::asker;
