//! The contract of the socket: one plain type per method, one list of them all.
//!
//! Server, client, OpenRPC document, docs and the policy table walk [`all`]. To add a method: a
//! type in the file of its namespace, and its line in `list.rs`.

mod access;
mod filter;
mod list;
mod method;
mod notice;
mod page;
mod which;

pub mod account;
pub mod app_setting;
pub mod audit_log;
pub mod auth;
pub mod event;
pub mod execution;
pub mod execution_log;
pub mod execution_metrics;
pub mod execution_node_state;
pub mod execution_schedule;
pub mod node_definition;
pub mod rpc;
pub mod system;
pub mod system_log;
pub mod user;
pub mod workflow;
pub mod workflow_trigger;
pub mod workflow_version;

pub use access::Access;
pub use filter::{Match, MatchObject};
pub use list::{all, find};
pub use method::{Kind, Method, MethodInfo, Nothing, SchemaFn, Subscription, read_params};
pub use notice::{End, Gap, Notice, SubscriptionId, Unsubscribed, Unsubscription};
pub use page::{Deleted, List, Page, Sort};
pub use which::Which;
