//! What the figures were measured on, and what a process has used.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::unistd::{Pid, SysconfVar, sysconf};

/// Machine, date and command, in a sentence.
pub(crate) fn describe() -> String {
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".into());
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib >> 20);
    let said = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let date = said("date", &["-u", "+%F %H:%M UTC"]).unwrap_or_default();
    let kernel = said("uname", &["-sr"]).unwrap_or_default();
    let revision = said("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_default();
    let folder = std::env::temp_dir();
    let disk = said("stat", &["-f", "-c", "%T", &folder.display().to_string()]).unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!(
        "`just bench` on {date} at revision {revision}: {cores} cores of {cpu}, {memory} GiB, \
         {kernel}, {disk} below {}; the load average at its end was {load}.",
        folder.display()
    )
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Processor time that a process has used.
pub(crate) fn cpu(pid: Pid) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, after) = stat.rsplit_once(") ").context("stat")?;
    let ticks: u64 =
        after.split(' ').skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum();
    let per_second = sysconf(SysconfVar::CLK_TCK)?.context("ticks a second")?;
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

/// Memory of a process that is resident, in MiB.
pub(crate) fn resident(pid: Pid) -> Result<f64> {
    let text = field(&format!("/proc/{pid}/status"), "VmRSS").context("VmRSS")?;
    let kib: f64 = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(kib / 1024.0)
}

/// How often the threads of a process were put on a processor so far.
pub(crate) fn switches(pid: Pid) -> Result<u64> {
    let mut all = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("status"))?;
        let counts = text.lines().filter(|line| line.contains("ctxt_switches"));
        all += counts.filter_map(|line| line.rsplit_once('\t')?.1.parse::<u64>().ok()).sum::<u64>();
    }
    Ok(all)
}
