//! Node definitions: what a step can be. Every file below `flow/ data/ process/ network/ files/` is
//! one definition with its parts in the same order; [`Registry`] lists them, one line each.
//!
//! A definition sees the world only through its [`Context`], never the store. The engine knows them
//! as [`crate::engine::kind::Kinds`], the runner as [`crate::engine::job::Executor`].

mod attached;
mod config;
mod context;
mod definition;
mod executor;
mod registry;
mod schema;
mod settings;

mod data;
mod files;
mod flow;
mod network;
mod process;

#[cfg(test)]
mod bench;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod sweep_items_tests;
#[cfg(test)]
mod sweep_tests;

pub use context::Context;
pub use definition::{CarryOut, Definition, Fault};
pub use executor::Nodes;
pub use registry::Registry;
pub use settings::Settings;

/// Removes the folders of attempts that ended with the daemon; before the first of a new one.
pub async fn remove_left_folders(system: &crate::system::System, steps_folder: &std::path::Path) {
    process::folders::remove_left_folders(system, steps_folder).await;
}
