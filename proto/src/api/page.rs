//! What all lists have in common, and what a deletion answers.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Parameters of every `list`: which rows, in which order, how many, from where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(bound = "F: JsonSchema + Default + Serialize", rename = "List_of_{F}")]
#[serde(bound(deserialize = "F: Deserialize<'de> + Default", serialize = "F: Serialize"))]
pub struct List<F> {
    /// Only rows that fit; all where absent.
    pub filter: F,
    /// In which order; newest first where absent.
    pub sort: Option<Sort>,
    /// How many at most; 50 where absent.
    #[serde(deserialize_with = "how_many")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
    /// Where the page before ended: its `nextCursor`.
    pub cursor: Option<String>,
}

/// Reads how many rows are wanted: what is out of range is refused, so that nobody takes a page for
/// more, or for less, than it is.
pub(super) fn how_many<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    from.deserialize_option(HowMany)
}

/// Checks while the number is read: only then is its place known.
struct HowMany;

impl<'de> Visitor<'de> for HowMany {
    type Value = Option<u32>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 1 to 1000")
    }
    fn visit_none<E>(self) -> Result<Option<u32>, E> {
        Ok(None)
    }
    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Option<u32>, D::Error> {
        from.deserialize_u32(self)
    }
    fn visit_u64<E: Error>(self, n: u64) -> Result<Option<u32>, E> {
        match u32::try_from(n) {
            Ok(fits @ 1..=1000) => Ok(Some(fits)),
            _ => Err(E::invalid_value(Unexpected::Unsigned(n), &self)),
        }
    }
}

impl<F: Default> Default for List<F> {
    fn default() -> Self {
        Self { filter: F::default(), sort: None, limit: None, cursor: None }
    }
}

impl<F> List<F> {
    /// Most rows in one page.
    pub const MAX_LIMIT: u32 = 1000;
    /// Rows in a page where the caller does not say.
    pub const DEFAULT_LIMIT: u32 = 50;
    /// How many rows are asked for, within what is allowed.
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(Self::DEFAULT_LIMIT).clamp(1, Self::MAX_LIMIT) as usize
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Sort {
    /// Newest first.
    #[default]
    #[serde(rename = "-createdAt")]
    Newest,
    /// Oldest first.
    #[serde(rename = "createdAt")]
    Oldest,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Page_of_{T}")]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Asks for the page after; `null` where this is the last. Only where a filter leaves out very
    /// much has a page that is not full one, too.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The same page with each row turned into something else.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(turn).collect(), next_cursor: self.next_cursor }
    }
}

/// What a deletion answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    /// What is gone.
    pub id: String,
    /// Always true.
    pub deleted: bool,
}

impl Deleted {
    /// The answer that this is gone.
    pub fn of(id: impl std::fmt::Display) -> Self {
        Self { id: id.to_string(), deleted: true }
    }
}

#[cfg(test)]
mod tests {
    use crate::ErrorKind;
    use crate::api::{execution, execution_schedule, read_params};

    #[test]
    fn a_page_of_nothing_or_of_too_much_is_refused_with_its_path() {
        for limit in ["0", "1001", "-1", "5000000000", "1.5", "\"7\""] {
            let params = format!(r#"{{"limit":{limit}}}"#);
            let error = read_params::<execution::List>(&params).unwrap_err();
            assert_eq!((error.kind, error.path.as_deref()), (ErrorKind::Params, Some("limit")));
        }
        for limit in ["1", "1000", "null"] {
            read_params::<execution::List>(&format!(r#"{{"limit":{limit}}}"#)).unwrap();
        }
        let params = r#"{"schedule":{"every":"1h"},"count":5000}"#;
        let error = read_params::<execution_schedule::Preview>(params).unwrap_err();
        assert!(error.message.contains("expected a number from 1 to 1000"), "{error}");
    }
}
