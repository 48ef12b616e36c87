//! The built command starts. (Only a package with an integration test gets its binaries built by
//! `cargo test`.)

use std::process::Command;

fn a2n(args: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_a2n")).args(args).output().expect("a2n runs")
}

#[test]
fn version_and_help_are_there() {
    let version = a2n(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(
        String::from_utf8_lossy(&version.stdout),
        concat!("a2n ", env!("CARGO_PKG_VERSION"), "\n")
    );
    let help = a2n(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("quickstart"));
}

#[test]
fn exit_codes_are_those_of_the_contract() {
    assert_eq!(a2n(&["--no-such-option"]).status.code(), Some(2));
    assert_eq!(a2n(&["nosuchcommand"]).status.code(), Some(2));
}
