//! Answers as text for programs. Works on the JSON's text, so that order and numbers stay as they
//! came.

use a2n_proto::Json;

use crate::cli::failure::Failure;

/// Indents compact JSON by two spaces a level, with a line feed at the end.
pub(super) fn pretty(compact: &str) -> String {
    let mut out = String::with_capacity(compact.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    let mut chars = compact.chars().peekable();
    while let Some(c) = chars.next() {
        if in_string {
            out.push(c);
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match c {
            '{' | '[' => {
                out.push(c);
                if let Some(close) = chars.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '"' => {
                in_string = true;
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out.push('\n');
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// The same value as YAML.
pub(super) fn to_yaml(json: &Json) -> Result<String, Failure> {
    serde_saphyr::to_string(&json.to_value())
        .map_err(|error| Failure::failed(format!("the answer can't be written as YAML: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_without_touching_order_or_numbers() {
        let text = r#"{"z":1.10,"a":[],"b":{},"c":["x,:{\"",123456789012345678901234567890]}"#;
        insta::assert_snapshot!(pretty(text), @r#"
        {
          "z": 1.10,
          "a": [],
          "b": {},
          "c": [
            "x,:{\"",
            123456789012345678901234567890
          ]
        }
        "#);
    }

    #[test]
    fn yaml_keeps_the_order() {
        let json = Json::parse(r#"{"z":1,"a":[{"b":"yes"}]}"#).unwrap();
        insta::assert_snapshot!(to_yaml(&json).unwrap(), @r#"
        z: 1
        a:
        - b: "yes"
        "#);
    }
}
