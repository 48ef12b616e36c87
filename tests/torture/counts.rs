//! How often: the one place that says how much torture there is, and how to ask for more.
//!
//! `A2N_TORTURE=short` (what a plain `cargo test` does, in about a minute), `full` (`just torture`)
//! or `long` (`just torture-long`, for releases) chooses a column of the table; a variable named
//! after the row (`A2N_TORTURE_KILLS=50`) overrides one number. Times, memory and processor load
//! are always printed and, outside `short`, also held to their limits: a busy build machine must
//! not fail for its neighbours.

use std::fmt;
use std::io::Write;

/// One row: how often something is done.
#[derive(Debug)]
pub(crate) struct Count {
    name: &'static str,
    short: usize,
    full: usize,
    long: usize,
}

const fn row(name: &'static str, short: usize, full: usize, long: usize) -> Count {
    Count { name, short, full, long }
}

/// `kill -9` of the daemon under load.
pub(crate) const KILLS: Count = row("KILLS", 8, 200, 1000);
/// SIGTERM of the daemon under load.
pub(crate) const STOPS: Count = row("STOPS", 3, 30, 200);
/// Calls of the system, counted from the daemon's start, that fail once, for each kind of failure.
pub(crate) const FAULTS: Count = row("FAULTS", 5, 150, 2000);
/// Clients against a limit of 64 descriptors.
pub(crate) const CROWD: Count = row("CROWD", 1000, 1000, 1000);
/// Executions that wait at the same time.
pub(crate) const QUEUED: Count = row("QUEUED", 2_000, 1_000_000, 1_000_000);
/// Clients that connect and vanish.
pub(crate) const VANISHING: Count = row("VANISHING", 2_000, 100_000, 100_000);
/// Clients at the same time.
pub(crate) const CLIENTS: Count = row("CLIENTS", 500, 10_000, 10_000);

impl Count {
    /// The number that was asked for.
    pub(crate) fn get(&self) -> usize {
        let own = std::env::var(format!("A2N_TORTURE_{}", self.name));
        if let Ok(text) = own {
            return text.parse().expect("a count is a whole number");
        }
        match std::env::var("A2N_TORTURE").as_deref() {
            Ok("full") => self.full,
            Ok("long") => self.long,
            Ok("short") | Err(_) => self.short,
            Ok(other) => panic!("A2N_TORTURE={other}: it is short, full or long"),
        }
    }
}

/// Whether limits of time, memory and load are held, beyond being printed.
pub(crate) fn is_strict() -> bool {
    matches!(std::env::var("A2N_TORTURE").as_deref(), Ok("full" | "long"))
}

/// Prints what a test reached, past the capture of output.
pub(crate) fn say(text: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "torture: {text}");
}
