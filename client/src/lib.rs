//! A client of the A2N daemon: find its socket, call its methods, follow its feeds.
//!
//! [`connect::Place`] says where the daemon is, [`Session`] is the conversation with it,
//! [`feed::Feed`] a subscription that survives a restart, [`SafeText`] what a terminal may be
//! shown. The `a2n` command and the terminal client stand on this.

pub mod connect;
mod error;
pub mod feed;
mod mute;
pub mod safe_text;
mod session;

pub use error::{Error, Exit, Tried};
pub use mute::Tell;
pub use safe_text::SafeText;
pub use session::{Listening, Session};
