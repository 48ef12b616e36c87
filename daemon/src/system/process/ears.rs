//! What a process says, read from its pipes in turn.

use std::io::ErrorKind;

use bytes::Bytes;
use tokio::net::unix::pipe;

use super::{Said, Stream};

/// One read.
const PIECE_BYTES: usize = 64 * 1024;

/// The pipes that a process writes to; each is dropped when it has come to its end.
pub(super) struct Ears {
    /// Whose turn it is, so that a chatty stdout does not keep stderr from being heard.
    stderr_first: bool,
    buffer: Box<[u8]>,
    pub(super) stdout: Option<pipe::Receiver>,
    pub(super) stderr: Option<pipe::Receiver>,
    pub(super) progress: Option<pipe::Receiver>,
}

#[derive(Clone, Copy)]
enum Source {
    Progress,
    Stdout,
    Stderr,
}

impl Default for Ears {
    fn default() -> Self {
        let buffer = vec![0; PIECE_BYTES].into();
        Self { stderr_first: false, buffer, stdout: None, stderr: None, progress: None }
    }
}

impl Ears {
    /// Whether any output may still come.
    pub(super) fn are_listening(&self) -> bool {
        self.stdout.is_some() || self.stderr.is_some()
    }
    /// The next piece; none where there was nothing after all or a pipe has come to its end. Never
    /// ready without any pipe.
    pub(super) async fn next(&mut self) -> Option<Said> {
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
}

async fn readable(pipe: Option<&pipe::Receiver>) {
    match pipe {
        // What is wrong with it, the read will say.
        Some(pipe) => drop(pipe.readable().await),
        None => std::future::pending().await,
    }
}
