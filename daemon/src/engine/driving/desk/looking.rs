//! One look at the world: what is there, and whether it is as wanted.

use std::path::Path;
use std::time::Duration;

use a2n_proto::{Json, Timestamp, merge_patch};
use serde_json::Value;

use crate::engine::expression::value_of;
use crate::engine::kind::NodeError;
use crate::engine::request::look::{FileState, HttpTarget, Seen, Stamp, Target};
use crate::system::System;
use crate::system::dial::{DialError, Number};
use crate::system::http::{HttpError, Request, Response};

/// Longest time for one answer.
const WITHIN: Duration = Duration::from_secs(30);
/// Redirects that are followed.
const MAX_REDIRECTS: usize = 10;
/// Longest body that is read.
const BODY_BYTES: usize = 1 << 20;

/// What came of a look.
#[derive(Debug)]
pub(super) enum Found {
    /// It is as wanted; this is what was seen.
    Met(Json),
    /// It is not, for this reason, where there is one to tell.
    NotYet(Option<String>),
    /// It was seen for the first time; it is waited for in these words from now on.
    First(Target),
    /// It never will be.
    Wrong(NodeError),
}

/// Looks once.
pub(super) async fn look(
    system: &System,
    private_addresses: bool,
    at: &Target,
    path: Option<&Path>,
) -> Found {
    match at {
        Target::File { path: written, wanted, first } => {
            let home = Path::new(written);
            look_at_file(system, path.unwrap_or(home), (written, *wanted, *first)).await
        }
        Target::Port { host, port } => {
            let number =
                Number { host: host.clone(), port: *port, private_addresses, within: WITHIN };
            match system.dial.dial(number).await {
                Ok(()) => Found::Met(object([("host", Json::of(host)), ("port", Json::of(port))])),
                Err(e @ DialError::Forbidden { .. }) => forbidden(&e),
                Err(e) => Found::NotYet(Some(e.to_string())),
            }
        }
        Target::Http(http) => look_at_answer(system, private_addresses, http).await,
    }
}

async fn look_at_file(
    system: &System,
    path: &Path,
    (written, wanted, first): (&str, FileState, Option<Seen>),
) -> Found {
    let seen: Seen = match system.files.stamp(path).await {
        Ok(stamp) => stamp.map(|stamp| Stamp {
            size: stamp.size,
            modified_ns: stamp.modified_ns,
            inode: stamp.inode,
        }),
        Err(error) => return Found::NotYet(Some(error.to_string())),
    };
    let is_met = match (wanted, first) {
        (FileState::Exists, _) => seen.is_some(),
        (FileState::Gone, _) => seen.is_none(),
        (FileState::Changed, Some(first)) => seen != first,
        (FileState::Changed, None) => {
            let (path, first) = (written.to_owned(), Some(seen));
            return Found::First(Target::File { path, wanted, first });
        }
    };
    if !is_met {
        return Found::NotYet(None);
    }
    let mut members =
        vec![("path", Json::of(&path.to_string_lossy())), ("exists", Json::of(&seen.is_some()))];
    if let Some(stamp) = seen {
        let modified = Timestamp::from_unix_ms(stamp.modified_ns.div_euclid(1_000_000));
        members.push(("size", Json::of(&stamp.size)));
        members.push(("modified", Json::of(&modified)));
    }
    Found::Met(object(members))
}

async fn look_at_answer(system: &System, private_addresses: bool, http: &HttpTarget) -> Found {
    if let (Some(socket), false) = (&http.socket, private_addresses) {
        let message = format!("the socket {socket} is on this machine and must not be called");
        return Found::Wrong(NodeError::new("FORBIDDEN_ADDRESS", message));
    }
    let mut headers = http.headers.clone();
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
        headers.push(("user-agent".into(), concat!("a2n/", env!("CARGO_PKG_VERSION")).into()));
    }
    let request = Request {
        method: http.method.clone(),
        url: http.url.clone(),
        socket: http.socket.as_ref().map(Into::into),
        query: Vec::new(),
        headers,
        body: None,
        timeout: Some(WITHIN),
        max_redirects: MAX_REDIRECTS,
        private_addresses,
    };
    let answer = match system.http.send(request).await {
        Ok(answer) => answer,
        Err(error) => return failed(&error),
    };
    if !http.wants(answer.status) {
        return Found::NotYet(Some(format!("status {}", answer.status)));
    }
    match answer.whole(BODY_BYTES).await {
        Ok(answer) => judge(http, &answer),
        Err(error) => failed(&error),
    }
}

/// Whether an answer with a status that is wanted is the one.
fn judge(http: &HttpTarget, answer: &Response) -> Found {
    let seen = object([
        ("status", Json::of(&answer.status)),
        ("headers", headers(&answer.headers)),
        ("body", body(answer)),
        ("url", Json::of(&answer.url)),
    ]);
    let Some(holds) = &http.holds else { return Found::Met(seen) };
    match value_of("http.where", holds, &seen) {
        Ok(Value::Bool(true)) => Found::Met(seen),
        Ok(Value::Bool(false)) => {
            Found::NotYet(Some(format!("status {}, and `where` is false", answer.status)))
        }
        Ok(other) => {
            let shown: String = other.to_string().chars().take(60).collect();
            let message = format!("`http.where` came to {shown}, but must be true or false");
            Found::Wrong(NodeError::new("CONFIG", message))
        }
        // A part that the answer does not have yet, most likely.
        Err(fault) => Found::NotYet(Some(format!("status {}, and {fault}", answer.status))),
    }
}

fn failed(error: &HttpError) -> Found {
    match error {
        HttpError::Malformed { .. } => Found::Wrong(NodeError::new("CONFIG", error.to_string())),
        HttpError::Forbidden { .. } => forbidden(error),
        HttpError::AfterRedirect { source } if matches!(**source, HttpError::Forbidden { .. }) => {
            forbidden(error)
        }
        _ => Found::NotYet(Some(error.to_string())),
    }
}

fn forbidden(error: &impl std::error::Error) -> Found {
    Found::Wrong(NodeError::new("FORBIDDEN_ADDRESS", error.to_string()))
}

/// JSON where it is that, else text; nothing where it is neither.
fn body(answer: &Response) -> Json {
    match std::str::from_utf8(&answer.body) {
        Ok("") | Err(_) => Json::null(),
        Ok(text) => Json::parse(text).unwrap_or_else(|_| Json::of(&text)),
    }
}

/// Names in lower case; what stands several times is joined with commas.
fn headers(all: &[(String, String)]) -> Json {
    let mut joined: Vec<(String, String)> = Vec::new();
    for (name, value) in all {
        match joined.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = format!("{known}, {value}"),
            None => joined.push((name.clone(), value.clone())),
        }
    }
    let members: Vec<(String, Json)> =
        joined.into_iter().map(|(name, value)| (name, Json::of(&value))).collect();
    merge_patch::object(&members)
}

fn object(members: impl IntoIterator<Item = (&'static str, Json)>) -> Json {
    let members: Vec<(String, Json)> =
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    merge_patch::object(&members)
}
