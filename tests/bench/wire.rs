//! A client as cheap as can be: bytes out, bytes in, nothing parsed that is not needed.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// A connection that asks one thing at a time.
pub(crate) struct Wire {
    stream: UnixStream,
    buffer: Vec<u8>,
    filled: usize,
    /// How many bytes of the buffer the last answer has.
    answered: usize,
}

impl Wire {
    /// Lines on a Unix socket.
    pub(crate) fn lines(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).context("connect")?;
        Ok(Self { stream, buffer: vec![0; 64 << 10], filled: 0, answered: 0 })
    }

    /// The same socket after a WebSocket handshake.
    pub(crate) fn websocket(socket: &Path) -> Result<Self> {
        let mut wire = Self::lines(socket)?;
        wire.stream.write_all(
            b"GET / HTTP/1.1\r\nHost: a2n\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )?;
        let head = wire.read_until(|bytes| {
            bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
        })?;
        if !head.starts_with(b"HTTP/1.1 101") {
            bail!("no WebSocket: {}", String::from_utf8_lossy(head));
        }
        Ok(wire)
    }

    /// Sends a line (with its newline) and answers the next line.
    pub(crate) fn ask(&mut self, line: &[u8]) -> Result<&[u8]> {
        self.stream.write_all(line)?;
        self.next_line()
    }

    /// The next line.
    pub(crate) fn next_line(&mut self) -> Result<&[u8]> {
        self.read_until(|bytes| bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1))
    }

    /// Sends bytes and waits for nothing.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Sends a frame of [`frame`] and answers the next one, which is short.
    pub(crate) fn ask_frame(&mut self, frame: &[u8]) -> Result<&[u8]> {
        self.stream.write_all(frame)?;
        self.read_until(|bytes| {
            let length = 2 + usize::from(*bytes.get(1)? & 0x7f);
            (bytes.len() >= length).then_some(length)
        })
    }

    fn read_until(&mut self, end: impl Fn(&[u8]) -> Option<usize>) -> Result<&[u8]> {
        self.buffer.copy_within(self.answered..self.filled, 0);
        self.filled -= std::mem::take(&mut self.answered);
        loop {
            if let Some(length) = end(&self.buffer[..self.filled]) {
                self.answered = length;
                return Ok(&self.buffer[..length]);
            }
            if self.filled == self.buffer.len() {
                self.buffer.resize(2 * self.filled, 0);
            }
            match self.stream.read(&mut self.buffer[self.filled..])? {
                0 => bail!("the other end closed the connection"),
                n => self.filled += n,
            }
        }
    }
}

/// A text frame of a client: masked, as it has to be, with a mask that changes nothing.
pub(crate) fn frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).ok().filter(|n| *n < 126).expect("a short text");
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

/// The text between two others.
pub(crate) fn between<'a>(line: &'a [u8], before: &str, after: u8) -> Option<&'a [u8]> {
    let start = line.windows(before.len()).position(|part| part == before.as_bytes())?;
    let rest = &line[start + before.len()..];
    rest.iter().position(|byte| *byte == after).map(|end| &rest[..end])
}
