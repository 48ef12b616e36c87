//! HTTP on the socket: heads and bodies of any shape. What comes back begins with a status line
//! that is not 5xx, and the body of a call's answer is a JSON-RPC answer.

use arbitrary::Unstructured;

use super::lines::check_answer;
use super::{MADE, made, world};

/// Tries the bytes of one connection.
pub fn run(data: &[u8]) {
    let said = match data.split_first() {
        Some((&MADE, recipe)) => world::converse(&[&request(&mut Unstructured::new(recipe))]),
        Some((first, _)) if first.is_ascii_uppercase() => world::converse(&[data]),
        _ => world::converse(&[b"GET ", data]),
    };
    if said.is_empty() {
        return;
    }
    let end = said.iter().position(|byte| *byte == b'\r').expect("a status line ends");
    let line = std::str::from_utf8(&said[..end]).expect("a status line is text");
    let (version, status) = line.split_once(' ').expect("a status line has parts");
    assert!(version.starts_with("HTTP/1."), "{line}");
    assert!(("100".."500").contains(&status.get(..3).expect("a status")), "{line}");
    if let Some(body) = only_body(&said) {
        check_answer(body);
    }
}

/// The body where the answer is one whole answer to one call.
fn only_body(said: &[u8]) -> Option<&[u8]> {
    let text = std::str::from_utf8(said).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    let is_call = head.starts_with("http/1.1 200") && head.contains("application/json");
    (is_call && length.parse() == Ok(body.len()) && body.contains("\"jsonrpc\""))
        .then_some(body.as_bytes())
}

const HEADERS: &[&str] = &[
    "Host: a2n",
    "Content-Type: application/json",
    "Content-Type: text/plain; charset=koi8",
    "Connection: close",
    "Connection: Upgrade, keep-alive",
    "Upgrade: websocket",
    "Upgrade: h2c",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Version: 12",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Key: short",
    "Transfer-Encoding: chunked",
    "Expect: 100-continue",
    "User-Agent: fuzz\u{e9}",
    "Content-Length: 18446744073709551615",
    "Content-Length: -1",
    "X-Long: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];

fn request(u: &mut Unstructured<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..u.int_in_range(1..=3).unwrap_or(1) {
        let method = *u.choose(&["POST", "GET", "HEAD", "PUT", "OPTIONS", "A"]).unwrap_or(&"POST");
        let paths = ["/", "/rpc", "/healthz", "/readyz", "/metrics", "/openrpc.json", "*", "//x?y"];
        let path = *u.choose(&paths).unwrap_or(&"/");
        let version = *u.choose(&["1.1", "1.0", "2.0"]).unwrap_or(&"1.1");
        text.extend_from_slice(format!("{method} {path} HTTP/{version}\r\n").as_bytes());
        let body = made::call(u);
        if u.ratio(4, 5).unwrap_or(true) {
            text.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        for _ in 0..u.int_in_range(0..=6).unwrap_or(0) {
            text.extend_from_slice(u.choose(HEADERS).unwrap_or(&"A: b").as_bytes());
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"\r\n");
        text.extend_from_slice(body.as_bytes());
    }
    text
}
