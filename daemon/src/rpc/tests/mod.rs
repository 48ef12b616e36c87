//! The socket from outside: a real server on a real path, and small clients of the three ways.
//!
//! The clients are written by hand, so that they can also say what no library would let them say.

mod bad_input;
mod conformance;
mod contract;
mod interop;
mod limits;
mod quick;
mod stopping;
mod subscriptions;
mod unfinished;
mod world;
