//! The methods' bodies, one thin file per namespace: who, check, ask, answer. They decide nothing.

mod account;
mod app_setting;
mod audit_log;
mod auth;
mod discover;
mod event;
mod execution;
mod execution_log;
mod execution_metrics;
mod execution_node_state;
mod execution_schedule;
mod node_definition;
mod system;
mod system_log;
mod user;
mod workflow;
mod workflow_trigger;
mod workflow_version;

use std::sync::Arc;

use super::{Context, Registry};

/// Every method of the contract with its body.
pub fn registry(context: Arc<Context>) -> Registry<Context> {
    let mut registry = Registry::new(context);
    account::register(&mut registry);
    app_setting::register(&mut registry);
    audit_log::register(&mut registry);
    auth::register(&mut registry);
    discover::register(&mut registry);
    event::register(&mut registry);
    execution::register(&mut registry);
    execution_log::register(&mut registry);
    execution_metrics::register(&mut registry);
    execution_node_state::register(&mut registry);
    execution_schedule::register(&mut registry);
    node_definition::register(&mut registry);
    system::register(&mut registry);
    system_log::register(&mut registry);
    user::register(&mut registry);
    workflow::register(&mut registry);
    workflow_trigger::register(&mut registry);
    workflow_version::register(&mut registry);
    registry
}

/// Work on a thread of its own panicked; the panic itself is in the daemon's log.
fn panicked(what: &str) -> a2n_proto::RpcError {
    let message = format!("reading {what} failed unexpectedly");
    a2n_proto::RpcError::new(a2n_proto::ErrorKind::Internal, message)
        .hint("the daemon's log has the reason: `a2n rpc systemLog.query`")
}
