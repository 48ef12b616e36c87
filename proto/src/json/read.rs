//! From checked text to a type of ours, with the path of what does not fit.
//!
//! serde_json says line and column; the path is found from there afterwards, so that the good case
//! pays nothing for it.

use serde::de::DeserializeOwned;

use super::place::{Place, path_text};
use super::words::plain;

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
        let message = plain(&error.to_string());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_named_with_its_path() {
        type Rows = std::collections::BTreeMap<String, Vec<crate::workflow::Concurrency>>;
        let check = |text: &str, path: &str, part: &str| {
            let unfit = read::<Rows>(text).expect_err("refused");
            assert_eq!(unfit.path, path, "{unfit}");
            assert!(unfit.message.contains(part), "{unfit}");
        };
        check(r#"{"a":[{},{"maxInstances":"x"}]}"#, "a[1].maxInstances", "found the text");
        check("{\"a\":[{},\n{ \"policy\" : \"X\" }]}", "a[1].policy", "`X` is none of");
        check(r#"{"a":[{"policy":"QUEUE","maxx":1}]}"#, "a[0].maxx", "no member `maxx`");
        check(r#"{"a":1}"#, "a", "found the number");
        check("7", "", "found the number");
    }

    /// What is wrong with an id or a time was told without saying where it stands.
    #[test]
    fn ids_and_times_that_are_none_have_a_path_too() {
        use crate::api::{execution, workflow_trigger};
        let unfit = read::<execution::One>(r#"{"id":"zz"}"#).expect_err("refused");
        assert_eq!(
            (unfit.path.as_str(), unfit.message.contains("`zz` is not an id")),
            ("id", true)
        );
        let text = r#"{"id":"0199f1c2-7d3a-7c11-9b1e-3f2a5c6d7e8f", "from": "now", "count": 3}"#;
        let unfit = read::<workflow_trigger::NextParams>(text).expect_err("refused");
        assert_eq!((unfit.path.as_str(), unfit.message.contains("`now`")), ("from", true));
    }
}
