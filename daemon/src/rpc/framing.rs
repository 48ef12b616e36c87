//! How frames lie in the bytes of a connection: one a line, or WebSocket messages (RFC 6455).
//!
//! Both cut frames out of the same read buffer and put messages into the same write buffer, so the
//! connection's loop does not know which it has.

use bytes::{Buf, BytesMut};
use soketto::Parsing;
use soketto::base::{Codec, Header, OpCode};

/// The way frames are cut out and put in.
#[derive(Debug)]
pub(crate) enum Framing {
    /// Newline-delimited.
    Lines(Lines),
    /// WebSocket, after the handshake.
    WebSocket(Box<WebSocket>),
}

/// What the read buffer holds.
#[derive(Debug, PartialEq)]
pub(crate) enum Cut {
    /// A whole frame.
    Frame(BytesMut),
    /// Not yet a whole one.
    More,
    /// A frame above the limit.
    TooLarge,
    /// The client said goodbye, or broke the protocol: answer what is left in `out`, then close.
    Close,
}

/// State of the line protocol: how far the buffer was searched.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    searched: usize,
    max_bytes: usize,
}

/// State of a WebSocket.
#[derive(Debug)]
pub(crate) struct WebSocket {
    codec: Codec,
    /// Fragments so far, where a message is in the middle of them.
    message: Option<BytesMut>,
    max_bytes: usize,
    /// Whether our close frame is out: nothing may follow it (§5.5.1).
    closed: bool,
}

/// Close codes of RFC 6455 §7.4.1.
const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;
const PROTOCOL_ERROR: u16 = 1002;
const POLICY: u16 = 1008;
const TOO_BIG: u16 = 1009;

impl Framing {
    pub(crate) fn lines(max_bytes: usize) -> Self {
        Self::Lines(Lines { searched: 0, max_bytes })
    }

    pub(crate) fn websocket(max_bytes: usize) -> Self {
        let mut codec = Codec::new();
        codec.set_max_data_size(max_bytes);
        Self::WebSocket(Box::new(WebSocket { codec, message: None, max_bytes, closed: false }))
    }

    /// The next frame in `buffer`; answers that the protocol itself wants go to `out`.
    pub(crate) fn cut(&mut self, buffer: &mut BytesMut, out: &mut Vec<u8>) -> Cut {
        match self {
            Self::Lines(lines) => lines.cut(buffer),
            Self::WebSocket(websocket) => websocket.cut(buffer, out),
        }
    }

    /// Whether the rest of a message is missing; ask when all whole frames are cut out.
    pub(crate) fn has_begun(&self, buffer: &BytesMut) -> bool {
        let in_fragments = matches!(self, Self::WebSocket(open) if open.message.is_some());
        in_fragments || !buffer.is_empty()
    }

    /// What stands in the buffer when the input ends: a last line without its newline.
    pub(crate) fn rest(&mut self, buffer: &mut BytesMut) -> Option<BytesMut> {
        let is_lines = matches!(self, Self::Lines(_));
        (is_lines && !buffer.is_empty()).then(|| buffer.split())
    }

    /// Puts one message.
    pub(crate) fn put(&mut self, message: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Lines(_) => {
                out.reserve(message.len() + 1);
                out.extend_from_slice(message);
                out.push(b'\n');
            }
            Self::WebSocket(websocket) => websocket.put(OpCode::Text, message, out),
        }
    }

    /// Puts what ends the connection in order.
    pub(crate) fn finish(&mut self, ending: Ending, out: &mut Vec<u8>) {
        if let Self::WebSocket(websocket) = self {
            let code = match ending {
                Ending::Done => NORMAL,
                Ending::Stopping => GOING_AWAY,
                Ending::TooLarge => TOO_BIG,
                Ending::Overdue => POLICY,
            };
            websocket.put(OpCode::Close, &code.to_be_bytes(), out);
        }
    }
}

/// Why a connection is closed from our side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    Stopping,
    TooLarge,
    /// A message stood still in the middle.
    Overdue,
}

impl Lines {
    fn cut(&mut self, buffer: &mut BytesMut) -> Cut {
        let found = buffer[self.searched..].iter().position(|byte| *byte == b'\n');
        let Some(offset) = found else {
            self.searched = buffer.len();
            return if buffer.len() > self.max_bytes { Cut::TooLarge } else { Cut::More };
        };
        let length = self.searched + offset;
        self.searched = 0;
        if length > self.max_bytes {
            return Cut::TooLarge;
        }
        let line = buffer.split_to(length);
        buffer.advance(1);
        Cut::Frame(line)
    }
}

impl WebSocket {
    fn cut(&mut self, buffer: &mut BytesMut, out: &mut Vec<u8>) -> Cut {
        loop {
            let header = match self.codec.decode_header(buffer) {
                Ok(Parsing::Done { value, offset }) => {
                    if buffer.len() < offset + value.payload_len() {
                        let missing = offset + value.payload_len() - buffer.len();
                        buffer.reserve(missing.min(64 << 10));
                        return Cut::More;
                    }
                    buffer.advance(offset);
                    value
                }
                Ok(Parsing::NeedMore(_)) => return Cut::More,
                Err(soketto::base::Error::PayloadTooLarge { .. }) => return Cut::TooLarge,
                Err(_) => return self.fail(out),
            };
            let mut payload = buffer.split_to(header.payload_len());
            // A client has to mask (§5.1).
            if !header.is_masked() {
                return self.fail(out);
            }
            Codec::apply_mask(&header, &mut payload);
            match self.take(&header, payload, out) {
                Cut::More => {}
                cut => return cut,
            }
        }
    }

