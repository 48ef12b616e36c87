//! Every tunable of the daemon: declared once in `table`, read by its constant, changed live where
//! it can be.
//!
//! A value comes from the environment, else the configuration file, else the store, else its
//! default. `app` makes the one [`Settings`] from the first two, hands the store's rows in, and
//! `rpc` applies each committed change. Invariant: what [`Settings::get`] answers passed its
//! declaration's check; a setting that needs a restart keeps the value it had at the start.

mod declare;
#[cfg(test)]
mod docs;
mod layers;
mod rows;
pub mod table;

pub use declare::{Declaration, Kind, Setting, Value};
pub use layers::{Fault, Layers, Settings, Source, Watch};
pub use table::ALL;
