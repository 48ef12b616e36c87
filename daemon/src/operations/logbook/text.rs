//! A record as one line of text, whatever its values hold.
//!
//! Control bytes, line separators and characters that change the direction of writing are written
//! as escapes, so that no value can begin a new line, forge a record or move a terminal's cursor.

use std::fmt::Write;

use serde_json::{Map, Value};
use tracing::Level;

use super::record::Entry;

/// How standard error is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For the journal: a priority in front, no time, no colour.
    Journal,
    /// For people.
    Text {
        /// Whether the level has a colour.
        colour: bool,
    },
    /// For programs.
    Json,
}

/// The line, with its end.
pub(super) fn line(entry: &Entry, form: Form) -> String {
    let mut line = String::with_capacity(160);
    match form {
        Form::Journal => {
            let _ = write!(line, "<{}>", priority(entry.level));
        }
        Form::Text { colour } => {
            let (on, off) = if colour { (paint(entry.level), "\x1b[0m") } else { ("", "") };
            let _ = write!(line, "{} {on}{:<5}{off} ", entry.at, entry.level.as_str());
        }
        Form::Json => return json(entry),
    }
    escape(&mut line, &entry.message);
    for (name, value) in &entry.fields {
        line.push(' ');
        escape(&mut line, name);
        line.push('=');
        field(&mut line, value);
    }
    if entry.level > Level::INFO {
        let _ = write!(line, " ({})", entry.target);
    }
    line.push('\n');
    line
}

/// The journal's numbers, those of syslog.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

fn paint(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[2m",
    }
}

fn json(entry: &Entry) -> String {
    let mut object = Map::new();
    object.insert("timestamp".into(), Value::String(entry.at.to_string()));
    object.insert("level".into(), Value::String(entry.level.to_string()));
    object.insert("message".into(), Value::String(entry.message.clone()));
    object.insert("source".into(), Value::String(entry.target.to_owned()));
    object.insert("fields".into(), Value::Object(entry.fields.clone()));
    let text = Value::Object(object).to_string();
    let mut line = String::with_capacity(text.len() + 1);
    // serde_json escapes what is below a space; the rest of what is harmful stands in texts only.
    for c in text.chars() {
        if is_harmful(c) {
            let mut units = [0u16; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(line, "\\u{unit:04x}");
            }
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    line
}

fn field(line: &mut String, value: &Value) {
    let Value::String(text) = value else {
        escape(line, &value.to_string());
        return;
    };
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '"' | '=' | '\\') && !is_harmful(c);
    if !text.is_empty() && text.chars().all(plain) {
        line.push_str(text);
        return;
    }
    line.push('"');
    for c in text.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            c => put(line, c),
        }
    }
    line.push('"');
}

fn escape(line: &mut String, text: &str) {
    text.chars().for_each(|c| put(line, c));
}

fn put(line: &mut String, c: char) {
    match c {
        '\n' => line.push_str("\\n"),
        '\r' => line.push_str("\\r"),
        '\t' => line.push_str("\\t"),
        c if is_harmful(c) => {
            let _ = write!(line, "\\u{{{:x}}}", c as u32);
        }
        c => line.push(c),
    }
}

/// Controls (C0, DEL, C1), line and paragraph separators, and marks of direction.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200f}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
