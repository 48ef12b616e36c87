//! Typed rows over raw ones: one place where values are encoded, decoded and listed.

use std::ops::ControlFlow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::keys::{Key, KeyRange};
use super::read::checked;
use super::schema::Table;
use super::{Error, Read, Tx, codec};

/// A type that is stored: its table and how each version of its bytes is read.
pub(crate) trait Stored: Serialize + DeserializeOwned {
    /// Where it is kept.
    const TABLE: Table;
    /// The version that is written.
    const VERSION: u8 = 1;
    /// The entity's name.
    const ENTITY: &'static str;

    /// Reads the bytes of a version; one arm for each that ever was.
    fn read(version: u8, body: &[u8]) -> Option<Self> {
        (version == Self::VERSION).then(|| codec::body(body).ok()).flatten()
    }
}

/// Reads a checked value as its type.
pub(crate) fn decode<T: Stored>(
    read: &(impl Read + ?Sized),
    key: &[u8],
    value: &[u8],
) -> Result<T, Error> {
    let (version, body) = checked(read, T::TABLE, key, value)?;
    T::read(version, body).ok_or_else(|| read.damaged(T::TABLE, key))
}

/// The row under a key.
pub(crate) fn get<T: Stored>(read: &(impl Read + ?Sized), key: &[u8]) -> Result<Option<T>, Error> {
    let mut found = None;
    read.look(T::TABLE, key, &mut |value| {
        found = Some(decode(read, key, value)?);
        Ok(())
    })?;
    Ok(found)
}

/// The row under a key, or *not found* with the text that people know it by.
pub(crate) fn require<T: Stored>(
    read: &(impl Read + ?Sized),
    key: &[u8],
    id: &dyn std::fmt::Display,
) -> Result<T, Error> {
    get(read, key)?.ok_or_else(|| Error::NotFound { entity: T::ENTITY, id: id.to_string() })
}

/// Whether there is a row.
pub(crate) fn has(read: &(impl Read + ?Sized), table: Table, key: &[u8]) -> Result<bool, Error> {
    read.look(table, key, &mut |_| Ok(()))
}

/// The value under a key of a table whose values have no type of their own.
pub(crate) fn get_as<T: DeserializeOwned>(
    read: &(impl Read + ?Sized),
    table: Table,
    key: &[u8],
) -> Result<Option<T>, Error> {
    let mut found = None;
    read.look(table, key, &mut |value| {
        let (_, body) = checked(read, table, key, value)?;
        found = Some(codec::body(body).map_err(|_| read.damaged(table, key))?);
        Ok(())
    })?;
    Ok(found)
}

/// Writes a row.
pub(crate) fn put<T: Stored>(tx: &mut Tx<'_>, key: &Key, row: &T) -> Result<(), Error> {
    let bytes = encode_row(key, row)?;
    tx.put_raw(T::TABLE, key, &bytes)
}

/// The bytes of a row, to be written elsewhere.
pub(crate) fn encode_row<T: Stored>(key: &Key, row: &T) -> Result<Vec<u8>, Error> {
    encode(T::TABLE, key, T::VERSION, row)
}

/// Writes a value to a table whose values have no type of their own.
pub(crate) fn put_as<T: Serialize + ?Sized>(
    tx: &mut Tx<'_>,
    table: Table,
    key: &Key,
    value: &T,
) -> Result<(), Error> {
    let bytes = encode(table, key, 1, value)?;
    tx.put_raw(table, key, &bytes)
}

/// The bytes of a value, or why it can't be kept.
pub(crate) fn encode<T: Serialize + ?Sized>(
    table: Table,
    key: &Key,
    version: u8,
    value: &T,
) -> Result<Vec<u8>, Error> {
    codec::encode(table.name, key.as_bytes(), version, value).map_err(|fault| match fault {
        codec::Fault::TooLarge(size) => {
            Error::TooLarge { table: table.name, size, limit: codec::LARGEST }
        }
        codec::Fault::Damaged => {
            Error::TooLarge { table: table.name, size: usize::MAX, limit: codec::LARGEST }
        }
    })
}

/// Writes an index entry.
pub(crate) fn mark(tx: &mut Tx<'_>, table: Table, key: &Key) -> Result<(), Error> {
    let bytes = codec::mark(table.name, key.as_bytes());
    tx.put_raw(table, key, &bytes)
}

/// Removes a row or an index entry.
pub(crate) fn remove(tx: &mut Tx<'_>, table: Table, key: &Key) -> Result<bool, Error> {
    tx.remove_raw(table, key)
}

