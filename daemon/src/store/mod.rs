//! The embedded store: one writer with group commit, snapshots for readers, a numbered feed of
//! changes, an audit chain, and history files beside the live state.
//!
//! Everything below `operations` and `rpc` keeps its data here. A write is a closure over [`Tx`],
//! handed to the writer's thread and answered after the commit that holds it; a read is a function
//! of an entity's file over a [`Snapshot`]. The store reads no clock and makes no ids: both come in.

mod codec;
mod error;
mod handle;
mod keys;
mod lanes;
mod meta;
mod open;
mod read;
mod rows;
mod schema;
mod shared;
mod tally;
mod tx;
mod writer;

pub mod account;
pub mod app_setting;
pub mod audit;
pub mod event;
pub mod execution;
pub mod execution_approval;
pub mod execution_failed;
pub mod execution_metrics;
pub mod execution_reply;
pub mod execution_schedule;
pub mod feed;
pub mod health_check;
pub mod history;
pub mod idempotency;
pub mod logs;
pub mod migrations;
pub mod shared_value;
pub mod strange;
pub mod system_notification;
pub mod tombstone;
pub mod user;
pub mod verify;
pub mod view;
pub mod workflow;
pub mod workflow_comment;
pub mod workflow_share;
pub mod workflow_trigger;
pub mod workflow_version;

pub use error::Error;
pub use feed::{Feed, FeedRead};
pub use handle::{Health, Store};
pub use keys::{Key, KeyRange, KeyReader};
pub use meta::Identity;
pub use open::{Drive, Limits, Observer, OpenError, Options};
pub use read::{Quarantine, Read, See, SeeRow, Snapshot};
pub use rows::{Page, Paging};
pub use schema::{SCHEMA, TABLES, Table};
pub use shared::Size;
pub use tally::Counters;
pub use tx::{Origin, Tx};
pub use view::{Caller, View};
pub use writer::Write;

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod list_tests;
#[cfg(test)]
mod open_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod torture_tests;
#[cfg(test)]
mod view_tests;
