//! The audit chain: gap-free rows, each with the SHA-256 of itself and of the one before.
//!
//! A row's hash is that of its JSON text with `hash` empty, so that anybody can check an export
//! with two lines of shell. Rows are written when their change's transaction is sealed; a change
//! without its row, or a row without its change, can't be committed.

use std::ops::ControlFlow;
use std::time::Duration;

use a2n_proto::system::{AuditLog, AuditMetadata};
use a2n_proto::{AuditLogId, Json, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::history::{self, Joined, Kind};
use super::keys::{Key, KeyRange, KeyReader, hex};
use super::rows::{self, Page, Paging, Stored};
use super::schema::{self, Table};
use super::{Error, Read, Tx};

/// The end of the chain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The last row's number; 0 where there is none.
    pub(crate) seq: u64,
    /// The last row's hash; empty where there is none.
    pub(crate) hash: String,
}

/// A row that waits for its number.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) resource_id: String,
    pub(crate) old: Json,
    pub(crate) new: Json,
}

/// Which rows a list wants.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Of one entity.
    pub resource: Option<String>,
    /// Of one thing (with `resource`).
    pub resource_id: Option<String>,
    /// By one user.
    pub user: Option<UserId>,
    /// This number and those above.
    pub from_seq: Option<u64>,
    /// Below this number.
    pub to_seq: Option<u64>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

/// Rows follow each other in time but for a clock that was set back: by no more than this, a
/// minute, in milliseconds.
const APART: u64 = 60_000;

/// What a check of the chain found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Rows that were looked at.
    pub rows: u64,
    /// The first row's number; 0 where there is none.
    pub from: u64,
    /// The last row's number; 0 where there is none.
    pub to: u64,
    /// The last row's hash.
    pub hash: String,
    /// What is wrong: the row's number and what it shows.
    pub problems: Vec<(u64, String)>,
}

impl Stored for AuditLog {
    const TABLE: Table = schema::AUDIT;
    const ENTITY: &'static str = "auditLog";
}

/// The row with this number, from state or from history.
pub fn get(read: &impl Read, seq: u64) -> Result<Option<AuditLog>, Error> {
    let key = Key::of_u64(seq);
    if let Some(found) = rows::get(read, key.as_bytes())? {
        return Ok(Some(found));
    }
    let Some(history) = read.history() else { return Ok(None) };
    // Files follow each other as the rows do.
    for name in history.files_of(Kind::Audit) {
        let Some(source) = history.source(name)? else { continue };
        if let Some(found) = rows::get(&source, key.as_bytes())? {
            return Ok(Some(found));
        }
        if first(&source)?.is_some_and(|first| first < seq) {
            return Ok(None);
        }
    }
    Ok(None)
}

/// The number of the first row in one place.
fn first(read: &impl Read) -> Result<Option<u64>, Error> {
    let key = rows::some_keys(read, schema::AUDIT, &KeyRange::all(), 1)?.pop();
    Ok(key.and_then(|key| KeyReader::new(&key).u64()))
}

/// Rows that fit, newest first unless asked otherwise. All of the indexes that are used end with a
/// row's number, so the order is that of the chain whatever is asked for.
pub fn list(
    read: &impl Read,
    query: &Query,
    paging: &Paging,
    fits: &dyn Fn(&AuditLog) -> bool,
) -> Result<Page<AuditLog>, Error> {
    let (table, prefix) = match (&query.resource, &query.resource_id, query.user) {
        (Some(resource), Some(id), _) => {
            (schema::AUDIT_BY_RESOURCE, Key::new().text(resource).text(id))
        }
        (_, _, Some(user)) => (schema::AUDIT_BY_USER, Key::of_id(user.as_bytes())),
        _ => (schema::AUDIT, Key::new()),
    };
    let mut range = prefix.clone().under();
    let from =
        query.from.map(|from| first_since(read, from.minus(Duration::from_millis(APART)), true));
    if let Some(seq) = from.transpose()?.max(query.from_seq) {
        range = range.starting_at(&prefix.clone().u64(seq));
    }
    let to = query.to.map(|to| first_since(read, to.plus(Duration::from_millis(APART)), false));
    if let Some(seq) = [to.transpose()?, query.to_seq].into_iter().flatten().min() {
        range = range.before(&prefix.clone().u64(seq));
    }
    let live = first(read)?;
    let newest_first = paging.newest_first;
    // Rows of state come after all files; those of a file come before all files after it.
    let precedes = |key: &[u8], _: u32| {
        let seq = key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
        newest_first || seq < live
    };
    let joined =
        Joined { kind: Kind::Audit, months: 0..=u32::MAX, table, range, precedes: &precedes };
    history::page(read, &joined, paging, &mut |place, key| {
        let Some(seq) = key.last_chunk::<8>() else { return Err(read.damaged(table, key)) };
        let row: AuditLog = match rows::get(place, seq)? {
            Some(row) => row,
            None => return Err(read.damaged(table, key)),
        };
        let is_wanted = query.user.is_none_or(|user| row.user_id == Some(user))
            && query.resource.as_ref().is_none_or(|resource| row.resource == *resource)
            && query.resource_id.as_ref().is_none_or(|id| row.resource_id == *id)
            && query.from.is_none_or(|from| row.timestamp >= from)
            && query.to.is_none_or(|to| row.timestamp < to);
        Ok((is_wanted && fits(&row)).then_some(row))
    })
}

