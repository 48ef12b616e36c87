//! The gate for JSON text: it takes what serde_json takes and refuses what serde_json refuses, but
//! for members that stand twice, depth and width, which are rules of our own.

use std::collections::BTreeSet;

use a2n_proto::Json;
use a2n_proto::json::{Fault, MAX_DEPTH, check, read};
use arbitrary::Unstructured;
use serde_json::Value;

use super::{MADE, made};

/// Tries one text.
pub fn run(data: &[u8]) {
    let written;
    let text = match data.split_first() {
        Some((&MADE, recipe)) => {
            written = made::json(&mut Unstructured::new(recipe), 0).to_string();
            &written
        }
        _ => match std::str::from_utf8(data) {
            Ok(text) => text,
            Err(_) => return,
        },
    };
    let theirs = serde_json::from_str::<Value>(text);
    match (check(text), &theirs) {
        (Ok(()), Ok(value)) => {
            let json = Json::parse(text).expect("what passed the check is taken");
            assert_eq!(&json.to_value(), value, "another value");
            let again = Json::parse(json.as_str()).expect("our own text is taken");
            assert_eq!(again.as_str(), json.as_str(), "its text does not stay");
            assert!(depth(value) <= MAX_DEPTH);
            let _ = read::<Vec<BTreeSet<u8>>>(text).map_err(|unfit| unfit.to_string());
        }
        (Ok(()), Err(error)) => panic!("taken, though serde_json says: {error}"),
        (Err(Fault::Syntax { .. }), Err(_)) => {}
        (Err(Fault::Syntax { message }), Ok(_)) => panic!("serde_json takes it: {message}"),
        (Err(Fault::TooDeep { .. }), Ok(value)) => assert!(depth(value) > MAX_DEPTH),
        // The rules of our own may speak before the text's end, where serde_json sees its fault.
        (Err(_), _) => assert!(Json::parse(text).is_err()),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