    /// Takes one frame; `More` means that it was no whole message.
    fn take(&mut self, header: &Header, payload: BytesMut, out: &mut Vec<u8>) -> Cut {
        match (header.opcode(), &mut self.message) {
            (OpCode::Ping, _) => {
                self.put(OpCode::Pong, &payload, out);
                Cut::More
            }
            (OpCode::Pong, _) => Cut::More,
            (OpCode::Close, _) => {
                let code = payload.get(..2).map_or(NORMAL, |b| u16::from_be_bytes([b[0], b[1]]));
                self.put(OpCode::Close, &code.to_be_bytes(), out);
                Cut::Close
            }
            (OpCode::Text | OpCode::Binary, None) if header.is_fin() => Cut::Frame(payload),
            (OpCode::Text | OpCode::Binary, None) => {
                self.message = Some(payload);
                Cut::More
            }
            (OpCode::Continue, Some(message)) => {
                if message.len() + payload.len() > self.max_bytes {
                    return Cut::TooLarge;
                }
                message.extend_from_slice(&payload);
                if !header.is_fin() {
                    return Cut::More;
                }
                self.message.take().map_or(Cut::More, Cut::Frame)
            }
            _ => self.fail(out),
        }
    }

    fn fail(&mut self, out: &mut Vec<u8>) -> Cut {
        self.put(OpCode::Close, &PROTOCOL_ERROR.to_be_bytes(), out);
        Cut::Close
    }

    fn put(&mut self, opcode: OpCode, payload: &[u8], out: &mut Vec<u8>) {
        if self.closed {
            return;
        }
        self.closed = opcode == OpCode::Close;
        let mut header = Header::new(opcode);
        header.set_payload_len(payload.len());
        out.reserve(payload.len() + 10);
        out.extend_from_slice(self.codec.encode_header(&header));
        out.extend_from_slice(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first, 0x80 | u8::try_from(payload.len()).unwrap(), 1, 2, 3, 4];
        frame.extend(payload.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(byte, key)| byte ^ key));
        frame
    }

    fn check(framing: &mut Framing, input: &[u8], expect: &[Cut]) -> Vec<u8> {
        let mut out = Vec::new();
        // Byte by byte and all at once give the same cuts.
        let mut buffer = BytesMut::new();
        let mut cuts = Vec::new();
        for byte in input {
            buffer.extend_from_slice(&[*byte]);
            while let cut @ (Cut::Frame(_) | Cut::Close | Cut::TooLarge) =
                framing.cut(&mut buffer, &mut out)
            {
                let stop = !matches!(cut, Cut::Frame(_));
                cuts.push(cut);
                if stop {
                    assert_eq!(cuts, expect);
                    return out;
                }
            }
        }
        assert_eq!(cuts, expect);
        out
    }

    fn frame(text: &str) -> Cut {
        Cut::Frame(BytesMut::from(text))
    }

    #[test]
    fn lines_are_cut_at_newlines_and_measured() {
        check(&mut Framing::lines(8), b"ab\n\ncd\r\n", &[frame("ab"), frame(""), frame("cd\r")]);
        check(&mut Framing::lines(3), b"abcd", &[Cut::TooLarge]);
        check(&mut Framing::lines(3), b"abc\n", &[frame("abc")]);
    }

    #[test]
    fn websocket_messages_may_be_fragmented_and_pinged_in_between() {
        let input =
            [masked(0x01, b"ab"), masked(0x89, b"p"), masked(0x80, b"cd"), masked(0x81, b"e")];
        let out = check(&mut Framing::websocket(8), &input.concat(), &[frame("abcd"), frame("e")]);
        assert_eq!(out, [0x8a, 1, b'p']);
    }

    /// A client that said goodbye got two close frames: the answer to its own and the one that ends
    /// a connection in order. Found by fuzzing; a test of the bytes that leave would have told.
    #[test]
    fn nothing_follows_our_close() {
        let mut framing = Framing::websocket(8);
        let mut out = check(&mut framing, &masked(0x88, &[3, 232]), &[Cut::Close]);
        framing.put(b"late", &mut out);
        framing.finish(Ending::Done, &mut out);
        assert_eq!(out, [0x88, 2, 3, 232]);
    }

    #[test]
    fn websocket_faults_are_answered_with_a_close() {
        let out = check(&mut Framing::websocket(8), &[0x81, 0x01, b'x'], &[Cut::Close]);
        assert_eq!(out, [0x88, 2, 0x03, 0xea]);
        let out = check(&mut Framing::websocket(8), &masked(0x80, b"x"), &[Cut::Close]);
        assert_eq!(out, [0x88, 2, 0x03, 0xea]);
        check(&mut Framing::websocket(8), &masked(0x81, b"123456789"), &[Cut::TooLarge]);
        let parts = [masked(0x01, b"12345"), masked(0x80, b"6789")].concat();
        check(&mut Framing::websocket(8), &parts, &[Cut::TooLarge]);
        let out = check(&mut Framing::websocket(8), &masked(0x88, &[3, 232]), &[Cut::Close]);
        assert_eq!(out, [0x88, 2, 3, 232]);
    }
}
