//! Outgoing HTTP, over TCP with TLS or over a Unix socket.
//!
//! Every error says whether a byte of the request may have left ([`HttpError::may_have_arrived`]):
//! only then is the outcome of a request that changes something unknown. Connections are never
//! reused, because one that the server closes at the same moment would leave that doubt.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

use super::Later;

mod guard;
mod real;

pub use guard::refuses;
pub use real::RealHttp;

/// Outgoing HTTP.
pub trait Http: Send + Sync + fmt::Debug {
    /// Sends one request (and follows its redirects) and reads the whole answer.
    fn send(&self, request: Request) -> Later<'_, Result<Response, HttpError>>;
}

/// What to send.
#[derive(Debug, Clone)]
pub struct Request {
    /// Upper case.
    pub method: String,
    /// `http:` or `https:`; with a `socket` only its path and query count.
    pub url: String,
    /// The Unix socket to use instead of the network.
    pub socket: Option<PathBuf>,
    /// Added to the URL.
    pub query: Vec<(String, String)>,
    /// In order; a name may stand several times.
    pub headers: Vec<(String, String)>,
    /// What to send.
    pub body: Option<Bytes>,
    /// Longest time for all of it.
    pub timeout: Option<Duration>,
    /// How many redirects are followed.
    pub max_redirects: usize,
    /// Longest answer.
    pub max_body_bytes: usize,
    /// Whether loopback and private networks may be called.
    pub private_addresses: bool,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// In order, names in lower case; bytes above ASCII as U+FFFD.
    pub headers: Vec<(String, String)>,
    /// All of it, decompressed.
    pub body: Bytes,
    /// Where it came from after redirects, without user name and password.
    pub url: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not a URL, method or header.
    #[error("{what}")]
    Malformed {
        /// What is wrong with what.
        what: String,
    },
    /// An address that must not be called.
    #[error("{address} is {why} and must not be called")]
    Forbidden {
        /// Which.
        address: IpAddr,
        /// What it is.
        why: &'static str,
    },
    /// Refused, unresolved, no route, no valid certificate: nothing was sent.
    #[error("no connection to {to}: {message}")]
    Connect {
        /// Host or socket.
        to: String,
        /// What was said, outermost first.
        message: String,
    },
    /// Too slow.
    #[error("no full answer within {} ms", .after.as_millis())]
    Timeout {
        /// The limit.
        after: Duration,
        /// Whether the connection stood.
        connected: bool,
    },
    /// Broken off after the connection stood.
    #[error("the connection broke off: {message}")]
    Broken {
        /// What was said, outermost first.
        message: String,
    },
    /// An answer longer than wanted.
    #[error("the answer ({status}) is longer than {at_most} bytes")]
    TooLarge {
        /// Its status.
        status: u16,
        /// The limit.
        at_most: usize,
    },
    /// Redirects without end, or to where they must not lead.
    #[error("redirect not followed: {why}")]
    Redirect {
        /// Why.
        why: String,
    },
    /// Something after an earlier request had been answered by a redirect.
    #[error("after a redirect: {source}")]
    AfterRedirect {
        /// What.
        source: Box<HttpError>,
    },
}

impl HttpError {
    /// Whether the request may have arrived without its full answer having come back.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Broken { .. } | Self::AfterRedirect { .. } | Self::Redirect { .. } => true,
            Self::Timeout { connected, .. } => *connected,
            Self::Malformed { .. }
            | Self::Forbidden { .. }
            | Self::Connect { .. }
            | Self::TooLarge { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests;
