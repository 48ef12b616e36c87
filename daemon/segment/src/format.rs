//! The bytes: file head, block header, trailer, numbers of variable length.
//!
//! All numbers are little-endian. Every checksum is XXH3-64 with a seed made of the file's own
//! random salt and the place in the file, so that a block that was copied elsewhere, or one that a
//! step printed to look like one, does not pass.
//!
//! ```text
//! file    head(32) block* [index trailer(88)]
//! block   header(96) body: record*             record  len seq-step time-step bytes
//! ```

use std::fmt;

use xxhash_rust::xxh3::xxh3_64_with_seed;

pub(crate) const VERSION: u32 = 1;
pub(crate) const FILE_MAGIC: [u8; 8] = *b"A2NSEG\x0d\x0a";
pub(crate) const BLOCK_MAGIC: [u8; 4] = *b"\xa2NBk";
pub(crate) const END_MAGIC: [u8; 8] = *b"A2NEND\x0d\x0a";
pub(crate) const FILE_HEAD: usize = 32;
pub(crate) const HEADER: usize = 96;
pub(crate) const TRAILER: usize = 88;
/// A block's body closes when it has reached this; a larger record stands in a block alone.
pub(crate) const BLOCK_BYTES: usize = 64 * 1024;
pub(crate) const MAX_BODY: usize = 1024 * 1024;
pub(crate) const MAX_INDEX: usize = 32 * 1024 * 1024;

/// The largest record in bytes.
pub const MAX_RECORD: usize = 512 * 1024;

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; 16]);
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:032x})", stringify!($name), u128::from_be_bytes(self.0))
            }
        }
    )*};
}

keys! {
    /// Whose records: for step output an execution's id.
    Stream
    /// What several streams belong to: for step output a workflow's id.
    Group
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Records of one stream.
    Records = 1,
    /// The index of a sealed file.
    Index = 2,
    /// No records: says that seqs up to `last_seq` are given.
    Mark = 3,
}

/// A block's header, without its checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// The caller's flags of all its records, joined by OR.
    pub(crate) flags: u16,
    pub(crate) body: u32,
    pub(crate) n_records: u32,
    pub(crate) stream: Stream,
    pub(crate) group: Group,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) first_time: i64,
    pub(crate) last_time: i64,
}

impl Header {
    /// Header, fields only: 80 bytes; the two checksums follow.
    fn fields(&self) -> [u8; 80] {
        let mut to = [0u8; 80];
        to[..4].copy_from_slice(&BLOCK_MAGIC);
        to[4] = VERSION as u8;
        to[5] = self.kind as u8;
        to[6..8].copy_from_slice(&self.flags.to_le_bytes());
        to[8..12].copy_from_slice(&self.body.to_le_bytes());
        to[12..16].copy_from_slice(&self.n_records.to_le_bytes());
        to[16..32].copy_from_slice(&self.stream.0);
        to[32..48].copy_from_slice(&self.group.0);
        to[48..56].copy_from_slice(&self.first_seq.to_le_bytes());
        to[56..64].copy_from_slice(&self.last_seq.to_le_bytes());
        to[64..72].copy_from_slice(&self.first_time.to_le_bytes());
        to[72..80].copy_from_slice(&self.last_time.to_le_bytes());
        to
    }
    /// The 96 bytes before `body`, for a block at `offset` of a file with `salt`.
    pub(crate) fn encode(&self, body: &[u8], salt: u64, offset: u64) -> [u8; HEADER] {
        let seed = salt.wrapping_add(offset);
        let mut to = [0u8; HEADER];
        to[..80].copy_from_slice(&self.fields());
        to[80..88].copy_from_slice(&xxh3_64_with_seed(body, seed).to_le_bytes());
        let sum = xxh3_64_with_seed(&to[..88], seed);
        to[88..].copy_from_slice(&sum.to_le_bytes());
        to
    }
    /// The header at `offset` and its body's checksum; `None` where it is not one.
    pub(crate) fn decode(from: &[u8; HEADER], salt: u64, offset: u64) -> Option<(Self, u64)> {
        if from[..4] != BLOCK_MAGIC || from[4] != VERSION as u8 {
            return None;
        }
        if u64_at(from, 88) != xxh3_64_with_seed(&from[..88], salt.wrapping_add(offset)) {
            return None;
        }
        let header = Self::from_fields(from)?;
        let limit = if header.kind == Kind::Index { MAX_INDEX } else { MAX_BODY };
        (header.body as usize <= limit).then_some((header, u64_at(from, 80)))
    }
    fn from_fields(from: &[u8]) -> Option<Self> {
        Some(Self {
            kind: match from[5] {
                1 => Kind::Records,
                2 => Kind::Index,
                3 => Kind::Mark,
                _ => return None,
            },
            flags: u16::from_le_bytes([from[6], from[7]]),
            body: u32_at(from, 8),
            n_records: u32_at(from, 12),
            stream: Stream(array_at(from, 16)),
            group: Group(array_at(from, 32)),
            first_seq: u64_at(from, 48),
            last_seq: u64_at(from, 56),
            first_time: i64::from_le_bytes(array_at(from, 64)),
            last_time: i64::from_le_bytes(array_at(from, 72)),
        })
    }
    /// The fields as an index keeps them.
    pub(crate) fn to_index(self) -> [u8; 80] {
        self.fields()
    }
    /// Back from [`Header::to_index`]; the index's checksum has been checked.
    pub(crate) fn of_index(from: &[u8]) -> Option<Self> {
        if from.len() < 80 || from[..4] != BLOCK_MAGIC { None } else { Self::from_fields(from) }
    }
}

