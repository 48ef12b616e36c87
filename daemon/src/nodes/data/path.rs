//! A place within an item, as it is written in a configuration: `size`, `disk.name`, `disks[0]`,
//! `['a.b']`. Looking there reads no more than the way to it, and keeps the text that stands there.

use std::fmt;

use a2n_proto::Json;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::members::Members;
use crate::engine::kind::NodeError;
use crate::nodes::config::{Config, is_expression, text};
use crate::nodes::definition::Fault;

/// Most parts of a path: an item is never nested deeper.
const MAX_PARTS: usize = 64;

/// A place within an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Member(String),
    Index(usize),
}

impl Path {
    /// Reads a path, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let (part, after) = first_part(rest)?;
            parts.push(part);
            if parts.len() > MAX_PARTS {
                return Err(format!("has more than {MAX_PARTS} parts"));
            }
            rest = match after.strip_prefix('.') {
                Some(next) if next.starts_with('[') => return Err(NO_NAME.to_owned()),
                Some(next) => next,
                None if after.is_empty() => break,
                None if after.starts_with('[') => after,
                None => return Err("needs a `.` or `[` after a `]`".to_owned()),
            };
        }
        Ok(Self { text: text.to_owned(), parts })
    }
    /// The path that a resolved configuration has at `at`.
    pub(crate) fn of(at: &str, value: &Value) -> Result<Self, NodeError> {
        Self::parse(&text(at, value)?)
            .map_err(|why| NodeError::new("CONFIG", format!("`{at}` {why}; {HINT}")))
    }
    /// What is wrong with a path as it stands in the document.
    pub(crate) fn check(at: &str, value: Option<&Value>) -> Option<Fault> {
        let value = value.filter(|value| !is_expression(value))?;
        let why = Self::parse(value.as_str()?).err()?;
        Some((at.to_owned(), format!("the path {why}"), Some(HINT.to_owned())))
    }
    /// The paths that a resolved configuration lists.
    pub(crate) fn list(config: &Config<'_>, name: &str) -> Result<Vec<Self>, NodeError> {
        config.list(name)?.iter().map(|(at, value)| Self::of(at, value)).collect()
    }
    /// What is wrong with a list of paths as it stands in the document.
    pub(crate) fn check_list(at: &str, list: Option<&Value>) -> Vec<Fault> {
        let list = list.and_then(Value::as_array).into_iter().flatten();
        list.zip(0..)
            .filter_map(|(path, n)| Self::check(&format!("{at}[{n}]"), Some(path)))
            .collect()
    }
    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
    /// The name of the member it ends at; none where it ends at a place in a list.
    pub(crate) fn name(&self) -> Option<&str> {
        match self.parts.last() {
            Some(Part::Member(name)) => Some(name),
            _ => None,
        }
    }
    /// What stands there; none where nothing does, or `null`.
    pub(crate) fn find(&self, item: &Json) -> Option<Json> {
        let mut at = item.as_str();
        for part in &self.parts {
            at = Seek(part).within(at)?.get();
        }
        // The text of an item's part is JSON.
        Json::trusted(at.to_owned()).ok().filter(|found| !found.is_null())
    }
    /// The item with another value there; none where that place does not exist.
    pub(crate) fn replace(&self, item: &Json, value: Json) -> Option<Json> {
        replace(&self.parts, item, value)
    }
    /// The item without that place.
    pub(crate) fn remove(&self, item: &Json) -> Option<Json> {
        let (last, before) = self.parts.split_last()?;
        let outer = Self { text: String::new(), parts: before.to_vec() };
        let holder = if before.is_empty() { item.clone() } else { outer.find(item)? };
        let less = match last {
            Part::Member(gone) => {
                let mut members = Members::of(&holder)?;
                members.retain(|name| name != gone);
                members.into_item()
            }
            Part::Index(gone) => {
                let mut list: Vec<Json> = holder.to().ok()?;
                list.remove((*gone < list.len()).then_some(*gone)?);
                Json::of(&list)
            }
        };
        if before.is_empty() { Some(less) } else { outer.replace(item, less) }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

const NO_NAME: &str = "lacks a name before or after a `.`";
const HINT: &str = "write it as `size`, `disk.name`, `disks[0]` or `['a.b']`";

fn first_part(text: &str) -> Result<(Part, &str), String> {
    let Some(inner) = text.strip_prefix('[') else {
        let end = text.find(['.', '[']).unwrap_or(text.len());
        return match text.split_at(end) {
            ("", _) if text.is_empty() => Err("is empty, or ends with a `.`".to_owned()),
            ("", _) => Err(NO_NAME.to_owned()),
            (name, after) => Ok((Part::Member(name.to_owned()), after)),
        };
    };
    for quote in ['\'', '"'] {
        if let Some(inner) = inner.strip_prefix(quote) {
            let (name, after) = inner
                .split_once(&format!("{quote}]"))
                .ok_or_else(|| format!("lacks `{quote}]` after a name in quotes"))?;
            return Ok((Part::Member(name.to_owned()), after));
        }
    }
    let (number, after) = inner.split_once(']').ok_or("lacks a `]`")?;
    let number = number.parse().map_err(|_| "has something else than a number between `[` and `]`");
    Ok((Part::Index(number?), after))
}

fn replace(parts: &[Part], item: &Json, value: Json) -> Option<Json> {
    let Some((first, rest)) = parts.split_first() else { return Some(value) };
    match first {
        Part::Member(name) => {
            let mut members = Members::of(item)?;
            let inner = replace(rest, members.get(name)?, value)?;
            members.put(name, inner);
            Some(members.into_item())
        }
        Part::Index(index) => {
            let mut list: Vec<Json> = item.to().ok()?;
            let place = list.get_mut(*index)?;
            *place = replace(rest, place, value)?;
            Some(Json::of(&list))
        }
    }
}

/// Looks for one part in the text of an object or a list.
struct Seek<'p>(&'p Part);

