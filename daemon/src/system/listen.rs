//! The one Unix socket: inherited from systemd, else bound at the configured path.
//!
//! Never abstract (other namespaces could reach it). A stale socket is removed only after a connect
//! to it failed, and only by the holder of the lock beside it, so two daemons that start at once
//! never remove each other's. Also here: the look at the first byte that consumes nothing.

use std::cell::RefCell;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use bytes::BytesMut;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockType, UnixAddr, getsockname, getsockopt, recv, send, sockopt,
};
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};

/// Why there is no socket to listen on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another daemon answers there.
    #[error("another daemon already listens on {path}")]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is not a socket stands at the path.
    #[error("{path} exists and is not a socket; it is left alone")]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The path does not fit into a socket address.
    #[error("the socket path {path} is longer than the 107 bytes the system allows")]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("could not {doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What systemd passed is not one listening Unix stream socket.
    #[error("LISTEN_FDS: {reason}")]
    Inherited {
        /// What is wrong with it.
        reason: String,
    },
}

/// A listening socket. A path that was bound here is removed again at the end.
#[derive(Debug)]
pub struct Socket {
    /// Where clients connect; inherited ones say their own address.
    pub path: PathBuf,
    /// Whether systemd holds it open across restarts.
    pub inherited: bool,
    listener: UnixListener,
    lock: Option<Flock<File>>,
}

impl Socket {
    /// The socket that systemd passed, where it passed one.
    pub fn inherited() -> Result<Option<Self>, Error> {
        let wrong = |reason: String| Error::Inherited { reason };
        let mut descriptors = sd_notify::listen_fds().map_err(|e| wrong(e.to_string()))?;
        let Some(raw) = descriptors.next() else { return Ok(None) };
        if descriptors.next().is_some() {
            return Err(wrong("more than one socket was passed; the unit names one".into()));
        }
        #[expect(unsafe_code, reason = "systemd hands descriptors over by number")]
        // SAFETY: the service manager opened this descriptor for this very process (LISTEN_PID is
        // checked), and it is taken over here once, at start.
        let owned = unsafe { OwnedFd::from_raw_fd(raw) };
        let kind = getsockopt(&owned, sockopt::SockType).map_err(|e| wrong(e.to_string()))?;
        let listening =
            getsockopt(&owned, sockopt::AcceptConn).map_err(|e| wrong(e.to_string()))?;
        if kind != SockType::Stream || !listening {
            return Err(wrong("it is not a listening stream socket".into()));
        }
        let address = getsockname::<UnixAddr>(owned.as_raw_fd())
            .map_err(|_| wrong(format!("it is not of the family {:?}", AddressFamily::Unix)))?;
        let Some(path) = address.path().map(Path::to_owned) else {
            return Err(wrong("abstract sockets are refused; use a path".into()));
        };
        let listener = into_tokio(StdListener::from(owned)).map_err(|e| wrong(e.to_string()))?;
        Ok(Some(Self { path, inherited: true, listener, lock: None }))
    }

    /// Binds `path` with permission bits `mode`; a folder that is made for it is 0700.
    pub fn bind(path: &Path, mode: u32) -> Result<Self, Error> {
        let io = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { doing, path, source }
        };
        check_path(path)?;
        if let Some(folder) = path.parent() {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder.create(folder).map_err(io("make the folder", folder))?;
        }
        let lock_path = path.with_extension("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(io("open the lock", &lock_path))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|_| Error::InUse { path: path.to_owned() })?;
        remove_stale(path)?;
        let listener = StdListener::bind(path).map_err(io("bind", path))?;
        fs::set_permissions(path, Permissions::from_mode(mode))
            .map_err(io("set the mode of", path))?;
        let listener = into_tokio(listener).map_err(io("listen on", path))?;
        Ok(Self { path: path.to_owned(), inherited: false, listener, lock: Some(lock) })
    }

