//! A line as it is handed in, and as it lies in a segment.
//!
//! Execution, seq and time stand in the segment's own fields; the rest is a version byte and a
//! bincode body. The layout is frozen: members are only added together with a new version.

use std::sync::Arc;

use a2n_proto::execution::{ExecutionLog, LogCategory, LogLevel, LogSource, LogStream};
use a2n_proto::{ExecutionId, Json, Timestamp};
use serde::{Deserialize, Serialize};

use super::lane::Encoded;
use super::mask::Masks;

/// The longest message in bytes; a longer one is cut and says so.
pub const LINE_BYTES: usize = 64 * 1024;

const VERSION: u8 = 1;
/// Lines that come together are handed over in pieces of about this size.
const PIECE_BYTES: usize = 256 * 1024;
/// A bincode body is not read further than this, whatever its lengths claim.
const LIMIT: usize = 1024 * 1024;

/// A line before it has its seq.
#[derive(Debug, Clone, PartialEq)]
pub struct NewLine {
    /// When it was printed.
    pub timestamp: Timestamp,
    /// How much it matters.
    pub level: LogLevel,
    /// The text, without its line end.
    pub message: String,
    /// More, for programs.
    pub details: Json,
    /// The node it came from.
    pub node_id: Option<Arc<str>>,
    /// What is shown for the node.
    pub node_name: Option<Arc<str>>,
    /// Path of loop iterations, empty outside loops.
    pub iteration: String,
    /// The item's index, for a node that works on EACH.
    pub item: Option<u32>,
    /// The attempt's number.
    pub attempt: Option<u32>,
    /// Who wrote it.
    pub source: LogSource,
    /// Which output of a process.
    pub stream: Option<LogStream>,
    /// What it is about.
    pub category: Option<LogCategory>,
    /// Given by the caller of the execution.
    pub correlation_id: Option<String>,
    /// Milliseconds, where it is about something that took time.
    pub duration: Option<u64>,
}

impl NewLine {
    /// A line of the engine about the execution.
    pub fn system(timestamp: Timestamp, level: LogLevel, message: impl Into<String>) -> Self {
        Self {
            timestamp,
            level,
            message: message.into(),
            details: Json::null(),
            node_id: None,
            node_name: None,
            iteration: String::new(),
            item: None,
            attempt: None,
            source: LogSource::System,
            stream: None,
            category: None,
            correlation_id: None,
            duration: None,
        }
    }
}

#[derive(Serialize)]
struct Written<'l> {
    level: LogLevel,
    message: &'l str,
    details: Option<&'l str>,
    node_id: Option<&'l str>,
    node_name: Option<&'l str>,
    iteration: &'l str,
    item: Option<u32>,
    attempt: Option<u32>,
    source: LogSource,
    stream: Option<LogStream>,
    category: Option<LogCategory>,
    correlation_id: Option<&'l str>,
    duration: Option<u64>,
}

#[derive(Deserialize)]
struct Read {
    level: LogLevel,
    message: String,
    details: Option<String>,
    node_id: Option<String>,
    node_name: Option<String>,
    iteration: String,
    item: Option<u32>,
    attempt: Option<u32>,
    source: LogSource,
    stream: Option<LogStream>,
    category: Option<LogCategory>,
    correlation_id: Option<String>,
    duration: Option<u64>,
}

/// The bytes of a line, masked and cut.
pub(super) fn encode(line: &NewLine, masks: &Masks) -> Encoded {
    let mut like = Like::new(line, masks);
    like.put(&line.message);
    like.take()
}

/// The bytes of lines that are all like this one but for their messages; in pieces that are small
/// beside what may wait for the disk.
pub(super) fn encode_all<'l>(
    like: &NewLine,
    messages: impl Iterator<Item = &'l str>,
    masks: &Masks,
) -> Vec<Encoded> {
    let mut pieces = Vec::new();
    let mut piece = Like::new(like, masks);
    for message in messages {
        piece.put(message);
        if piece.bytes.len() >= PIECE_BYTES {
            pieces.push(piece.take());
        }
    }
    if !piece.ends.is_empty() {
        pieces.push(piece.take());
    }
    pieces
}

