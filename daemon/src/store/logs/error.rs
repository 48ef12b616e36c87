//! What can go wrong with logs.

use std::sync::Arc;

/// An error of the log store. Cheap to clone: many may wait for one sync.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The segments could not be read or written.
    #[error("the log segments failed")]
    Segments(#[source] Arc<a2n_segment::Error>),
    /// The file that remembers how the last run ended could not be read or written.
    #[error("the file `run` of the log folder failed")]
    Run(#[source] Arc<std::io::Error>),
    /// The operating system gave no thread.
    #[error("no thread for the log writer")]
    Thread(#[source] Arc<std::io::Error>),
    /// The disk refused lines of this execution since the last sync.
    #[error("{lines} log lines are lost or not durable: {why}")]
    Lost {
        /// How many.
        lines: u64,
        /// What the disk said.
        why: String,
    },
    /// Which executions go on could not be read, and after a power cut that has to be known.
    #[error("which executions go on is not known: {0}")]
    Live(String),
    /// The log store is closed.
    #[error("the log store is closed")]
    Closed,
    /// A cursor that was not made here.
    #[error("`{0}` is not a cursor of a log")]
    Cursor(String),
}

impl Error {
    /// Whether the disk (or a quota) is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Segments(e) if e.is_full())
    }
}

impl From<a2n_segment::Error> for Error {
    fn from(error: a2n_segment::Error) -> Self {
        Self::Segments(Arc::new(error))
    }
}
