//! `a2n-shim`: holds one step for the daemon. Started by `a2nd`, never by hand.

use std::process::ExitCode;

fn main() -> ExitCode {
    a2n_daemon::system::process::shim::main()
}