/// Lines with different messages, of which everything else is encoded once.
struct Like<'m> {
    masks: &'m Masks,
    time: i64,
    flags: u16,
    before: Vec<u8>,
    after: Vec<u8>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl<'m> Like<'m> {
    fn new(line: &NewLine, masks: &'m Masks) -> Self {
        let details = cut_json(masks.json(line.details.clone()));
        let written = Written {
            level: line.level,
            message: "",
            details: (!details.is_null()).then(|| details.as_str()),
            node_id: line.node_id.as_deref(),
            node_name: line.node_name.as_deref(),
            iteration: &line.iteration,
            item: line.item,
            attempt: line.attempt,
            source: line.source,
            stream: line.stream,
            category: line.category,
            correlation_id: line.correlation_id.as_deref(),
            duration: line.duration,
        };
        let (before, mut after) = (body(&line.level, 8), body(&written, 64));
        // The level, and the message's length of 0.
        after.drain(..=before.len());
        let (time, flags) = (line.timestamp.as_unix_ms(), flag(line.level));
        Self { masks, time, flags, before, after, bytes: Vec::new(), ends: Vec::new() }
    }
    fn put(&mut self, message: &str) {
        let message = self.masks.text(message);
        self.bytes.extend_from_slice(&self.before);
        put(&*cut(&message), &mut self.bytes);
        self.bytes.extend_from_slice(&self.after);
        self.ends.push(self.bytes.len());
    }
    /// What there is so far; more may be put.
    fn take(&mut self) -> Encoded {
        let (bytes, ends) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.ends));
        Encoded { time: self.time, flags: self.flags, bytes, ends }
    }
}

/// The line in these bytes; `None` where they are none of ours.
pub(super) fn decode(
    execution_id: ExecutionId,
    seq: u64,
    time: i64,
    bytes: &[u8],
) -> Option<ExecutionLog> {
    let read: Read = unbody(bytes)?;
    Some(ExecutionLog {
        execution_id,
        seq,
        timestamp: Timestamp::from_unix_ms(time),
        level: read.level,
        message: read.message,
        details: read
            .details
            .map_or_else(Json::null, |text| Json::trusted(text).unwrap_or_default()),
        node_id: read.node_id,
        node_name: read.node_name,
        iteration: read.iteration,
        item: read.item,
        attempt: read.attempt,
        source: read.source,
        stream: read.stream,
        category: read.category,
        correlation_id: read.correlation_id,
        duration: read.duration,
    })
}

/// Reads bytes that nobody vouches for as a line; see [`crate::store::strange`].
pub(crate) fn read_strange(bytes: &[u8]) {
    let _ = decode(ExecutionId::from_bytes([0; 16]), 1, 0, bytes);
}

pub(super) fn body<T: Serialize>(value: &T, about: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(about);
    bytes.push(VERSION);
    put(value, &mut bytes);
    bytes
}

fn put<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) {
    let how = bincode::config::standard().with_limit::<LIMIT>();
    bincode::serde::encode_into_std_write(value, bytes, how)
        .expect("a line that was cut fits into memory");
}

pub(super) fn unbody<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (&version, body) = bytes.split_first()?;
    if version != VERSION {
        return None;
    }
    let how = bincode::config::standard().with_limit::<LIMIT>();
    let (value, used) = bincode::serde::decode_from_slice(body, how).ok()?;
    (used == body.len()).then_some(value)
}

/// The block flag of a level, so that readers can leave out blocks with nothing that matters.
pub(super) fn flag(level: LogLevel) -> u16 {
    1 << level as u16
}

/// The flags of a level and of all that matter more.
pub(super) fn flags_from(level: LogLevel) -> u16 {
    !(flag(level) - 1)
}

