//! Manual starts: the parameters that a MANUAL trigger asks for, and its confirmation.

use a2n_proto::{Problem, Severity, nearest};
use serde_json::Value;

use crate::engine::check::error;

/// A MANUAL trigger's configuration, `{manual: {…}}` or its members alone.
#[derive(Debug, Clone)]
pub struct Manual {
    /// Whether a person has to say yes.
    pub require_confirmation: bool,
    /// JSON Schema of the inputs, as written; none where any object will do.
    pub parameters: Option<Value>,
    validator: Option<jsonschema::Validator>,
}

impl Manual {
    /// Reads a configuration; paths of problems begin below it.
    pub fn parse(configuration: &Value) -> Result<Self, Vec<Problem>> {
        let nested = configuration.get("manual");
        let mut problems = Vec::new();
        if nested.is_some() {
            let beside = configuration.as_object().into_iter().flat_map(serde_json::Map::keys);
            problems.extend(beside.filter(|n| *n != "manual").map(|n| unknown("", n, &["manual"])));
        }
        let base = if nested.is_some() { "manual" } else { "" };
        let mut wrong = |member: &str, code: &str, message: String, hint: &str| {
            let path = below(base, member);
            problems.push(error(&path, code, message, Some(hint.to_owned())));
        };
        let empty = serde_json::Map::new();
        let members = match nested.unwrap_or(configuration) {
            Value::Object(members) => members,
            Value::Null => &empty,
            _ => {
                wrong(
                    "",
                    "BAD_TRIGGER",
                    "the configuration must be an object".into(),
                    "write {manual: {parameters: {…}}}",
                );
                &empty
            }
        };
        let mut unknowns = Vec::new();
        let mut manual = Self { require_confirmation: false, parameters: None, validator: None };
        let known = ["requireConfirmation", "parameters"];
        for (name, value) in members {
            match (name.as_str(), value) {
                (_, Value::Null) => {}
                ("requireConfirmation", Value::Bool(yes)) => manual.require_confirmation = *yes,
                ("requireConfirmation", _) => {
                    wrong(
                        name,
                        "BAD_TRIGGER",
                        "`requireConfirmation` must be true or false".into(),
                        "leave it out for false",
                    );
                }
                ("parameters", schema) => match jsonschema::draft202012::new(schema) {
                    Ok(validator) => {
                        manual.parameters = Some(schema.clone());
                        manual.validator = Some(validator);
                    }
                    Err(error) => {
                        let message = format!("`parameters` is not a JSON Schema: {error}");
                        wrong(
                            name,
                            "BAD_SCHEMA",
                            message,
                            "for example {type: object, properties: {host: {type: string}}}",
                        );
                    }
                },
                _ => unknowns.push(unknown(base, name, &known)),
            }
        }
        problems.extend(unknowns);
        if problems.is_empty() { Ok(manual) } else { Err(problems) }
    }

    /// Everything that is wrong with these inputs; paths begin with `inputs`.
    pub fn check(&self, inputs: &Value) -> Vec<Problem> {
        let Some(validator) = &self.validator else { return Vec::new() };
        validator
            .iter_errors(inputs)
            .take(100)
            .map(|error| Problem {
                path: format!("inputs{}", dotted(&error.instance_path().to_string())),
                code: "BAD_INPUT".into(),
                severity: Severity::Error,
                message: error.to_string(),
                hint: None,
            })
            .collect()
    }
}

fn unknown(base: &str, name: &str, known: &[&str]) -> Problem {
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}", known.join(", ")),
    };
    let message = format!("`{name}` is not a member of a manual trigger");
    error(&below(base, name), "UNKNOWN_MEMBER", message, Some(hint))
}

fn below(base: &str, member: &str) -> String {
    match (base, member) {
        ("", one) | (one, "") => one.to_owned(),
        _ => format!("{base}.{member}"),
    }
}

/// A JSON pointer as we write paths: `/hosts/0/name` is `.hosts[0].name`.
fn dotted(pointer: &str) -> String {
    let mut text = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) {
            text.push_str(&format!("[{part}]"));
        } else {
            text.push_str(&format!(".{part}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn inputs_are_checked_against_the_parameters() {
        let manual = Manual::parse(&json!({"manual": {"requireConfirmation": true, "parameters": {
            "type": "object", "required": ["host"],
            "properties": {"host": {"type": "string"}, "ports": {"type": "array", "items": {"type": "integer"}}},
        }}}))
        .unwrap();
        assert!(manual.require_confirmation);
        assert!(manual.check(&json!({"host": "a", "ports": [1]})).is_empty());
        let problems = manual.check(&json!({"ports": [1, "x"]}));
        let paths: Vec<&str> = problems.iter().map(|p| p.path.as_str()).collect();
        assert!(paths.contains(&"inputs"), "{paths:?}");
        assert!(paths.contains(&"inputs.ports[1]"), "{paths:?}");
    }

    #[test]
    fn a_wrong_configuration_is_told_whole() {
        let problems = Manual::parse(&json!({
            "requireConfirmation": "yes", "parameters": {"type": "objekt"}, "form": 1,
        }))
        .unwrap_err();
        let mut codes: Vec<&str> = problems.iter().map(|p| p.code.as_str()).collect();
        codes.sort_unstable();
        assert_eq!(codes, ["BAD_SCHEMA", "BAD_TRIGGER", "UNKNOWN_MEMBER"]);
    }

    /// What happened: members beside `manual` were taken without a word.
    #[test]
    fn an_unknown_member_is_told_with_the_nearest_one_wherever_it_stands() {
        let told = |configuration: Value| {
            let problems = Manual::parse(&configuration).unwrap_err().into_iter();
            let lines = problems.map(|p| format!("{}: {}", p.path, p.hint.unwrap_or_default()));
            lines.collect::<Vec<_>>().join("; ")
        };
        assert_eq!(
            told(json!({"manual": {"paramters": {}}, "parameters": {}})),
            "parameters: known are manual; manual.paramters: did you mean `parameters`?"
        );
        assert_eq!(told(json!({"manual": 7})), "manual: write {manual: {parameters: {…}}}");
        assert_eq!(told(json!([])), ": write {manual: {parameters: {…}}}");
    }
}
