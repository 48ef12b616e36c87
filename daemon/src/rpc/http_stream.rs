//! The byte stream below HTTP, which knows two things that hyper does not say: whether a request's
//! head has begun and stands still, and whether a client whose input has ended is gone for good.
//!
//! hyper drives it. What it knows is shared with the routes by [`Progress`].

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

use super::pace::Pace;
use crate::system::listen;

/// How far the requests of one connection have come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    received: AtomicU64,
    has_head_begun: AtomicBool,
    is_answering: AtomicBool,
}

impl Progress {
    /// All bytes that came on the connection.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
    /// A head is whole; its answer is made.
    pub(crate) fn begin_answer(&self) {
        self.has_head_begun.store(false, Ordering::Relaxed);
        self.is_answering.store(true, Ordering::Relaxed);
    }
    /// The answer is made; the next byte begins another head.
    pub(crate) fn end_answer(&self) {
        self.is_answering.store(false, Ordering::Relaxed);
    }
    fn receive(&self, n: usize) {
        self.received.fetch_add(n as u64, Ordering::Relaxed);
        if !self.is_answering() {
            self.has_head_begun.store(true, Ordering::Relaxed);
        }
    }
    fn has_head_begun(&self) -> bool {
        self.has_head_begun.load(Ordering::Relaxed)
    }
    fn is_answering(&self) -> bool {
        self.is_answering.load(Ordering::Relaxed)
    }
}

/// A client's stream.
#[derive(Debug)]
pub(crate) struct HttpStream {
    stream: UnixStream,
    progress: Arc<Progress>,
    pace: Pace,
    /// How long a head that has begun may stand still.
    within: Duration,
    is_input_over: bool,
    /// Whether tokio was told that the stream can't be written though it can, so as to hear of a
    /// close.
    is_readiness_spent: bool,
}

impl HttpStream {
    pub(crate) fn new(stream: UnixStream, progress: Arc<Progress>, within: Duration) -> Self {
        Self {
            stream,
            progress,
            pace: Pace::default(),
            within,
            is_input_over: false,
            is_readiness_spent: false,
        }
    }

    /// The stream, for another protocol.
    pub(crate) fn into_inner(self) -> UnixStream {
        self.stream
    }

    /// While an answer is made hyper does not read: whether the input has ended meanwhile.
    fn look_for_end(&mut self, cx: &mut Context<'_>) {
        while !self.is_input_over && self.stream.poll_read_ready(cx).is_ready() {
            match listen::peek(&self.stream) {
                Ok(Some(_)) => return,
                Ok(None) => self.is_input_over = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // hyper will meet it too.
                Err(_) => return,
            }
        }
    }

    /// Writes without asking tokio first, where tokio was told otherwise.
    fn write_now(&mut self, bytes: &[u8]) -> Option<io::Result<usize>> {
        if !self.is_readiness_spent {
            return None;
        }
        match listen::send_now(&self.stream, bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.is_readiness_spent = false;
                None
            }
            sent => Some(sent),
        }
    }
}

impl AsyncRead for HttpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buf) {
            match buf.filled().len() - before {
                0 => this.is_input_over = true,
                n => this.progress.receive(n),
            }
            return Poll::Ready(read);
        }
        if !this.progress.has_head_begun() {
            this.pace.rest();
            return Poll::Pending;
        }
        if this.pace.poll_late(cx, this.progress.received(), this.within).is_pending() {
            return Poll::Pending;
        }
        // Whether it is taken or not, this connection is over.
        let _ = this.stream.try_write(&super::http::overdue(this.within));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for HttpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this.write_now(bytes) {
            Some(sent) => Poll::Ready(sent),
            None => Pin::new(&mut this.stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let first = parts.iter().find(|part| !part.is_empty()).map_or(&b""[..], |part| &**part);
        match this.write_now(first) {
            Some(sent) => Poll::Ready(sent),
            None => Pin::new(&mut this.stream).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// hyper flushes each time it looks: the place to notice that nobody waits for the answer.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.progress.is_answering() {
            this.look_for_end(cx);
            if this.is_input_over {
                this.is_readiness_spent = true;
                if listen::poll_gone(&this.stream, cx).is_ready() {
                    return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
                }
            }
        }
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
