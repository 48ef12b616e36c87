//! Who is at the other end of a Unix stream, as the kernel says.
//!
//! The uid is read once, right after accept; it alone is identity. The pid is a hint for the audit
//! row only: the process may be gone or may have passed the descriptor on. No header, environment
//! or path is ever identity.

use std::io;

use tokio::net::UnixStream;

/// The credentials of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The user it ran as when it connected.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its process, where the kernel says; a hint only.
    pub pid: Option<i32>,
}

impl Peer {
    /// Reads `SO_PEERCRED`; a stream whose credentials can't be read is to be closed.
    pub fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self { uid: credentials.uid(), gid: credentials.gid(), pid: credentials.pid() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_peer_is_known_by_its_uid() {
        let (near, _far) = UnixStream::pair().unwrap();
        assert_eq!(Peer::of(&near).unwrap().uid, nix::unistd::getuid().as_raw());
    }
}
