//! What all lists have in common, and what a deletion answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
    /// Where the page before ended: its `nextCursor`.
    pub cursor: Option<String>,
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
    /// Asks for the page after; `null` where this is the last.
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
