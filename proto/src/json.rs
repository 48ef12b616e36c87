//! JSON that passes through unchanged: member order and the text of numbers are kept.
//!
//! [`Json`] holds checked text. It serialises as JSON where the format is human-readable and as a
//! string otherwise, so the same entity goes over the socket and through the store's codec.
//! [`check`] is the one gate for JSON from outside: depth, size and duplicate members.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Deepest nesting accepted from outside (serde_json's own limit is 128).
pub const MAX_DEPTH: usize = 64;
/// Most values (scalars, arrays, objects together) accepted in one text from outside.
pub const MAX_VALUES: usize = 1_000_000;

/// A JSON value kept as its text.
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

/// Why a text is not acceptable JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not JSON at all.
    #[error("not JSON: {message}")]
    Syntax {
        /// What serde_json says, with line and column.
        message: String,
    },
    /// A member stands twice in one object.
    #[error("`{path}` stands twice in one object")]
    Duplicate {
        /// The member's path.
        path: String,
    },
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels at `{path}`")]
    TooDeep {
        /// Where.
        path: String,
    },
    /// More values than [`MAX_VALUES`].
    #[error("more than {MAX_VALUES} values")]
    TooMany,
}

impl Json {
    /// The value `null`.
    pub fn null() -> Self {
        Self::of(&())
    }
    /// The empty object.
    pub fn object() -> Self {
        Self::of(&serde_json::Map::new())
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

/// A value that does not fit the type it is read as, with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unfit {
    /// The member, as `filter.status.in[0]`; empty for the whole value.
    pub path: String,
    /// What is wrong: lower case, no full stop.
    pub message: String,
}

/// Reads checked JSON text as a type of ours and says where it does not fit.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Unfit> {
    serde_json::from_str(text).map_err(|error| {
        let whole = error.to_string();
        let message = match whole.rfind(" at line ") {
            Some(end) => whole[..end].to_owned(),
            None => whole,
        };
        Unfit { path: path_at(text, error.line(), error.column()), message }
    })
}

/// The path of the value that ends or stands at a line and column of a checked JSON text.
fn path_at(text: &str, line: usize, column: usize) -> String {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let end = (before + column).min(text.len());
    let bytes = text.as_bytes();
    // One place per open container: the member's name, or None and the index in an array.
    let mut open: Vec<(bool, Place)> = Vec::new();
    let mut name = String::new();
    let mut at = 0;
    while at < end {
        match bytes[at] {
            b'{' => open.push((true, Place::None)),
            b'[' => open.push((false, Place::Index(0))),
            b'}' | b']' => drop(open.pop()),
            b',' => match open.last_mut() {
                Some((false, Place::Index(index))) => *index += 1,
                Some((true, place)) => *place = Place::None,
                _ => {}
            },
            b':' => {
                if let Some((true, place)) = open.last_mut() {
                    *place = Place::Member(std::mem::take(&mut name));
                }
            }
            b'"' => {
                let start = at;
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                name = serde_json::from_str(text.get(start..=at).unwrap_or_default())
                    .unwrap_or_default();
                // An unknown member is reported at the end of its name.
                if at + 1 >= end
                    && let Some((true, place @ Place::None)) = open.last_mut()
                {
                    *place = Place::Member(std::mem::take(&mut name));
                }
            }
            _ => {}
        }
        at += 1;
    }
    path_text(open.iter().map(|(_, place)| place))
}

/// Refuses JSON text that is malformed, too deep, too wide or has a member twice in one object.
pub fn check(text: &str) -> Result<(), Fault> {
    let mut walk = Walk { path: Vec::new(), values: 0, fault: None };
    let mut d = serde_json::Deserializer::from_str(text);
    let read = Seed { walk: &mut walk }.deserialize(&mut d).and_then(|()| d.end());
    match (walk.fault, read) {
        (Some(fault), _) => Err(fault),
        (None, Err(e)) => Err(Fault::Syntax { message: e.to_string() }),
        (None, Ok(())) => Ok(()),
    }
}

enum Place {
    None,
    Member(String),
    Index(usize),
}

fn path_text<'p>(places: impl Iterator<Item = &'p Place>) -> String {
    let mut text = String::new();
    for place in places {
        match place {
            Place::None => {}
            Place::Member(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Place::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

struct Walk {
    path: Vec<Place>,
    values: usize,
    fault: Option<Fault>,
}

impl Walk {
    fn path_text(&self) -> String {
        path_text(self.path.iter())
    }
    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.values += 1;
        if self.values > MAX_VALUES {
            self.fault = Some(Fault::TooMany);
        } else if self.path.len() > MAX_DEPTH {
            self.fault = Some(Fault::TooDeep { path: self.path_text() });
        } else {
            return Ok(());
        }
        Err(E::custom("refused"))
    }
}

struct Seed<'w> {
    walk: &'w mut Walk,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.walk.enter()
    }
    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.walk.enter()
    }
    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.walk.enter()
    }
    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.walk.enter()
    }
    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.walk.enter()
    }
    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.walk.enter()
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let walk = self.walk;
        walk.enter()?;
        let mut index = 0;
        loop {
            walk.path.push(Place::Index(index));
            let more = seq.next_element_seed(Seed { walk })?.is_some();
            walk.path.pop();
            if !more {
                return Ok(());
            }
            index += 1;
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let walk = self.walk;
        walk.enter()?;
        let mut seen = std::collections::HashSet::<String>::new();
        while let Some(name) = map.next_key::<String>()? {
            walk.path.push(Place::Member(name.clone()));
            if !seen.insert(name) {
                walk.fault = Some(Fault::Duplicate { path: walk.path_text() });
                return Err(serde::de::Error::custom("refused"));
            }
            map.next_value_seed(Seed { walk })?;
            walk.path.pop();
        }
        Ok(())
    }
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

    #[test]
    fn a_member_that_stands_twice_is_named() {
        let fault = Json::parse(r#"{"a":[{"b":1,"b":2}]}"#).expect_err("refused");
        assert_eq!(fault, Fault::Duplicate { path: "a[0].b".into() });
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_path() {
        type Rows = std::collections::BTreeMap<String, Vec<crate::workflow::Concurrency>>;
        let check = |text: &str, path: &str, part: &str| {
            let unfit = read::<Rows>(text).expect_err("refused");
            assert_eq!(unfit.path, path, "{unfit}");
            assert!(unfit.message.contains(part), "{unfit}");
        };
        check(r#"{"a":[{},{"maxInstances":"x"}]}"#, "a[1].maxInstances", "invalid type: string");
        check("{\"a\":[{},\n{ \"policy\" : \"X\" }]}", "a[1].policy", "unknown variant `X`");
        check(r#"{"a":[{"policy":"QUEUE","maxx":1}]}"#, "a[0].maxx", "unknown field `maxx`");
        check(r#"{"a":1}"#, "a", "invalid type: integer");
        check("7", "", "invalid type: integer");
    }

    #[test]
    fn deep_nesting_is_refused_without_exhausting_the_stack() {
        let fault = check(&"[".repeat(250_000)).expect_err("refused");
        assert!(matches!(fault, Fault::TooDeep { .. }), "{fault}");
    }
}
