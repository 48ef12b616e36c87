//! Keys: typed tuples whose bytes sort as the values do. Only this file builds ranges.
//!
//! Parts: ids as sixteen bytes; unsigned numbers big-endian; signed ones big-endian with the sign
//! bit turned; flags as one byte; texts with 00 written as 00 FF and ended by 00 00, so that a text
//! sorts before every longer text that begins with it.

use super::Error;

/// A key being built, part by part.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(Vec<u8>);

impl Key {
    /// The empty key: the start of every table.
    pub fn new() -> Self {
        Self(Vec::with_capacity(48))
    }
    /// A key of one id.
    pub fn of_id(id: &[u8; 16]) -> Self {
        Self(id.to_vec())
    }
    /// A key that was read.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
    /// A key of one number.
    pub fn of_u64(number: u64) -> Self {
        Self(number.to_be_bytes().to_vec())
    }
    /// Adds an id.
    pub fn id(mut self, id: &[u8; 16]) -> Self {
        self.0.extend_from_slice(id);
        self
    }
    /// Adds one byte: an enum's place.
    pub fn u8(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }
    /// Adds a flag.
    pub fn flag(self, flag: bool) -> Self {
        self.u8(u8::from(flag))
    }
    /// Adds a number.
    pub fn u32(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }
    /// Adds a number.
    pub fn u64(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }
    /// Adds a signed number, for example milliseconds since the epoch.
    pub fn i64(self, number: i64) -> Self {
        self.u64(number.cast_unsigned() ^ (1 << 63))
    }
    /// Adds a text.
    pub fn text(mut self, text: &str) -> Self {
        for &byte in text.as_bytes() {
            self.0.push(byte);
            if byte == 0 {
                self.0.push(0xFF);
            }
        }
        self.0.extend_from_slice(&[0, 0]);
        self
    }
    /// Adds the parts of another key.
    pub fn raw(mut self, parts: &[u8]) -> Self {
        self.0.extend_from_slice(parts);
        self
    }
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
    /// All keys that begin with this one.
    pub fn under(self) -> KeyRange {
        let to = next_after_prefix(&self.0);
        KeyRange { prefix: self.0.len(), from: self.0, to }
    }
}

/// Keys from one (included) to another (left out).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// How many bytes all keys of the range begin with in common.
    prefix: usize,
    from: Vec<u8>,
    to: Option<Vec<u8>>,
}

impl KeyRange {
    /// Every key there is.
    pub fn all() -> Self {
        Key::new().under()
    }
    /// The first key that may be in it.
    pub fn from(&self) -> &[u8] {
        &self.from
    }
    /// The first key after it; none where it has no end.
    pub fn to(&self) -> Option<&[u8]> {
        self.to.as_deref()
    }
    /// The part of it below a key (left out).
    pub fn before(mut self, key: &Key) -> Self {
        if self.to.as_deref().is_none_or(|to| key.as_bytes() < to) {
            self.to = Some(key.0.clone().max(self.from.clone()));
        }
        self
    }
    /// The part of it from a key (included) on.
    pub fn starting_at(mut self, key: &Key) -> Self {
        if key.as_bytes() > self.from.as_slice() {
            self.from.clone_from(&key.0);
            if let Some(to) = &self.to
                && self.from > *to
            {
                self.from.clone_from(to);
            }
        }
        self
    }
    /// The part of it after a key (left out).
    pub fn after(self, key: &Key) -> Self {
        let mut next = key.clone();
        next.0.push(0);
        self.starting_at(&next)
    }
    /// Where in it a list stopped, as text for a cursor.
    pub fn cursor(&self, key: &[u8]) -> String {
        hex(key.get(self.prefix..).unwrap_or_default())
    }
    /// The part after (`newest_first`: before) the place that a cursor names.
    pub fn resume(self, cursor: Option<&str>, newest_first: bool) -> Result<Self, Error> {
        let Some(cursor) = cursor else { return Ok(self) };
        let rest = unhex(cursor).filter(|rest| rest.len() <= 512).ok_or(Error::BadCursor)?;
        let mut key = self.from[..self.prefix].to_vec();
        key.extend_from_slice(&rest);
        let key = Key(key);
        Ok(if newest_first { self.before(&key) } else { self.after(&key) })
    }
}

