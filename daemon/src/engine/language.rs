//! The expression language: minijinja with strict undefined names, fuel and no way to anything
//! outside. Filters and methods that users of Jinja expect and minijinja lacks are added here.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};

use super::value;

/// Largest result of one expression or template, bytes.
pub(super) const RESULT_BYTES: usize = 1 << 20;
/// What one evaluation may use up: about so many instructions, or 64 bytes of data each.
const FUEL: u64 = 200_000;

/// The names in scope, as a person is told them.
pub const SCOPE: &[&str] = &[
    "item",
    "items",
    "index",
    "nodes",
    "trigger",
    "inputs",
    "vars",
    "workflow",
    "execution",
    "loop",
    "now",
    "env",
];
/// The functions.
pub const FUNCTIONS: &[&str] = &["range", "dict", "namespace"];
/// The filters.
pub const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "basename",
    "batch",
    "bool",
    "capitalize",
    "center",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "dirname",
    "e",
    "escape",
    "filesizeformat",
    "first",
    "float",
    "format",
    "fromjson",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "wordcount",
    "zip",
];
/// The tests (`x is defined`).
pub const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// The one environment: no templates, no loader.
pub(super) static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_debug(true);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    env.set_syntax(syntax.expect("the default delimiters do not clash"));
    // It would print everything in scope.
    env.remove_global("debug");
    env.set_formatter(|out, state, value| match value.kind() {
        // As JSON, so that a text holds what the same expression alone would have sent.
        ValueKind::Map
        | ValueKind::Seq
        | ValueKind::Iterable
        | ValueKind::Bool
        | ValueKind::None => {
            let text = value::to_json(value, RESULT_BYTES)?.to_string();
            out.write_str(&text).map_err(Error::from)
        }
        _ => minijinja::escape_formatter(out, state, value),
    });
    env.set_unknown_method_callback(|_, value, method, args| call_method(value, method, args));
    env.add_filter("tojson", to_json);
    env.add_filter("fromjson", from_json);
    env.add_filter("truncate", truncate);
    env.add_filter("center", |text: &str, width: usize| {
        let width = width.min(RESULT_BYTES);
        format!("{text:^width$}")
    });
    env.add_filter("wordcount", |text: &str| text.split_whitespace().count());
    env.add_filter("filesizeformat", file_size);
    env.add_filter("basename", |path: &str| {
        path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
    });
    env.add_filter("dirname", |path: &str| match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", _)) => "/".to_owned(),
        Some((folder, _)) => folder.to_owned(),
        None => ".".to_owned(),
    });
    env
});

fn to_json(value: &Value, indent: Option<usize>) -> Result<String, Error> {
    let json = value::to_json(value, RESULT_BYTES)?;
    let Some(indent) = indent else { return Ok(json.to_string()) };
    let spaces = vec![b' '; indent.min(16)];
    let mut text = Vec::new();
    let form = serde_json::ser::PrettyFormatter::with_indent(&spaces);
    let mut writer = serde_json::Serializer::with_formatter(&mut text, form);
    serde::Serialize::serialize(&json, &mut writer).map_err(|e| bad(e.to_string()))?;
    String::from_utf8(text).map_err(|e| bad(e.to_string()))
}

fn from_json(text: &str) -> Result<Value, Error> {
    let json = a2n_proto::Json::parse(text).map_err(|fault| bad(fault.to_string()))?;
    Ok(value::from_json(&json))
}

/// Jinja's: cut to `length` with an ellipsis, at a word unless `killwords`.
fn truncate(text: &str, length: Option<usize>, killwords: Option<bool>) -> String {
    let length = length.unwrap_or(255);
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let cut: String = text.chars().take(length.saturating_sub(3)).collect();
    let kept = match cut.rsplit_once(' ') {
        Some((words, _)) if killwords != Some(true) => words,
        _ => &cut,
    };
    format!("{kept}...")
}

fn file_size(bytes: f64, binary: Option<bool>) -> String {
    let (base, units): (f64, [&str; 6]) = if binary == Some(true) {
        (1024.0, ["Bytes", "KiB", "MiB", "GiB", "TiB", "PiB"])
    } else {
        (1000.0, ["Bytes", "kB", "MB", "GB", "TB", "PB"])
    };
    let mut left = bytes;
    let mut unit = units[0];
    for next in &units[1..] {
        if left.abs() < base {
            break;
        }
        left /= base;
        unit = next;
    }
    if unit == "Bytes" { format!("{left} {unit}") } else { format!("{left:.1} {unit}") }
}

