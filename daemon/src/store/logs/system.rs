//! The daemon's own records, queryable as `systemLog`.

use std::collections::BTreeSet;

use a2n_proto::execution::LogLevel;
use a2n_proto::system::{SystemLog, SystemLogCategory};
use a2n_proto::{Json, Timestamp, UserId};
use a2n_segment::{Expired, Group, Position, Query as BlockQuery, Record, Report, Stream, Totals};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::lane::{Encoded, Expire, Lane, Options};
use super::line;
use super::query::{has_words, parse_cursor, words};

/// All records are one stream: there is one daemon.
const STREAM: (Stream, Group) = (Stream([0; 16]), Group([0; 16]));

/// A page ends when its records have this many bytes, whatever its limit says.
const PAGE_BYTES: usize = 2 * 1024 * 1024;

/// What the daemon says of itself. A cheap clone.
#[derive(Debug, Clone)]
pub struct SystemLogs {
    lane: Lane,
}

/// A record before it has its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewRecord {
    /// How much it matters.
    pub level: LogLevel,
    /// Fixed short text.
    pub message: String,
    /// The module it came from.
    pub source: String,
    /// What it is about.
    pub category: Option<SystemLogCategory>,
    /// The fields: a JSON object.
    pub details: Json,
    /// What an internal error told the caller.
    pub correlation_id: Option<String>,
    /// Whose call it was.
    pub user_id: Option<UserId>,
    /// Which call it was.
    pub request_id: Option<String>,
    /// Milliseconds.
    pub duration: Option<u64>,
}

/// Which records: all conditions hold.
#[derive(Debug, Clone, Default)]
pub struct SystemQuery {
    /// At least this level.
    pub level: Option<LogLevel>,
    /// With all these words somewhere in message, source or fields, whatever their case.
    pub text: Option<String>,
    /// From this moment.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub to: Option<Timestamp>,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

impl SystemLogs {
    /// Opens the folder and repairs it.
    pub fn open(options: Options) -> Result<Self, Error> {
        Ok(Self { lane: Lane::open(options, &mut || Ok(vec![STREAM]), notice)? })
    }
    /// Hands a record over if there is room; whether there was. Never waits.
    pub fn try_append(&self, at: Timestamp, record: NewRecord) -> bool {
        self.lane.try_append(STREAM, encode(at, record))
    }
    /// One page, newest first, and where the next one begins. Reads files.
    pub fn query(
        &self,
        query: &SystemQuery,
        limit: usize,
    ) -> Result<(Vec<SystemLog>, Option<String>), Error> {
        let from = query.cursor.as_deref().map_or(Ok(Position::END), parse_cursor)?;
        let blocks = BlockQuery {
            stream: Some(STREAM.0),
            any_flags: query.level.map_or(0, line::flags_from),
            from_time: query.from.map(Timestamp::as_unix_ms),
            to_time: query.to.map(Timestamp::as_unix_ms),
            ..BlockQuery::default()
        };
        let words = words(query.text.as_deref());
        let mut reader = self.lane.catalogue().backwards(blocks, from);
        let (mut items, mut bytes) = (Vec::new(), 0);
        while let Some(block) = reader.next_block()? {
            for record in block.records().rev() {
                let Some(found) = decode(&record).filter(|r| wants(query, &words, r)) else {
                    continue;
                };
                if items.len() >= limit || bytes >= PAGE_BYTES {
                    // Before the record that is left over, so behind the last one given.
                    return Ok((items, Some(format!("l{}", record.position.after()))));
                }
                bytes += found.message.len() + found.details.size_bytes() + 256;
                items.push(found);
            }
        }
        Ok((items, None))
    }
    /// Waits until all records so far are durable.
    pub async fn sync(&self) -> Result<(), Error> {
        self.lane.sync(STREAM.0).await
    }
    /// Removes whole files: those with only records from before `before`, and the oldest ones while
    /// there are more than `max_bytes`.
    pub async fn expire(
        &self,
        before: Option<Timestamp>,
        max_bytes: Option<u64>,
    ) -> Result<Expired, Error> {
        let live = BTreeSet::from([STREAM.0]);
        let before = before.map(Timestamp::as_unix_ms);
        self.lane.expire(Expire { before, max_bytes, live }).await
    }
    /// Reads and checks everything.
    pub fn verify(&self) -> Result<Report, Error> {
        Ok(self.lane.catalogue().verify()?)
    }
    /// How much there is.
    pub fn totals(&self) -> Totals {
        self.lane.totals()
    }
    /// Writes and syncs what waits and ends the thread.
    pub async fn close(&self) {
        self.lane.close().await;
    }
}

fn encode(at: Timestamp, mut record: NewRecord) -> Encoded {
    record.message = line::cut(&record.message).into_owned();
    record.details = line::cut_json(record.details);
    let bytes = line::body(&record, record.message.len() + record.details.size_bytes() + 64);
    let ends = vec![bytes.len()];
    Encoded { time: at.as_unix_ms(), flags: line::flag(record.level), bytes, ends }
}

fn decode(record: &Record<'_>) -> Option<SystemLog> {
    let read: NewRecord = line::unbody(record.bytes)?;
    Some(SystemLog {
        id: record.position.to_string(),
        timestamp: Timestamp::from_unix_ms(record.time),
        level: read.level,
        message: read.message,
        source: read.source,
        category: read.category,
        details: read.details,
        correlation_id: read.correlation_id,
        user_id: read.user_id,
        request_id: read.request_id,
        duration: read.duration,
    })
}

fn wants(query: &SystemQuery, words: &[String], record: &SystemLog) -> bool {
    query.level.is_none_or(|least| record.level >= least)
        && query.from.is_none_or(|from| record.timestamp >= from)
        && query.to.is_none_or(|to| record.timestamp < to)
        && (words.is_empty() || {
            let (message, source) = (&record.message, &record.source);
            has_words(words, &format!("{message} {source} {}", record.details))
        })
}

fn notice(lines: u64, why: &str, time: i64) -> Encoded {
    let record = NewRecord {
        level: LogLevel::Warn,
        message: "log records were lost".to_owned(),
        source: "logs".to_owned(),
        category: Some(SystemLogCategory::Error),
        details: Json::from(serde_json::json!({ "records": lines, "error": why })),
        correlation_id: None,
        user_id: None,
        request_id: None,
        duration: None,
    };
    encode(Timestamp::from_unix_ms(time), record)
}
