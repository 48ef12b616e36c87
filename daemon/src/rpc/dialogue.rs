//! A client that asks again as soon as it is answered is served by a thread of its own while it does.
//!
//! Such a thread waits in the kernel for the next call and for nothing else: with sixteen clients that
//! is half as many calls again as through the event loop, which a bare echo shows as well
//! (`docs/performance.md`). Whatever takes more than an answer at once goes back to the loop: a call that
//! has to wait, a subscription, a part of a message, a pause, a stop.

use std::io;
use std::os::unix::net::UnixStream as Blocking;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::stream::{Connection, is_again};
use crate::system::listen;

/// After how many reads in a row that were answered at once a client gets a thread.
pub(super) const AFTER: u32 = 16;
/// How many may have one at the same time; the others are served by the loop.
pub(super) const MOST: usize = 64;
/// A client that is silent for this long gives its thread back; also how long a stop may wait for it.
const PAUSE: Duration = Duration::from_millis(20);

/// Serves the connection until it pauses or needs the loop. Where there is no thread to be had, it comes
/// back as it is.
pub(super) async fn hold(
    connection: Connection,
    stream: UnixStream,
    place: OwnedSemaphorePermit,
) -> io::Result<(Connection, UnixStream)> {
    let (give, take) = oneshot::channel::<(Connection, Blocking)>();
    let (give_back, back) = oneshot::channel();
    let runtime = Handle::current();
    let thread = std::thread::Builder::new().name("dialogue".into()).spawn(move || {
        // Calls may start timers, and tasks for what they open.
        let _guard = runtime.enter();
        let Ok((mut connection, stream)) = take.blocking_recv() else { return };
        let served = serve(&mut connection, &stream);
        drop(place);
        let _ = give_back.send(served.map(|()| (connection, stream)));
    });
    if let Err(error) = thread {
        tracing::debug!(%error, "no thread for a client that asks quickly");
        return Ok((connection, stream));
    }
    let gone = || io::Error::other("the thread of a client ended");
    give.send((connection, stream.into_std()?)).map_err(|_| gone())?;
    let (connection, stream) = back.await.map_err(|_| gone())??;
    Ok((connection, UnixStream::from_std(stream)?))
}

fn serve(connection: &mut Connection, stream: &Blocking) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PAUSE))?;
    while connection.is_quick() {
        let send = |bytes: &[u8]| listen::send_now(stream, bytes);
        match connection.turn(|input| listen::receive_next(stream, input), send) {
            Err(error) if is_again(&error) => break,
            turn => turn?,
        }
    }
    stream.set_nonblocking(true)
}
