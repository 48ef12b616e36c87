//! An attachment: files and other bytes are kept beside the store; what travels in an item is this
//! reference to them.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A reference to bytes that are kept beside the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attachment {
    /// A file's name, for people; never a path.
    pub name: String,
    /// As the sender said it, for example `image/png`.
    pub media_type: String,
    /// Bytes.
    pub size: u64,
    /// Of the bytes; they are found by it.
    pub hash: ContentHash,
}

impl Attachment {
    /// The reference that a value is; none where it is anything else.
    pub fn of(value: &serde_json::Value) -> Option<Self> {
        // Most values are something else, and most objects have no such member.
        value.get("hash")?.as_str()?.parse::<ContentHash>().ok()?;
        Self::deserialize(value).ok()
    }
}

/// The SHA-256 of some bytes; as text `sha256:` and 64 small hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// What its text begins with.
    pub const PREFIX: &'static str = "sha256:";
    /// The length of its text.
    pub const TEXT_LENGTH: usize = Self::PREFIX.len() + 64;

    /// Of a digest.
    pub const fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }
    /// The digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
    /// Only the digits.
    pub fn to_hex(self) -> String {
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            text.push(digit(byte >> 4));
            text.push(digit(byte & 15));
            text
        })
    }
    /// The hash that these digits are; only small ones are, so that a hash has one text.
    pub fn from_hex(digits: &[u8]) -> Option<Self> {
        if digits.len() != 64 {
            return None;
        }
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Some(Self(digest))
    }
}

const fn digit(value: u8) -> char {
    (if value < 10 { b'0' + value } else { b'a' + value - 10 }) as char
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.to_hex())
    }
}

impl FromStr for ContentHash {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix(Self::PREFIX).map(str::as_bytes);
        digits.and_then(Self::from_hex).ok_or("not `sha256:` and 64 small hexadecimal digits")
    }
}

impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for ContentHash {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ContentHash".into()
    }
    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_whole_shape_is_a_reference() {
        let hash = format!("sha256:{}", "0f".repeat(32));
        let whole = json!({"name": "a.png", "mediaType": "image/png", "size": 3, "hash": hash});
        let found = Attachment::of(&whole).unwrap();
        assert_eq!(found.hash.to_string(), hash);
        assert_eq!(serde_json::to_value(&found).unwrap(), whole);
        for (member, value) in [
            ("hash", json!(hash.to_uppercase())),
            ("hash", json!("sha256:00")),
            ("hash", json!("../../etc/passwd")),
            ("size", json!(-1)),
            ("name", json!(null)),
            ("more", json!(1)),
        ] {
            let mut other = whole.clone();
            other[member] = value;
            assert_eq!(Attachment::of(&other), None, "{other}");
        }
        assert_eq!(Attachment::of(&json!("sha256:00")), None);
    }
}
