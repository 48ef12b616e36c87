//! How many files and connections the process may have open at once.
//!
//! The usual soft limit (1024) is for programs that use `select`; we do not. So it is raised at the
//! start, and steps get the old one back: they may be such programs.

use std::io;
use std::sync::OnceLock;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// More than this helps nobody, and a hard limit may be without end.
const MOST: u64 = 1 << 20;

/// The soft limit that the process was started with.
static BEFORE: OnceLock<u64> = OnceLock::new();

/// Raises the limit as far as the system lets us, and answers it.
pub fn raise() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let _ = BEFORE.set(soft);
    let wanted = hard.min(MOST).max(soft);
    if wanted > soft && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_err() {
        return Ok(soft);
    }
    Ok(wanted)
}

/// The soft limit before the raise, which steps get back; 0 where nothing was raised.
pub(super) fn before() -> u64 {
    BEFORE.get().copied().unwrap_or(0)
}
