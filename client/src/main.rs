//! The `a2n` command.
//!
//! `cli` holds one file per command; what they stand on is the library beside it.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(cli::main().code())
}
