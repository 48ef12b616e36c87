//! Values: one version byte, the bincode body, and a 64-bit XXH3 over table, key, version and body.
//!
//! redb does not check its own checksums on ordinary reads, so a flipped bit would be believed; a
//! value that was moved to another key or table fails here too. bincode is used nowhere else.

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

/// Largest body that is written or believed; stops a damaged length from asking for all memory.
pub(crate) const LARGEST: usize = 32 << 20;

const SUM: usize = 8;

/// Why bytes are not a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The checksum does not fit, or the body can't be read.
    Damaged,
    /// Larger than [`LARGEST`].
    TooLarge(usize),
}

/// The bytes to store for a value under this key.
pub(crate) fn encode<T: Serialize + ?Sized>(
    table: &str,
    key: &[u8],
    version: u8,
    value: &T,
) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::with_capacity(256);
    bytes.push(version);
    bincode::serde::encode_into_std_write(value, &mut bytes, bincode::config::standard())
        .map_err(|_| Fault::Damaged)?;
    if bytes.len() > LARGEST {
        return Err(Fault::TooLarge(bytes.len()));
    }
    seal(table, key, &mut bytes);
    Ok(bytes)
}

/// A value's body alone, to be kept within another value.
pub(crate) fn pack<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Fault> {
    bincode::serde::encode_to_vec(value, bincode::config::standard()).map_err(|_| Fault::Damaged)
}

/// The bytes to store for an index entry that says everything in its key.
pub(crate) fn mark(table: &str, key: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1];
    seal(table, key, &mut bytes);
    bytes
}

/// The version and the body of stored bytes whose checksum fits.
pub(crate) fn open<'b>(table: &str, key: &[u8], bytes: &'b [u8]) -> Result<(u8, &'b [u8]), Fault> {
    let body_end = bytes.len().checked_sub(SUM).filter(|&n| n >= 1).ok_or(Fault::Damaged)?;
    let (content, sum) = bytes.split_at(body_end);
    if sum != checksum(table, key, content).to_le_bytes() {
        return Err(Fault::Damaged);
    }
    Ok((content[0], &content[1..]))
}

/// Reads a body as a type.
pub(crate) fn body<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    let config = bincode::config::standard().with_limit::<LARGEST>();
    match bincode::serde::decode_from_slice(body, config) {
        Ok((value, read)) if read == body.len() => Ok(value),
        _ => Err(Fault::Damaged),
    }
}

fn seal(table: &str, key: &[u8], bytes: &mut Vec<u8>) {
    let sum = checksum(table, key, bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
}

/// Table, key and content that together are not longer are summed in one piece, which costs a
/// small part of what feeding a hash bit by bit does; most values are that short.
const SHORT: usize = 512;

fn checksum(table: &str, key: &[u8], content: &[u8]) -> u64 {
    let parts: [&[u8]; 5] = [
        &(table.len() as u64).to_le_bytes(),
        table.as_bytes(),
        &(key.len() as u64).to_le_bytes(),
        key,
        content,
    ];
    let length = parts.iter().map(|part| part.len()).sum();
    if length <= SHORT {
        let mut whole = [0; SHORT];
        let mut at = 0;
        for part in parts {
            whole[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        return xxh3_64(&whole[..length]);
    }
    let mut hash = Xxh3Default::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.digest()
}

#[cfg(test)]
mod tests {
    use a2n_proto::Json;
    use proptest::prelude::*;

    use super::*;

    type Sample = (String, Option<u64>, Vec<i64>, bool);

    fn read(table: &str, key: &[u8], bytes: &[u8]) -> Result<Sample, Fault> {
        let (version, content) = open(table, key, bytes)?;
        assert_eq!(version, 3);
        body(content)
    }

    proptest! {
        #[test]
        fn what_is_written_comes_back(value in any::<Sample>(), key in prop::collection::vec(any::<u8>(), 0..20)) {
            let bytes = encode("t", &key, 3, &value).unwrap();
            prop_assert_eq!(read("t", &key, &bytes), Ok(value));
        }

        #[test]
        fn one_flipped_bit_is_found(value in any::<Sample>(), place in any::<prop::sample::Index>(), bit in 0..8u8) {
            let mut bytes = encode("t", b"k", 3, &value).unwrap();
            let at = place.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(open("t", b"k", &bytes), Err(Fault::Damaged));
        }

        #[test]
        fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = open("t", b"k", &bytes);
            let _ = body::<Sample>(&bytes);
        }
    }

    #[test]
    fn a_value_at_another_key_or_in_another_table_is_damaged() {
        let bytes = encode("t", b"k", 3, &1u8).unwrap();
        assert_eq!(open("t", b"l", &bytes), Err(Fault::Damaged));
        assert_eq!(open("u", b"k", &bytes), Err(Fault::Damaged));
    }

    #[test]
    fn a_sum_does_not_depend_on_how_it_was_fed() {
        for length in [0, 1, 400, SHORT - 22, SHORT - 21, SHORT, 4 * SHORT] {
            let content = vec![7; length];
            let mut hash = Xxh3Default::new();
            for part in [&1u64.to_le_bytes()[..], b"t", &1u64.to_le_bytes(), b"k", &content] {
                hash.update(part);
            }
            assert_eq!(checksum("t", b"k", &content), hash.digest(), "{length} bytes");
        }
    }

    #[test]
    fn json_keeps_its_text() {
        let json = Json::parse(r#"{"z":1.10,"a":[1E5]}"#).unwrap();
        let bytes = encode("t", b"k", 1, &json).unwrap();
        let (_, content) = open("t", b"k", &bytes).unwrap();
        assert_eq!(body::<Json>(content).unwrap(), json);
    }
}
