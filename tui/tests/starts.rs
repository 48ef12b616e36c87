//! The binary is there and says honestly what it can't do yet.

use std::process::Command;

#[test]
fn it_points_to_the_command() {
    let output = Command::new(env!("CARGO_BIN_EXE_a2n-tui")).output().expect("a2n-tui runs");
    assert_eq!(output.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&output.stderr).contains("a2n"), "{output:?}");
}