/// Moves an index entry where its key changed; `None` on a side means there is none.
pub(crate) fn move_mark(
    tx: &mut Tx<'_>,
    table: Table,
    old: Option<Key>,
    new: Option<Key>,
) -> Result<(), Error> {
    if old == new {
        return Ok(());
    }
    if let Some(old) = old {
        remove(tx, table, &old)?;
    }
    match new {
        Some(new) => mark(tx, table, &new),
        None => Ok(()),
    }
}

/// A value that only one row may have.
pub(crate) struct Unique<'u> {
    /// The index.
    pub(crate) table: Table,
    /// The entity's name.
    pub(crate) entity: &'static str,
    /// The member that is unique.
    pub(crate) field: &'static str,
    /// The value for people.
    pub(crate) value: &'u str,
}

/// Moves a unique entry to another key; *taken* where another id has that one.
pub(crate) fn move_unique(
    tx: &mut Tx<'_>,
    unique: &Unique<'_>,
    old: Option<Key>,
    new: Option<Key>,
    id: &[u8; 16],
) -> Result<(), Error> {
    if old == new {
        return Ok(());
    }
    if let Some(new) = &new {
        if let Some(by) = unique_id(tx, unique.table, new)?
            && by != *id
        {
            return Err(Error::Taken {
                entity: unique.entity,
                field: unique.field,
                value: unique.value.to_owned(),
                by: uuid::Uuid::from_bytes(by).to_string(),
            });
        }
        put_as(tx, unique.table, new, id)?;
    }
    match old {
        Some(old) => remove(tx, unique.table, &old).map(|_| ()),
        None => Ok(()),
    }
}

/// The id that has a unique key.
pub(crate) fn unique_id(
    read: &(impl Read + ?Sized),
    table: Table,
    key: &Key,
) -> Result<Option<[u8; 16]>, Error> {
    get_as(read, table, key.as_bytes())
}

/// Which part of a list is wanted.
#[derive(Debug, Clone)]
pub struct Paging {
    /// Rows at most.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// Newest first, or oldest first.
    pub newest_first: bool,
}

impl Paging {
    /// The first rows, newest first.
    pub fn first(limit: usize) -> Self {
        Self { limit, cursor: None, newest_first: true }
    }
}

impl Default for Paging {
    fn default() -> Self {
        Self::first(50)
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Asks for the page after; none where this is the last.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The same page with each row turned into something else.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(turn).collect(), next_cursor: self.next_cursor }
    }
}

/// Rows that one page may walk over; what a filter leaves out is walked too, so a page may be
/// short and still have a cursor.
const WALK: usize = 200_000;

/// Turns an entry into an item of a list, or leaves it out.
pub(crate) type Fetch<'f, T> = dyn FnMut(&[u8], &[u8]) -> Result<Option<T>, Error> + 'f;

/// A page from an index or a table: `fetch` turns an entry into an item or leaves it out.
pub(crate) fn page<T>(
    read: &(impl Read + ?Sized),
    table: Table,
    range: KeyRange,
    paging: &Paging,
    fetch: &mut Fetch<'_, T>,
) -> Result<Page<T>, Error> {
    let range = range.resume(paging.cursor.as_deref(), paging.newest_first)?;
    let (mut items, mut last, mut more, mut walked) = (Vec::new(), Vec::new(), false, 0);
    read.scan(table, &range, paging.newest_first, &mut |key, value| {
        if items.len() >= paging.limit || walked >= WALK {
            more = true;
            return Ok(ControlFlow::Break(()));
        }
        walked += 1;
        match fetch(key, value) {
            Ok(Some(item)) => items.push(item),
            Ok(None) => {}
            // The damage is noted; the other rows are still worth showing.
            Err(Error::Damaged { .. }) => {}
            Err(e) => return Err(e),
        }
        last.clear();
        last.extend_from_slice(key);
        Ok(ControlFlow::Continue(()))
    })?;
    let next_cursor = more.then(|| range.cursor(&last));
    Ok(Page { items, next_cursor })
}

/// The keys of a range, at most `limit`, ascending: for work in slices.
pub(crate) fn some_keys(
    read: &(impl Read + ?Sized),
    table: Table,
    range: &KeyRange,
    limit: usize,
) -> Result<Vec<Vec<u8>>, Error> {
    let mut found = Vec::new();
    read.scan(table, range, false, &mut |key, _| {
        if found.len() >= limit {
            return Ok(ControlFlow::Break(()));
        }
        found.push(key.to_vec());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}
