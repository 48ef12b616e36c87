//! Starting the step itself: a session of its own, its own environment, the three descriptors and
//! no other, ordinary umask and signals.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{ForkResult, Pid, chdir, execvp, fork, pipe2, setsid};

use super::words::{Launch, Stage};

/// Why the step does not run.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotStarted {
    pub(super) stage: Stage,
    pub(super) errno: i32,
}

impl From<io::Error> for NotStarted {
    fn from(error: io::Error) -> Self {
        Self { stage: Stage::Program, errno: error.raw_os_error().unwrap_or(libc::EINVAL) }
    }
}

/// Starts it; answers when the program has taken over.
pub(super) fn start(launch: &Launch, stdin: Option<OwnedFd>) -> Result<Pid, NotStarted> {
    let argv: Vec<CString> = launch
        .argv
        .iter()
        .map(|piece| CString::new(&piece[..]).map_err(io::Error::from))
        .collect::<Result<_, _>>()?;
    let stdin = match stdin {
        Some(stdin) => stdin,
        None => File::open("/dev/null")?.into(),
    };
    let (failure, telling) = pipe2(OFlag::O_CLOEXEC).map_err(io::Error::from)?;
    #[expect(unsafe_code, reason = "a new process is made by fork")]
    // SAFETY: this process has one thread, so its child may do whatever it could.
    let child = match unsafe { fork() }.map_err(io::Error::from)? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let failed = become_the_step(launch, &argv, &stdin);
            let mut told = [0; 5];
            told[0] = u8::from(failed.stage == Stage::Folder);
            told[1..].copy_from_slice(&failed.errno.to_le_bytes());
            let _the_parent_sees_the_end = File::from(telling).write_all(&told);
            #[expect(unsafe_code, reason = "nothing of the shim's may run in its child")]
            // SAFETY: it does not return.
            unsafe {
                libc::_exit(127)
            }
        }
    };
    drop(telling);
    let mut told = Vec::new();
    File::from(failure).read_to_end(&mut told)?;
    match told[..] {
        [folder, a, b, c, d] => Err(NotStarted {
            stage: if folder == 1 { Stage::Folder } else { Stage::Program },
            errno: i32::from_le_bytes([a, b, c, d]),
        }),
        _ => Ok(child),
    }
}

/// Never answers but with a failure.
fn become_the_step(launch: &Launch, argv: &[CString], stdin: &OwnedFd) -> NotStarted {
    let prepare = || -> io::Result<()> {
        setsid()?;
        umask(Mode::from_bits_truncate(0o022));
        // Where the shim is killed, the step must not run on unseen.
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        nix::unistd::dup2_stdin(stdin)?;
        default_signals();
        if launch.descriptors > 0 {
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
            setrlimit(Resource::RLIMIT_NOFILE, launch.descriptors.min(hard), hard)?;
        }
        set_environment(&launch.env);
        Ok(())
    };
    if let Err(error) = prepare() {
        return error.into();
    }
    if let Err(errno) = chdir(OsStr::from_bytes(&launch.cwd)) {
        return NotStarted { stage: Stage::Folder, errno: errno as i32 };
    }
    #[expect(unsafe_code, reason = "nix has no close_range")]
    // SAFETY: the descriptors are closed at exec, not now; nothing here uses them after that.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
    let Err(errno) = execvp(&argv[0], argv);
    NotStarted { stage: Stage::Program, errno: errno as i32 }
}

fn default_signals() {
    for number in 1..=libc::SIGRTMAX() {
        #[expect(unsafe_code, reason = "nix knows no real-time signals")]
        // SAFETY: no handler is set, only the default restored; KILL and STOP refuse harmlessly.
        unsafe {
            libc::signal(number, libc::SIG_DFL);
        }
    }
    let _always_valid = SigSet::empty().thread_set_mask();
}

#[expect(unsafe_code, reason = "changing the environment is unsafe while other threads read it")]
fn set_environment(env: &[Vec<u8>]) {
    // SAFETY: this process has one thread.
    unsafe {
        let _always_possible = nix::env::clearenv();
        for pair in env {
            // The first byte belongs to the name in any case.
            let at = pair.iter().skip(1).position(|b| *b == b'=').map_or(pair.len(), |n| n + 1);
            let (name, value) = pair.split_at(at);
            let value = value.get(1..).unwrap_or_default();
            std::env::set_var(OsStr::from_bytes(name), OsStr::from_bytes(value));
        }
    }
}

/// Lets go of standard output and error: they are the step's, and their readers wait for its end.
pub(super) fn let_go_of_output() -> io::Result<()> {
    let null = File::options().write(true).open("/dev/null")?;
    nix::unistd::dup2_stdout(&null)?;
    nix::unistd::dup2_stderr(&null)?;
    debug_assert!(null.as_raw_fd() > 2);
    Ok(())
}