/// The methods of Python's texts and dictionaries that people write by habit.
fn call_method(value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let text = |n: usize| args.get(n).and_then(Value::as_str);
    if let Some(own) = value.as_str() {
        return Ok(match (method, text(0), text(1)) {
            ("upper", ..) => own.to_uppercase().into(),
            ("lower", ..) => own.to_lowercase().into(),
            ("strip", None, _) => own.trim().into(),
            ("lstrip", None, _) => own.trim_start().into(),
            ("rstrip", None, _) => own.trim_end().into(),
            ("strip", Some(set), _) => own.trim_matches(|c| set.contains(c)).into(),
            ("lstrip", Some(set), _) => own.trim_start_matches(|c| set.contains(c)).into(),
            ("rstrip", Some(set), _) => own.trim_end_matches(|c| set.contains(c)).into(),
            ("startswith", Some(part), _) => own.starts_with(part).into(),
            ("endswith", Some(part), _) => own.ends_with(part).into(),
            ("replace", Some(from), Some(to)) => replace(own, from, to)?.into(),
            ("split", None, _) => own.split_whitespace().map(Value::from).collect(),
            ("split", Some(by), _) if !by.is_empty() => own.split(by).map(Value::from).collect(),
            ("splitlines", ..) => own.lines().map(Value::from).collect(),
            ("find", Some(part), _) => own
                .find(part)
                .and_then(|at| i64::try_from(own[..at].chars().count()).ok())
                .unwrap_or(-1)
                .into(),
            ("count", Some(part), _) => own.matches(part).count().into(),
            ("isdigit", ..) => (!own.is_empty() && own.chars().all(char::is_numeric)).into(),
            _ => return Err(unknown_method("a text", method)),
        });
    }
    if value.kind() != ValueKind::Map {
        return Err(unknown_method(&value.kind().to_string(), method));
    }
    Ok(match (method, args) {
        ("keys", []) => value.try_iter()?.collect(),
        ("values", []) => {
            let values: Result<Vec<_>, _> =
                value.try_iter()?.map(|name| value.get_item(&name)).collect();
            values?.into()
        }
        ("items", []) => {
            let pairs: Result<Vec<_>, Error> = value
                .try_iter()?
                .map(|name| Ok(Value::from(vec![name.clone(), value.get_item(&name)?])))
                .collect();
            pairs?.into()
        }
        ("get", [name]) => known_or(value.get_item(name)?, Value::from(())),
        ("get", [name, default]) => known_or(value.get_item(name)?, default.clone()),
        _ => return Err(unknown_method("a map", method)),
    })
}

fn known_or(value: Value, default: Value) -> Value {
    if value.is_undefined() { default } else { value }
}

/// Replaces, within the limit of a result: a short text may stand many times in a long one.
fn replace(own: &str, from: &str, to: &str) -> Result<String, Error> {
    let grown = own.matches(from).count().saturating_mul(to.len());
    if own.len().saturating_add(grown) > RESULT_BYTES {
        return Err(bad("the result is larger than 1 MiB".to_owned()));
    }
    Ok(own.replace(from, to))
}

fn unknown_method(of: &str, method: &str) -> Error {
    Error::new(ErrorKind::UnknownMethod, format!("{of} has no method `{method}`"))
}

fn bad(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eval(text: &str) -> String {
        match ENVIRONMENT.compile_expression(text).and_then(|e| e.eval(())) {
            Ok(value) => value::to_json(&value, RESULT_BYTES).unwrap().to_string(),
            Err(error) => error.detail().unwrap_or_default().to_owned(),
        }
    }

    #[test]
    fn every_listed_filter_and_test_is_there() {
        for name in FILTERS {
            assert_eq!(eval(&format!("'{name}' is filter")), "true", "{name}");
        }
        for name in TESTS {
            assert_eq!(eval(&format!("'{name}' is test")), "true", "{name}");
        }
    }

    #[test]
    fn what_users_of_jinja_expect_is_there() {
        assert_eq!(eval("' 42% '.strip('% ') | int"), "42");
        assert_eq!(eval("'x' | int(0) + ('7%' | replace('%', '') | int(0))"), "7");
        assert_eq!(eval("{'a': 1}.get('b', 2)"), "2");
        assert_eq!(eval("{'a': 1}.items()"), r#"[["a",1]]"#);
        assert_eq!(eval("{'a': '<b>'} | tojson"), r#""{\"a\":\"<b>\"}""#);
        assert_eq!(eval("'{\"a\": [1.5]}' | fromjson"), r#"{"a":[1.5]}"#);
        assert_eq!(eval("'/var/log/x.log' | basename"), r#""x.log""#);
        assert_eq!(eval("1536 | filesizeformat(true)"), r#""1.5 KiB""#);
        assert_eq!(eval("'a b'.nope()"), "a text has no method `nope`");
    }

    #[test]
    fn endless_work_ends() {
        for text in ["range(100000) | map('string') | list | length", "'x' * 100000000"] {
            let error = ENVIRONMENT.compile_expression(text).unwrap().eval(()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutOfFuel, "{text}: {error}");
        }
    }
}
