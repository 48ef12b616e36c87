//! The JSON-RPC 2.0 envelope: one frame's bytes in, requests out; results and errors to bytes.
//!
//! Every frame passes the strict check first (UTF-8, depth, members that stand twice), whatever way
//! it came. Nothing is copied: a request borrows from the frame.

use std::borrow::Cow;

use a2n_proto::json::{self, Fault};
use a2n_proto::{ErrorKind, RpcError};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// What a frame holds.
#[derive(Debug)]
pub(crate) enum Frame<'a> {
    /// One call or notification.
    One(Request<'a>),
    /// A batch; elements that are no requests are refused one by one.
    Batch(Vec<Result<Request<'a>, Refusal>>),
    /// Nothing that can be called.
    Refused(Refusal),
}

/// One call, or a notification where there is no id.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// The id's JSON text, echoed as it came.
    pub(crate) id: Option<&'a str>,
    /// The method.
    pub(crate) method: Cow<'a, str>,
    /// The params' JSON text: an object or an array.
    pub(crate) params: Option<&'a str>,
}

/// Why something is not a request, and the id to say so with.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// JSON text.
    pub(crate) id: String,
    /// What is wrong.
    pub(crate) error: RpcError,
}

impl Refusal {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { id: "null".into(), error: RpcError::new(kind, message) }
    }
}

/// Reads one frame.
pub(crate) fn read(frame: &[u8], max_batch: usize) -> Frame<'_> {
    let text = match std::str::from_utf8(frame) {
        Ok(text) => text.trim_ascii(),
        Err(error) => {
            let message = format!("not UTF-8 at byte {}", error.valid_up_to());
            return Frame::Refused(Refusal::new(ErrorKind::Parse, message));
        }
    };
    if let Some(request) = at_once(text) {
        return Frame::One(request);
    }
    if let Err(fault) = json::check(text) {
        return Frame::Refused(refuse(text, fault));
    }
    if !text.starts_with('[') {
        return request(text).map_or_else(Frame::Refused, Frame::One);
    }
    let elements: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    if elements.is_empty() {
        return Frame::Refused(Refusal::new(ErrorKind::Request, "the batch is empty"));
    }
    if elements.len() > max_batch {
        let message = format!("{} calls in one batch; the limit is {max_batch}", elements.len());
        return Frame::Refused(Refusal::new(ErrorKind::TooLarge, message));
    }
    Frame::Batch(elements.into_iter().map(|element| request(element.get())).collect())
}

/// The answer that carries `result`.
pub(crate) fn result(id: &str, result: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(result.len() + id.len() + 40);
    text.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    text.extend_from_slice(id.as_bytes());
    text.extend_from_slice(br#","result":"#);
    text.extend_from_slice(result);
    text.push(b'}');
    text
}

/// The answer that carries an error.
pub(crate) fn error(id: &str, error: &RpcError) -> Vec<u8> {
    #[derive(Serialize)]
    struct Wire<'a, D> {
        code: i32,
        message: &'a str,
        data: D,
    }
    let wire = Wire { code: error.kind.code(), message: message(error), data: error.data() };
    let mut text = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":"#).into_bytes();
    serde_json::to_writer(&mut text, &wire).expect("an error is JSON");
    text.push(b'}');
    text
}

/// JSON-RPC gives its own errors their message; ours stands in `data.message` then.
fn message(error: &RpcError) -> &str {
    match error.kind {
        ErrorKind::Parse => "Parse error",
        ErrorKind::Request => "Invalid Request",
        ErrorKind::Method => "Method not found",
        _ => &error.message,
    }
}

/// One call that is right in every way and plainly written, as nearly all are: then each part of the
/// text is read once, and not once to check it and once more. Whatever else it is, nothing.
fn at_once(text: &str) -> Option<Request<'_>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Plain<'a> {
        jsonrpc: &'a str,
        #[serde(borrow)]
        id: &'a RawValue,
        method: &'a str,
        #[serde(borrow)]
        params: Option<&'a RawValue>,
    }
    // Also keeps `from_str` from going down into what is no object.
    let plain: Plain<'_> = text.starts_with('{').then(|| serde_json::from_str(text).ok())??;
    let (id, params) = (plain.id.get(), plain.params.map(RawValue::get));
    let is_number = id.len() < 16 && id.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = is_number || id.starts_with('"') && !id.contains('\\');
    let holds =
        params.is_none_or(|text| text.starts_with('{') && json::check_inside(text, 1).is_ok());
    let fits = plain.jsonrpc == "2.0" && is_plain && holds;
    fits.then_some(Request { id: Some(id), method: Cow::Borrowed(plain.method), params })
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
}

/// Keeps `null` apart from absent: an id of null is a call, not a notification.
fn present<'de, D: Deserializer<'de>>(d: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(d).map(Some)
}

