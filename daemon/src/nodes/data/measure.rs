//! What `aggregate` finds out about a group of items: one operation over what stands at a path.

use std::collections::HashSet;

use a2n_proto::Json;

use super::number::{Number, Sum};
use super::order::{Rank, canonical, number};
use super::path::Path;
use crate::engine::kind::NodeError;
use crate::nodes::config::wrong;

/// The words of a configuration.
pub(super) const OPERATIONS: [&str; 9] =
    ["LIST", "COUNT", "SUM", "MIN", "MAX", "AVG", "FIRST", "LAST", "UNIQUE"];

/// What is to be found out, under which name.
#[derive(Debug)]
pub(super) struct Measure {
    pub(super) name: String,
    pub(super) operation: &'static str,
    pub(super) key: Option<Path>,
    pub(super) compare: &'static str,
}

/// What was found out so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    count: usize,
    sum: Sum,
    /// The smallest or largest so far, with its own text.
    best: Option<(Rank, Json)>,
    values: Vec<Json>,
    seen: HashSet<String>,
}

impl Measure {
    /// Takes one more item, the `n`th of all, into account.
    pub(super) fn take(&self, found: &mut Found, n: usize, item: &Json) -> Result<(), NodeError> {
        let value = match &self.key {
            Some(key) => key.find(item),
            None => Some(item.clone()),
        };
        // Where nothing stands, there is nothing to take into account.
        let Some(value) = value else { return Ok(()) };
        found.count += 1;
        match self.operation {
            "COUNT" => {}
            "SUM" | "AVG" => {
                let number = number(&value).ok_or_else(|| self.no_number(n, &value))?;
                found.sum.add(&number).map_err(|why| self.too_large(&why))?;
            }
            "MIN" | "MAX" => {
                let rank = Rank::of(&value, self.compare).map_err(|_| self.no_number(n, &value))?;
                let better = found.best.as_ref().is_none_or(|(best, _)| {
                    if self.operation == "MIN" { rank < *best } else { rank > *best }
                });
                if better {
                    found.best = Some((rank, value));
                }
            }
            "FIRST" => {
                if found.values.is_empty() {
                    found.values.push(value);
                }
            }
            "LAST" => found.values = vec![value],
            "UNIQUE" => {
                if found.seen.insert(canonical(&value)) {
                    found.values.push(value);
                }
            }
            _ => found.values.push(value),
        }
        Ok(())
    }
    /// What it comes to.
    pub(super) fn result(&self, found: Found) -> Result<Json, NodeError> {
        let total = || found.sum.total().map_err(|why| self.too_large(&why));
        Ok(match self.operation {
            "COUNT" => written(&Number::count(found.count)),
            "SUM" => written(&total()?),
            "AVG" if found.count == 0 => Json::null(),
            "AVG" => written(&total()?.divided(found.count)),
            "MIN" | "MAX" => found.best.map(|(_, value)| value).unwrap_or_default(),
            "FIRST" | "LAST" => found.values.into_iter().next().unwrap_or_default(),
            _ => Json::of(&found.values),
        })
    }
    fn no_number(&self, n: usize, value: &Json) -> NodeError {
        let key = self.key.as_ref().map_or(String::new(), |key| format!(".{key}"));
        let wanted = format!(
            "a number for `{}`; take it out of the text with `set` before, or leave such items out",
            self.name
        );
        let error = wrong(&format!("items[{n}]{key}"), &value.to_value(), &wanted);
        NodeError { kind: "ITEM".into(), ..error }
    }
    fn too_large(&self, why: &str) -> NodeError {
        NodeError::new("TOO_LARGE", format!("`values.{}`: {why}", self.name))
    }
}

fn written(number: &Number) -> Json {
    Json::trusted(number.text()).unwrap_or_default()
}
