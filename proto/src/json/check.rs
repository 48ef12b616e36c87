//! The gate for JSON text from outside.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::place::{Place, path_text};

/// Deepest nesting accepted from outside (serde_json's own limit is 128).
pub const MAX_DEPTH: usize = 64;
/// Most values (scalars, arrays, objects together) accepted in one text from outside.
pub const MAX_VALUES: usize = 1_000_000;

/// Refuses JSON text that is malformed, too deep, too wide or has a member twice in one object.
///
/// Half a surrogate pair and a number beyond a double's range are malformed too. It runs on every
/// request, so it keeps no path and (but for escaped or very many names) copies no name: the path
/// is put together on the way out of a fault.
pub fn check(text: &str) -> Result<(), Fault> {
    check_inside(text, 0)
}

/// The same for a text that stands `depth` levels deep in another.
pub fn check_inside(text: &str, depth: usize) -> Result<(), Fault> {
    let mut walk = Walk { names: Vec::new(), depth, values: 0, refused: None, path: Vec::new() };
    let mut d = serde_json::Deserializer::from_str(text);
    let read = Seed { walk: &mut walk }.deserialize(&mut d).and_then(|()| d.end());
    let Err(error) = read else {
        return Ok(());
    };
    let path = path_text(walk.path.iter().rev());
    Err(match walk.refused {
        None => Fault::Syntax { message: error.to_string() },
        Some(Refusal::Duplicate) => Fault::Duplicate { path },
        Some(Refusal::TooDeep) => Fault::TooDeep { path },
        Some(Refusal::TooMany) => Fault::TooMany,
    })
}

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

/// Names that are compared one by one; a bigger object gets a set.
const FEW_NAMES: usize = 16;

enum Refusal {
    Duplicate,
    TooDeep,
    TooMany,
}

struct Walk<'t> {
    /// The names seen so far of all open objects, the innermost one's last.
    names: Vec<Cow<'t, str>>,
    depth: usize,
    values: usize,
    refused: Option<Refusal>,
    /// Where the fault is, innermost first.
    path: Vec<Place>,
}

impl Walk<'_> {
    fn value<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.values += 1;
        if self.values > MAX_VALUES { self.refuse(Refusal::TooMany) } else { Ok(()) }
    }
    fn open<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.value()?;
        self.depth += 1;
        if self.depth > MAX_DEPTH { self.refuse(Refusal::TooDeep) } else { Ok(()) }
    }
    fn refuse<E: serde::de::Error>(&mut self, why: Refusal) -> Result<(), E> {
        self.refused = Some(why);
        Err(E::custom("refused"))
    }
}

struct Seed<'w, 't> {
    walk: &'w mut Walk<'t>,
}

impl<'t> DeserializeSeed<'t> for Seed<'_, 't> {
    type Value = ();
    fn deserialize<D: Deserializer<'t>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Seed<'_, 't> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.walk.value()
    }
    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.walk.value()
    }
    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.walk.value()
    }
    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.walk.value()
    }
    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.walk.value()
    }
    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.walk.value()
    }
    fn visit_seq<A: SeqAccess<'t>>(self, mut seq: A) -> Result<(), A::Error> {
        let walk = self.walk;
        walk.open()?;
        let mut index = 0;
        loop {
            match seq.next_element_seed(Seed { walk: &mut *walk }) {
                Ok(Some(())) => index += 1,
                Ok(None) => break,
                Err(error) => {
                    walk.path.push(Place::Index(index));
                    return Err(error);
                }
            }
        }
        walk.depth -= 1;
        Ok(())
    }
    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<(), A::Error> {
        let walk = self.walk;
        walk.open()?;
        let mine = walk.names.len();
        let mut many = HashSet::new();
        while let Some(name) = map.next_key_seed(Name)? {
            let names = &walk.names[mine..];
            let twice = if names.len() < FEW_NAMES {
                names.contains(&name)
            } else {
                if many.is_empty() {
                    many.extend(names.iter().cloned());
                }
                !many.insert(name.clone())
            };
            if twice {
                walk.path.push(Place::Member(name.into_owned()));
                return walk.refuse(Refusal::Duplicate);
            }
            let at = walk.names.len();
            walk.names.push(name);
            if let Err(error) = map.next_value_seed(Seed { walk: &mut *walk }) {
                walk.path.push(Place::Member(walk.names[at].to_string()));
                return Err(error);
            }
        }
        walk.names.truncate(mine);
        walk.depth -= 1;
        Ok(())
    }
}

/// Reads a member's name, borrowed from the text where it has no escapes.
struct Name;

impl<'t> DeserializeSeed<'t> for Name {
    type Value = Cow<'t, str>;
    fn deserialize<D: Deserializer<'t>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_str(self)
    }
}

impl<'t> Visitor<'t> for Name {
    type Value = Cow<'t, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }
    fn visit_borrowed_str<E: serde::de::Error>(self, name: &'t str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }
    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_stands_twice_is_named() {
        let duplicate = |path: &str| Err(Fault::Duplicate { path: path.into() });
        assert_eq!(check(r#"{"a":[{"b":1,"b":2}]}"#), duplicate("a[0].b"));
        assert_eq!(check(r#"{"x":{"y":1},"z":[0,{"a":{},"\u0061":2}]}"#), duplicate("z[1].a"));
        assert_eq!(check(r#"{"x":{"y":1},"y":{"x":1},"z":[{"x":1},{"x":2}]}"#), Ok(()));
    }

    #[test]
    fn a_member_that_stands_twice_among_many_is_named() {
        let many = |last: &str| {
            let members: Vec<_> = (0..100).map(|n| format!("\"m{n}\":{{\"m{n}\":0}}")).collect();
            format!("{{{},\"{last}\":1}}", members.join(","))
        };
        assert_eq!(check(&many("m100")), Ok(()));
        assert_eq!(check(&many("m7")), Err(Fault::Duplicate { path: "m7".into() }));
        assert_eq!(check(&many("m99")), Err(Fault::Duplicate { path: "m99".into() }));
    }

    #[test]
    fn deep_nesting_is_refused_without_exhausting_the_stack() {
        let fault = check(&"[".repeat(250_000)).expect_err("refused");
        assert!(matches!(fault, Fault::TooDeep { .. }), "{fault}");
    }

    #[test]
    fn nesting_up_to_the_limit_is_accepted() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
        let path = "[0]".repeat(MAX_DEPTH);
        assert_eq!(check(&nested(MAX_DEPTH + 1)), Err(Fault::TooDeep { path }));
        assert_eq!(check(&format!("[{}]", vec!["[[]]"; 1000].join(","))), Ok(()));
    }

    #[test]
    fn half_a_surrogate_pair_and_a_number_beyond_a_double_are_refused() {
        for text in [r#""\ud800""#, r#"{"\udead":1}"#, r#"["\ud800\u0041"]"#, "1e999", "[-1e999]"] {
            assert!(matches!(check(text), Err(Fault::Syntax { .. })), "{text}");
        }
        for text in [r#""\ud83d\ude00""#, "1e308", "1e-999", "123456789012345678901234567890"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}:,\"\\\\ua-c0-9eE+. \n-]{0,40}") {
            let ours = check(&text);
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            proptest::prop_assert!(ours.is_err() || theirs.is_ok());
            if theirs.is_ok() {
                let accepted = matches!(ours, Ok(()) | Err(Fault::Duplicate { .. }));
                proptest::prop_assert!(accepted);
            }
        }
    }
}
