//! Many clients at once, with ordinary system calls: R16 against few descriptors, R22 against many
//! clients, R21 the rude ones. A client counts as served, refused with a reason, or left alone; left
//! alone must be nobody who waited.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use a2n_tests::daemon::LIMIT;
use anyhow::{Context, Result, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

const PING: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"system.ping\"}\n";

/// How a crowd fared.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fared {
    /// Answered.
    pub(crate) served: usize,
    /// Told why not.
    pub(crate) refused: usize,
    /// Closed without a word, as more than can be told at once are.
    pub(crate) closed: usize,
}

/// Connections that have asked and not read.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    streams: Vec<UnixStream>,
    served: Vec<UnixStream>,
}

impl Crowd {
    /// Connects `n` clients, each of which asks at once.
    pub(crate) fn gather(socket: &Path, n: usize) -> Result<Self> {
        let mut crowd = Self::default();
        for i in 0..n {
            let mut stream =
                UnixStream::connect(socket).with_context(|| format!("client {i} of {n}"))?;
            stream.set_read_timeout(Some(LIMIT))?;
            match stream.write_all(PING) {
                Ok(()) => crowd.streams.push(stream),
                // Closed already: it is counted when it reads.
                Err(e) if e.kind() == ErrorKind::BrokenPipe => crowd.streams.push(stream),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(crowd)
    }

    /// Reads every answer; those who were served stay connected.
    pub(crate) fn hear(&mut self) -> Result<Fared> {
        let mut fared = Fared::default();
        for mut stream in std::mem::take(&mut self.streams) {
            let said = line(&mut stream)?;
            if said.contains("pong") {
                fared.served += 1;
                self.served.push(stream);
            } else if said.contains("OVERLOADED") && said.contains("limit") {
                fared.refused += 1;
            } else if said.is_empty() {
                fared.closed += 1;
            } else {
                bail!("a strange answer: {said}");
            }
        }
        Ok(fared)
    }

    /// Those who were served ask again, all of them.
    pub(crate) fn ask_again(&mut self) -> Result<usize> {
        for stream in &mut self.served {
            stream.write_all(PING)?;
        }
        let mut served = 0;
        for stream in &mut self.served {
            served += usize::from(line(stream)?.contains("pong"));
        }
        Ok(served)
    }
}

/// What comes up to the end of a line or of the stream.
fn line(stream: &mut UnixStream) -> Result<String> {
    let (mut text, mut buffer) = (Vec::new(), [0; 1024]);
    while !text.ends_with(b"\n") {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => text.extend_from_slice(&buffer[..n]),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => break,
            Err(e) => return Err(e).context("a client that waits for its answer"),
        }
    }
    Ok(String::from_utf8(text)?)
}

/// Lets this process open as many descriptors as it may; how many that are.
pub(crate) fn raise_own_limit() -> Result<usize> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(usize::try_from(hard)?)
}
