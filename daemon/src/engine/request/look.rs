//! Looking at the world until it is as wanted (`wait` with `file`, `port` or `http`).

use std::time::Duration;

use a2n_proto::{Json, Timestamp};
use serde::{Deserialize, Serialize};

use super::with_member;
use crate::engine::kind::{Item, NodeError, Outcome};
use crate::engine::request::{Reply, Request};

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LookRequest {
    /// What is looked at.
    pub at: Target,
    /// How often. A file is also looked at when something happens to it.
    pub every: Duration,
    /// When it is over by itself.
    pub until: Option<Timestamp>,
    /// What was not as wanted, as far as it was noted.
    pub said: Option<String>,
    /// What then goes on.
    pub items: Vec<Item>,
}

/// What is looked at, and how it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// A file or folder.
    File {
        /// Where; a relative one is below HOME.
        path: String,
        /// How it is wanted.
        wanted: FileState,
        /// What stood there when the wait began, where that matters and was seen.
        first: Option<Seen>,
    },
    /// A TCP port that takes connections.
    Port {
        /// A name or an address.
        host: String,
        /// From 1.
        port: u16,
    },
    /// An answer over HTTP.
    Http(Box<HttpTarget>),
}

/// How a file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileState {
    /// It is there.
    Exists,
    /// It is another one than when the wait began, or there and gone since.
    Changed,
    /// It is not there.
    Gone,
}

/// What stands at a path: none where nothing does.
pub type Seen = Option<Stamp>;

/// What a folder says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// When its content was last changed: nanoseconds since 1970.
    pub modified_ns: i64,
    /// Which file it is.
    pub inode: u64,
}

/// What is asked over HTTP, and which answer is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpTarget {
    /// GET or HEAD.
    pub method: String,
    /// Where to.
    pub url: String,
    /// The Unix socket to use instead of the network.
    pub socket: Option<String>,
    /// In order.
    pub headers: Vec<(String, String)>,
    /// Statuses that are wanted, from and to.
    pub status: Vec<(u16, u16)>,
    /// An expression over `answer` that has to be true besides.
    pub holds: Option<String>,
}

impl LookRequest {
    /// The items, each with what was seen as a member.
    pub fn met(&self, seen: &Json) -> Reply {
        let name = match self.at {
            Target::File { .. } => "file",
            Target::Port { .. } => "port",
            Target::Http(_) => "http",
        };
        Ok(with_member(&self.items, name, seen))
    }

    /// The same wait in other words: what is kept of it is this from now on.
    pub fn go_on(self) -> Reply {
        Ok(Outcome::Request(Box::new(Request::Look(Box::new(self)))))
    }

    /// It was not as wanted in time.
    pub fn late(&self) -> Reply {
        let said = self.said.as_ref().map(|said| format!("; last: {said}"));
        let message =
            format!("{} was not seen in time{}", self.at.wish(), said.unwrap_or_default());
        Err(NodeError::new("TIMEOUT", message))
    }

    /// What it waits for, in a line.
    pub fn detail(&self) -> String {
        let said = self.said.as_ref().map(|said| format!(" (last: {said})"));
        let first = match &self.at {
            Target::File { first: Some(Some(stamp)), .. } => {
                format!(" ({} bytes so far)", stamp.size)
            }
            Target::File { first: Some(None), .. } => " (not there so far)".to_owned(),
            _ => String::new(),
        };
        let text = self.at.wish() + &first + &said.unwrap_or_default();
        text.chars().take(300).collect()
    }
}

impl Target {
    /// What is wanted, in a few words.
    fn wish(&self) -> String {
        let text = match self {
            Self::File { path, wanted, .. } => match wanted {
                FileState::Exists => format!("file {path}"),
                FileState::Changed => format!("a change of file {path}"),
                FileState::Gone => format!("the end of file {path}"),
            },
            Self::Port { host, port } if host.contains(':') => {
                format!("an answer of port [{host}]:{port}")
            }
            Self::Port { host, port } => format!("an answer of port {host}:{port}"),
            Self::Http(http) => format!("the answer of {}", http.shown()),
        };
        text.chars().take(200).collect()
    }
}

impl HttpTarget {
    /// Whether a status is wanted.
    pub fn wants(&self, status: u16) -> bool {
        self.status.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }

    /// The URL for people: what comes after `?` and before `@` may be secret.
    fn shown(&self) -> String {
        let url = self.url.split(['?', '#']).next().unwrap_or("");
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        match &self.socket {
            Some(socket) => format!("unix:{socket}:{path}"),
            None => format!("{scheme}://{}{path}", host.rsplit('@').next().unwrap_or("")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(at: Target) -> LookRequest {
        let every = Duration::from_secs(1);
        LookRequest { at, every, until: None, said: None, items: vec![Json::of(&7)] }
    }

    fn http(url: &str, socket: Option<&str>) -> Target {
        Target::Http(Box::new(HttpTarget {
            method: "GET".into(),
            url: url.into(),
            socket: socket.map(str::to_owned),
            headers: Vec::new(),
            status: vec![(200, 299), (304, 304)],
            holds: None,
        }))
    }

    #[test]
    fn what_it_waits_for_is_said_without_what_may_be_secret() {
        let file = |wanted| Target::File { path: "/in/x".into(), wanted, first: None };
        let port = |host: &str| Target::Port { host: host.into(), port: 22 };
        let said = |at| request(at).detail();
        assert_eq!(said(file(FileState::Exists)), "file /in/x");
        assert_eq!(said(file(FileState::Changed)), "a change of file /in/x");
        assert_eq!(said(file(FileState::Gone)), "the end of file /in/x");
        assert_eq!(said(port("db.lan")), "an answer of port db.lan:22");
        assert_eq!(said(port("::1")), "an answer of port [::1]:22");
        assert_eq!(said(http("https://me:pw@h/p?key=1", None)), "the answer of https://h/p");
        let socket = http("http://localhost/v1/x", Some("/run/d.sock"));
        assert_eq!(said(socket), "the answer of unix:/run/d.sock:/v1/x");
        assert!(said(port(&"x".repeat(5_000))).len() <= 300);
    }

    #[test]
    fn a_wait_that_is_over_says_what_was_seen_last() {
        let mut wait = request(http("http://h/", None));
        wait.said = Some("status 503".into());
        let late = wait.late().unwrap_err();
        assert_eq!(
            (late.kind.as_str(), late.message.as_str()),
            ("TIMEOUT", "the answer of http://h/ was not seen in time; last: status 503")
        );
        let met = wait.met(&Json::of(&1)).unwrap();
        let Outcome::Items(items) = met else { panic!("{met:?}") };
        assert_eq!(items["output"][0].as_str(), r#"{"value":7,"http":1}"#);
    }

    #[test]
    fn a_status_is_wanted_by_its_range() {
        let Target::Http(http) = http("http://h/", None) else { unreachable!() };
        let wanted: Vec<u16> = (100..600).filter(|status| http.wants(*status)).collect();
        assert_eq!((wanted.len(), wanted[0], wanted[100]), (101, 200, 304));
    }
}