/// The number of the first row that is not from before a time, by halving: numbers have no gaps.
/// `early`: where a damaged row leaves it open, the number is rather too low than too high.
fn first_since(read: &impl Read, at: Timestamp, early: bool) -> Result<u64, Error> {
    let mut low = first(read)?.unwrap_or_default();
    if let Some(history) = read.history()
        && let Some(oldest) = history.files_of(Kind::Audit).pop()
        && let Some(source) = history.source(oldest)?
    {
        low = first(&source)?.unwrap_or(low);
    }
    let mut high = low.max(head(read)?.seq + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        match get(read, middle) {
            Ok(Some(row)) if row.timestamp < at => low = middle + 1,
            Ok(None) | Err(Error::Damaged { .. }) if !early => low = middle + 1,
            Ok(_) | Err(Error::Damaged { .. }) => high = middle,
            Err(e) => return Err(e),
        }
    }
    Ok(low)
}

/// Checks the chain from its first row to its last, through the files of history and state: nothing
/// changed, removed or reordered, and what moved to history is what its checkpoint says.
pub fn verify(read: &impl Read) -> Result<Verified, Error> {
    verify_between(read, 1, u64::MAX)
}

/// The same for the rows from one number up to and with another, and how the first of them follows
/// the row before it. What is found tells which rows were judged.
pub fn verify_between(read: &impl Read, from: u64, to: u64) -> Result<Verified, Error> {
    let seen = from.max(1) - 1;
    let before = match get(read, seen) {
        Ok(row) => row.map(|row| Head { seq: seen, hash: row.hash }),
        // Not asked about: only how the next one follows it stays open.
        Err(Error::Damaged { .. }) => None,
        Err(e) => return Err(e),
    };
    let checkpoint = checkpoint(read)?;
    let mut check = Check { seen, last: to, before, checkpoint, ..Check::default() };
    if let Some(history) = read.history() {
        for name in history.files_of(Kind::Audit).into_iter().rev() {
            if let Some(source) = history.source(name)? {
                check.walk(&source)?;
            }
        }
    }
    check.walk(read)?;
    check.end(last_number(read)?);
    Ok(check.found)
}

/// The chain's last number; 0 where there is none. State always keeps the last row.
pub fn last_number(read: &impl Read) -> Result<u64, Error> {
    let mut last = 0;
    read.scan(schema::AUDIT, &KeyRange::all(), true, &mut |key, _| {
        last = key.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Ok(ControlFlow::Break(()))
    })?;
    Ok(last)
}

/// A check of the chain, row by row.
#[derive(Default)]
struct Check {
    found: Verified,
    /// The number up to which all is seen.
    seen: u64,
    /// The last number that is asked for.
    last: u64,
    /// The row before; none at the start, and after a damaged one.
    before: Option<Head>,
    checkpoint: Option<Head>,
}

impl Check {
    /// The rows of one place that come after those that were seen.
    fn walk(&mut self, read: &impl Read) -> Result<(), Error> {
        let range = KeyRange::all().after(&Key::of_u64(self.seen));
        let last = self.last;
        read.scan(schema::AUDIT, &range, false, &mut |key, value| {
            let seq = key.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
            if seq > last {
                return Ok(ControlFlow::Break(()));
            }
            self.row(seq, rows::decode(read, key, value).ok());
            Ok(ControlFlow::Continue(()))
        })
    }

    fn wrong(&mut self, seq: u64, what: impl Into<String>) {
        self.found.problems.push((seq, what.into()));
    }

    fn missing(&mut self, seq: u64, to: u64) {
        self.wrong(seq, format!("rows {} to {to} are missing", self.seen + 1));
    }

    /// Rows at the end of the range that the chain goes on behind.
    fn end(&mut self, last_number: u64) {
        let to = self.last.min(last_number);
        if to > self.seen {
            self.missing(to, to);
        }
    }

