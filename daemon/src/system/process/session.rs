//! Everything in one session: found through /proc, signalled together, waited for without polling.
//!
//! A session's number is not given to anyone else while its leader is not reaped or a member lives,
//! so signals by number are safe until the keeper reaps the leader.

use std::fs;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::system::ready;

/// Rounds of KILL before giving up on processes that hang in the kernel.
const ROUNDS: usize = 20;

/// A session and process group that a leader of ours opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session(pub(super) Pid);

impl Session {
    /// Sends `signal` to all.
    pub(super) fn signal(self, signal: Signal) {
        let _gone = killpg(self.0, signal);
        for member in self.members() {
            if member.group != self.0.as_raw() {
                let _gone = kill(Pid::from_raw(member.pid), signal);
            }
        }
    }
    /// Whether anyone but the leader still runs in it.
    pub(super) fn has_others(self) -> bool {
        self.members().iter().any(|m| m.pid != self.0.as_raw())
    }
    /// Kills all until nobody is left.
    pub(super) async fn kill(self) {
        for _ in 0..ROUNDS {
            if self.members().is_empty() {
                return;
            }
            self.signal(Signal::SIGKILL);
            self.until_empty(Duration::from_millis(250)).await;
        }
        tracing::warn!(session = self.0.as_raw(), "processes could not be killed");
    }
    /// Waits until nobody runs in it, but no longer than `at_most`.
    pub(super) async fn until_empty(self, at_most: Duration) {
        let all_gone = async {
            loop {
                let members = self.members();
                if members.is_empty() {
                    return;
                }
                for member in members {
                    if let Ok(process) = open(member.pid).and_then(ready::watch) {
                        // Its number may be another's by now; then it is not in the session.
                        if self.members().iter().any(|m| m.pid == member.pid) {
                            let _ended = process.readable().await;
                        }
                    } else {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            }
        };
        let _in_time = tokio::time::timeout(at_most, all_gone).await;
    }
    fn members(self) -> Vec<Member> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(Member::read)
            .filter(|m| m.session == self.0.as_raw())
            .collect()
    }
}

struct Member {
    pid: i32,
    group: i32,
    session: i32,
}

impl Member {
    /// None where the process is gone or only waits to be reaped.
    fn read(pid: i32) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat);
        // The name in parentheses may hold anything, also spaces and parentheses.
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?;
        let _parent = fields.next()?;
        let group = fields.next()?.parse().ok()?;
        let session = fields.next()?.parse().ok()?;
        (!matches!(state, "Z" | "X")).then_some(Self { pid, group, session })
    }
}

/// A descriptor of the process, readable when it has ended.
pub(super) fn open(pid: i32) -> io::Result<OwnedFd> {
    #[expect(unsafe_code, reason = "nix has no pidfd_open")]
    // SAFETY: the call takes two numbers and gives a new descriptor that nobody else owns.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = i32::try_from(fd).map_err(|_| io::Error::from(Errno::EBADF))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}
