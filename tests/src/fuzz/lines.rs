//! The line protocol, whole: bytes of a client to framing, dispatcher, methods, store and engine in
//! memory. What comes back is one JSON-RPC answer or notification a line, and never INTERNAL.

use a2n_proto::json;
use arbitrary::Unstructured;
use serde_json::Value;

use super::{MADE, made, world};

/// What `INTERNAL` says of itself: the daemon made a mistake.
const INTERNAL: i64 = -32603;

/// Tries the bytes of one connection.
pub fn run(data: &[u8]) {
    let Some((&MADE, recipe)) = data.split_first() else {
        // A capital letter begins HTTP.
        if data.first().is_some_and(u8::is_ascii_uppercase) {
            return;
        }
        return check_lines(&world::converse(&[data]));
    };
    let mut u = Unstructured::new(recipe);
    let mut text = String::new();
    for _ in 0..u.int_in_range(1..=8).unwrap_or(1) {
        match u.int_in_range(0..=9).unwrap_or(0) {
            0 => text.push_str(&made::json(&mut u, 0).to_string()),
            1 => {
                let n = u.int_in_range(0..=4).unwrap_or(0);
                let calls: Vec<String> = (0..n).map(|_| made::call(&mut u)).collect();
                text.push_str(&format!("[{}]", calls.join(",")));
            }
            _ => text.push_str(&made::call(&mut u)),
        }
        text.push('\n');
    }
    let cut = u.choose_index(text.len()).unwrap_or(0);
    let (first, second) = text.as_bytes().split_at(cut);
    check_lines(&world::converse(&[first, second]));
}

fn check_lines(said: &[u8]) {
    for line in said.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        // The last line may be cut off where we left first.
        if said.ends_with(b"\n") || !said.ends_with(line) {
            check_answer(line);
        }
    }
}

/// One answer, notification or batch of answers.
pub(super) fn check_answer(text: &[u8]) {
    let text = std::str::from_utf8(text).expect("an answer is UTF-8");
    json::check(text).unwrap_or_else(|fault| panic!("{fault}: {text}"));
    let value: Value = serde_json::from_str(text).expect("an answer is JSON");
    let answers = match value {
        Value::Array(answers) => answers,
        one => vec![one],
    };
    for answer in answers {
        assert_eq!(answer["jsonrpc"], "2.0", "{answer}");
        assert_ne!(answer["error"]["code"], INTERNAL, "{answer}");
        let is_note = answer.get("method").is_some() && answer.get("params").is_some();
        let is_answer = answer.get("id").is_some()
            && (answer.get("result").is_some() != answer.get("error").is_some());
        assert!(is_note || is_answer, "neither an answer nor a notification: {answer}");
    }
}
