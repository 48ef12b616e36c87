//! `a2n-tui`: says that this version has no terminal client yet.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    // With nobody to read it there is nobody to tell either.
    let _ = writeln!(
        std::io::stderr(),
        "a2n-tui: this version has no terminal client yet\n  `a2n` alone shows what runs and what is due"
    );
    ExitCode::from(2)
}
