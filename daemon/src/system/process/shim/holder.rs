//! The shim's one loop: it hears the daemon and the kernel, reaps, and kills when it must.
//!
//! ```text
//! running ──stop──► TERM ──grace──► KILL, again and again until nobody is left
//!    │ leader ended ──clean──► TERM ──grace──► KILL …
//!    └ the daemon is gone ────────────────────► KILL …
//! ```

use std::io::{self, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::{Pid, getpid};

use super::words::{CLEAN, Launch, Report, STOP};
use super::{leader, tree};
use crate::system::{Clock, RealClock};

/// Rounds of KILL before giving up on processes that hang in the kernel.
const ROUNDS: u32 = 40;
/// Between two rounds: what forked faster than it was killed is killed in the next.
const ROUND: Duration = Duration::from_millis(100);

/// Takes the order, starts the step, and stays until nothing of it is left.
pub(super) fn hold() -> io::Result<()> {
    prepare()?;
    let mut daemon = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let (launch, stdin) = take_order(&mut daemon)?;
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGCHLD);
    blocked.thread_block()?;
    let children = SignalFd::with_flags(&blocked, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let started = leader::start(&launch, stdin);
    leader::let_go_of_output()?;
    match started {
        Ok(leader) => {
            daemon.write_all(&Report::Started.encode())?;
            let grace = Duration::from_millis(launch.grace_ms);
            Holder {
                clock: RealClock::new(),
                daemon,
                children,
                leader,
                grace,
                mood: Mood::Letting,
                heard: true,
                left_behind: false,
            }
            .run()
        }
        Err(failed) => {
            let report = Report::NotStarted { stage: failed.stage, errno: failed.errno };
            daemon.write_all(&report.encode())
        }
    }
}

/// Out of the daemon's session, so that a ctrl-c in its terminal is the daemon's alone; and the
/// parent of all orphans below.
fn prepare() -> io::Result<()> {
    let _may_be_a_leader_already = nix::unistd::setsid();
    nix::sys::prctl::set_child_subreaper(true)?;
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM, Signal::SIGPIPE] {
        #[expect(unsafe_code, reason = "a handler could break things; ignoring can't")]
        // SAFETY: no handler runs.
        unsafe {
            nix::sys::signal::signal(signal, SigHandler::SigIgn)?;
        }
    }
    Ok(())
}

