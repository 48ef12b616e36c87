//! The inputs of an execution as they are given on the command line.
//!
//! `-i name=text` passes a text, `-i name:=json` any JSON value, `--inputs FILE` an object; a
//! single `-i` wins over the file.

use std::path::Path;

use a2n_proto::Json;
use serde_json::{Map, Value};

use super::documents;
use super::failure::Failure;

/// One `-i`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Input {
    name: String,
    value: Value,
}

impl std::str::FromStr for Input {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((name, value)) = text.split_once('=') else {
            return Err("write name=text or name:=json".into());
        };
        let (name, value) = match name.strip_suffix(':') {
            None => (name, Value::String(value.to_owned())),
            Some(name) => {
                let json = Json::parse(value).map_err(|fault| fault.to_string())?;
                (name, json.to_value())
            }
        };
        if name.is_empty() {
            return Err("the name before `=` is missing".into());
        }
        Ok(Self { name: name.to_owned(), value })
    }
}

/// All inputs as one object; `null` where none are given.
pub(crate) fn collect(file: Option<&Path>, inputs: &[Input]) -> Result<Json, Failure> {
    if file.is_none() && inputs.is_empty() {
        return Ok(Json::null());
    }
    let mut all = file.map(documents::read_object).transpose()?.unwrap_or_default();
    let mut seen = Map::new();
    for Input { name, value } in inputs {
        if seen.insert(name.clone(), Value::Null).is_some() {
            return Err(Failure::usage(format!("the input `{name}` is given twice")));
        }
        all.insert(name.clone(), value.clone());
    }
    Ok(Json::of(&all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(inputs: &[&str], expect: Result<&str, &str>) {
        let parsed: Result<Vec<Input>, String> = inputs.iter().map(|text| text.parse()).collect();
        let collected = parsed.and_then(|inputs| collect(None, &inputs).map_err(|f| f.text()));
        match (collected, expect) {
            (Ok(json), Ok(expect)) => assert_eq!(json.as_str(), expect),
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (collected, expect) => panic!("{inputs:?}: {collected:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn texts_and_json_are_told_apart() {
        check(&[], Ok("null"));
        check(&["who=alice", "n:=3", "on=true"], Ok(r#"{"who":"alice","n":3,"on":"true"}"#));
        check(&["url=http://x/?a=b:=c"], Ok(r#"{"url":"http://x/?a=b:=c"}"#));
        check(&["list:=[1,{\"a\":null}]", "empty="], Ok(r#"{"list":[1,{"a":null}],"empty":""}"#));
    }

    #[test]
    fn what_is_wrong_is_said() {
        check(&["who"], Err("name=text or name:=json"));
        check(&["=x"], Err("is missing"));
        check(&["n:=3x"], Err("not JSON"));
        check(&["n:={\"a\":1,\"a\":2}"], Err("`a` stands twice"));
        check(&["a=1", "a=2"], Err("given twice"));
    }

    #[test]
    fn a_file_gives_way_to_single_inputs() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("in.yaml");
        std::fs::write(&file, "who: bob\nn: 1\n").unwrap();
        let inputs = ["who=alice".parse().unwrap()];
        assert_eq!(collect(Some(&file), &inputs).unwrap().as_str(), r#"{"who":"alice","n":1}"#);
    }
}
