//! The expression language: minijinja with strict undefined names, fuel and no way to anything
//! outside. Filters and methods that users of Jinja expect and minijinja lacks are added here.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, State, UndefinedBehavior};

use super::weight::Walk;
use super::{builtins, filters, operators, value, weight};

/// Largest result of one expression or template, bytes.
pub(super) const RESULT_BYTES: usize = 1 << 20;
/// What one evaluation may use up: about so many instructions, or 64 bytes of data each.
pub(super) const FUEL: u64 = 250_000;

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
pub const FUNCTIONS: &[&str] = &["range", "dict"];
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
    env.set_syntax(syntax());
    operators::add(&mut env);
    builtins::add(&mut env);
    // It would print everything in scope.
    env.remove_global("debug");
    // With it a loop builds values that are nested thousands deep, and minijinja shows, compares and
    // drops values by recursion: a daemon whose stack is over is gone.
    env.remove_global("namespace");
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
    env.set_unknown_method_callback(|state, value, method, args| {
        if let ("get", Some(key)) = (method, args.first()) {
            weight::key(state, key)?;
        }
        filters::call_method(value, method, args)
    });
    env.add_filter("tojson", filters::to_json);
    env.add_filter("fromjson", filters::from_json);
    env.add_filter("truncate", filters::truncate);
    env.add_filter("center", filters::center);
    env.add_filter("string", |state: &State<'_, '_>, value: &Value| {
        weight::weigh(state, Some(value).filter(|value| weight::is_container(value)), Walk::Write)?;
        filters::shown(value)
    });
    env.add_filter("pprint", |state: &State<'_, '_>, value: &Value| {
        weight::weigh(state, [value], Walk::Write)?;
        filters::shown_as(&format_args!("{value:#?}"))
    });
    env.add_filter("zip", filters::zip);
    env.add_filter("wordcount", |text: &str| text.split_whitespace().count());
    env.add_filter("filesizeformat", filters::file_size);
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

/// How texts are written.
pub(super) fn syntax() -> SyntaxConfig {
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    syntax.expect("the default delimiters do not clash")
}

#[cfg(test)]
mod tests {
    use minijinja::ErrorKind;

    use super::*;
    use crate::engine::code::Code;

    fn eval(text: &str) -> String {
        match Code::expression(text).and_then(|code| code.value(().into())) {
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

    /// Each of these ended the daemon or one of its threads: a width that formatting panics over, a
    /// step that can't be negated, a text of a list without end, lists that are walked twice each.
    #[test]
    fn what_fuzzing_found_ends() {
        assert_eq!(eval("'x' | center(100000) | length"), "100000");
        assert_eq!(eval("([1] * 1000000000) | string"), "repeated sequence is too large");
        assert_eq!(
            eval("[1, 2] | zip(['a', 'b'], [true, false]) | list"),
            r#"[[1,"a",true],[2,"b",false]]"#
        );
        let zips = "| zip([1]) ".repeat(100);
        assert_eq!(eval(&format!("[1] {zips} | length")), "1");
        assert!(Code::expression("namespace(a=1)").unwrap().value(().into()).is_err());
    }

    #[test]
    fn endless_work_ends() {
        for text in ["range(100000) | map('string') | list | length", "'x' * 100000000"] {
            let error = Code::expression(text).unwrap().value(().into()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutOfFuel, "{text}: {error}");
        }
    }
}
