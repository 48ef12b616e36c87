//! Which daemon to talk to, and the byte stream to it.
//!
//! Locally a Unix socket: the one that is named, else the user's own daemon where its socket
//! answers, else the system's. Remotely `ssh` with the user's own configuration, running
//! `a2n pipe` at the other end. A failure names every place that was tried.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::error::{Error, Tried};

/// The system daemon's socket.
pub const SYSTEM_SOCKET: &str = "/run/a2n/a2nd.sock";

/// Why a socket can't be reached that is not there.
pub(crate) const NOT_THERE: &str = "not there";

/// Which of the daemons of a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Whose {
    /// The user's own where it answers, else the system's.
    #[default]
    Either,
    /// The user's own.
    User,
    /// The system's.
    System,
}

/// Where the daemon is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Exactly this socket.
    pub socket: Option<PathBuf>,
    /// Which one, where no socket is named.
    pub whose: Whose,
    /// `user@server`, reached by ssh.
    pub host: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, &self.socket, self.whose) {
            (Some(host), ..) => write!(f, "ssh {host}"),
            (None, Some(socket), _) => write!(f, "{}", socket.display()),
            (None, None, Whose::System) => f.write_str(SYSTEM_SOCKET),
            (None, None, Whose::User) => f.write_str("your own daemon's socket"),
            (None, None, Whose::Either) => f.write_str("the daemon's socket"),
        }
    }
}

impl Place {
    /// The sockets to try, in order.
    pub fn candidates(&self) -> Vec<PathBuf> {
        if let Some(socket) = &self.socket {
            return vec![socket.clone()];
        }
        let mut sockets = Vec::new();
        if self.whose != Whose::System {
            sockets.extend(user_sockets(&|name| std::env::var_os(name)));
        }
        if self.whose != Whose::User {
            sockets.push(SYSTEM_SOCKET.into());
        }
        sockets
    }

    /// Opens a byte stream to the first daemon that answers; also says where that is.
    pub async fn open(&self) -> Result<(Stream, String), Error> {
        match &self.host {
            Some(host) => Ok((self.open_ssh(host)?, format!("ssh {host}"))),
            None => {
                let (stream, socket) = self.open_local().await?;
                Ok((Stream::Unix(stream), socket))
            }
        }
    }

    async fn open_local(&self) -> Result<(UnixStream, String), Error> {
        let mut tried = Tried::default();
        for socket in self.candidates() {
            match UnixStream::connect(&socket).await {
                Ok(stream) => return Ok((stream, socket.display().to_string())),
                Err(error) => tried.0.push((socket.display().to_string(), reason(&error))),
            }
        }
        Err(Error::Unreachable { tried })
    }

    fn open_ssh(&self, host: &str) -> Result<Stream, Error> {
        let mut child = Command::new("ssh")
            .args(self.ssh_arguments(host)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Error::Unreachable {
                tried: Tried(vec![(format!("ssh {host}"), reason(&error))]),
            })?;
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        Ok(Stream::Ssh { stdin, stdout, _child: Box::new(child) })
    }

    /// `ssh`'s arguments: no terminal, the host after `--` so that it is never read as an option,
    /// and one command text for the shell at the other end with every value quoted.
    fn ssh_arguments(&self, host: &str) -> Result<Vec<OsString>, Error> {
        if host.is_empty() || host.starts_with('-') {
            return Err(Error::Place(format!(
                "`{host}` is not a host: write user@server, as for ssh"
            )));
        }
        let mut command = String::from("a2n");
        match self.whose {
            Whose::Either => {}
            Whose::User => command.push_str(" --user"),
            Whose::System => command.push_str(" --system"),
        }
        if let Some(socket) = &self.socket {
            let socket = socket.to_str().ok_or_else(|| {
                Error::Place(format!("the socket's path {} is not UTF-8", socket.display()))
            })?;
            command.push_str(" --socket ");
            command.push_str(&quoted(socket));
        }
        command.push_str(" pipe");
        Ok(["-T", "--", host, &command].map(OsString::from).to_vec())
    }
}

/// The sockets of the user's own daemon: with systemd --user, and without.
fn user_sockets(env: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let mut sockets = Vec::new();
    let absolute = |name| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(runtime) = absolute("XDG_RUNTIME_DIR") {
        sockets.push(runtime.join("a2n/a2nd.sock"));
    }
    if let Some(state) =
        absolute("XDG_STATE_HOME").or_else(|| Some(home(env)?.join(".local/state")))
    {
        sockets.push(state.join("a2n/run/a2nd.sock"));
    }
    sockets
}

/// The folder below which the user's own daemon keeps its state.
pub fn user_state_dir() -> Option<PathBuf> {
    let env = |name: &str| std::env::var_os(name);
    env("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(home(&env)?.join(".local/state")))
        .map(|state| state.join("a2n"))
}

fn home(env: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    env("HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(|| {
        nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.dir)
    })
}

