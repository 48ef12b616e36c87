//! JSON as expressions see it, and back.
//!
//! Objects and arrays are read one level at a time, when touched, from the item's own text. A
//! number that neither a 64-bit integer nor a double carries without losing digits is an invalid
//! value: passing it by is free, using it is an error.

use std::fmt::{self, Debug};
use std::sync::{Arc, OnceLock};

use a2n_proto::Json;
use minijinja::value::{Enumerator, Object, ObjectExt, ObjectRepr, Value, ValueKind};
use minijinja::{Error, ErrorKind};
use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Deepest nesting of a result.
const MAX_DEPTH: usize = 64;

/// A value for expressions that reads the JSON only where it is touched.
pub(super) fn from_json(json: &Json) -> Value {
    let text = Text { json: json.clone(), start: 0, end: json.as_str().len() };
    value_of(&text)
}

/// The JSON of a result; an error where it has none, would lose digits or is too large.
pub(super) fn to_json(value: &Value, limit_bytes: usize) -> Result<serde_json::Value, Error> {
    let mut left = limit_bytes;
    write(value, &mut left, 0)
}

/// How long the text of an object or array is that came as JSON.
pub(super) fn json_len(value: &Value) -> Option<usize> {
    let members = value.downcast_object_ref::<Members>().map(|members| &members.text);
    let text =
        members.or_else(|| value.downcast_object_ref::<Elements>().map(|elements| &elements.text));
    text.map(|text| text.end - text.start)
}

/// A stretch of a JSON text that holds one value.
#[derive(Clone)]
struct Text {
    json: Json,
    start: usize,
    end: usize,
}

impl Text {
    fn as_str(&self) -> &str {
        self.json.as_str().get(self.start..self.end).unwrap_or("null")
    }
    /// The part that `raw`, borrowed from this very text, stands for.
    fn part(&self, raw: &RawValue) -> Self {
        let start =
            (raw.get().as_ptr() as usize).saturating_sub(self.json.as_str().as_ptr() as usize);
        Self { json: self.json.clone(), start, end: start + raw.get().len() }
    }
}

fn value_of(text: &Text) -> Value {
    let raw = text.as_str();
    match raw.as_bytes().first() {
        Some(b'{') => Value::from_object(Members { text: text.clone(), read: OnceLock::new() }),
        Some(b'[') => Value::from_object(Elements { text: text.clone(), read: OnceLock::new() }),
        Some(b'"') => serde_json::from_str::<String>(raw).map_or_else(broken, Value::from),
        Some(b't') => Value::from(true),
        Some(b'f') => Value::from(false),
        Some(b'n') | None => Value::from(()),
        Some(_) => number(raw),
    }
}

fn broken(error: serde_json::Error) -> Value {
    Value::from(Error::new(ErrorKind::InvalidOperation, error.to_string()))
}

fn number(raw: &str) -> Value {
    if !raw.contains(['.', 'e', 'E']) {
        if let Ok(number) = raw.parse::<i64>() {
            return Value::from(number);
        }
        if let Ok(number) = raw.parse::<u64>() {
            return Value::from(number);
        }
    } else if let Ok(number) = raw.parse::<f64>()
        && number.is_finite()
        && (raw.len() <= 15 || digits(raw) == digits(&format!("{number:e}")))
    {
        return Value::from(number);
    }
    Value::from(Error::new(
        ErrorKind::InvalidOperation,
        format!("the number {raw} would lose digits in an expression"),
    ))
}

/// A number's significant digits and the power of ten of the last one; zero has none.
fn digits(raw: &str) -> (String, i64) {
    let raw = raw.trim_start_matches('-');
    let (mantissa, power) = raw.split_once(['e', 'E']).unwrap_or((raw, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let kept = all.trim_start_matches('0').trim_end_matches('0');
    let cut = all.len() - all.trim_end_matches('0').len();
    if kept.is_empty() {
        return (String::new(), 0);
    }
    let power = power.trim_start_matches('+').parse::<i64>().unwrap_or(0);
    let places = i64::try_from(fraction.len()).unwrap_or(0) - i64::try_from(cut).unwrap_or(0);
    (kept.to_owned(), power.saturating_sub(places))
}

/// A JSON object, read when touched.
struct Members {
    text: Text,
    read: OnceLock<Table>,
}

/// Members in their order, and their places sorted by name.
struct Table {
    members: Vec<(String, Value)>,
    by_name: Vec<usize>,
}

impl Members {
    fn read(&self) -> &Table {
        self.read.get_or_init(|| {
            let mut d = serde_json::Deserializer::from_str(self.text.as_str());
            let raw = d.deserialize_map(RawMembers).unwrap_or_default();
            let members: Vec<_> =
                raw.into_iter().map(|(name, raw)| (name, value_of(&self.text.part(raw)))).collect();
            let mut by_name: Vec<usize> = (0..members.len()).collect();
            by_name.sort_by(|a, b| members[*a].0.cmp(&members[*b].0));
            Table { members, by_name }
        })
    }
    fn get(&self, name: &str) -> Option<Value> {
        let table = self.read();
        let found = table.by_name.binary_search_by(|i| table.members[*i].0.as_str().cmp(name));
        found.ok().map(|place| table.members[table.by_name[place]].1.clone())
    }
}

impl Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.as_str())
    }
}

