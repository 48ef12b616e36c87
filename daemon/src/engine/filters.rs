//! What the expression language adds to minijinja or does in its place: filters, and the methods of
//! texts and dictionaries that people write by habit. Each keeps to the size of a result.

use std::fmt::{self, Write};

use minijinja::value::{Rest, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use super::language::RESULT_BYTES;
use super::value;

pub(super) fn to_json(value: &Value, indent: Option<usize>) -> Result<String, Error> {
    let json = value::to_json(value, RESULT_BYTES)?;
    let Some(indent) = indent else { return Ok(json.to_string()) };
    let spaces = vec![b' '; indent.min(16)];
    let mut text = Vec::new();
    let form = serde_json::ser::PrettyFormatter::with_indent(&spaces);
    let mut writer = serde_json::Serializer::with_formatter(&mut text, form);
    serde::Serialize::serialize(&json, &mut writer).map_err(|e| bad(e.to_string()))?;
    String::from_utf8(text).map_err(|e| bad(e.to_string()))
}

pub(super) fn from_json(text: &str) -> Result<Value, Error> {
    let json = a2n_proto::Json::parse(text).map_err(|fault| bad(fault.to_string()))?;
    Ok(value::from_json(&json))
}

/// A value as text. minijinja's own filter looks at the size of the text when it has it all.
pub(super) fn shown(value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => Ok(value.clone()),
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        _ => shown_as(&format_args!("{value}")).map(Value::from),
    }
}

/// What is formatted, as long as it is no larger than a result may be.
pub(super) fn shown_as(what: &dyn fmt::Display) -> Result<String, Error> {
    let mut out = Bounded(String::new());
    write!(out, "{what}").map_err(|_| bad("the text is larger than 1 MiB".to_owned()))?;
    Ok(out.0)
}

struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > RESULT_BYTES {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// Lists of what stands at the same place. minijinja's own walks its lists twice for each walk over
/// the result, so a few of them within each other would never end.
pub(super) fn zip(
    state: &State<'_, '_>,
    first: Value,
    others: Rest<Value>,
) -> Result<Vec<Value>, Error> {
    let lists = std::iter::once(first).chain(others.0);
    let mut lists = lists.map(|list| list.try_iter()).collect::<Result<Vec<_>, _>>()?;
    let mut rows = Vec::new();
    loop {
        state.consume_fuel(1 + lists.len() as u64)?;
        let row: Option<Vec<Value>> = lists.iter_mut().map(Iterator::next).collect();
        match row {
            Some(row) => rows.push(Value::from(row)),
            None => return Ok(rows),
        }
    }
}

/// Spaces on both sides; by hand, since what formats texts panics over a width above 65535.
pub(super) fn center(text: &str, width: usize) -> String {
    let missing = width.min(RESULT_BYTES).saturating_sub(text.chars().count());
    let before = missing / 2;
    format!("{}{text}{}", " ".repeat(before), " ".repeat(missing - before))
}

/// Jinja's: cut to `length` with an ellipsis, at a word unless `killwords`.
pub(super) fn truncate(text: &str, length: Option<usize>, killwords: Option<bool>) -> String {
    let length = length.unwrap_or(255);
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let cut: String = text.chars().take(length.saturating_sub(3)).collect();
    let kept = match cut.rsplit_once(' ') {
        Some((words, _)) if killwords != Some(true) => words,
        _ => &cut,
    };
    format!("{kept}...")
}

pub(super) fn file_size(bytes: f64, binary: Option<bool>) -> String {
    let (base, units): (f64, [&str; 6]) = if binary == Some(true) {
        (1024.0, ["Bytes", "KiB", "MiB", "GiB", "TiB", "PiB"])
    } else {
        (1000.0, ["Bytes", "kB", "MB", "GB", "TB", "PB"])
    };
    let mut left = bytes;
    let mut unit = units[0];
    for next in &units[1..] {
        if left.abs() < base {
            break;
        }
        left /= base;
        unit = next;
    }
    if unit == "Bytes" { format!("{left} {unit}") } else { format!("{left:.1} {unit}") }
}

/// The methods of Python's texts and dictionaries that people write by habit.
pub(super) fn call_method(value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let text = |n: usize| args.get(n).and_then(Value::as_str);
    if let Some(own) = value.as_str() {
        return Ok(match (method, text(0), text(1)) {
            ("upper", ..) => own.to_uppercase().into(),
            ("lower", ..) => own.to_lowercase().into(),
            ("strip", None, _) => own.trim().into(),
            ("lstrip", None, _) => own.trim_start().into(),
            ("rstrip", None, _) => own.trim_end().into(),
            ("strip", Some(set), _) => own.trim_matches(|c| set.contains(c)).into(),
            ("lstrip", Some(set), _) => own.trim_start_matches(|c| set.contains(c)).into(),
            ("rstrip", Some(set), _) => own.trim_end_matches(|c| set.contains(c)).into(),
            ("startswith", Some(part), _) => own.starts_with(part).into(),
            ("endswith", Some(part), _) => own.ends_with(part).into(),
            ("replace", Some(from), Some(to)) => replace(own, from, to)?.into(),
            ("split", None, _) => own.split_whitespace().map(Value::from).collect(),
            ("split", Some(by), _) if !by.is_empty() => own.split(by).map(Value::from).collect(),
            ("splitlines", ..) => own.lines().map(Value::from).collect(),
            ("find", Some(part), _) => own
                .find(part)
                .and_then(|at| i64::try_from(own[..at].chars().count()).ok())
                .unwrap_or(-1)
                .into(),
            ("count", Some(part), _) => own.matches(part).count().into(),
            ("isdigit", ..) => (!own.is_empty() && own.chars().all(char::is_numeric)).into(),
            _ => return Err(unknown_method("a text", method)),
        });
    }
    if value.kind() != ValueKind::Map {
        return Err(unknown_method(&value.kind().to_string(), method));
    }
    Ok(match (method, args) {
        ("keys", []) => value.try_iter()?.collect(),
        ("values", []) => {
            let values: Result<Vec<_>, _> =
                value.try_iter()?.map(|name| value.get_item(&name)).collect();
            values?.into()
        }
        ("items", []) => {
            let pairs: Result<Vec<_>, Error> = value
                .try_iter()?
                .map(|name| Ok(Value::from(vec![name.clone(), value.get_item(&name)?])))
                .collect();
            pairs?.into()
        }
        ("get", [name]) => known_or(value.get_item(name)?, Value::from(())),
        ("get", [name, default]) => known_or(value.get_item(name)?, default.clone()),
        _ => return Err(unknown_method("a map", method)),
    })
}

fn known_or(value: Value, default: Value) -> Value {
    if value.is_undefined() { default } else { value }
}

/// Replaces, within the limit of a result: a short text may stand many times in a long one.
fn replace(own: &str, from: &str, to: &str) -> Result<String, Error> {
    let grown = own.matches(from).count().saturating_mul(to.len());
    if own.len().saturating_add(grown) > RESULT_BYTES {
        return Err(bad("the result is larger than 1 MiB".to_owned()));
    }
    Ok(own.replace(from, to))
}

fn unknown_method(of: &str, method: &str) -> Error {
    Error::new(ErrorKind::UnknownMethod, format!("{of} has no method `{method}`"))
}

fn bad(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
