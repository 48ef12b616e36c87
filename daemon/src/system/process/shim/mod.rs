//! The shim: a small process that stands between the daemon and one step.
//!
//! ```text
//! a2nd ──order──► a2n-shim ──fork, exec──► the step ──► whatever it starts
//!      ◄─reports──          ◄─reaps all, also what left its session or lost its parent─
//! ```
//! It makes itself the reaper of everything below it, so that nothing a step starts gets out of
//! its sight: a stop, a time-out or the daemon's own end reach double forks and new sessions too.
//! It is single-threaded, waits in `poll`, and ends when nothing of the step is left.

mod holder;
mod leader;
pub(super) mod tree;
pub(super) mod words;

use std::io;
use std::process::ExitCode;

/// All of `a2n-shim`: it holds the step that is ordered on its standard input.
pub fn main() -> ExitCode {
    match holder::hold() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(70)
        }
    }
}

#[expect(clippy::print_stderr, reason = "the step has not started; who started this one hears it")]
fn complain(error: &io::Error) {
    eprintln!("a2n-shim: {error} (it is started by a2nd, not by hand)");
}