fn request(text: &str) -> Result<Request<'_>, Refusal> {
    let wrong = |message: &str| Refusal::new(ErrorKind::Request, message);
    if !text.starts_with('{') {
        return Err(wrong("a request is an object").hint(EXAMPLE));
    }
    let envelope: Envelope<'_> =
        serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
    let id = envelope.id.map(RawValue::get);
    if id.is_some_and(|id| !is_id(id)) {
        return Err(wrong("id has to be a string, a number or null"));
    }
    let wrong = |message: &str| {
        let refusal = wrong(message).hint(EXAMPLE);
        Refusal { id: id.unwrap_or("null").to_owned(), ..refusal }
    };
    if envelope.jsonrpc.map(RawValue::get) != Some("\"2.0\"") {
        return Err(wrong("jsonrpc has to be \"2.0\""));
    }
    let method = match envelope.method.map(RawValue::get) {
        Some(raw) if raw.starts_with('"') && !raw.contains('\\') => {
            Cow::Borrowed(&raw[1..raw.len() - 1])
        }
        Some(raw) if raw.starts_with('"') => {
            Cow::Owned(serde_json::from_str(raw).map_err(|_| wrong("method has to be a string"))?)
        }
        _ => return Err(wrong("method has to be a string")),
    };
    // Some clients write null for "no params"; it says the same.
    let params = envelope.params.map(RawValue::get).filter(|params| *params != "null");
    if params.is_some_and(|params| !params.starts_with(['{', '['])) {
        return Err(wrong("params has to be an object"));
    }
    Ok(Request { id, method, params })
}

const EXAMPLE: &str = r#"for example {"jsonrpc":"2.0","id":1,"method":"system.ping"}"#;

impl Refusal {
    fn hint(self, hint: &str) -> Self {
        Self { error: self.error.hint(hint), ..self }
    }
}

fn is_id(text: &str) -> bool {
    text == "null" || text.starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit())
}

/// The error for text that the strict check refuses. Where the text is JSON all the same, its id is
/// known and goes back, so that a waiting client learns which call it was.
fn refuse(text: &str, fault: Fault) -> Refusal {
    let mut error = RpcError::new(ErrorKind::Parse, fault.to_string());
    let id = match &fault {
        Fault::Syntax { .. } => None,
        Fault::Duplicate { path } => {
            error = error.at(path.clone()).hint("name each member once");
            known_id(text)
        }
        Fault::TooDeep { path } => {
            error = error.at(path.chars().take(200).collect::<String>());
            None
        }
        Fault::TooMany => None,
    };
    Refusal { id: id.unwrap_or("null").to_owned(), error }
}

fn known_id(text: &str) -> Option<&str> {
    let envelope: Envelope<'_> =
        text.starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()?;
    envelope.id.map(RawValue::get).filter(|id| is_id(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(frame: &[u8]) -> (i32, String, String) {
        match read(frame, 2) {
            Frame::Refused(refusal) => {
                (refusal.error.kind.code(), refusal.id, refusal.error.message)
            }
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn what_is_no_request_is_refused_with_the_protocols_code() {
        assert_eq!(refused(b"{\"a\":\xff}").0, -32700);
        assert_eq!(refused(b"").0, -32700);
        assert_eq!(refused(b"{\"jsonrpc\":\"2.0\"").0, -32700);
        assert_eq!(refused(&[b'['; 100_000]).0, -32700);
        assert_eq!(refused(b"\"hello\"").0, -32600);
        assert_eq!(refused(b"[]").0, -32600);
        assert_eq!(refused(b"[1,2,3]").0, 413);
    }

    #[test]
    fn a_member_that_stands_twice_is_named_and_the_id_goes_back() {
        let text = br#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":1,"a":2}}"#;
        let (code, id, message) = refused(text);
        assert_eq!((code, id.as_str()), (-32700, "7"));
        assert!(message.contains("`params.a`"), "{message}");
    }

    #[test]
    fn a_request_borrows_and_keeps_the_id_as_it_came() {
        let text = br#"{"jsonrpc":"2.0","id":1.50,"method":"a\u002eb","params":null}"#;
        let Frame::One(request) = read(text, 2) else { panic!("a request") };
        assert_eq!((request.id, &*request.method, request.params), (Some("1.50"), "a.b", None));
    }

    #[test]
    fn what_is_read_at_once_is_what_is_read_with_care() {
        let params = |inner: &str| {
            format!(r#"{{"jsonrpc":"2.0","id":"a","method":"m","params":{{"p":{inner}}}}}"#)
        };
        let deep = |n: usize| params(&format!("{}{}", "[".repeat(n), "]".repeat(n)));
        let texts = [
            r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#,
            r#"{"method":"m","params":{"a":{"b":[1,"\u0041"]}},"id":"x","jsonrpc":"2.0"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":null}"#,
            &deep(json::MAX_DEPTH - 2),
        ];
        for text in texts {
            let (at_once, careful) = (at_once(text).expect(text), request(text).expect(text));
            assert_eq!(json::check(text), Ok(()), "{text}");
            assert_eq!(format!("{at_once:?}"), format!("{careful:?}"));
        }
        let faulty = [
            &deep(json::MAX_DEPTH - 1),
            &params(r#"{"a":1,"a":2}"#),
            &params(r#""\ud800""#),
            &params("1e999"),
            r#"{"jsonrpc":"2.0","id":"\ud800","method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","x":{"a":1,"a":2}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":[1]}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m"} {}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#,
        ];
        for text in faulty {
            assert!(at_once(text).is_none(), "{text}");
        }
    }

    #[test]
    fn standard_errors_have_the_standard_message_and_ours_in_data() {
        let text = error("null", &RpcError::new(ErrorKind::Parse, "not JSON: x"));
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value["error"]["message"], "Parse error");
        assert_eq!(value["error"]["data"]["message"], "not JSON: x");
        assert_eq!(value["error"]["data"]["kind"], "PARSE");
    }
}
