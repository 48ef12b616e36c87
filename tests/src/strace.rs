//! Failures of the system's calls, made by `strace -e inject` on the real daemon.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What is to fail.
#[derive(Debug, Clone)]
pub struct Fault {
    /// System calls, separated by commas.
    pub calls: &'static str,
    /// The error, as `ENOSPC`.
    pub error: &'static str,
    /// Which ones, counted in each thread, as strace says it (`7`, `7+`); all where empty.
    pub when: String,
    /// Only calls on this file; on any where none is given.
    pub path: Option<PathBuf>,
}

impl Fault {
    fn arguments(&self, log: &Path) -> Vec<String> {
        let Self { calls, error, when, path } = self;
        let mut words = vec!["-f".to_owned(), "-e".into(), "signal=none".into(), "-o".into()];
        words.push(log.display().to_string());
        if let Some(path) = path {
            words.extend(["-P".to_owned(), path.display().to_string()]);
        }
        let when = if when.is_empty() { String::new() } else { format!(":when={when}") };
        words.extend(["-e".to_owned(), format!("trace={calls}")]);
        words.extend(["-e".to_owned(), format!("inject={calls}:error={error}{when}")]);
        words
    }

    /// The words that start a command with this fault: for a world's `within`. strace stands
    /// aside, so the process id is the command's. What it sees goes to `log`.
    pub fn within(&self, log: &Path) -> Vec<String> {
        let first = ["strace", "-D", "-qq"].map(str::to_owned);
        [&first[..], &self.arguments(log)[..]].concat()
    }

    /// The same for a process that runs already, until what is answered goes away.
    pub fn strike(&self, pid: Pid, log: &Path) -> Result<Striking> {
        let mut tracer = Command::new("strace")
            .args(self.arguments(log))
            .args(["-p", &pid.to_string()])
            .stderr(Stdio::piped())
            .spawn()?;
        let mut said = String::new();
        let mut reader = BufReader::new(tracer.stderr.take().expect("piped"));
        while !said.contains("attached") {
            if reader.read_line(&mut said)? == 0 {
                bail!("strace did not attach: {said}");
            }
        }
        Ok(Striking { tracer, _said: reader })
    }
}

/// A fault that goes on until this is dropped.
#[derive(Debug)]
pub struct Striking {
    tracer: Child,
    /// Kept open: strace has more to say.
    _said: BufReader<std::process::ChildStderr>,
}

impl Drop for Striking {
    fn drop(&mut self) {
        // Asked, strace lets go of the process and leaves it running.
        if let Ok(pid) = i32::try_from(self.tracer.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
        }
        let _ = self.tracer.wait();
    }
}

/// How many calls failed by our doing, as a log of strace says.
pub fn injected(log: &Path) -> usize {
    std::fs::read_to_string(log).unwrap_or_default().matches("(INJECTED)").count()
}

/// Whether strace is here and may trace.
pub fn is_there() -> bool {
    let tried = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=none", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}
