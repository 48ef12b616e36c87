//! Waiting until a file descriptor can be read: timers and processes tell their news that way.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Takes `fd` over and watches it.
pub(super) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(
        unsafe_code,
        reason = "tokio can't know that a descriptor stays open; an OwnedFd does"
    )]
    // SAFETY: the descriptor is owned by the value handed over and stays open as long as it.
    let watched = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    Ok(watched?)
}
