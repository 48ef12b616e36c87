//! Reading on as lines come: what a subscription is made of.

use a2n_proto::execution::ExecutionLog;

use super::error::Error;
use super::query::Lines;
use super::watch::Watch;

/// Lines that a follower has not had, with the place behind them.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// In order; at most as many as asked for.
    pub items: Vec<ExecutionLog>,
    /// Goes on behind them, also after a restart of the daemon.
    pub cursor: String,
    /// The first and the last segment that the cursor named and that retention has taken.
    pub gap: Option<(u64, u64)>,
}

/// Goes through the lines there are and then waits for more. Nothing is lost between reading and
/// waiting: a line that is written in between ends the wait at once.
#[derive(Debug)]
pub struct Follow {
    lines: Lines,
    watch: Watch,
}

impl Follow {
    pub(super) fn new(lines: Lines, watch: Watch) -> Self {
        Self { lines, watch }
    }
    /// The next lines that are there, at most `limit`; empty where there are none now. Reads files.
    pub fn read(&mut self, limit: usize) -> Result<Batch, Error> {
        let found = self.lines.page(limit)?;
        Ok(Batch { items: found.items, cursor: found.cursor, gap: found.gap })
    }
    /// Waits until there may be more. Safe to drop and to call again. False when the log store is
    /// closed: no more will come.
    pub async fn changed(&mut self) -> bool {
        self.watch.changed().await
    }
}
