//! The binary is there and speaks; having this test is also what makes cargo build it for the
//! stories in `tests/e2e`.

use std::process::{Command, Output};

fn a2nd(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_a2nd")).args(args).env_clear().output().expect("a2nd runs")
}

#[test]
fn it_says_its_version() {
    let output = a2nd(&["--version"]);
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        concat!("a2nd ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn its_help_names_every_option_and_a_wrong_one_is_a_usage_error() {
    let help = a2nd(&["--help"]);
    assert!(help.status.success());
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    for option in ["--user", "--system", "--config", "--data-dir", "--socket", "--check-config"] {
        assert!(text.contains(option), "{option} is missing in\n{text}");
    }
    let wrong = a2nd(&["--sistem"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("--system"), "{wrong:?}");
}

#[test]
fn the_shim_is_started_by_the_daemon_only() {
    let shim = env!("CARGO_BIN_EXE_a2n-shim");
    let output = Command::new(shim).stdin(std::process::Stdio::null()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(70));
    assert!(String::from_utf8_lossy(&output.stderr).contains("started by a2nd"), "{output:?}");
}