    fn row(&mut self, seq: u64, row: Option<AuditLog>) {
        self.found.rows += 1;
        if self.found.rows == 1 {
            self.found.from = seq;
        }
        let follows = self.seen + 1 == seq;
        if !follows {
            self.missing(seq, seq - 1);
        }
        (self.found.to, self.seen) = (seq, seq);
        let Some(row) = row else {
            self.before = None;
            return self.wrong(seq, "the row is damaged");
        };
        if row.seq != seq {
            self.wrong(seq, format!("the row says that it is number {}", row.seq));
        }
        if !is_unchanged(&row) {
            self.wrong(seq, "the row was changed: its hash does not fit");
        }
        match &self.before {
            Some(head) if follows && head.hash != row.prev_hash => {
                self.wrong(seq, "it does not follow the row before it");
            }
            None if seq == 1 && !row.prev_hash.is_empty() => {
                self.wrong(seq, "the first row names one before it");
            }
            _ => {}
        }
        if let Some(checkpoint) = &self.checkpoint
            && checkpoint.seq == seq
            && checkpoint.hash != row.hash
        {
            self.wrong(seq, "it is not the row of the checkpoint");
        }
        self.found.hash.clone_from(&row.hash);
        self.before = Some(Head { seq, hash: row.hash });
    }
}

/// The last row that may move to history; none before the first did.
fn checkpoint(read: &impl Read) -> Result<Option<Head>, Error> {
    rows::get_as(read, schema::META, checkpoint_key().as_bytes())
}

/// Writes down up to where rows may move to history.
pub(crate) fn put_checkpoint(tx: &mut Tx<'_>, last: &Head) -> Result<(), Error> {
    rows::put_as(tx, schema::META, &checkpoint_key(), last)
}

fn checkpoint_key() -> Key {
    Key::new().text("audit_checkpoint")
}

/// Takes a row that is in history out of state. Answers whether it was there.
pub(crate) fn remove_copied(tx: &mut Tx<'_>, seq: u64) -> Result<bool, Error> {
    let key = Key::of_u64(seq);
    let Some(row) = rows::get::<AuditLog>(tx, key.as_bytes())? else { return Ok(false) };
    for (table, key) in marks(&row) {
        rows::remove(tx, table, &key)?;
    }
    rows::remove(tx, schema::AUDIT, &key)
}

/// The index entries of a row.
pub(crate) fn marks(row: &AuditLog) -> Vec<(Table, Key)> {
    let by_resource = Key::new().text(&row.resource).text(&row.resource_id).u64(row.seq);
    let mut marks = vec![(schema::AUDIT_BY_RESOURCE, by_resource)];
    if let Some(user) = row.user_id {
        marks.push((schema::AUDIT_BY_USER, Key::of_id(user.as_bytes()).u64(row.seq)));
    }
    marks
}

/// Whether a row is what its hash says.
pub(crate) fn is_unchanged(row: &AuditLog) -> bool {
    hash(row) == row.hash
}

/// The end of the stored chain.
pub(crate) fn head(read: &impl Read) -> Result<Head, Error> {
    let mut head = Head::default();
    read.scan(schema::AUDIT, &KeyRange::all(), true, &mut |key, value| {
        let row: AuditLog = rows::decode(read, key, value)?;
        head = Head { seq: row.seq, hash: row.hash };
        Ok(ControlFlow::Break(()))
    })?;
    Ok(head)
}

/// Writes the next row of the chain.
pub(crate) fn append(tx: &mut Tx<'_>, head: Head, pending: Pending) -> Result<Head, Error> {
    let origin = tx.origin().clone();
    let seq = head.seq + 1;
    let mut row = AuditLog {
        id: AuditLogId::from_bytes([0; 16]),
        seq,
        timestamp: origin.at,
        action: pending.action,
        resource: pending.resource,
        resource_id: pending.resource_id,
        old_values: pending.old,
        new_values: pending.new,
        metadata: AuditMetadata {
            user_agent: origin.user_agent,
            ip_address: None,
            uid: origin.uid,
            request_id: origin.request_id,
            source: Some(origin.source).filter(|source| !source.is_empty()),
        },
        user_id: origin.user,
        prev_hash: head.hash,
        hash: String::new(),
    };
    // The id is made of the row's place in the chain, so the store needs no randomness.
    let mut place = Sha256::new();
    place.update(seq.to_be_bytes());
    place.update(row.prev_hash.as_bytes());
    let mut random = [0; 10];
    random.copy_from_slice(&place.finalize()[..10]);
    row.id = AuditLogId::from_parts(u64::try_from(origin.at.as_unix_ms()).unwrap_or(0), random);
    row.hash = hash(&row);
    rows::put(tx, &Key::of_u64(seq), &row)?;
    for (table, key) in marks(&row) {
        rows::mark(tx, table, &key)?;
    }
    Ok(Head { seq, hash: row.hash })
}

/// SHA-256 over the row's JSON text with `hash` empty.
fn hash(row: &AuditLog) -> String {
    let text = if row.hash.is_empty() {
        Json::of(row)
    } else {
        Json::of(&AuditLog { hash: String::new(), ..row.clone() })
    };
    hex(&Sha256::digest(text.as_str().as_bytes()))
}
