//! How a process's stdout becomes items.

use a2n_proto::Json;
use a2n_proto::json::Fault;
use serde_json::value::RawValue;

use super::table;
use crate::engine::kind::NodeError;
use crate::nodes::data::members::Members;
use crate::nodes::settings::Settings;

/// `config.output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    Text,
    Lines,
    Json,
    JsonLines,
    Table,
    Nothing,
}

impl Output {
    /// As they stand in a document, the default first.
    pub(super) const WORDS: [&'static str; 6] = ["TEXT", "LINES", "JSON", "JSONL", "TABLE", "NONE"];

    /// How much of stdout is kept for it.
    pub(super) fn at_most(self, settings: &Settings) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Text => settings.max_text_bytes,
            _ => settings.max_output_bytes,
        }
    }
    pub(super) fn of(word: &str) -> Self {
        match word {
            "LINES" => Self::Lines,
            "JSON" => Self::Json,
            "JSONL" => Self::JsonLines,
            "TABLE" => Self::Table,
            "NONE" => Self::Nothing,
            _ => Self::Text,
        }
    }
}

/// What a process left.
#[derive(Debug)]
pub(super) struct Left<'a> {
    pub(super) stdout: &'a [u8],
    /// Whether there was more stdout than is kept.
    pub(super) cut: bool,
    /// How much is.
    pub(super) at_most: usize,
    pub(super) exit_code: i32,
    pub(super) columns: &'a [String],
}

/// The items.
pub(super) fn items(output: Output, left: &Left<'_>) -> Result<Vec<Json>, NodeError> {
    if left.cut && !matches!(output, Output::Text | Output::Nothing) {
        let message =
            format!("stdout is longer than the {} bytes that may become items", left.at_most);
        return Err(NodeError::new("TOO_LARGE", message));
    }
    match output {
        Output::Text => Ok(vec![text(left)]),
        Output::Nothing => {
            let mut members = Members::default();
            members.put("exitCode", Json::of(&left.exit_code));
            Ok(vec![members.into_item()])
        }
        Output::Lines => Ok(String::from_utf8_lossy(left.stdout).lines().map(line).collect()),
        Output::Table => table::rows(&String::from_utf8_lossy(left.stdout), left.columns),
        Output::Json => json(strict("stdout", left.stdout)?),
        Output::JsonLines => json_lines("stdout", left.stdout),
    }
}

/// One JSON value a line; empty lines are skipped.
pub(super) fn json_lines(what: &str, bytes: &[u8]) -> Result<Vec<Json>, NodeError> {
    let lines = strict(what, bytes)?.lines().enumerate();
    let values = lines.filter(|(_, line)| !line.trim().is_empty());
    values.map(|(n, line)| Json::parse(line).map_err(|e| parse(what, n, &e))).collect()
}

fn text(left: &Left<'_>) -> Json {
    let text = String::from_utf8_lossy(left.stdout);
    let mut members = Members::default();
    members.put("stdout", Json::of(&text));
    members.put("exitCode", Json::of(&left.exit_code));
    if matches!(text, std::borrow::Cow::Owned(_)) {
        members.put("lossy", Json::of(&true));
    }
    if left.cut {
        members.put("truncated", Json::of(&true));
    }
    members.into_item()
}

fn line(line: &str) -> Json {
    let mut members = Members::default();
    members.put("line", Json::of(line));
    members.into_item()
}

fn json(text: &str) -> Result<Vec<Json>, NodeError> {
    let value = Json::parse(text).map_err(|e| parse("stdout", 0, &e))?;
    if !value.as_str().starts_with('[') {
        return Ok(vec![value]);
    }
    let members: Vec<&RawValue> = serde_json::from_str(value.as_str()).unwrap_or_default();
    Ok(members.into_iter().map(Json::of).collect())
}

fn strict<'a>(what: &str, bytes: &'a [u8]) -> Result<&'a str, NodeError> {
    std::str::from_utf8(bytes).map_err(|e| {
        let before = &bytes[..e.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        let message = format!("{what} line {line} column {column}: not UTF-8");
        NodeError::new("PARSE", message)
    })
}

/// `after` lines stand before the text that was parsed.
fn parse(what: &str, after: usize, fault: &Fault) -> NodeError {
    let said = fault.to_string();
    // serde_json's words end with "at line N column M".
    let place = said.rsplit_once(" at line ").and_then(|(said, place)| {
        let (line, column) = place.split_once(" column ")?;
        let line = line.parse::<usize>().ok()?.max(1) + after;
        Some((said.trim_start_matches("not JSON: "), line, column))
    });
    let message = match place {
        Some((said, line, column)) => format!("{what} line {line} column {column}: {said}"),
        None => format!("{what} line {}: {said}", after + 1),
    };
    NodeError::new("PARSE", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(output: &str, stdout: &[u8], wanted: &str) {
        let left = Left { stdout, cut: false, at_most: 2, exit_code: 0, columns: &[] };
        assert_eq!(told(items(Output::of(output), &left)), wanted, "{output}");
    }

    fn told(items: Result<Vec<Json>, NodeError>) -> String {
        match items {
            Ok(items) => items.iter().map(Json::as_str).collect::<Vec<_>>().join("\n"),
            Err(e) => format!("{}: {}", e.kind, e.message),
        }
    }

    #[test]
    fn each_output_gives_its_items() {
        check("TEXT", b"a\nb\n", r#"{"stdout":"a\nb\n","exitCode":0}"#);
        check("TEXT", b"\xff", "{\"stdout\":\"\u{fffd}\",\"exitCode\":0,\"lossy\":true}");
        check("NONE", b"a", r#"{"exitCode":0}"#);
        check("LINES", b"a\r\n\nb", "{\"line\":\"a\"}\n{\"line\":\"\"}\n{\"line\":\"b\"}");
        check("LINES", b"", "");
        check("JSON", br#" {"n": 1.10} "#, r#"{"n":1.10}"#);
        check("JSON", br#"[1, {"a":[2]}, "x, y"]"#, "1\n{\"a\":[2]}\n\"x, y\"");
        check("JSON", b"[]", "");
        check("JSONL", b"1\n\n{\"a\":2}\n", "1\n{\"a\":2}");
    }

    #[test]
    fn what_can_not_be_parsed_is_placed() {
        check("JSON", b"", "PARSE: stdout line 1 column 0: EOF while parsing a value");
        check("JSON", b"{\n\"a\": x}", "PARSE: stdout line 2 column 6: expected value");
        check("JSON", br#"{"a":1,"a":2}"#, "PARSE: stdout line 1: `a` stands twice in one object");
        check("JSONL", b"1\n2\n{\"a\" 3}\n", "PARSE: stdout line 3 column 6: expected `:`");
        check("JSONL", b"1\nab\xff", "PARSE: stdout line 2 column 3: not UTF-8");
    }

    #[test]
    fn what_is_too_long_is_marked_as_text_and_refused_as_anything_else() {
        let left = Left { stdout: b"ab", cut: true, at_most: 2, exit_code: 3, columns: &[] };
        assert_eq!(
            told(items(Output::Text, &left)),
            r#"{"stdout":"ab","exitCode":3,"truncated":true}"#
        );
        let wanted = "TOO_LARGE: stdout is longer than the 2 bytes that may become items";
        assert_eq!(told(items(Output::Lines, &left)), wanted);
    }
}
