//! What steps print and what the daemon says of itself: append-only segments beside the store, so
//! that a gigabyte of output never touches it and dropping old lines is dropping files.
//!
//! A [`lane`](Lane) is one folder of segments with one writer thread; [`LogStore`] puts typed lines
//! of executions over one, [`SystemLogs`] the daemon's own records over another. Invariants: a line
//! is shown only after it is in its segment; its seq is never given to another line, not even after
//! a power cut; lines are masked before they are written.

mod error;
mod follow;
mod lane;
mod last_run;
mod line;
mod mask;
mod query;
mod store;
mod system;
#[cfg(test)]
mod tests;
mod watch;
mod work;

pub use a2n_segment::{Disk, Expired, Folder, Report, Totals};
pub use error::Error;
pub use follow::{Batch, Follow};
pub use lane::{Lane, Options};
pub(crate) use line::read_strange;
pub use line::{LINE_BYTES, NewLine};
pub use mask::Masks;
pub use query::{Found, Of, Query};
pub use store::LogStore;
pub use system::{NewRecord, SystemLogs, SystemQuery};
pub use watch::Watch;