/// The order, with the step's standard input where it has one.
fn take_order(daemon: &mut UnixStream) -> io::Result<(Launch, Option<OwnedFd>)> {
    let mut version = [0];
    let mut room = nix::cmsg_space!(RawFd);
    let mut stdin = None;
    {
        let mut pieces = [IoSliceMut::new(&mut version)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let got = recvmsg::<()>(daemon.as_raw_fd(), &mut pieces, Some(&mut room), flags)?;
        for message in got.cmsgs()? {
            if let ControlMessageOwned::ScmRights(descriptors) = message {
                for descriptor in descriptors {
                    #[expect(unsafe_code, reason = "the kernel hands descriptors over as numbers")]
                    // SAFETY: it was made for this process just now; nobody else owns it.
                    let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
                    stdin = Some(owned);
                }
            }
        }
    }
    Ok((Launch::read(version[0], daemon)?, stdin))
}

enum Mood {
    /// The step runs.
    Letting,
    /// It was asked to end; KILL follows then.
    Asking(Duration),
    /// KILL was sent so often; again then.
    Killing(u32, Duration),
}

struct Holder {
    clock: RealClock,
    daemon: UnixStream,
    children: SignalFd,
    leader: Pid,
    grace: Duration,
    mood: Mood,
    /// Whether the daemon is still there.
    heard: bool,
    left_behind: bool,
}

impl Holder {
    fn run(mut self) -> io::Result<()> {
        let mut leader_ended = false;
        let mut cleaning = false;
        loop {
            let all_gone = self.reap(&mut leader_ended);
            let given_up = matches!(self.mood, Mood::Killing(ROUNDS.., _));
            if (cleaning || !self.heard) && (all_gone || given_up) {
                self.tell(Report::Over { left_behind: self.left_behind, immortal: !all_gone });
                return Ok(());
            }
            self.wait()?;
            while let Ok(Some(_)) = self.children.read_signal() {}
            match self.ask() {
                Some(STOP) => self.ask_to_end(),
                Some(CLEAN) => {
                    cleaning = true;
                    if !self.reap(&mut leader_ended) {
                        self.left_behind = true;
                        self.ask_to_end();
                    }
                }
                _ => {}
            }
            if !self.heard && !matches!(self.mood, Mood::Killing(..)) {
                self.mood = Mood::Killing(0, self.clock.monotonic());
            }
            self.kill_when_due();
        }
    }

    /// Takes what the daemon asks, where it asks anything.
    fn ask(&mut self) -> Option<u8> {
        if !self.heard {
            return None;
        }
        let mut byte = [0];
        let _whatever = self.daemon.set_nonblocking(true);
        match self.daemon.read(&mut byte) {
            Ok(1..) => return Some(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => self.heard = false,
        }
        None
    }

    fn ask_to_end(&mut self) {
        if matches!(self.mood, Mood::Letting) {
            self.mood = Mood::Asking(self.clock.monotonic() + self.grace);
            tree::signal(getpid(), Signal::SIGTERM);
            tree::signal(getpid(), Signal::SIGCONT);
        }
    }

    fn kill_when_due(&mut self) {
        let now = self.clock.monotonic();
        let (Mood::Asking(due) | Mood::Killing(_, due)) = self.mood else { return };
        if now < due {
            return;
        }
        let rounds = match self.mood {
            Mood::Killing(rounds, _) => rounds + 1,
            _ => 1,
        };
        // What is stopped first can't fork while the others are killed.
        tree::signal(getpid(), Signal::SIGSTOP);
        tree::signal(getpid(), Signal::SIGKILL);
        self.mood = Mood::Killing(rounds, now + ROUND);
    }

    fn wait(&self) -> io::Result<()> {
        let due = match self.mood {
            Mood::Letting => None,
            Mood::Asking(due) | Mood::Killing(_, due) => Some(due),
        };
        let timeout = due.map_or(PollTimeout::NONE, |due| {
            // Rounded up: a poll that ends too early would spin.
            let ms = due.saturating_sub(self.clock.monotonic()).as_millis() + 1;
            PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX)
        });
        let mut waits = vec![PollFd::new(self.children.as_fd(), PollFlags::POLLIN)];
        if self.heard {
            waits.push(PollFd::new(self.daemon.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut waits, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes every end from the kernel. Says whether nobody is left.
    fn reap(&mut self, leader_ended: &mut bool) -> bool {
        loop {
            let mut status = 0;
            #[expect(unsafe_code, reason = "nix has no wait4, and only it tells what a child used")]
            // SAFETY: rusage is plain numbers, for which zero is a value; both pointers are live.
            let (pid, used) = unsafe {
                let mut used: libc::rusage = std::mem::zeroed();
                (libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut used), used)
            };
            if pid <= 0 {
                return pid < 0 && Errno::last() == Errno::ECHILD;
            }
            if pid == self.leader.as_raw() && !*leader_ended {
                *leader_ended = true;
                self.tell(Report::Ended {
                    status,
                    cpu_us: micros(used.ru_utime) + micros(used.ru_stime),
                    peak_kib: u64::try_from(used.ru_maxrss).unwrap_or(0),
                });
            }
        }
    }

    fn tell(&mut self, report: Report) {
        let _whatever = self.daemon.set_nonblocking(false);
        if self.daemon.write_all(&report.encode()).is_err() {
            self.heard = false;
        }
    }
}

fn micros(time: libc::timeval) -> u64 {
    u64::try_from(time.tv_sec * 1_000_000 + time.tv_usec).unwrap_or(0)
}
