//! What a process uses, as the kernel counts it.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::unistd::Pid;

/// Resident memory now.
pub fn resident_bytes(pid: Pid) -> Result<u64> {
    kib_of(pid, "VmRSS:")
}

/// The most resident memory it ever had.
pub fn most_resident_bytes(pid: Pid) -> Result<u64> {
    kib_of(pid, "VmHWM:")
}

/// Open file descriptors.
pub fn descriptors(pid: Pid) -> Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd")).context("the daemon's descriptors")?.count())
}

/// Processor time since its start, user and kernel together.
pub fn cpu(pid: Pid) -> Result<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may hold blanks; what follows its closing bracket does not.
    let (_, rest) = text.rsplit_once(')').context("no name in stat")?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|field| field.parse::<u64>().ok());
    let (user, system) = ticks().zip(ticks()).context("no times in stat")?;
    // The kernel shows a hundred ticks a second to programs on every architecture we run on.
    Ok(Duration::from_millis((user + system) * 10))
}

fn kib_of(pid: Pid, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    let kib = line.trim().trim_end_matches(" kB").parse::<u64>()?;
    Ok(kib * 1024)
}
