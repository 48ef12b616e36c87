//! The audit chain: gap-free rows, each with the SHA-256 of itself and of the one before.
//!
//! A row's hash is that of its JSON text with `hash` empty, so that anybody can check an export
//! with two lines of shell. Rows are written when their change's transaction is sealed; a change
//! without its row, or a row without its change, can't be committed.

use std::ops::ControlFlow;

use a2n_proto::system::{AuditLog, AuditMetadata};
use a2n_proto::{AuditLogId, Json, Timestamp, UserId};
use sha2::{Digest, Sha256};

use super::keys::{Key, KeyRange, hex};
use super::rows::{self, Page, Paging, Stored};
use super::schema::{self, Table};
use super::{Error, Read, Tx};

/// The end of the chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// This action only.
    pub action: Option<String>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

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

/// The row with this number.
pub fn get(read: &impl Read, seq: u64) -> Result<Option<AuditLog>, Error> {
    rows::get(read, Key::of_u64(seq).as_bytes())
}

/// Rows that fit, newest first unless asked otherwise.
pub fn list(read: &impl Read, query: &Query, paging: &Paging) -> Result<Page<AuditLog>, Error> {
    let (table, range) = match (&query.resource, query.user) {
        (Some(resource), _) => {
            let mut key = Key::new().text(resource);
            if let Some(id) = &query.resource_id {
                key = key.text(id);
            }
            (schema::AUDIT_BY_RESOURCE, key.under())
        }
        (None, Some(user)) => (schema::AUDIT_BY_USER, Key::of_id(user.as_bytes()).under()),
        (None, None) => (schema::AUDIT, KeyRange::all()),
    };
    rows::page(read, table, range, paging, &mut |key, _| {
        let Some(seq) = key.last_chunk::<8>() else { return Err(read.damaged(table, key)) };
        let row: AuditLog = match rows::get(read, seq)? {
            Some(row) => row,
            None => return Err(read.damaged(table, key)),
        };
        let fits = query.user.is_none_or(|user| row.user_id == Some(user))
            && query.resource_id.as_ref().is_none_or(|id| row.resource_id == *id)
            && query.action.as_ref().is_none_or(|action| row.action == *action)
            && query.from.is_none_or(|from| row.timestamp >= from)
            && query.to.is_none_or(|to| row.timestamp < to);
        Ok(fits.then_some(row))
    })
}

/// Checks the chain from its first kept row to its last: nothing changed, removed or reordered.
pub fn verify(read: &impl Read) -> Result<Verified, Error> {
    let mut found = Verified::default();
    let mut before: Option<Head> = None;
    read.scan(schema::AUDIT, &KeyRange::all(), false, &mut |key, value| {
        let seq = key.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        found.rows += 1;
        found.to = seq;
        if found.rows == 1 {
            found.from = seq;
        }
        let row: AuditLog = match rows::decode(read, key, value) {
            Ok(row) => row,
            Err(_) => {
                found.problems.push((seq, "the row is damaged".into()));
                before = None;
                return Ok(ControlFlow::Continue(()));
            }
        };
        if row.seq != seq {
            found.problems.push((seq, format!("the row says that it is number {}", row.seq)));
        }
        if hash(&row) != row.hash {
            found.problems.push((seq, "the row was changed: its hash does not fit".into()));
        }
        match &before {
            Some(head) if head.seq + 1 != seq => {
                let gap = format!("rows {} to {} are missing", head.seq + 1, seq - 1);
                found.problems.push((seq, gap));
            }
            Some(head) if head.hash != row.prev_hash => {
                let broken = "it does not follow the row before it".into();
                found.problems.push((seq, broken));
            }
            None if found.rows == 1 && seq == 1 && !row.prev_hash.is_empty() => {
                found.problems.push((seq, "the first row names one before it".into()));
            }
            _ => {}
        }
        before = Some(Head { seq, hash: row.hash.clone() });
        found.hash = row.hash;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
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
    // The id is made of the row's own content, so the store needs no randomness.
    let seed = Sha256::digest(Json::of(&row).as_str().as_bytes());
    let mut random = [0; 10];
    random.copy_from_slice(&seed[..10]);
    row.id = AuditLogId::from_parts(u64::try_from(origin.at.as_unix_ms()).unwrap_or(0), random);
    row.hash = hash(&row);
    rows::put(tx, &Key::of_u64(seq), &row)?;
    let by_resource = Key::new().text(&row.resource).text(&row.resource_id).u64(seq);
    rows::mark(tx, schema::AUDIT_BY_RESOURCE, &by_resource)?;
    if let Some(user) = row.user_id {
        let by_user = Key::of_id(user.as_bytes()).u64(seq);
        rows::mark(tx, schema::AUDIT_BY_USER, &by_user)?;
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
