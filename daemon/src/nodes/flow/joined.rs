//! How `merge` makes one item of several: by their place, or by a key.

use std::collections::HashMap;

use a2n_proto::Json;

use crate::engine::kind::NodeError;
use crate::nodes::data::bound::Bound;
use crate::nodes::data::members::Members;
use crate::nodes::data::order::canonical;
use crate::nodes::data::path::Path;

/// The items that come in by one handle.
pub(super) type Input<'a> = (&'a str, &'a [Json]);

/// What happens where items find no partner, and where two members have one name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// Items of the first input stay.
    pub(super) keeps_first: bool,
    /// Items of every other input stay too.
    pub(super) keeps_all: bool,
    /// A later input's member replaces an earlier one's; else the earlier one's stays.
    pub(super) last_wins: bool,
}

impl Rule {
    fn put(self, one: &mut Members, other: &Members) {
        if self.last_wins { one.merge(other) } else { one.fill(other) }
    }
}

/// The first items of all inputs become one, then the second ones, and so on.
pub(super) fn by_position(inputs: &[Input<'_>], rule: Rule) -> Result<Vec<Json>, NodeError> {
    let lengths = inputs.iter().map(|(_, items)| items.len());
    let count = match rule {
        Rule { keeps_all: true, .. } => lengths.max(),
        Rule { keeps_first: true, .. } => inputs.first().map(|(_, items)| items.len()),
        _ => lengths.min(),
    };
    let (mut merged, mut bound) = (Vec::new(), Bound::default());
    for n in 0..count.unwrap_or(0) {
        let mut all = Members::default();
        for (handle, items) in inputs {
            if let Some(item) = items.get(n) {
                rule.put(&mut all, &members(handle, n, item)?);
            }
        }
        bound.count(all.size_bytes())?;
        merged.push(all.into_item());
    }
    Ok(merged)
}

/// Items with the same at every path become one; every pair where keys repeat.
pub(super) fn by_key(
    inputs: &[Input<'_>],
    key: &[Path],
    rule: Rule,
) -> Result<Vec<Json>, NodeError> {
    let mut inputs = inputs.iter();
    let Some((handle, items)) = inputs.next() else { return Ok(Vec::new()) };
    let mut left: Vec<Row> = rows(handle, items, key)?;
    for (handle, items) in inputs {
        left = joined(left, rows(handle, items, key)?, rule)?;
    }
    Ok(left.into_iter().map(|row| row.members.into_item()).collect())
}

/// An item, with the text that partners share; none where a part of the key is missing.
#[derive(Debug, Clone)]
struct Row {
    key: Option<String>,
    members: Members,
}

fn rows(handle: &str, items: &[Json], key: &[Path]) -> Result<Vec<Row>, NodeError> {
    let row = |(n, item): (usize, &Json)| {
        let parts: Option<Vec<String>> =
            key.iter().map(|path| path.find(item).as_ref().map(canonical)).collect();
        let key = parts.map(|parts| Json::of(&parts).as_str().to_owned());
        Ok(Row { key, members: members(handle, n, item)? })
    };
    items.iter().enumerate().map(row).collect()
}

fn joined(left: Vec<Row>, right: Vec<Row>, rule: Rule) -> Result<Vec<Row>, NodeError> {
    let mut partners = HashMap::<&str, Vec<usize>>::new();
    for (n, row) in right.iter().enumerate() {
        if let Some(key) = &row.key {
            partners.entry(key).or_default().push(n);
        }
    }
    let mut found = vec![false; right.len()];
    let (mut all, mut bound) = (Vec::new(), Bound::default());
    for row in left {
        let matches = row.key.as_deref().and_then(|key| partners.get(key));
        for &n in matches.into_iter().flatten() {
            found[n] = true;
            // The key repeats on both sides: this is where it would become too many.
            bound.count(row.members.size_bytes() + right[n].members.size_bytes())?;
            let mut both = row.clone();
            rule.put(&mut both.members, &right[n].members);
            all.push(both);
        }
        if matches.is_none() && rule.keeps_first {
            bound.count(row.members.size_bytes())?;
            all.push(row);
        }
    }
    if rule.keeps_all {
        for (row, _) in right.iter().zip(found).filter(|(_, found)| !found) {
            bound.count(row.members.size_bytes())?;
            all.push(row.clone());
        }
    }
    Ok(all)
}

fn members(handle: &str, n: usize, item: &Json) -> Result<Members, NodeError> {
    Members::of(item).ok_or_else(|| {
        let message = format!(
            "item {n} of {handle} is not an object, so it can't be joined; make it one with `set`, or use mode APPEND"
        );
        NodeError::new("ITEM", message)
    })
}
