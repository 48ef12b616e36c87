//! [`Json`]: a value kept as its text.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Fault, check};

/// A JSON value kept as its text.
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// The value `null`.
    pub fn null() -> Self {
        static NULL: LazyLock<Json> = LazyLock::new(|| Json::of(&()));
        NULL.clone()
    }
    /// The empty object.
    pub fn object() -> Self {
        static OBJECT: LazyLock<Json> = LazyLock::new(|| Json::of(&serde_json::Map::new()));
        OBJECT.clone()
    }
    /// Takes over JSON text from outside, refusing what [`check`] refuses.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        check(text)?;
        Self::trusted(text.to_owned()).map_err(|e| Fault::Syntax { message: e.to_string() })
    }
    /// Takes over JSON text that was checked or written by us.
    pub fn trusted(text: String) -> Result<Self, serde_json::Error> {
        Ok(Self(Arc::from(compact(RawValue::from_string(text)?))))
    }
    /// The JSON of any value of ours.
    ///
    /// # Panics
    /// Only for types that JSON can't carry (maps with keys that are not texts); ours can.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        let raw = serde_json::value::to_raw_value(value).expect("our types are JSON");
        Self(Arc::from(raw))
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
    /// Size of the text in bytes.
    pub fn size_bytes(&self) -> usize {
        self.0.get().len()
    }
    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.as_str() == "null"
    }
    /// The value for computing: numbers become 64-bit integers or doubles.
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::from_str(self.as_str()).unwrap_or(serde_json::Value::Null)
    }
    /// The value as a type of ours.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }
}

impl Default for Json {
    fn default() -> Self {
        Self::null()
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        Self::of(&value)
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}
impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { self.0.serialize(s) } else { s.serialize_str(self.as_str()) }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            Box::<RawValue>::deserialize(d).map(|raw| Self(Arc::from(compact(raw))))
        } else {
            let text = String::deserialize(d)?;
            // Most stored values are one of these two.
            match text.as_str() {
                "null" => return Ok(Self::null()),
                "{}" => return Ok(Self::object()),
                _ => {}
            }
            RawValue::from_string(text)
                .map(|raw| Self(Arc::from(raw)))
                .map_err(serde::de::Error::custom)
        }
    }
}

impl schemars::JsonSchema for Json {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Json".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!(true)
    }
}

/// Drops insignificant white space, so that a value never breaks the one-object-a-line protocol.
fn compact(raw: Box<RawValue>) -> Box<RawValue> {
    let text = raw.get();
    let mut in_string = false;
    let mut escaped = false;
    let mut spaced = false;
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b' ' | b'\t' | b'\n' | b'\r' if !in_string => {
                spaced = true;
                break;
            }
            _ => {}
        }
    }
    if !spaced {
        return raw;
    }
    let mut kept = String::with_capacity(text.len());
    (in_string, escaped) = (false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            ' ' | '\t' | '\n' | '\r' if !in_string => continue,
            _ => {}
        }
        kept.push(c);
    }
    RawValue::from_string(kept).unwrap_or(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_number_text_are_kept() {
        let text = r#"{"z":1.10,"a":123456789012345678901234567890,"e":1E5}"#;
        assert_eq!(Json::parse(text).expect("parses").as_str(), text);
    }

    #[test]
    fn white_space_between_tokens_goes_and_within_texts_stays() {
        let json = Json::parse("{ \"a b\" : [ 1 ,\n2 ] , \"c\\\" d\":\"e  f\" }").expect("parses");
        assert_eq!(json.as_str(), r#"{"a b":[1,2],"c\" d":"e  f"}"#);
    }
}