impl Object for Members {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get(key.as_str()?)
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        // One after the other: who wants the first only must not pay for all.
        self.mapped_enumerator(|members| {
            Box::new(members.read().members.iter().map(|(name, _)| Value::from(name.as_str())))
        })
    }
    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.read().members.len())
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.as_str())
    }
}

/// A JSON array, read when touched.
struct Elements {
    text: Text,
    read: OnceLock<Vec<Value>>,
}

impl Elements {
    fn read(&self) -> &[Value] {
        self.read.get_or_init(|| {
            let mut d = serde_json::Deserializer::from_str(self.text.as_str());
            let raw = d.deserialize_seq(RawElements).unwrap_or_default();
            raw.into_iter().map(|raw| value_of(&self.text.part(raw))).collect()
        })
    }
}

impl Debug for Elements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.as_str())
    }
}

impl Object for Elements {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.read().get(key.as_usize()?).cloned()
    }
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.read().len())
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.as_str())
    }
}

struct RawMembers;

impl<'de> Visitor<'de> for RawMembers {
    type Value = Vec<(String, &'de RawValue)>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

struct RawElements;

impl<'de> Visitor<'de> for RawElements {
    type Value = Vec<&'de RawValue>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            elements.push(element);
        }
        Ok(elements)
    }
}

fn write(value: &Value, left: &mut usize, depth: usize) -> Result<serde_json::Value, Error> {
    if depth > MAX_DEPTH {
        return Err(bad(format!("the result is nested deeper than {MAX_DEPTH} levels")));
    }
    spend(left, 4)?;
    Ok(match value.kind() {
        ValueKind::None => serde_json::Value::Null,
        ValueKind::Bool => value.is_true().into(),
        ValueKind::Number => write_number(value)?,
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            spend(left, text.len())?;
            text.into()
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let mut elements = Vec::new();
            for element in value.try_iter()?.checked() {
                elements.push(write(&element?, left, depth + 1)?);
            }
            elements.into()
        }
        ValueKind::Map => {
            let mut members = serde_json::Map::new();
            for name in value.try_iter()?.checked() {
                let name = name?;
                let text = match name.kind() {
                    ValueKind::String | ValueKind::Number | ValueKind::Bool => name.to_string(),
                    other => return Err(bad(format!("{other} can't name a JSON member"))),
                };
                spend(left, text.len())?;
                members.insert(text, write(&value.get_item(&name)?, left, depth + 1)?);
            }
            members.into()
        }
        ValueKind::Undefined => {
            return Err(Error::new(ErrorKind::UndefinedError, "the result is undefined"));
        }
        ValueKind::Invalid => return Err(invalid(value)),
        other => return Err(bad(format!("{other} is not JSON"))),
    })
}

fn write_number(value: &Value) -> Result<serde_json::Value, Error> {
    if value.is_integer() {
        if let Ok(number) = i64::try_from(value.clone()) {
            return Ok(number.into());
        }
        if let Ok(number) = u64::try_from(value.clone()) {
            return Ok(number.into());
        }
        return Err(bad(format!("{value} does not fit a 64-bit integer and would lose digits")));
    }
    let number = f64::try_from(value.clone())?;
    serde_json::Number::from_f64(number)
        .map(Into::into)
        .ok_or_else(|| bad(format!("{value} is not a JSON number")))
}

/// The error that an invalid value carries.
fn invalid(value: &Value) -> Error {
    match value.try_iter() {
        Err(error) => error,
        Ok(_) => bad(value.to_string()),
    }
}

fn spend(left: &mut usize, bytes: usize) -> Result<(), Error> {
    match left.checked_sub(bytes) {
        Some(rest) => {
            *left = rest;
            Ok(())
        }
        None => Err(bad("the result is larger than 1 MiB".to_owned())),
    }
}

fn bad(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(text: &str) -> Result<String, String> {
        let json = Json::parse(text).unwrap();
        to_json(&from_json(&json), 1 << 20)
            .map(|value| value.to_string())
            .map_err(|error| error.detail().unwrap_or_default().to_owned())
    }

    #[test]
    fn json_goes_through_unchanged_with_its_order() {
        let text = r#"{"z":[1,-2,18446744073709551615,1.5,true,null],"a":{"é \" b":"x"}}"#;
        assert_eq!(through(text).unwrap(), text);
    }

    #[test]
    fn numbers_that_would_lose_digits_are_errors_when_used() {
        for lossy in ["123456789012345678901234567890", "0.12345678901234567891"] {
            let error = through(&format!("[{lossy}]")).unwrap_err();
            assert_eq!(error, format!("the number {lossy} would lose digits in an expression"));
        }
        for exact in ["1.10", "1E5", "0.1", "100000000000000000000.0", "0.00000000000000000"] {
            assert!(through(exact).is_ok(), "{exact}");
        }
    }

    #[test]
    fn a_result_above_its_limit_is_refused() {
        let json = Json::of(&"x".repeat(100));
        assert!(to_json(&from_json(&json), 50).is_err());
    }
}
