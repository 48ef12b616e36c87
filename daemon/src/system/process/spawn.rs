//! Starting a real process: the order goes to a shim of its own, which starts it with nothing of
//! the daemon in it and answers for everything below it.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::net::unix::pipe;

use super::keeper::Keeper;
use super::shim::words::{Launch, REPORT_BYTES, Report, Stage};
use super::{Account, Order, Process, Running, StartError};
use crate::system::descriptors;

/// How long a shim may take to start a program before it is given up.
const START: Duration = Duration::from_secs(30);

/// The machine's processes.
#[derive(Debug)]
pub struct RealProcess {
    account: Account,
    shim: PathBuf,
}

impl RealProcess {
    /// Processes of the user that runs the daemon. The shim is the one that stands beside this
    /// very program.
    pub fn new() -> Self {
        let mut shim = std::env::current_exe().unwrap_or_default();
        shim.pop();
        // Cargo puts the programs one folder above those that test them.
        if cfg!(test) {
            shim.pop();
        }
        shim.push("a2n-shim");
        Self::with_shim(shim)
    }
    /// The same with the shim at `path`.
    pub fn with_shim(path: PathBuf) -> Self {
        Self { account: Account::current(), shim: path }
    }
    fn hand_over(&self, order: &Order, stdin: Option<&OwnedFd>) -> Result<Held, StartError> {
        let program = order.argv[0].clone();
        let other = |source| StartError::Other { program: program.clone(), source };
        let (mut ours, theirs) = UnixStream::pair().map_err(other)?;
        let mut shim = Command::new(&self.shim)
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| StartError::NoShim { path: self.shim.clone(), source })?;
        let told = send(&ours, &launch(order), stdin).and_then(|()| {
            ours.set_read_timeout(Some(START))?;
            let mut bytes = [0; REPORT_BYTES];
            ours.read_exact(&mut bytes)?;
            Report::decode(bytes).ok_or_else(|| io::Error::from_raw_os_error(libc::EPROTO))
        });
        let failed = match told {
            Ok(Report::Started) => return Ok(Held { shim, control: ours }),
            Ok(Report::NotStarted { stage: Stage::Folder, errno }) => StartError::Folder {
                path: order.cwd.clone(),
                source: io::Error::from_raw_os_error(errno),
            },
            Ok(Report::NotStarted { stage: Stage::Program, errno }) => {
                explain(order, io::Error::from_raw_os_error(errno))
            }
            Ok(_) => other(io::Error::from_raw_os_error(libc::EPROTO)),
            Err(error) => other(error),
        };
        // Without its socket it ends whatever it may have started, and then itself.
        drop(ours);
        let _reaped = shim.wait();
        Err(failed)
    }
}

/// A shim that holds a step which runs.
struct Held {
    shim: std::process::Child,
    control: UnixStream,
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
    fn ready(&self) -> Result<(), StartError> {
        nix::unistd::access(&self.shim, nix::unistd::AccessFlags::X_OK)
            .map_err(|errno| StartError::NoShim { path: self.shim.clone(), source: errno.into() })
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
        let (reads, writes) = match order.stdin {
            Some(_) => io::pipe().map(|(r, w)| (Some(r.into()), Some(w))).map_err(other)?,
            None => (None, None),
        };
        let Held { mut shim, control } = self.hand_over(&order, reads.as_ref())?;
        drop(reads);
        let (stdout, stderr) = (shim.stdout.take(), shim.stderr.take());
        // Where wiring fails, the keeper's end closes the socket and the shim ends the step.
        let mut keeper = Keeper::of(shim, control).map_err(other)?;
        let wire = || -> io::Result<()> {
            keeper.ears.stdout = stdout.map(receiver).transpose()?;
            keeper.ears.stderr = stderr.map(receiver).transpose()?;
            keeper.ears.progress = progress;
            if let (Some(pipe), Some(bytes)) = (writes, order.stdin) {
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

fn launch(order: &Order) -> Vec<u8> {
    let pair = |(name, value): (&String, &String)| format!("{name}={value}").into_bytes();
    Launch {
        argv: order.argv.iter().map(|arg| arg.clone().into_bytes()).collect(),
        env: order.env.iter().map(pair).collect(),
        cwd: order.cwd.as_os_str().as_bytes().to_vec(),
        descriptors: descriptors::before(),
        grace_ms: u64::try_from(order.grace.as_millis()).unwrap_or(u64::MAX),
    }
    .encode()
}

/// The order, with the step's standard input going along with its first byte.
fn send(mut to: &UnixStream, order: &[u8], stdin: Option<&OwnedFd>) -> io::Result<()> {
    let descriptors: Vec<i32> = stdin.iter().map(|fd| fd.as_raw_fd()).collect();
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let along: &[ControlMessage<'_>] = if descriptors.is_empty() { &[] } else { &rights };
    let first = [IoSlice::new(&order[..1])];
    sendmsg::<()>(to.as_raw_fd(), &first, along, MsgFlags::MSG_NOSIGNAL, None)?;
    to.write_all(&order[1..])
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