/// Copies between our standard streams and the daemon's socket until the daemon is done: the far
/// end of `--host`. Our end of input only ends asking; answers still come.
pub async fn pipe(place: &Place) -> Result<(), Error> {
    let lost = |error: io::Error| Error::Lost { reason: error.to_string() };
    let (stream, _) = place.open_local().await?;
    let mut from_daemon = stream.into_std().map_err(lost)?;
    from_daemon.set_nonblocking(false).map_err(lost)?;
    let mut to_daemon = from_daemon.try_clone().map_err(lost)?;
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut to_daemon);
        let _ = to_daemon.shutdown(std::net::Shutdown::Write);
    });
    let mut stdout = io::stdout().lock();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let n = io::Read::read(&mut from_daemon, &mut buffer).map_err(lost)?;
        if n == 0 {
            return Ok(());
        }
        let told = io::Write::write_all(&mut stdout, &buffer[..n])
            .and_then(|()| io::Write::flush(&mut stdout));
        match told {
            Ok(()) => {}
            // Whoever asked has heard enough: the end of every command that was answered.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(lost(error)),
        }
    }
}

/// A byte stream to a daemon.
#[derive(Debug)]
pub enum Stream {
    /// On this machine.
    Unix(UnixStream),
    /// Through ssh.
    Ssh {
        /// To the far end.
        stdin: ChildStdin,
        /// From the far end.
        stdout: ChildStdout,
        /// Ended with the stream.
        _child: Box<Child>,
    },
}

impl Stream {
    /// The daemon's process. Nothing where a service manager listens for it: the kernel names that.
    pub fn daemon(&self) -> Option<u32> {
        let Self::Unix(stream) = self else { return None };
        let pid = stream.peer_cred().ok()?.pid()?;
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        if name.trim_end() == "a2nd" { u32::try_from(pid).ok() } else { None }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Ssh { stdout, .. } => Pin::new(stdout).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Ssh { stdin, .. } => Pin::new(stdin).poll_write(cx, buf),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Ssh { stdin, .. } => Pin::new(stdin).poll_flush(cx),
        }
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Ssh { stdin, .. } => Pin::new(stdin).poll_shutdown(cx),
        }
    }
}

/// The process and the user at the other end of a local daemon's socket, as the kernel says.
pub async fn peer(place: &Place) -> Result<(Option<u32>, u32), Error> {
    let (stream, _) = place.open_local().await?;
    let peer = stream.peer_cred().map_err(|error| Error::Lost { reason: error.to_string() })?;
    Ok((peer.pid().and_then(|pid| u32::try_from(pid).ok()), peer.uid()))
}

/// Quotes a text for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// An I/O error in few words.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => NOT_THERE.into(),
        io::ErrorKind::ConnectionRefused => "nobody listens".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockets(env: &[(&str, &str)]) -> Vec<String> {
        user_sockets(&|name| {
            env.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        })
        .into_iter()
        .map(|path| path.display().to_string())
        .collect()
    }

    #[test]
    fn the_users_own_sockets_are_found_by_the_usual_folders() {
        assert_eq!(
            sockets(&[("XDG_RUNTIME_DIR", "/run/user/7"), ("HOME", "/home/ada")]),
            ["/run/user/7/a2n/a2nd.sock", "/home/ada/.local/state/a2n/run/a2nd.sock"]
        );
        assert_eq!(
            sockets(&[("XDG_STATE_HOME", "/state"), ("HOME", "/home/ada")]),
            ["/state/a2n/run/a2nd.sock"]
        );
        assert_eq!(
            sockets(&[("XDG_STATE_HOME", "relative"), ("HOME", "/home/ada")]),
            ["/home/ada/.local/state/a2n/run/a2nd.sock"]
        );
    }

    #[test]
    fn a_named_socket_is_the_only_one_tried() {
        let place = Place { socket: Some("/tmp/x.sock".into()), ..Place::default() };
        assert_eq!(place.candidates(), [PathBuf::from("/tmp/x.sock")]);
        let place = Place { whose: Whose::System, ..Place::default() };
        assert_eq!(place.candidates(), [PathBuf::from(SYSTEM_SOCKET)]);
    }

    #[test]
    fn a_host_is_never_an_option_of_ssh() {
        let place = Place { socket: Some("/tmp/it's".into()), ..Place::default() };
        assert!(place.ssh_arguments("-oProxyCommand=x").is_err());
        assert_eq!(
            place.ssh_arguments("ada@box").unwrap(),
            ["-T", "--", "ada@box", r"a2n --socket '/tmp/it'\''s' pipe"].map(OsString::from)
        );
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_fails_names_every_socket_tried() {
        let place = Place { socket: Some("/nonexistent/a2nd.sock".into()), ..Place::default() };
        let error = place.open().await.unwrap_err();
        assert_eq!(error.to_string(), "can't reach a daemon: /nonexistent/a2nd.sock (not there)");
        assert_eq!(error.exit().code(), 5);
    }
}
