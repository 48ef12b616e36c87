//! When two values are equal, and which comes first. Numbers compare by all of their digits, objects
//! whatever the order of their members.

use std::fmt::Write;

use a2n_proto::Json;

use super::members::Members;
use super::number::Number;
use super::path::elements;

/// Deepest nesting that is looked at; what is deeper is compared as its text.
const MAX_DEPTH: usize = 100;

/// How values are compared; the words of a configuration.
pub(crate) const COMPARE: [&str; 4] = ["VALUE", "NUMBER", "TEXT", "NATURAL"];

/// A value's place among others: `false`, `true`, numbers, texts, lists, objects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Truth(bool),
    Number(Number),
    Text(String),
    Natural(Vec<Piece>),
    List(String),
    Object(String),
}

/// A part of a text in natural order: a number within it counts by its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Piece {
    /// How many digits, then the digits, zeros before them left out.
    Digits(usize, String),
    Letters(String),
}

impl Rank {
    /// The place of a value by one of [`COMPARE`]; an error where it has none.
    pub(crate) fn of(value: &Json, compare: &str) -> Result<Self, &'static str> {
        match compare {
            "NUMBER" => number(value).map(Self::Number).ok_or("no number"),
            "TEXT" => Ok(Self::Text(text(value))),
            "NATURAL" => Ok(Self::Natural(pieces(&text(value)))),
            _ => Ok(Self::by_value(value)),
        }
    }
    fn by_value(value: &Json) -> Self {
        let written = value.as_str();
        match written.as_bytes().first() {
            Some(b'f' | b't') => Self::Truth(written == "true"),
            Some(b'"') => Self::Text(text(value)),
            Some(b'[') => Self::List(canonical(value)),
            Some(b'{') => Self::Object(canonical(value)),
            _ => match Number::parse(written) {
                Some(number) => Self::Number(number),
                None => Self::Text(written.to_owned()),
            },
        }
    }
}

/// A number, or a text that reads as one.
pub(crate) fn number(value: &Json) -> Option<Number> {
    match value.as_str().strip_prefix('"') {
        None => Number::parse(value.as_str()),
        Some(_) => Number::parse(value.to::<String>().ok()?.trim()),
    }
}

/// A text that is equal where the values are: 1 and 1.0 are, 1 and "1" are not.
pub(crate) fn canonical(value: &Json) -> String {
    let mut out = String::new();
    write_canonical(value, 0, &mut out);
    out
}

fn write_canonical(value: &Json, depth: usize, out: &mut String) {
    let written = value.as_str();
    match written.as_bytes().first() {
        Some(b'{') if depth < MAX_DEPTH => {
            let mut members = Members::of(value).unwrap_or_default().into_list();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            out.push('{');
            for (name, value) in members {
                write_canonical(&Json::of(&name), depth + 1, out);
                out.push(':');
                write_canonical(&value, depth + 1, out);
                out.push(',');
            }
            out.push('}');
        }
        Some(b'[') if depth < MAX_DEPTH => {
            out.push('[');
            for value in elements(value).unwrap_or_default() {
                write_canonical(&value, depth + 1, out);
                out.push(',');
            }
            out.push(']');
        }
        // Escapes are written in one way.
        Some(b'"') if written.contains('\\') => {
            out.push_str(Json::of(&text(value)).as_str());
        }
        Some(b'-' | b'0'..=b'9') => match Number::parse(written) {
            Some(number) => out.push_str(&number.text()),
            None => out.push_str(written),
        },
        _ => out.push_str(written),
    }
}

/// A text as it is, anything else as JSON.
fn text(value: &Json) -> String {
    value.to::<String>().unwrap_or_else(|_| value.as_str().to_owned())
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_digit = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        pieces.push(if is_digit {
            let digits = piece.trim_start_matches('0');
            Piece::Digits(digits.len(), digits.to_owned())
        } else {
            let mut letters = String::with_capacity(piece.len());
            for letter in piece.chars().flat_map(char::to_lowercase) {
                let _written = letters.write_char(letter);
            }
            Piece::Letters(letters)
        });
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text).unwrap()
    }

    #[test]
    fn equal_values_have_one_text() {
        let same = |one: &str, other: &str| canonical(&json(one)) == canonical(&json(other));
        assert!(same("1", "1.0") && same("1e2", "100") && same("-0.0", "0"));
        assert!(
            same(r#"{"a":1,"b":[2]}"#, r#"{"b":[2.0],"a":1}"#) && same(r#""\u0041""#, r#""A""#)
        );
        assert!(!same("1", r#""1""#) && !same("[1,2]", "[2,1]") && !same("[[1],2]", "[[1,2]]"));
        assert!(!same("12345678901234567891", "12345678901234567892") && !same("null", "{}"));
        assert!(!same(r#"{"a":1}"#, r#"{"a":1,"b":null}"#) && !same("0", "false"));
    }

    #[test]
    fn each_way_of_comparing_has_its_order() {
        let sorted = |compare: &str, mut all: Vec<&str>| {
            all.sort_by_key(|text| Rank::of(&json(text), compare).unwrap());
            all.join(" ")
        };
        let mixed = vec!["{}", "[1]", r#""10""#, r#""9""#, "10", "9.5", "true", "false"];
        assert_eq!(sorted("VALUE", mixed), r#"false true 9.5 10 "10" "9" [1] {}"#);
        assert_eq!(sorted("NUMBER", vec![r#""10""#, "9", r#"" -1 ""#]), r#"" -1 " 9 "10""#);
        assert_eq!(sorted("TEXT", vec!["9", "10", r#""B""#, r#""a""#]), r#"10 9 "B" "a""#);
        let hosts = vec![r#""web10""#, r#""Web2""#, r#""web02b""#, r#""db""#];
        assert_eq!(sorted("NATURAL", hosts), r#""db" "Web2" "web02b" "web10""#);
        assert_eq!(Rank::of(&json(r#""x""#), "NUMBER"), Err("no number"));
    }
}
