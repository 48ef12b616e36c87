//! WebSocket frames after a good handshake. What comes back are unmasked frames; texts are JSON-RPC
//! answers, and after a close nothing follows.

use arbitrary::Unstructured;

use super::lines::check_answer;
use super::{MADE, made, world};

const HANDSHAKE: &[u8] = b"GET / HTTP/1.1\r\nHost: a2n\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Tries what a client sends after its handshake.
pub fn run(data: &[u8]) {
    let said = match data.split_first() {
        Some((&MADE, recipe)) => {
            world::converse(&[HANDSHAKE, &frames(&mut Unstructured::new(recipe))])
        }
        _ => world::converse(&[HANDSHAKE, data]),
    };
    let text = b"\r\n\r\n";
    let end = said.windows(4).position(|four| four == text).expect("the handshake is answered");
    assert!(said.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&said));
    let mut rest = &said[end + 4..];
    let mut closed = false;
    while let Some((first, payload, after)) = frame(rest) {
        assert!(!closed, "a frame after the close");
        rest = after;
        match first {
            0x81 => check_answer(payload),
            0x88 => closed = true,
            0x8a => assert!(payload.len() <= 125),
            other => panic!("frame {other:#x}"),
        }
    }
    assert!(!closed || rest.is_empty(), "bytes after the close");
}

/// The first frame of the daemon's bytes: first byte, payload, what is behind.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (first, short) = (*bytes.first()?, *bytes.get(1)?);
    assert!(short < 0x80, "the daemon does not mask");
    let (length, begin): (usize, usize) = match short {
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => {
            let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?);
            (usize::try_from(length).ok()?, 10)
        }
        short => (usize::from(short), 2),
    };
    let payload = bytes.get(begin..begin.checked_add(length)?)?;
    Some((first, payload, &bytes[begin + length..]))
}

fn frames(u: &mut Unstructured<'_>) -> Vec<u8> {
    let mut all = Vec::new();
    for _ in 0..u.int_in_range(1..=6).unwrap_or(1) {
        let firsts = [0x81, 0x81, 0x81, 0x01, 0x00, 0x80, 0x82, 0x89, 0x8a, 0x88, 0x83, 0xc1];
        let first = *u.choose(&firsts).unwrap_or(&0x81);
        let payload = match u.int_in_range(0..=3).unwrap_or(0) {
            0 => u.arbitrary::<&[u8]>().unwrap_or_default().to_vec(),
            1 => made::call(u).into_bytes().into_iter().take(40).collect(),
            _ => made::call(u).into_bytes(),
        };
        let told = match u.int_in_range(0..=19).unwrap_or(0) {
            0 => u.arbitrary().unwrap_or(0),
            _ => payload.len() as u64,
        };
        put(&mut all, first, told, u.ratio(19, 20).unwrap_or(true), &payload);
    }
    all
}

/// Puts one frame with any length that it tells of itself.
fn put(to: &mut Vec<u8>, first: u8, told: u64, masked: bool, payload: &[u8]) {
    let mask = if masked { 0x80 } else { 0 };
    to.push(first);
    match u8::try_from(told) {
        Ok(short) if short < 126 => to.push(mask | short),
        _ => {
            to.push(mask | 127);
            to.extend_from_slice(&told.to_be_bytes());
        }
    }
    let key = [1, 2, 3, 4];
    if masked {
        to.extend_from_slice(&key);
    }
    let keys = key.iter().cycle().map(|key| if masked { *key } else { 0 });
    to.extend(payload.iter().zip(keys).map(|(byte, key)| byte ^ key));
}
