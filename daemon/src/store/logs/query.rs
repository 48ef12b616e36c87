//! Which lines are asked for, and one page of them.

use a2n_proto::execution::{ExecutionLog, LogLevel, LogStream};
use a2n_proto::{ExecutionId, WorkflowId};
use a2n_segment::{self as segment, Block, Catalogue, Group, Position, Reader, Stream};

use super::error::Error;
use super::line;

/// A page ends when its lines have this many bytes, whatever its limit says.
const PAGE_BYTES: usize = 2 * 1024 * 1024;

/// Whose lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Of one execution.
    Execution(ExecutionId),
    /// Of all executions of a workflow.
    Workflow(WorkflowId),
}

/// Which lines: all conditions hold.
#[derive(Debug, Clone)]
pub struct Query {
    /// Whose.
    pub of: Of,
    /// At least this level.
    pub level: Option<LogLevel>,
    /// With all these words somewhere in the message, whatever their case.
    pub text: Option<String>,
    /// Of this node.
    pub node_id: Option<String>,
    /// Of this output of a process.
    pub stream: Option<LogStream>,
    /// With a higher seq (for one execution; otherwise a cursor says it).
    pub after_seq: u64,
    /// From an earlier answer.
    pub cursor: Option<String>,
}

impl Query {
    /// All lines.
    pub fn of(of: Of) -> Self {
        let (level, text, node_id, stream, cursor) = (None, None, None, None, None);
        Self { of, level, text, node_id, stream, after_seq: 0, cursor }
    }
}

/// One page of lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// In order.
    pub items: Vec<ExecutionLog>,
    /// Goes on behind the last line that was looked at.
    pub cursor: String,
    /// Whether the end was not reached.
    pub more: bool,
    /// Where the cursor named segments that retention has taken: the first and the last of them.
    pub gap: Option<(u64, u64)>,
}

/// Goes through the lines that a query asks for; can be asked again when there are more.
#[derive(Debug)]
pub(super) struct Lines {
    reader: Reader,
    words: Vec<String>,
    query: Query,
    /// The block at hand and how many of its records are done.
    at: Option<(Block, usize)>,
    gap: Option<(u64, u64)>,
}

impl Lines {
    pub(super) fn new(catalogue: &Catalogue, query: Query) -> Result<Self, Error> {
        let from = match &query.cursor {
            Some(cursor) => parse_cursor(cursor)?,
            None => Position::START,
        };
        let oldest = catalogue.start().segment;
        let gone = query.cursor.is_some() && from.segment < oldest && from > Position::START;
        let (stream, group) = match query.of {
            Of::Execution(id) => (Some(Stream(*id.as_bytes())), None),
            Of::Workflow(id) => (None, Some(Group(*id.as_bytes()))),
        };
        let blocks = segment::Query {
            stream,
            group,
            after_seq: query.after_seq,
            any_flags: query.level.map_or(0, line::flags_from),
            ..segment::Query::default()
        };
        Ok(Self {
            reader: catalogue.forwards(blocks, from),
            words: words(query.text.as_deref()),
            query,
            at: None,
            gap: gone.then(|| (from.segment, oldest - 1)),
        })
    }
    /// The next page, of at most `limit` lines.
    pub(super) fn page(&mut self, limit: usize) -> Result<Found, Error> {
        let (mut items, mut bytes) = (Vec::new(), 0);
        let more = loop {
            if items.len() >= limit || bytes >= PAGE_BYTES {
                break true;
            }
            let Some(line) = self.next()? else { break false };
            bytes += line.message.len() + line.details.size_bytes() + 256;
            items.push(line);
        };
        Ok(Found { items, cursor: self.cursor(), more, gap: self.gap.take() })
    }
    /// Behind the last line that was looked at.
    pub(super) fn cursor(&self) -> String {
        let position = match &self.at {
            Some((block, done)) => {
                let next = block.record(*done).map(|r| r.position);
                next.unwrap_or_else(|| self.reader.position())
            }
            None => self.reader.position(),
        };
        format!("l{position}")
    }
    fn next(&mut self) -> Result<Option<ExecutionLog>, Error> {
        loop {
            let Some((block, done)) = &mut self.at else {
                let Some(block) = self.reader.next_block()? else { return Ok(None) };
                self.at = Some((block, 0));
                continue;
            };
            let execution = ExecutionId::from_bytes(block.stream().0);
            let Some(record) = block.record(*done) else {
                self.at = None;
                continue;
            };
            *done += 1;
            // A record that this version can't read is passed over here and told by `verify`.
            let line = line::decode(execution, record.seq, record.time, record.bytes);
            if let Some(line) = line.filter(|line| wants(&self.query, &self.words, line)) {
                return Ok(Some(line));
            }
        }
    }
}

pub(super) fn parse_cursor(cursor: &str) -> Result<Position, Error> {
    let position = cursor.strip_prefix('l').and_then(|text| text.parse().ok());
    position.ok_or_else(|| Error::Cursor(cursor.chars().take(64).collect()))
}

pub(super) fn words(text: Option<&str>) -> Vec<String> {
    text.unwrap_or("").split_whitespace().map(str::to_lowercase).collect()
}

pub(super) fn has_words(words: &[String], text: &str) -> bool {
    if words.is_empty() {
        return true;
    }
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(word))
}

fn wants(query: &Query, words: &[String], line: &ExecutionLog) -> bool {
    query.level.is_none_or(|least| line.level >= least)
        && query.node_id.as_ref().is_none_or(|node| line.node_id.as_ref() == Some(node))
        && query.stream.is_none_or(|stream| line.stream == Some(stream))
        && has_words(words, &line.message)
}
