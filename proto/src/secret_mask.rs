//! [`Secret`]: a value that is stored whole and shown to nobody.
//!
//! In formats for people (JSON on the socket) it is `"***"`; in the store's own format it is all
//! there. It has no printable form, so an error or a log record can't carry it by accident.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What stands in place of a secret wherever people may look.
pub const MASK: &str = "***";

/// Bytes that leave the daemon only through [`Secret::reveal`].
#[derive(Clone, Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes over the bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }
    /// The bytes themselves. Every call is a place to look at in a review.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
    /// The bytes as text, where they are text.
    pub fn reveal_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

/// Compares in a time that depends on the lengths only.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().zip(&other.0).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
    }
}
impl Eq for Secret {}

/// The bytes do not stay behind in memory.
impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.serialize_str(MASK) } else { self.0.serialize(s) }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            String::deserialize(d).map(Self::from)
        } else {
            Vec::<u8>::deserialize(d).map(Self)
        }
    }
}

impl schemars::JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "writeOnly": true,
            "description": "goes in and never comes out: answers show ***"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_a_mask_and_the_store_sees_it_whole() {
        let secret = Secret::from("hunter2");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"***\"");
        assert_eq!(format!("{secret:?}"), "***");
        let stored = bincode::serde::encode_to_vec(&secret, bincode::config::standard()).unwrap();
        let (read, _): (Secret, usize) =
            bincode::serde::decode_from_slice(&stored, bincode::config::standard()).unwrap();
        assert_eq!(read.reveal_text(), Some("hunter2"));
        assert!(read == secret && read != Secret::from("hunter3"));
    }
}
