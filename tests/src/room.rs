//! A file system of its own for a daemon: a small `tmpfs` in a mount namespace that needs no root.
//!
//! The room outlives the daemons in it, so what they stored can be looked at by the next one. It
//! ends with its holder, a process that waits for the end of its input.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// A mounted room.
#[derive(Debug)]
pub struct Room {
    holder: Child,
}

impl Room {
    /// Mounts `size` (as mount says it: `64m`) on `folder`, which must be there; `None` where this
    /// machine gives no namespaces to ordinary users.
    pub fn mount(folder: &Path, size: &str) -> Result<Option<Self>> {
        let probe = Command::new("unshare").args(["-rm", "true"]).output();
        if !probe.is_ok_and(|probe| probe.status.success()) {
            return Ok(None);
        }
        let script = "mount -t tmpfs -o size=$0,mode=0700 tmpfs \"$1\" && echo mounted && exec cat";
        let mut holder = Command::new("unshare")
            .args(["-rm", "sh", "-c", script, size])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = String::new();
        let output = holder.stdout.take().context("piped")?;
        BufReader::new(output).read_line(&mut said)?;
        ensure!(said == "mounted\n", "the room was not mounted");
        Ok(Some(Self { holder }))
    }

    /// The words that put a command into the room: for a world's `within`.
    pub fn within(&self) -> Vec<String> {
        let target = self.holder.id().to_string();
        ["nsenter", "-t", &target, "-U", "-m", "--preserve-credentials", "--"]
            .map(str::to_owned)
            .into()
    }

    /// Runs a shell script in the room, which must end well.
    pub fn run(&self, script: &str, arguments: &[&Path]) -> Result<String> {
        let within = self.within();
        let output = Command::new(&within[0])
            .args(&within[1..])
            .args(["sh", "-c", script, "sh"])
            .args(arguments)
            .output()?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "`{script}`: {told}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
