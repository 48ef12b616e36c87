//! The signals that ask the daemon to stop: each further one asks harder. A closed terminal does not
//! ask: HUP is heard and changes nothing, since settings are changed on the socket.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

struct Caught {
    term: Signal,
    int: Signal,
    hup: Signal,
}

/// The signals that ask the daemon to stop, caught from when this is made.
pub(super) struct Signals {
    caught: std::io::Result<Caught>,
}

impl Signals {
    pub(super) fn catch() -> Self {
        let catch = || {
            Ok(Caught {
                term: signal(SignalKind::terminate())?,
                int: signal(SignalKind::interrupt())?,
                hup: signal(SignalKind::hangup())?,
            })
        };
        Self { caught: catch() }
    }

    /// The first TERM or INT asks; the second shortens the grace to nothing; the third exits at once.
    pub(super) async fn wait(self, stop: CancellationToken, hurry: CancellationToken) {
        let Caught { mut term, mut int, mut hup } = match self.caught {
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
                Some(()) = hup.recv() => {
                    tracing::info!("HUP changes nothing: set settings with `a2n settings set`");
                    continue;
                }
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
