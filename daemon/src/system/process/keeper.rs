//! The task that keeps one real process: hears it, stops it, reaps it.
//!
//! ```text
//! running ──stop──► TERM ──grace──► KILL
//!    │ leader ended       │             │
//!    └──► drain (until its pipes are closed, 2 s at most) ──► end what it left behind ──► reap
//! ```
//! Invariant: the leader is reaped last, so its number stays ours while signals are sent.

use std::future::Future;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use nix::libc;
use nix::sys::signal::Signal;
use tokio::io::AsyncWriteExt;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep_until};

use super::session::Session;
use super::{Ended, Exit, Keeping, Said, Stream};

/// How long the output of those left behind is heard after the leader has ended.
const DRAIN: Duration = Duration::from_secs(2);
/// One read.
const PIECE_BYTES: usize = 64 * 1024;

pub(super) struct Keeper {
    session: Session,
    grace: Duration,
    reaped: bool,
    /// Whose turn it is, so that a chatty stdout does not keep stderr from being heard.
    stderr_first: bool,
    buffer: Box<[u8]>,
    pub(super) ended: Option<AsyncFd<OwnedFd>>,
    pub(super) stdout: Option<pipe::Receiver>,
    pub(super) stderr: Option<pipe::Receiver>,
    pub(super) progress: Option<pipe::Receiver>,
    feeding: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

#[derive(Clone, Copy)]
enum Source {
    Progress,
    Stdout,
    Stderr,
}

impl Keeper {
    pub(super) fn of(session: Session, grace: Duration) -> Self {
        Self {
            session,
            grace,
            reaped: false,
            stderr_first: false,
            buffer: vec![0; PIECE_BYTES].into(),
            ended: None,
            stdout: None,
            stderr: None,
            progress: None,
            feeding: None,
        }
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
        let stopped = self.hear(&said, &stop).await;
        self.stdout = None;
        self.stderr = None;
        self.progress = None;
        let left_behind = self.session.has_others();
        if left_behind {
            if !stopped {
                self.session.signal(Signal::SIGTERM);
                self.session.signal(Signal::SIGCONT);
            }
            self.session.until_empty(self.grace).await;
            self.session.kill().await;
        }
        let exit = Exit { left_behind, ..self.reap() };
        drop(said);
        let _nobody_asks = end.send(exit);
    }
    /// Until the leader has ended and its output was heard. Says whether it was asked to end.
    async fn hear(
        &mut self,
        said: &tokio::sync::mpsc::Sender<Said>,
        stop: &tokio_util::sync::CancellationToken,
    ) -> bool {
        let mut waiting: Option<Said> = None;
        let mut stopped = false;
        let mut kill_at: Option<Instant> = None;
        let mut drained_at: Option<Instant> = None;
        let Some(ended) = self.ended.take() else { return false };
        let mut feeding = self.feeding.take();
        loop {
            let alive = drained_at.is_none();
            let listening = self.stdout.is_some() || self.stderr.is_some();
            if !alive && waiting.is_none() && !listening {
                return stopped;
            }
            let deaf = said.is_closed();
            tokio::select! {
                biased;
                () = stop.cancelled(), if !stopped => {
                    stopped = true;
                    kill_at = Some(Instant::now() + self.grace);
                    self.session.signal(Signal::SIGTERM);
                    self.session.signal(Signal::SIGCONT);
                }
                () = at(kill_at), if kill_at.is_some() => {
                    kill_at = None;
                    self.session.signal(Signal::SIGKILL);
                    if !alive {
                        return stopped;
                    }
                }
                () = at(drained_at), if !alive => return stopped,
                _ = ended.readable(), if alive => {
                    drained_at = Some(Instant::now() + DRAIN);
                }
                () = fed(&mut feeding), if feeding.is_some() => feeding = None,
                room = said.reserve(), if waiting.is_some() && !deaf => {
                    if let (Ok(room), Some(piece)) = (room, waiting.take()) {
                        room.send(piece);
                    }
                }
                piece = self.read(), if waiting.is_none() || deaf => waiting = piece,
            }
            if said.is_closed() {
                waiting = None;
            }
        }
    }
    /// The next piece; none where there was nothing after all or a pipe has come to its end. Never
    /// ready without any pipe.
    async fn read(&mut self) -> Option<Said> {
        self.stderr_first = !self.stderr_first;
        let (a, b) = if self.stderr_first {
            (Source::Stderr, Source::Stdout)
        } else {
            (Source::Stdout, Source::Stderr)
        };
        let source = tokio::select! {
            biased;
            () = readable(self.pipe(Source::Progress)) => Source::Progress,
            () = readable(self.pipe(a)) => a,
            () = readable(self.pipe(b)) => b,
        };
        let pipe = match source {
            Source::Progress => &mut self.progress,
            Source::Stdout => &mut self.stdout,
            Source::Stderr => &mut self.stderr,
        };
        let bytes = match pipe.as_ref()?.try_read(&mut self.buffer) {
            Ok(n) if n > 0 => Bytes::copy_from_slice(&self.buffer[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {
                return None;
            }
            _ => {
                *pipe = None;
                return None;
            }
        };
        Some(match source {
            Source::Progress => Said::Progress(bytes),
            Source::Stdout => Said::Piece(Stream::Stdout, bytes),
            Source::Stderr => Said::Piece(Stream::Stderr, bytes),
        })
    }
    fn pipe(&self, source: Source) -> Option<&pipe::Receiver> {
        match source {
            Source::Progress => self.progress.as_ref(),
            Source::Stdout => self.stdout.as_ref(),
            Source::Stderr => self.stderr.as_ref(),
        }
    }
    /// Takes the leader's end from the kernel. Called once, when it has ended.
    fn reap(&mut self) -> Exit {
        self.reaped = true;
        let mut status = 0;
        #[expect(unsafe_code, reason = "nix has no wait4, and only it tells what a child used")]
        // SAFETY: rusage is plain numbers, for which zero is a value; both pointers are live.
        let (got, used) = unsafe {
            let mut used: libc::rusage = std::mem::zeroed();
            (libc::wait4(self.session.0.as_raw(), &raw mut status, 0, &raw mut used), used)
        };
        let how = if got != self.session.0.as_raw() {
            Ended::Unknown
        } else if libc::WIFSIGNALED(status) {
            Ended::Signal(libc::WTERMSIG(status))
        } else {
            Ended::Code(libc::WEXITSTATUS(status))
        };
        let cpu = duration(used.ru_utime) + duration(used.ru_stime);
        let peak_memory_bytes = u64::try_from(used.ru_maxrss).unwrap_or(0) * 1024;
        Exit { how, cpu, peak_memory_bytes, left_behind: false }
    }
}

impl Drop for Keeper {
    /// The runtime is going down, or wiring failed: no time to be polite.
    fn drop(&mut self) {
        if !self.reaped {
            self.session.signal(Signal::SIGKILL);
            self.reap();
        }
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

async fn readable(pipe: Option<&pipe::Receiver>) {
    match pipe {
        // What is wrong with it, the read will say.
        Some(pipe) => drop(pipe.readable().await),
        None => std::future::pending().await,
    }
}

fn duration(time: libc::timeval) -> Duration {
    let whole = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
    whole + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
}
