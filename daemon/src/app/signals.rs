//! The signals that ask the daemon to stop: each further one asks harder.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The signals that ask the daemon to stop, caught from when this is made.
pub(super) struct Signals {
    caught: std::io::Result<(Signal, Signal)>,
}

impl Signals {
    pub(super) fn catch() -> Self {
        let caught = signal(SignalKind::terminate())
            .and_then(|term| Ok((term, signal(SignalKind::interrupt())?)));
        Self { caught }
    }

    /// The first TERM or INT asks; the second shortens the grace to nothing; the third exits at once.
    pub(super) async fn wait(self, stop: CancellationToken, hurry: CancellationToken) {
        let (mut term, mut int) = match self.caught {
            Ok(caught) => caught,
            Err(error) => {
                tracing::error!(%error, "signals can't be caught");
                return;
            }
        };
        let mut asked = 0;
        loop {
            tokio::select! {
                Some(()) = term.recv() => {}
                Some(()) = int.recv() => {}
                else => return,
            }
            asked += 1;
            match asked {
                1 => stop.cancel(),
                2 => hurry.cancel(),
                _ => exit_at_once(),
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "asked three times, a person wants it gone")]
fn exit_at_once() -> ! {
    std::process::exit(130)
}