/// Whether `body` is what the header's checksum says.
pub(crate) fn body_holds(body: &[u8], sum: u64, salt: u64, offset: u64) -> bool {
    xxh3_64_with_seed(body, salt.wrapping_add(offset)) == sum
}

/// What a file begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileHead {
    pub(crate) number: u64,
    pub(crate) salt: u64,
}

impl FileHead {
    pub(crate) fn encode(&self) -> [u8; FILE_HEAD] {
        let mut to = [0u8; FILE_HEAD];
        to[..8].copy_from_slice(&FILE_MAGIC);
        // The version takes four bytes; the number's upper half would never be used.
        to[8..12].copy_from_slice(&VERSION.to_le_bytes());
        to[12..16].copy_from_slice(&(self.number as u32).to_le_bytes());
        to[16..24].copy_from_slice(&self.salt.to_le_bytes());
        let sum = xxh3_64_with_seed(&to[..24], self.number);
        to[24..].copy_from_slice(&sum.to_le_bytes());
        to
    }
    /// `Err(Some(version))` for a newer format, `Err(None)` where it is no head of file `number`.
    pub(crate) fn decode(from: &[u8], number: u64) -> Result<Self, Option<u32>> {
        if from.len() < FILE_HEAD || from[..8] != FILE_MAGIC {
            return Err(None);
        }
        if u64_at(from, 24) != xxh3_64_with_seed(&from[..24], number) {
            return Err(None);
        }
        match u32_at(from, 8) {
            VERSION => Ok(Self { number, salt: u64_at(from, 16) }),
            other => Err(Some(other)),
        }
    }
}

/// What a sealed file ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) index_at: u64,
    pub(crate) n_blocks: u64,
    pub(crate) first_time: i64,
    pub(crate) last_time: i64,
    pub(crate) first_stream: Stream,
    pub(crate) last_stream: Stream,
}

impl Trailer {
    pub(crate) fn encode(&self, salt: u64, offset: u64) -> [u8; TRAILER] {
        let mut to = [0u8; TRAILER];
        to[..8].copy_from_slice(&END_MAGIC);
        to[8..16].copy_from_slice(&self.index_at.to_le_bytes());
        to[16..24].copy_from_slice(&self.n_blocks.to_le_bytes());
        to[24..32].copy_from_slice(&self.first_time.to_le_bytes());
        to[32..40].copy_from_slice(&self.last_time.to_le_bytes());
        to[40..56].copy_from_slice(&self.first_stream.0);
        to[56..72].copy_from_slice(&self.last_stream.0);
        // 72..80 is kept for later.
        let sum = xxh3_64_with_seed(&to[..80], salt.wrapping_add(offset));
        to[80..].copy_from_slice(&sum.to_le_bytes());
        to
    }
    pub(crate) fn decode(from: &[u8; TRAILER], salt: u64, offset: u64) -> Option<Self> {
        if from[..8] != END_MAGIC
            || u64_at(from, 80) != xxh3_64_with_seed(&from[..80], salt.wrapping_add(offset))
        {
            return None;
        }
        Some(Self {
            index_at: u64_at(from, 8),
            n_blocks: u64_at(from, 16),
            first_time: i64::from_le_bytes(array_at(from, 24)),
            last_time: i64::from_le_bytes(array_at(from, 32)),
            first_stream: Stream(array_at(from, 40)),
            last_stream: Stream(array_at(from, 56)),
        })
    }
}

/// `0000000000000001.seg`; sorts as its number does.
pub(crate) fn file_name(number: u64) -> String {
    format!("{number:016x}.seg")
}

pub(crate) fn file_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    let plain = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if plain { u64::from_str_radix(digits, 16).ok() } else { None }
}

pub(crate) fn put_varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// The number at `at`, which moves behind it; `None` where it does not end or is too large.
pub(crate) fn take_varint(from: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *from.get(*at)?;
        *at += 1;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn array_at<const N: usize>(from: &[u8], at: usize) -> [u8; N] {
    let mut to = [0u8; N];
    to.copy_from_slice(&from[at..at + N]);
    to
}

pub(crate) fn u32_at(from: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(from, at))
}

pub(crate) fn u64_at(from: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(from, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_variable_length_come_back() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut at = 0;
            assert_eq!(take_varint(&bytes, &mut at), Some(value));
            assert_eq!(at, bytes.len());
        }
        assert_eq!(take_varint(&[0xff; 10], &mut 0), None);
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
    }

    #[test]
    fn a_header_holds_only_at_its_own_place() {
        let header = Header {
            kind: Kind::Records,
            flags: 5,
            body: 3,
            n_records: 1,
            stream: Stream([7; 16]),
            group: Group([8; 16]),
            first_seq: 1,
            last_seq: 1,
            first_time: -5,
            last_time: 9,
        };
        let bytes = header.encode(b"abc", 42, 1000);
        assert_eq!(Header::decode(&bytes, 42, 1000).map(|(h, _)| h), Some(header));
        assert_eq!(Header::decode(&bytes, 42, 1001), None);
        assert_eq!(Header::decode(&bytes, 43, 1000), None);
    }
}