impl Seek<'_> {
    fn within(self, text: &str) -> Option<&RawValue> {
        let mut reader = serde_json::Deserializer::from_str(text);
        match self.0 {
            Part::Member(_) if text.starts_with('{') => reader.deserialize_map(self),
            Part::Index(_) if text.starts_with('[') => reader.deserialize_seq(self),
            _ => return None,
        }
        .ok()?
    }
}

impl<'t> Visitor<'t> for Seek<'_> {
    type Value = Option<&'t RawValue>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }
    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Part::Member(name) = self.0 else { return Ok(None) };
        let mut found = None;
        while let Some(is_it) = map.next_key_seed(Named(name))? {
            if is_it && found.is_none() {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
    fn visit_seq<A: SeqAccess<'t>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let Part::Index(index) = self.0 else { return Ok(None) };
        let (mut found, mut at) = (None, 0);
        while let Some(element) = list.next_element::<&RawValue>()? {
            if at == *index {
                found = Some(element);
            }
            at += 1;
        }
        Ok(found)
    }
}

/// Reads a member's name only to compare it.
struct Named<'p>(&'p str);

impl<'t> DeserializeSeed<'t> for Named<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'t>>(self, d: D) -> Result<bool, D::Error> {
        struct Same<'p>(&'p str);
        impl Visitor<'_> for Same<'_> {
            type Value = bool;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member's name")
            }
            fn visit_str<E>(self, name: &str) -> Result<bool, E> {
                Ok(name == self.0)
            }
        }
        d.deserialize_str(Same(self.0))
    }
}

/// The elements of a list, each as its own text; none where it is no list.
pub(crate) fn elements(list: &Json) -> Option<Vec<Json>> {
    if !list.as_str().starts_with('[') {
        return None;
    }
    Vec::deserialize(&mut serde_json::Deserializer::from_str(list.as_str())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: &str = r#"{"a":{"b":[1.50,{"c d":"x"}],"":0},"a.b":7,"n":null,"q'":1e-400}"#;

    fn item() -> Json {
        Json::parse(ITEM).unwrap()
    }

    #[test]
    fn a_path_leads_to_the_text_that_stands_there() {
        for (path, wanted) in [
            ("a.b[0]", "1.50"),
            ("a.b[1].c d", r#""x""#),
            ("['a']['b'][1]", r#"{"c d":"x"}"#),
            ("['a.b']", "7"),
            ("[\"a.b\"]", "7"),
            ("q'", "1e-400"),
            ("a['']", "0"),
        ] {
            let found = Path::parse(path).unwrap().find(&item()).unwrap();
            assert_eq!(found.as_str(), wanted, "{path}");
        }
        for path in ["n", "x", "a.x", "a.b[2]", "a[0]", "a.b.c", "['a.b'].c", "[0]"] {
            assert_eq!(Path::parse(path).unwrap().find(&item()), None, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused_with_what_to_write() {
        for path in ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "a[-1]", "['a", "a[0]b"] {
            let error = Path::of("key", &path.into()).unwrap_err();
            assert!(error.message.ends_with(HINT), "{path}: {error}");
        }
        assert!(Path::parse(&"a.".repeat(64)).is_err() && Path::parse(&"[0]".repeat(65)).is_err());
        assert!(Path::parse(&"[0]".repeat(64)).is_ok());
    }

    #[test]
    fn what_stands_beside_it_stays_as_it_is() {
        let with = |path: &str| {
            let replaced = Path::parse(path).unwrap().replace(&item(), Json::null());
            replaced.map(|item| item.as_str().to_owned())
        };
        let wanted = ITEM.replace("1.50", "null");
        assert_eq!(with("a.b[0]").as_deref(), Some(wanted.as_str()));
        assert_eq!((with("a.x"), with("a.b[2]"), with("n.x")), (None, None, None));
        let without = |path: &str| Path::parse(path).unwrap().remove(&item()).unwrap();
        assert_eq!(without("a.b[0]").as_str(), ITEM.replace("1.50,", ""));
        assert_eq!(without("['a.b']").as_str(), ITEM.replace(r#""a.b":7,"#, ""));
    }
}
