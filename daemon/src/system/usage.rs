//! What this process uses and what its disk has left: read when somebody asks, never watched.

use std::io;
use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::statvfs::statvfs;

/// What this process uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time since its start, in user and kernel.
    pub cpu: Duration,
    /// Resident memory.
    pub memory_bytes: u64,
    /// Open file descriptors.
    pub descriptors: u64,
}

/// Room on the file system of a path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Space {
    /// What we may still use.
    pub free_bytes: u64,
    /// All of it.
    pub total_bytes: u64,
}

/// What this process uses now; parts that can't be read are zero.
pub fn usage() -> Usage {
    let cpu = getrusage(UsageWho::RUSAGE_SELF)
        .map(|used| time(used.user_time()) + time(used.system_time()))
        .unwrap_or_default();
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_ascii_whitespace().nth(1)?.parse::<u64>().ok())
        .unwrap_or(0);
    // Reading the folder opens one descriptor itself.
    let descriptors = std::fs::read_dir("/proc/self/fd")
        .map_or(0, |list| u64::try_from(list.count().saturating_sub(1)).unwrap_or(0));
    Usage { cpu, memory_bytes: pages * page_size(), descriptors }
}

/// Room on the file system that holds `path`.
pub fn space(path: &Path) -> io::Result<Space> {
    let found = statvfs(path)?;
    let block = found.fragment_size();
    Ok(Space {
        free_bytes: found.blocks_available().saturating_mul(block),
        total_bytes: found.blocks().saturating_mul(block),
    })
}

fn page_size() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|size| u64::try_from(size).ok())
        .unwrap_or(4096)
}

fn time(value: nix::sys::time::TimeVal) -> Duration {
    let seconds = u64::try_from(value.tv_sec()).unwrap_or(0);
    let micros = u64::try_from(value.tv_usec()).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_uses_something_and_its_disk_has_a_size() {
        let used = usage();
        assert!(used.memory_bytes > 100_000 && used.descriptors >= 3, "{used:?}");
        let room = space(Path::new("/")).unwrap();
        assert!(room.total_bytes > 0 && room.free_bytes <= room.total_bytes, "{room:?}");
    }
}
