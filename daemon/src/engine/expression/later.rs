//! Expressions that stay as written until what they ask for is there: an answer that a `wait` got.
//!
//! They are checked when the document is saved, like all others, and see nothing but that answer.

use super::{Code, Fault, Json, RESULT_BYTES, fault, limits, one_expression, place, value};

/// What they may name.
pub const LATER_SCOPE: &[&str] = &["answer"];

/// What one comes to with this answer in scope.
pub fn value_of(path: &str, text: &str, answer: &Json) -> Result<serde_json::Value, Fault> {
    let wrong = |at: usize, message: String| {
        let (line, column) = place(text, at);
        Fault { path: path.to_owned(), line, column, message, scope: None }
    };
    if let Err((at, message)) = limits::check(text) {
        return Err(wrong(at, message));
    }
    let Some((offset, inner)) = one_expression(text) else {
        return Err(wrong(0, "this is not one expression and nothing else".to_owned()));
    };
    let code = Code::expression(inner).map_err(|e| fault(path, text, offset, &e, None))?;
    let context = minijinja::context! { answer => value::from_json(answer) };
    code.value(context)
        .and_then(|result| value::to_json(&result, RESULT_BYTES))
        .map_err(|e| fault(path, text, offset, &e, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, answer: &str) -> String {
        match value_of("http.where", text, &Json::parse(answer).unwrap()) {
            Ok(value) => value.to_string(),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn an_answer_is_asked_when_it_is_there() {
        let answer = r#"{"status": 200, "body": {"n": 3, "state": "done"}}"#;
        assert_eq!(check("{{ answer.status == 200 and answer.body.n > 2 }}", answer), "true");
        assert_eq!(check("{{ answer.body.state == 'new' }}", answer), "false");
        assert_eq!(check("{{ answer.body.n }}", answer), "3");
        assert_eq!(
            check("{{ answer.body.gone.deeper }}", answer),
            "http.where, column 15: undefined value: `answer.body.gone` is undefined"
        );
        assert_eq!(check("{{ nodes }}", answer), "http.where, column 3: `nodes` is undefined");
    }

    #[test]
    fn what_is_no_expression_or_never_ends_is_an_error() {
        for text in ["", "true", "{{ 1 }} {{ 2 }}", "{{ }}", "{{ range(100000000) | list }}"] {
            let said = check(text, "{}");
            assert!(said.starts_with("http.where, column "), "{text}: {said}");
        }
    }
}