/// The text, or as much of it as fits with a mark that says how much is gone.
pub(super) fn cut(text: &str) -> std::borrow::Cow<'_, str> {
    if text.len() <= LINE_BYTES {
        return text.into();
    }
    // Room for the mark with the longest number there is.
    let mut end = LINE_BYTES - 48;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{} … [{} bytes cut]", &text[..end], text.len() - end).into()
}

pub(super) fn cut_json(json: Json) -> Json {
    if json.size_bytes() <= LINE_BYTES {
        return json;
    }
    Json::from(serde_json::json!({ "cutBytes": json.size_bytes() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> ExecutionId {
        ExecutionId::from_bytes([7; 16])
    }

    #[test]
    fn a_line_comes_back_whole() {
        let at = Timestamp::from_unix_ms(1_000);
        let mut line = NewLine::system(at, LogLevel::Warn, "disk is 91 % full");
        line.details = Json::from(serde_json::json!({"disk": "sda1"}));
        line.node_id = Some("df".into());
        line.stream = Some(LogStream::Stderr);
        line.item = Some(3);
        let encoded = encode(&line, &Masks::NONE);
        let read = decode(id(), 5, encoded.time, &encoded.bytes).unwrap();
        assert_eq!((read.seq, read.timestamp, read.level), (5, at, LogLevel::Warn));
        assert_eq!((read.message, read.details), (line.message, line.details));
        assert_eq!(
            (read.node_id, read.stream, read.item),
            (Some("df".into()), line.stream, line.item)
        );
    }

    #[test]
    fn lines_that_come_together_are_the_same_as_one_by_one() {
        let mut like = NewLine::system(Timestamp::from_unix_ms(5), LogLevel::Error, "");
        like.node_id = Some("df".into());
        like.attempt = Some(2);
        let long = "x".repeat(300);
        let longer = "y".repeat(PIECE_BYTES);
        let messages = ["", "one", &long, "secret", &longer, "last"];
        let masks = Masks::new([b"secret".to_vec()]);
        let together = encode_all(&like, messages.into_iter(), &masks);
        assert!(together.iter().all(|piece| (piece.time, piece.flags) == (5, flag(like.level))));
        let together: Vec<_> = together.iter().flat_map(Encoded::records).collect();
        let one_by_one: Vec<_> = messages
            .iter()
            .map(|&message| encode(&NewLine { message: message.into(), ..like.clone() }, &masks))
            .map(|one| one.bytes)
            .collect();
        assert_eq!(together, one_by_one);
        assert!(encode_all(&like, std::iter::empty(), &masks).is_empty());
    }

    #[test]
    fn a_long_line_is_masked_and_then_cut_with_a_mark() {
        let at = Timestamp::from_unix_ms(0);
        let secret = "s3cr3t-across-the-cut";
        let mut text = "ä".repeat((LINE_BYTES - 60) / 2);
        text.push_str(secret);
        text.push_str(&"x".repeat(100_000));
        let masks = Masks::new([secret.as_bytes().to_vec()]);
        let encoded = encode(&NewLine::system(at, LogLevel::Info, text), &masks);
        let message = decode(id(), 1, 0, &encoded.bytes).unwrap().message;
        assert!(message.len() <= LINE_BYTES);
        assert!(message.contains("***") && !message.contains("s3cr"), "masked before the cut");
        assert!(message.ends_with("bytes cut]"), "{}", &message[message.len() - 40..]);
        let whole = "x".repeat(LINE_BYTES);
        assert_eq!(cut(&whole), whole);
    }

    #[test]
    fn other_bytes_are_no_line() {
        for bytes in [&[][..], &[0], &[2, 1, 1], &[1], &[1, 255, 255, 255]] {
            assert!(decode(id(), 1, 0, bytes).is_none());
        }
    }

    #[test]
    fn levels_choose_blocks() {
        let kept = flags_from(LogLevel::Warn);
        assert_eq!(kept & flag(LogLevel::Info), 0);
        assert!(kept & flag(LogLevel::Warn) != 0 && kept & flag(LogLevel::Fatal) != 0);
    }
}
