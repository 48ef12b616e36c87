//! `a2n-tui`: says that this version has no terminal client yet.

use std::io::Write;
use std::process::ExitCode;

/// Tells `a2n`, which then shows an overview of its own (EX_UNAVAILABLE).
const NOT_HERE: u8 = 69;

fn main() -> ExitCode {
    if std::env::var_os("A2N_FROM").is_none() {
        // With nobody to read it there is nobody to tell either.
        let _ = writeln!(
            std::io::stderr(),
            "a2n-tui: this version has no terminal client yet\n  `a2n` shows what runs and what is due"
        );
    }
    ExitCode::from(NOT_HERE)
}
