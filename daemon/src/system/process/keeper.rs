//! The task that keeps one real process: hears it, has it stopped, learns its end from the shim.
//!
//! ```text
//! running ──stop──► the shim: TERM, grace, KILL
//!    │ leader ended       │
//!    └──► drain (until its pipes are closed, 2 s at most) ──► have the rest ended ──► over
//! ```

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::process::Child;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep_until};

use super::ears::Ears;
use super::shim::words::{CLEAN, REPORT_BYTES, Report, STOP};
use super::{Ended, Exit, Keeping, Said};

/// How long the output of those left behind is heard after the leader has ended.
const DRAIN: Duration = Duration::from_secs(2);

/// Dropping it closes the socket to the shim, which then kills the step.
pub(super) struct Keeper {
    link: Link,
    pub(super) ears: Ears,
    feeding: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Keeper {
    pub(super) fn of(shim: Child, control: std::os::unix::net::UnixStream) -> io::Result<Self> {
        control.set_nonblocking(true)?;
        let control = UnixStream::from_std(control)?;
        let link = Link { shim, control, part: Vec::with_capacity(REPORT_BYTES) };
        Ok(Self { link, ears: Ears::default(), feeding: None })
    }
    /// Writes `bytes` while the process runs; one that does not read them is no failure.
    pub(super) fn feed(&mut self, mut pipe: pipe::Sender, bytes: Vec<u8>) {
        self.feeding = Some(Box::pin(async move {
            let _not_read = pipe.write_all(&bytes).await;
        }));
    }
    /// The whole life.
    pub(super) async fn keep(mut self, keeping: Keeping) {
        let Keeping { said, end, stop } = keeping;
        let exit = self.hear(&said, &stop).await;
        let Self { mut link, ears, feeding } = self;
        drop((ears, feeding));
        let left_behind = link.clean().await;
        drop(said);
        let _nobody_asks = end.send(Exit { left_behind, ..exit });
    }
    /// Until the leader has ended and its output was heard.
    async fn hear(
        &mut self,
        said: &tokio::sync::mpsc::Sender<Said>,
        stop: &tokio_util::sync::CancellationToken,
    ) -> Exit {
        let Self { link, ears, feeding } = self;
        let mut waiting: Option<Said> = None;
        let mut stopped = false;
        let mut ended: Option<Exit> = None;
        let mut drained_at: Option<Instant> = None;
        loop {
            if waiting.is_none()
                && !ears.are_listening()
                && let Some(exit) = ended
            {
                return exit;
            }
            let deaf = said.is_closed();
            tokio::select! {
                biased;
                () = stop.cancelled(), if !stopped => {
                    stopped = true;
                    link.ask(STOP).await;
                }
                () = at(drained_at), if drained_at.is_some() => {
                    return ended.unwrap_or(Exit::UNKNOWN);
                }
                report = link.report(), if ended.is_none() => {
                    ended = match report {
                        Some(Report::Ended { status, cpu_us, peak_kib }) => Some(Exit {
                            how: Ended::of(status),
                            cpu: Duration::from_micros(cpu_us),
                            peak_memory_bytes: peak_kib.saturating_mul(1024),
                            left_behind: false,
                        }),
                        // Gone without a word: somebody killed it.
                        _ => Some(Exit::UNKNOWN),
                    };
                    drained_at = Some(Instant::now() + DRAIN);
                }
                () = fed(feeding), if feeding.is_some() => *feeding = None,
                room = said.reserve(), if waiting.is_some() && !deaf => {
                    if let (Ok(room), Some(piece)) = (room, waiting.take()) {
                        room.send(piece);
                    }
                }
                piece = ears.next(), if waiting.is_none() || deaf => waiting = piece,
            }
            if said.is_closed() {
                waiting = None;
            }
        }
    }
}

/// The way to the shim and back.
struct Link {
    shim: Child,
    control: UnixStream,
    /// The part of a report that has come so far.
    part: Vec<u8>,
}

impl Link {
    /// One that is gone can't be asked; [`Link::report`] tells.
    async fn ask(&mut self, what: u8) -> bool {
        self.control.write_all(&[what]).await.is_ok()
    }
    /// The shim's next report; none where it is gone. Can be cancelled.
    async fn report(&mut self) -> Option<Report> {
        while self.part.len() < REPORT_BYTES {
            let mut piece = [0; REPORT_BYTES];
            let room = REPORT_BYTES - self.part.len();
            match self.control.read(&mut piece[..room]).await {
                Ok(n @ 1..) => self.part.extend_from_slice(&piece[..n]),
                Ok(0) | Err(_) => return None,
            }
        }
        let report = self.part.as_slice().try_into().ok().and_then(Report::decode);
        self.part.clear();
        report
    }
    /// Has everything ended that the leader left behind; says whether there was anything.
    async fn clean(&mut self) -> bool {
        let mut left = false;
        if self.ask(CLEAN).await {
            while let Some(report) = self.report().await {
                if let Report::Over { left_behind, immortal } = report {
                    left = left_behind;
                    if immortal {
                        tracing::warn!(shim = self.shim.id(), "processes could not be killed");
                    }
                    break;
                }
            }
        }
        // It ends right after its last report.
        let _reaped = self.shim.wait();
        left
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn fed(feeding: &mut Option<Pin<Box<dyn Future<Output = ()> + Send>>>) {
    if let Some(feeding) = feeding {
        feeding.await;
    }
}
