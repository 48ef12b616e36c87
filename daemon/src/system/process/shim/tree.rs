//! Everything below a process, as /proc shows it now.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process that was seen.
#[derive(Debug, Clone, Copy)]
struct Seen {
    pid: i32,
    parent: i32,
    /// Clock ticks after the machine's start: with the number, a name nobody else ever has.
    started: u64,
    is_zombie: bool,
}

/// Sends `signal` to everything below `root`.
pub(super) fn signal(root: Pid, signal: Signal) {
    for process in below(root.as_raw()) {
        send(&process, signal);
    }
}

/// All living processes below `root`, parents before their children.
fn below(root: i32) -> Vec<Seen> {
    let mut children: BTreeMap<i32, Vec<Seen>> = BTreeMap::new();
    for seen in all() {
        children.entry(seen.parent).or_default().push(seen);
    }
    let mut found = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            parents.push(child.pid);
            if !child.is_zombie {
                found.push(child);
            }
        }
    }
    found
}

fn all() -> Vec<Seen> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(look)
        .collect()
}

/// None where there is no such process any more.
fn look(pid: i32) -> Option<Seen> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // The name in parentheses may hold anything, also spaces and parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let is_zombie = matches!(fields.next()?, "Z" | "X");
    let parent = fields.next()?.parse().ok()?;
    // The 22nd field of all; the state was the third.
    let started = fields.nth(17)?.parse().ok()?;
    Some(Seen { pid, parent, started, is_zombie })
}

/// Signals by descriptor, so that a number given to somebody else meanwhile is never hit.
fn send(process: &Seen, signal: Signal) {
    match open(process.pid) {
        Ok(descriptor) => {
            if look(process.pid).is_some_and(|now| now.started == process.started) {
                #[expect(unsafe_code, reason = "nix has no pidfd_send_signal")]
                // SAFETY: the descriptor is open; no information goes along with the signal.
                let _gone = unsafe {
                    let info = std::ptr::null::<libc::siginfo_t>();
                    let fd = descriptor.as_raw_fd();
                    libc::syscall(libc::SYS_pidfd_send_signal, fd, signal as i32, info, 0)
                };
            }
        }
        // A kernel before 5.3.
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {
            let _gone = kill(Pid::from_raw(process.pid), signal);
        }
        Err(_gone) => {}
    }
}

/// A descriptor of the process, readable when it has ended.
pub(in crate::system::process) fn open(pid: i32) -> io::Result<OwnedFd> {
    #[expect(unsafe_code, reason = "nix has no pidfd_open")]
    // SAFETY: the call takes two numbers and gives a new descriptor that nobody else owns.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = i32::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}
