//! A document's value with the line of each of its parts.

use a2n_proto::json::MAX_DEPTH;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};
use serde_saphyr::Spanned;
use serde_saphyr::budget::Budget;
use serde_saphyr::options::{AliasLimits, DuplicateKeyPolicy};

use super::fault::Fault;
use super::{look, words};

/// Stack of the thread that reads. The reader calls itself for every level, and where nothing is
/// optimised a level takes 50 KiB: [`MAX_DEPTH`] of them are more than a test's thread has, and
/// near to what a program has.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// Reads every document of a YAML text that has no faults at a look.
pub(super) fn parse(text: &str) -> Result<Vec<Spanned<Tree>>, Fault> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let reading = thread.spawn_scoped(scope, || read(text).map_err(|e| located(text, &e)));
        let ended = reading.map(std::thread::ScopedJoinHandle::join);
        ended.ok().and_then(Result::ok).unwrap_or_else(|| {
            Err(Fault::new(
                "it can't be read for want of a thread or by a mistake of ours",
                "try it again",
            ))
        })
    })
}

fn located(text: &str, error: &serde_saphyr::Error) -> Fault {
    let fault = words::of_reader(error);
    // Where a named value is used, not where it was named.
    let used = error.locations().map(|at| at.reference_location).filter(|at| at.line() > 0);
    let Some(at) = used.or_else(|| error.location()) else { return fault };
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let place = (number(at.line()), number(at.column()));
    fault.at(place, look::path_at(text, place))
}

fn read(text: &str) -> Result<Vec<Spanned<Tree>>, serde_saphyr::Error> {
    // The daemon takes documents of 1 MiB: no honest one has as many parts as these limits.
    let mut aliases = AliasLimits::default();
    aliases.max_total_replayed_events = 50_000;
    let mut budget = Budget::default();
    budget.max_events = 1_000_000;
    budget.max_depth = MAX_DEPTH;
    let options = serde_saphyr::options! {
        alias_limits: aliases,
        budget: Some(budget),
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        with_snippet: false,
        emit_comments: false,
    };
    serde_saphyr::from_multiple_with_options(text, options)
}

pub(super) fn line_at<T>(spanned: &Spanned<T>) -> u32 {
    u32::try_from(spanned.referenced.line()).unwrap_or(0)
}

/// A value with the line of each of its parts.
#[derive(Debug)]
pub(super) enum Tree {
    Scalar(Value),
    List(Vec<(u32, Tree)>),
    Map(Vec<(String, u32, Tree)>),
}

impl Tree {
    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::List(items) => items.iter().map(|(_, item)| item.to_value()).collect(),
            Self::Map(members) => Value::Object(
                members.iter().map(|(name, _, value)| (name.clone(), value.to_value())).collect(),
            ),
        }
    }

    /// The line where `nodes[1].config.where` stands, or the closest thing around it.
    pub(super) fn line_of(&self, path: &str, around: u32) -> u32 {
        let (mut tree, mut line) = (self, around);
        for step in steps(path) {
            let found = match (tree, step) {
                (Self::Map(members), Step::Member(name)) => {
                    members.iter().find(|(n, ..)| n == name).map(|(_, line, below)| (*line, below))
                }
                (Self::List(items), Step::Index(n)) => items.get(n).map(|(l, below)| (*l, below)),
                _ => None,
            };
            let Some((there, below)) = found else { break };
            (line, tree) = (there, below);
        }
        line
    }
}

enum Step<'a> {
    Member(&'a str),
    Index(usize),
}

/// The steps of `nodes[1].config.where`.
fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    path.split(['.', '[']).filter(|step| !step.is_empty()).map(|step| {
        match step.strip_suffix(']').and_then(|n| n.parse().ok()) {
            Some(index) => Step::Index(index),
            None => Step::Member(step),
        }
    })
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Tree;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value that JSON has")
    }
    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Null))
    }
    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Null))
    }
    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Tree, D::Error> {
        Tree::deserialize(d)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Tree, E> {
        Number::from_f64(value)
            .map(|number| Tree::Scalar(number.into()))
            .ok_or_else(|| E::custom("JSON has no infinite numbers"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Tree>>()? {
            items.push((line_at(&item), item.value));
        }
        Ok(Tree::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut members: Vec<(String, u32, Tree)> = Vec::new();
        while let Some(name) = map.next_key::<Spanned<String>>()? {
            members.push((name.value.clone(), line_at(&name), map.next_value()?));
        }
        Ok(Tree::Map(members))
    }
}