/// Reads a key's parts in the order they were added.
#[derive(Debug, Clone, Copy)]
pub struct KeyReader<'k>(&'k [u8]);

impl<'k> KeyReader<'k> {
    /// Begins with the first part.
    pub fn new(key: &'k [u8]) -> Self {
        Self(key)
    }
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (part, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*part)
    }
    /// The next part is an id.
    pub fn id(&mut self) -> Option<[u8; 16]> {
        self.take()
    }
    /// The next part is one byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }
    /// The next part is a number.
    pub fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }
    /// The next part is a number.
    pub fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }
    /// The next part is a signed number.
    pub fn i64(&mut self) -> Option<i64> {
        self.u64().map(|n| (n ^ (1 << 63)).cast_signed())
    }
    /// The next part is a text.
    pub fn text(&mut self) -> Option<String> {
        let mut text = Vec::new();
        loop {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            if byte != 0 {
                text.push(byte);
                continue;
            }
            let (&mark, rest) = self.0.split_first()?;
            self.0 = rest;
            match mark {
                0 => return String::from_utf8(text).ok(),
                0xFF => text.push(0),
                _ => return None,
            }
        }
    }
    /// The parts that are left.
    pub fn rest(&self) -> &'k [u8] {
        self.0
    }
    /// Whether nothing is left.
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}

/// The id that an index key ends with.
pub(crate) fn last_id(key: &[u8]) -> Option<[u8; 16]> {
    key.last_chunk::<16>().copied()
}

/// The bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok())
        .collect()
}

fn next_after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xFF)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_sort_as_their_values(a in any::<(i64, String, u64)>(), b in any::<(i64, String, u64)>()) {
            let key = |v: &(i64, String, u64)| Key::new().i64(v.0).text(&v.1).u64(v.2);
            prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
        }

        #[test]
        fn texts_with_zeros_sort_and_come_back(a in "[\0a\u{ff}]{0,6}", b in "[\0a\u{ff}]{0,6}") {
            let (ka, kb) = (Key::new().text(&a).u8(7), Key::new().text(&b).u8(7));
            prop_assert_eq!(ka.cmp(&kb), a.as_bytes().cmp(b.as_bytes()));
            let mut reader = KeyReader::new(ka.as_bytes());
            prop_assert_eq!(reader.text(), Some(a));
            prop_assert_eq!(reader.u8(), Some(7));
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn a_prefix_holds_exactly_what_begins_with_it(prefix in prop::collection::vec(any::<u8>(), 0..4), other in prop::collection::vec(any::<u8>(), 0..6)) {
            let range = Key(prefix.clone()).under();
            let inside = other.as_slice() >= range.from() && range.to().is_none_or(|to| other.as_slice() < to);
            prop_assert_eq!(inside, other.starts_with(&prefix));
        }

        #[test]
        fn reading_any_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut reader = KeyReader::new(&bytes);
            let _ = reader.text();
            let _ = reader.i64();
            let _ = reader.id();
        }
    }

    #[test]
    fn a_cursor_goes_on_where_the_list_stopped() {
        let range = Key::new().u8(3).under();
        let at = Key::new().u8(3).u64(10);
        let cursor = range.cursor(at.as_bytes());
        let older = range.clone().resume(Some(&cursor), true).unwrap();
        assert_eq!(older.to(), Some(at.as_bytes()));
        let newer = range.resume(Some(&cursor), false).unwrap();
        assert!(newer.from() > at.as_bytes() && newer.from() < Key::new().u8(3).u64(11).as_bytes());
    }

    #[test]
    fn a_cursor_can_not_leave_its_list() {
        let range = Key::new().u8(3).under();
        assert!(matches!(range.clone().resume(Some("xyz"), true), Err(Error::BadCursor)));
        for newest_first in [false, true] {
            let resumed = range.clone().resume(Some(&"ff".repeat(40)), newest_first).unwrap();
            assert!(resumed.from() >= range.from() && resumed.to() <= range.to());
        }
    }
}
