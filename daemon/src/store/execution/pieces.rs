//! Bytes that are written in pieces, of which large ones stand apart under their hash. A state holds
//! the values that steps passed on; one of a megabyte is written once, not with every state and not
//! once for each place in it that has the value.

use std::collections::BTreeSet;
use std::io;

use a2n_proto::ExecutionId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::kept::Bytes;
use super::key;
use crate::store::keys::Key;
use crate::store::read::checked;
use crate::store::rows;
use crate::store::schema::{EXECUTION_VALUE, Table};
use crate::store::{Error, Read, Tx};

/// What is handed over in one piece of more bytes than this stands apart.
const LARGE: usize = 64 << 10;
/// The version of a row whose large pieces stand apart; in the one before it nothing does.
const VERSION: u8 = 2;

type Hash = [u8; 32];

/// Bytes with large pieces apart. Written to like a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pieces {
    body: Vec<u8>,
    large: Vec<Large>,
}

/// A piece that stands apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Large {
    /// Where in the others it belongs.
    at: usize,
    hash: Hash,
    bytes: Vec<u8>,
}

/// The stored row.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    body: Bytes,
    /// Where in the body pieces belong that stand apart.
    holes: Vec<(u64, Hash)>,
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > LARGE {
            let hash = Sha256::digest(bytes).into();
            self.large.push(Large { at: self.body.len(), hash, bytes: bytes.to_vec() });
        } else {
            self.body.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<Vec<u8>> for Pieces {
    fn from(body: Vec<u8>) -> Self {
        Self { body, large: Vec::new() }
    }
}

impl Pieces {
    /// How many bytes there are besides those that stand apart.
    pub fn size(&self) -> usize {
        self.body.len()
    }
    /// All bytes in one piece.
    pub fn joined(self) -> Vec<u8> {
        let mut large = self.large.into_iter().map(|one| (one.at, one.bytes));
        join(self.body, &mut large)
    }
    /// All bytes, piece by piece and in no order.
    pub(super) fn slices(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.body.as_slice()).chain(self.large.iter().map(|one| &one.bytes[..]))
    }
    pub(super) fn is_empty(&self) -> bool {
        self.body.is_empty() && self.large.is_empty()
    }
    /// The bytes, where none stand apart and they are so few.
    pub(super) fn within(self, most: usize) -> Result<Vec<u8>, Self> {
        if self.large.is_empty() && self.body.len() <= most { Ok(self.body) } else { Err(self) }
    }
    /// These bytes, with others before them.
    pub(super) fn after(self, mut before: Vec<u8>) -> Self {
        let shift = before.len();
        before.extend_from_slice(&self.body);
        let moved = self.large.into_iter().map(|one| Large { at: one.at + shift, ..one });
        Self { body: before, large: moved.collect() }
    }
    fn hashes(&self) -> BTreeSet<Hash> {
        self.large.iter().map(|one| one.hash).collect()
    }
}

/// Puts pieces into their places, which ascend.
fn join(body: Vec<u8>, large: &mut dyn Iterator<Item = (usize, Vec<u8>)>) -> Vec<u8> {
    let mut large = large.peekable();
    if large.peek().is_none() {
        return body;
    }
    let (mut all, mut from) = (Vec::new(), 0);
    for (at, bytes) in large {
        all.extend_from_slice(body.get(from..at).unwrap_or_default());
        all.extend_from_slice(&bytes);
        from = at;
    }
    all.extend_from_slice(body.get(from..).unwrap_or_default());
    all
}

/// Writes a row of an execution; what stands apart is written unless it is there.
pub(super) fn put(
    tx: &mut Tx<'_>,
    table: Table,
    key: &Key,
    id: ExecutionId,
    pieces: Pieces,
) -> Result<(), Error> {
    let holes = pieces.large.iter().map(|one| (one.at as u64, one.hash)).collect();
    for one in pieces.large {
        let value = value_key(id, &one.hash);
        if !rows::has(tx, EXECUTION_VALUE, value.as_bytes())? {
            rows::put_as(tx, EXECUTION_VALUE, &value, &Bytes(one.bytes))?;
        }
    }
    let bytes = rows::encode(table, key, VERSION, &Row { body: Bytes(pieces.body), holes })?;
    tx.put_raw(table, key, &bytes)
}

/// The bytes of a row of an execution, in one piece.
pub(super) fn get(
    read: &impl Read,
    table: Table,
    key: &[u8],
    id: ExecutionId,
) -> Result<Option<Vec<u8>>, Error> {
    let mut found = None;
    read.look(table, key, &mut |value| {
        let (version, body) = checked(read, table, key, value)?;
        let row = match version {
            VERSION => crate::store::codec::body(body),
            _ => crate::store::codec::body(body).map(|body| Row { body, holes: Vec::new() }),
        };
        found = Some(row.map_err(|_| read.damaged(table, key))?);
        Ok(())
    })?;
    let Some(Row { body, holes }) = found else { return Ok(None) };
    let mut large = Vec::with_capacity(holes.len());
    for (at, hash) in holes {
        let value = value_key(id, &hash);
        let bytes: Option<Bytes> = rows::get_as(read, EXECUTION_VALUE, value.as_bytes())?;
        let bytes = bytes.ok_or_else(|| read.damaged(EXECUTION_VALUE, value.as_bytes()))?;
        large.push((usize::try_from(at).unwrap_or(usize::MAX), bytes.0));
    }
    Ok(Some(join(body.0, &mut large.into_iter())))
}

/// Removes what stands apart of an execution, except what these bytes have.
pub(super) fn forget(
    tx: &mut Tx<'_>,
    id: ExecutionId,
    except: Option<&Pieces>,
) -> Result<(), Error> {
    let kept = except.map(Pieces::hashes).unwrap_or_default();
    for value in rows::some_keys(tx, EXECUTION_VALUE, &key(id).under(), usize::MAX)? {
        if value.get(16..).is_none_or(|hash| kept.iter().all(|kept| kept != hash)) {
            rows::remove(tx, EXECUTION_VALUE, &Key::of_bytes(&value))?;
        }
    }
    Ok(())
}

fn value_key(id: ExecutionId, hash: &Hash) -> Key {
    key(id).raw(hash)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_joined_again(sizes in prop::collection::vec(0..150_000_usize, 0..8), before in 0..9_usize) {
            let mut pieces = Pieces::default();
            let mut whole = vec![7; before];
            for (size, byte) in sizes.iter().zip(0_u8..) {
                pieces.write_all(&vec![byte; *size]).unwrap();
                whole.extend(vec![byte; *size]);
            }
            prop_assert!(pieces.size() <= LARGE * sizes.len());
            prop_assert_eq!(pieces.after(vec![7; before]).joined(), whole);
        }
    }
}
