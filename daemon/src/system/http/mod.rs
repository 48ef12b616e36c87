//! Outgoing HTTP, over TCP with TLS or over a Unix socket.
//!
//! Every error says whether a byte of the request may have left ([`HttpError::may_have_arrived`]):
//! only then is the outcome of a request that changes something unknown. Connections are never
//! reused, because one that the server closes at the same moment would leave that doubt.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use a2n_proto::ContentHash;
use bytes::{Bytes, BytesMut};

use super::attachments::Attachments;
use super::{Later, Pieces};

mod guard;
mod real;

pub use guard::refuses;
pub use real::{RealHttp, check_url};

/// Outgoing HTTP.
pub trait Http: Send + Sync + fmt::Debug {
    /// Sends one request (and follows its redirects); answers when the answer's head is there.
    fn send(&self, request: Request) -> Later<'_, Result<Answer, HttpError>>;
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
    pub body: Option<Sent>,
    /// Longest time for all of it, the answer's body included.
    pub timeout: Option<Duration>,
    /// How many redirects are followed.
    pub max_redirects: usize,
    /// Whether loopback and private networks may be called.
    pub private_addresses: bool,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub enum Sent {
    /// These bytes.
    Bytes(Bytes),
    /// An attachment, read while it is sent.
    Attachment {
        /// Where it is kept.
        from: Attachments,
        /// Which.
        hash: ContentHash,
    },
}

/// An answer whose body is still to come.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// In order, names in lower case; bytes above ASCII as U+FFFD.
    pub headers: Vec<(String, String)>,
    /// Where it came from after redirects, without user name and password.
    pub url: String,
    /// As it comes, decompressed.
    pub body: Box<dyn Pieces<HttpError>>,
}

impl Answer {
    /// The whole answer, refused where its body is longer than `at_most` bytes.
    pub async fn whole(self, at_most: usize) -> Result<Response, HttpError> {
        let Self { status, headers, url, mut body } = self;
        let mut bytes = BytesMut::new();
        while let Some(piece) = body.next().await? {
            if bytes.len() + piece.len() > at_most {
                return Err(HttpError::TooLarge { status, at_most });
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(Response { status, headers, url, body: bytes.freeze() })
    }
    /// The beginning of the body, at least `wanted` bytes where there are so many. What goes wrong
    /// after it does not matter to who asks only for this.
    pub async fn beginning(&mut self, wanted: usize) -> Bytes {
        let mut bytes = BytesMut::new();
        while bytes.len() < wanted
            && let Ok(Some(piece)) = self.body.next().await
        {
            bytes.extend_from_slice(&piece);
        }
        bytes.freeze()
    }
}

/// A whole answer.
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