    /// The next client.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

/// Whether a path fits into a socket's address.
pub fn check_path(path: &Path) -> Result<(), Error> {
    if path.as_os_str().len() > 107 {
        return Err(Error::TooLong { path: path.to_owned() });
    }
    Ok(())
}

/// Lets those go who wait at a socket that systemd passed. For an end that a person has to look at:
/// systemd would start the daemon again at once for as long as they wait, until it gives the socket
/// up too.
pub fn turn_away_waiting() {
    let Some(raw) = sd_notify::listen_fds().ok().and_then(|mut all| all.next()) else { return };
    #[expect(unsafe_code, reason = "systemd hands descriptors over by number")]
    // SAFETY: opened for this very process by the service manager, and not taken over before: a
    // start that got as far as its socket does not end this way.
    let listener = StdListener::from(unsafe { OwnedFd::from_raw_fd(raw) });
    if listener.set_nonblocking(true).is_ok() {
        while listener.accept().is_ok() {}
    }
}

/// An error where a daemon answers at the path.
pub fn refuse_taken(path: &Path) -> Result<(), Error> {
    match StdStream::connect(path) {
        Ok(_) => Err(Error::InUse { path: path.to_owned() }),
        Err(_) => Ok(()),
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // While the lock is held nobody else can have bound the path anew.
        if self.lock.is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether a socket still stands at the path: somebody may have removed it from under us.
pub fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// The first byte that waits in the stream; it stays there. `None` at the end of input.
pub async fn first_byte(stream: &UnixStream) -> io::Result<Option<u8>> {
    loop {
        stream.readable().await?;
        match peek(stream) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            other => return other,
        }
    }
}

/// The same where something waits now; *would block* else.
pub fn peek(stream: &UnixStream) -> io::Result<Option<u8>> {
    stream.try_io(Interest::READABLE, || {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        let mut byte = [0u8; 1];
        loop {
            return match recv(stream.as_raw_fd(), &mut byte, flags) {
                Ok(0) => Ok(None),
                Ok(_) => Ok(Some(byte[0])),
                Err(nix::Error::EINTR) => continue,
                Err(e) => Err(io::Error::from(e)),
            };
        }
    })
}

/// Ready when the other end is closed for good. Until then tokio believes that the stream can't be
/// written, so that it wakes the task at the next change, which a close is: [`send_now`] writes.
pub fn poll_gone(stream: &UnixStream, cx: &mut Context<'_>) -> Poll<()> {
    while stream.poll_write_ready(cx).is_ready() {
        if is_gone(stream) {
            return Poll::Ready(());
        }
        let blocked = || Err::<(), _>(io::Error::from(ErrorKind::WouldBlock));
        let _ = stream.try_io(Interest::WRITABLE, blocked);
    }
    Poll::Pending
}

/// Whether the other end is closed for good (not only for writing).
fn is_gone(stream: &UnixStream) -> bool {
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    matches!(
        send(stream.as_raw_fd(), &[], flags),
        Err(nix::Error::EPIPE | nix::Error::ECONNRESET | nix::Error::ENOTCONN)
    )
}

/// Writes what the kernel takes now, whatever tokio knows of its readiness.
pub fn send_now(stream: &impl AsRawFd, bytes: &[u8]) -> io::Result<usize> {
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    send(stream.as_raw_fd(), bytes, flags).map_err(io::Error::from)
}

/// How much is read at once.
const READ_BYTES: usize = 16 << 10;

thread_local! {
    /// Where the kernel puts what it reads: one for all connections of a thread, so that an idle one
    /// has no buffer and a busy one no fresh memory to clear.
    static READ: RefCell<Box<[u8; READ_BYTES]>> = RefCell::new(Box::new([0; READ_BYTES]));
}

/// Reads what is there behind what the buffer holds; 0 at the end of input. A read that was not
/// filled has emptied the socket, so tokio is told to wait for more and the next look at it costs no
/// call of the kernel.
pub fn receive(stream: &UnixStream, buffer: &mut BytesMut) -> io::Result<usize> {
    READ.with_borrow_mut(|place| {
        let mut received = None;
        let waited = stream.try_io(Interest::READABLE, || {
            let n = recv(stream.as_raw_fd(), place.as_mut_slice(), MsgFlags::MSG_DONTWAIT)?;
            received = Some(n);
            if (1..READ_BYTES).contains(&n) { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match (received, waited) {
            (Some(n), _) => {
                buffer.extend_from_slice(&place[..n]);
                Ok(n)
            }
            (None, Err(error)) => Err(error),
            (None, Ok(())) => Err(ErrorKind::WouldBlock.into()),
        }
    })
}

/// Waits for what comes next on a stream that blocks, and puts it behind what the buffer holds; 0 at the
/// end of input, *would block* when the stream's own time for a read is over.
pub fn receive_next(stream: &StdStream, buffer: &mut BytesMut) -> io::Result<usize> {
    READ.with_borrow_mut(|place| {
        let n = recv(stream.as_raw_fd(), place.as_mut_slice(), MsgFlags::empty())?;
        buffer.extend_from_slice(&place[..n]);
        Ok(n)
    })
}

fn into_tokio(listener: StdListener) -> io::Result<UnixListener> {
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

fn remove_stale(path: &Path) -> Result<(), Error> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(Error::Io { doing: "look at", path: path.to_owned(), source }),
    };
    if !found.file_type().is_socket() {
        return Err(Error::NotASocket { path: path.to_owned() });
    }
    match StdStream::connect(path) {
        Ok(_) => Err(Error::InUse { path: path.to_owned() }),
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|source| Error::Io {
                doing: "remove the stale",
                path: path.to_owned(),
                source,
            })
        }
        Err(source) => Err(Error::Io { doing: "try", path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/a2nd.sock");
        fs::create_dir(folder.path().join("run")).unwrap();
        drop(StdListener::bind(&path).unwrap());
        let first = Socket::bind(&path, 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(Socket::bind(&path, 0o600), Err(Error::InUse { .. })));
        drop(first);
        assert!(!path.exists());
        // One that was bound without our lock is also left alone while it answers.
        let _foreign = StdListener::bind(&path).unwrap();
        assert!(matches!(Socket::bind(&path, 0o600), Err(Error::InUse { .. })));
    }

    #[tokio::test]
    async fn a_file_in_the_way_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a2nd.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(Socket::bind(&path, 0o600), Err(Error::NotASocket { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_folder_that_is_made_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/run/a2nd.sock");
        let _socket = Socket::bind(&path, 0o600).unwrap();
        let mode = fs::metadata(path.parent().unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let long = folder.path().join("x".repeat(120));
        assert!(matches!(Socket::bind(&long, 0o600), Err(Error::TooLong { .. })));
    }

    #[tokio::test]
    async fn the_first_byte_stays_and_a_closed_end_is_noticed() {
        let (near, far) = UnixStream::pair().unwrap();
        far.writable().await.unwrap();
        far.try_write(b"{}").unwrap();
        assert_eq!(first_byte(&near).await.unwrap(), Some(b'{'));
        assert_eq!(first_byte(&near).await.unwrap(), Some(b'{'));
        let std = far.into_std().unwrap();
        std.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(!is_gone(&near), "a half-closed peer still reads");
        drop(std);
        assert!(is_gone(&near));
    }
}
