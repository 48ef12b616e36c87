//! The socket: one dispatcher behind three ways in, told apart by the first byte.
//!
//! `server` accepts; `http`, `stream` and `dialogue` carry frames, and `pace` cuts off who stops in the
//! middle of one; `dispatcher` asks the bodies that `registry` holds; `subscription` is what a subscription sends with. Bodies stand one file per namespace and
//! decide nothing: who, check, ask, answer.

mod caller;
mod context;
mod dialogue;
mod dispatcher;
mod envelope;
mod framing;
mod http;
mod http_stream;
mod limits;
mod once;
mod pace;
mod registry;
mod server;
mod session;
mod stream;
mod subscription;

pub mod methods;
pub mod openrpc;

#[cfg(test)]
mod tests;

pub use caller::{Call, Identify, Identity, Way};
pub use context::Context;
pub use dispatcher::{Counts, Dispatcher, Observer};
pub use limits::Limits;
pub use once::Turns;
pub use registry::Registry;
pub use server::{Pages, Probe, Server};
pub use subscription::{Ended, MAX_ITEM_BYTES, MAX_ITEMS, Sink, Stopped};
