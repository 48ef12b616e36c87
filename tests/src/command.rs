//! The `a2n` command as a person runs it: arguments in, output and exit code out.

use std::io::Write;
use std::process::{Output, Stdio};

use anyhow::{Result, bail};

use crate::daemon::World;

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code(),
        }
    }
}

/// Runs `a2n` with these arguments in a world.
pub fn a2n(world: &World, args: &[&str]) -> Result<Ran> {
    Ok(world.command("a2n").args(args).stdin(Stdio::null()).output()?.into())
}

/// The same with standard input.
pub fn a2n_with_input(world: &World, args: &[&str], input: &str) -> Result<Ran> {
    let mut child = world
        .command("a2n")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().expect("piped").write_all(input.as_bytes())?;
    Ok(child.wait_with_output()?.into())
}

/// The same, which must end with 0; answers standard output.
pub fn a2n_ok(world: &World, args: &[&str]) -> Result<String> {
    let ran = a2n(world, args)?;
    if ran.code != Some(0) {
        bail!("a2n {args:?} ended with {:?}\n{}{}", ran.code, ran.stdout, ran.stderr);
    }
    Ok(ran.stdout)
}
