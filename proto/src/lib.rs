//! The words both ends of the A2N socket speak.
//!
//! No I/O, no clock, no logging: types, their text and binary forms, and the RPC contract.
//! Everything here serialises as JSON with camelCase members, and (except [`document`]) also
//! through formats that do not describe themselves, because the store keeps the same types.
//! So: no `flatten`, no `tag`, no `untagged`, no `skip_serializing_if` in an entity.

pub mod api;
mod attachment;
mod change;
pub mod document;
pub mod entity;
mod error;
mod ids;
pub mod json;
pub mod merge_patch;
mod nearest;
pub mod secret_mask;
mod time;

pub mod credentials;
pub mod event;
pub mod execution;
pub mod identity;
pub mod nodes;
pub mod system;
pub mod workflow;

pub use attachment::{Attachment, ContentHash};
pub use change::{Change, ChangeKind};
pub use entity::Entity;
pub use error::{ErrorKind, Problem, RpcError, Severity};
pub use ids::*;
pub use json::Json;
pub use nearest::nearest;
pub use time::Timestamp;

/// The version of the conversation on the socket; `system.info` answers it.
pub const PROTOCOL: u32 = 1;
