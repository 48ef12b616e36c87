//! Starting a real process with nothing of the daemon in it: own session, own environment, no
//! descriptors but the three, ordinary umask and signals.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use tokio::net::unix::pipe;

use super::keeper::Keeper;
use super::session::{Session, open};
use super::{Account, Order, Process, Running, StartError};
use crate::system::ready;

/// The machine's processes.
#[derive(Debug)]
pub struct RealProcess {
    account: Account,
}

impl RealProcess {
    /// Processes of the user that runs the daemon.
    pub fn new() -> Self {
        Self { account: Account::current() }
    }
}

impl Default for RealProcess {
    fn default() -> Self {
        Self::new()
    }
}

impl Process for RealProcess {
    fn account(&self) -> &Account {
        &self.account
    }
    fn start(&self, order: Order) -> Result<Running, StartError> {
        check(&order)?;
        let program = order.argv[0].clone();
        let other = |source| StartError::Other { program: program.clone(), source };
        let progress = match &order.progress {
            None => None,
            Some(path) => {
                mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR).map_err(|e| other(e.into()))?;
                // Opened for both, so that it is never at its end while writers come and go.
                let mut options = pipe::OpenOptions::new();
                Some(options.read_write(true).open_receiver(path).map_err(other)?)
            }
        };
        let mut child = command(&order).spawn().map_err(|e| explain(&order, e))?;
        let pid = Pid::from_raw(child.id().cast_signed());
        // From here on the leader must be reaped whatever happens: the keeper sees to it.
        let mut keeper = Keeper::of(Session(pid), order.grace);
        let wire = || -> io::Result<()> {
            keeper.ended = Some(ready::watch(open(pid.as_raw())?)?);
            keeper.stdout = child.stdout.take().map(receiver).transpose()?;
            keeper.stderr = child.stderr.take().map(receiver).transpose()?;
            keeper.progress = progress;
            if let (Some(pipe), Some(bytes)) = (child.stdin.take(), order.stdin) {
                let pipe = pipe::Sender::from_owned_fd(OwnedFd::from(pipe))?;
                keeper.feed(pipe, bytes);
            }
            Ok(())
        };
        wire().map_err(other)?;
        let (running, keeping) = Running::pair();
        tokio::spawn(keeper.keep(keeping));
        Ok(running)
    }
}

fn receiver(pipe: impl Into<OwnedFd>) -> io::Result<pipe::Receiver> {
    pipe::Receiver::from_owned_fd(pipe.into())
}

fn check(order: &Order) -> Result<(), StartError> {
    if order.argv.first().is_none_or(String::is_empty) {
        return Err(StartError::Empty);
    }
    let unpassable = |what: String| Err(StartError::Unpassable { what });
    if let Some(n) = order.argv.iter().position(|arg| arg.contains('\0')) {
        return unpassable(format!("argument {n}"));
    }
    for (name, value) in &order.env {
        if name.is_empty() || name.contains(['=', '\0']) {
            return unpassable(format!("the name of environment variable `{name}`"));
        }
        if value.contains('\0') {
            return unpassable(format!("environment variable `{name}`"));
        }
    }
    let folder = |source| StartError::Folder { path: order.cwd.clone(), source };
    let found = std::fs::metadata(&order.cwd).map_err(folder)?;
    if !found.is_dir() {
        return Err(folder(io::ErrorKind::NotADirectory.into()));
    }
    Ok(())
}

fn command(order: &Order) -> Command {
    let mut command = Command::new(&order.argv[0]);
    command
        .args(&order.argv[1..])
        .env_clear()
        .envs(&order.env)
        .current_dir(&order.cwd)
        .stdin(if order.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    #[expect(unsafe_code, reason = "a session of its own needs a call between fork and exec")]
    // SAFETY: the closure makes three system calls, allocates nothing and takes no lock. The
    // descriptors are closed at exec, not now: std still needs its own to report a failed exec.
    unsafe {
        command.pre_exec(|| {
            if libc::setsid() < 0 {
                return Err(io::Error::last_os_error());
            }
            libc::umask(0o022);
            libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
            Ok(())
        });
    }
    command
}

fn explain(order: &Order, error: io::Error) -> StartError {
    let program = order.argv[0].clone();
    match error.kind() {
        io::ErrorKind::NotFound => {
            let path = order.env.get("PATH").map_or("not set", String::as_str).to_owned();
            StartError::NotFound { program, path }
        }
        io::ErrorKind::PermissionDenied => StartError::Denied { program },
        io::ErrorKind::ArgumentListTooLong => {
            let args = order.argv.iter().map(|arg| arg.len() + 1).sum::<usize>();
            let env = order.env.iter().map(|(k, v)| k.len() + v.len() + 2).sum::<usize>();
            StartError::TooLong { size_bytes: args + env }
        }
        _ => StartError::Other { program, source: error },
    }
}
