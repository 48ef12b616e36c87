//! Idempotency keys of callers: the same key and params get the first answer again, for seven days.
//!
//! Only the params' hash and the result's id are kept, never the params: they may hold secrets.

use a2n_proto::Timestamp;
use serde::{Deserialize, Serialize};

use super::execution::is_over;
use super::keys::{Key, KeyRange, KeyReader};
use super::rows::{self, Stored};
use super::schema::{self, IDEMPOTENCY, IDEMPOTENCY_BY_TIME, Table};
use super::{Error, Read, Tx};

/// What a key was answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// When.
    pub at: Timestamp,
    /// The hash of the params.
    pub params_hash: [u8; 32],
    /// The id of what the method made or changed, as text.
    pub result_id: String,
}

impl Stored for Answered {
    const TABLE: Table = IDEMPOTENCY;
    const ENTITY: &'static str = "idempotencyKey";
}

fn key(caller: &str, method: &str, text: &str) -> Key {
    Key::new().text(caller).text(method).text(text)
}

/// What this caller's key was answered with, where its window is not over at `at`.
pub fn find(
    read: &impl Read,
    caller: &str,
    method: &str,
    text: &str,
    at: Timestamp,
    window_ms: u64,
) -> Result<Option<Answered>, Error> {
    let found: Option<Answered> = rows::get(read, key(caller, method, text).as_bytes())?;
    Ok(found.filter(|one| !is_over(one.at.as_unix_ms(), at.as_unix_ms(), window_ms)))
}

/// Looks a key up within the transaction that would use it, in the store's window.
pub fn find_in(
    tx: &Tx<'_>,
    caller: &str,
    method: &str,
    text: &str,
) -> Result<Option<Answered>, Error> {
    find(tx, caller, method, text, tx.at(), tx.idempotency_ms())
}

/// Remembers an answer, in the transaction of the write that it is about.
pub fn put(
    tx: &mut Tx<'_>,
    caller: &str,
    method: &str,
    text: &str,
    params_hash: [u8; 32],
    result_id: &str,
) -> Result<(), Error> {
    let (key, at) = (key(caller, method, text), tx.at());
    if let Some(old) = rows::get::<Answered>(tx, key.as_bytes())? {
        rows::remove(tx, IDEMPOTENCY_BY_TIME, &by_time(&old, &key))?;
    }
    let answered = Answered { at, params_hash, result_id: result_id.to_owned() };
    rows::mark(tx, IDEMPOTENCY_BY_TIME, &by_time(&answered, &key))?;
    rows::put(tx, &key, &answered)
}

/// At most `most` answers from before a time, by their entries in the index.
pub fn old(read: &impl Read, before: Timestamp, most: usize) -> Result<Vec<Vec<u8>>, Error> {
    let range = KeyRange::all().before(&Key::new().i64(before.as_unix_ms()));
    rows::some_keys(read, IDEMPOTENCY_BY_TIME, &range, most)
}

/// Forgets an answer by its entry in the index. Answers whether it was there.
pub fn forget(tx: &mut Tx<'_>, entry: &[u8]) -> Result<bool, Error> {
    let mut reader = KeyReader::new(entry);
    let _ = reader.i64();
    if !rows::remove(tx, IDEMPOTENCY_BY_TIME, &Key::of_bytes(entry))? {
        // It was used again meanwhile and has a later entry.
        return Ok(false);
    }
    rows::remove(tx, schema::IDEMPOTENCY, &Key::of_bytes(reader.rest()))
}

pub(crate) fn by_time(answered: &Answered, key: &Key) -> Key {
    Key::new().i64(answered.at.as_unix_ms()).raw(key.as_bytes())
}
