//! Guarded operators and filters do what minijinja's do, where those end at all, and end where those
//! do not.

use minijinja::value::Value;
use serde_json::json;

use crate::engine::code::Code;
use crate::engine::language::ENVIRONMENT;
use crate::engine::value;

fn item() -> Value {
    let json = a2n_proto::Json::of(&json!({
        "n": 3, "text": "one two", "list": [3, 1, 2], "same": [3, 1, 2], "none": null,
        "rows": [{"k": "b", "v": [2]}, {"k": "a", "v": [1, 1]}, {"k": "B"}],
        "map": {"a": 1, "b": {"c": [1]}}, "é": "häß",
    }));
    Value::from_pairs([("item", value::from_json(&json)), ("pair", Value::from((1, "a")))])
}

/// What comes of it, or what is wrong and where.
fn told(ended: Result<Value, minijinja::Error>) -> String {
    match ended {
        Ok(value) => format!("{} {value:?}", value.kind()),
        Err(error) => {
            let place = error.range().map(|range| range.start);
            format!("{} {:?} at {place:?}", error.kind(), error.detail())
        }
    }
}

const OPERANDS: [&str; 22] = [
    "1",
    "-2",
    "1.5",
    "'a'",
    "'é'",
    "''",
    "none",
    "true",
    "[]",
    "[1, 2]",
    "(1, 2)",
    "{}",
    "{'a': 1}",
    "item",
    "item.list",
    "item.same",
    "item.map",
    "item.text",
    "item.rows",
    "pair",
    "nope",
    "range(3)",
];

/// Every operator between all sorts of values, beside minijinja's own: same value, same kind, or same
/// error at the same place.
#[test]
fn operators_do_what_they_did() {
    let mut different = Vec::new();
    for operator in [
        "+",
        "*",
        "~",
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "in",
        "not in",
        "-",
        "and",
        "is eq",
        "is lt",
        "is in",
        "is startingwith",
        "== 1 ==",
        "< 2 <",
        "~ 'x' ~",
    ] {
        for left in OPERANDS {
            for right in OPERANDS {
                check(&format!("{left} {operator} ({right})"), &mut different);
                check(&format!("{left}\n{operator}\n({right})"), &mut different);
            }
        }
    }
    assert!(different.is_empty(), "{}:\n{}", different.len(), different.join("\n"));
}

#[test]
fn slices_and_indexes_do_what_they_did() {
    let mut different = Vec::new();
    for whole in OPERANDS {
        for ends in [
            ":",
            "1:",
            ":1",
            "-1:",
            ":-1",
            "1:1",
            "5:",
            ":5",
            "-5:",
            "::2",
            "::-1",
            "::-2",
            "1::-1",
            ":0:-1",
            "-1:-9:-1",
            "9:-9:-1",
            "::0",
            "'x':",
            "none:none",
        ] {
            check(&format!("({whole})[{ends}]"), &mut different);
        }
        for key in OPERANDS {
            check(&format!("({whole})[{key}]"), &mut different);
            // minijinja names what is undefined by the two instructions before: for a longer key a
            // part of that, before as now.
            if !key.contains('.') {
                check(&format!("({whole})[{key}].x"), &mut different);
            }
            check(&format!("{{{key}: ({whole})}}"), &mut different);
        }
    }
    assert!(different.is_empty(), "{}:\n{}", different.len(), different.join("\n"));
}

#[test]
fn filters_do_what_they_did() {
    let mut different = Vec::new();
    for list in ["[]", "[1, 2]", "item.list", "item.rows"] {
        check(&format!("{list} | chain([1], item.list)"), &mut different);
    }
    for map in ["{}", "{'a': 5}", "item", "item.map"] {
        check(&format!("{map} | chain({{'a': 1}}, item.map)"), &mut different);
    }
    for filter in [
        "capitalize",
        "e",
        "escape",
        "lower",
        "safe",
        "title",
        "trim",
        "upper",
        "trim('o')",
        "indent",
        "indent(2)",
        "indent(2, true)",
        "indent(width=3)",
        "replace('o', 'xx')",
        "replace('o', 'xx', 1)",
        "replace('o', 'xx', count=1)",
        "replace(1, 2)",
        "format(1)",
        "dictsort",
        "dictsort(by='value')",
        "dictsort(reverse=true)",
        "groupby('k')",
        "groupby('k', default='z')",
        "max",
        "min",
        "min(attribute='k')",
        "sort",
        "sort(reverse=true)",
        "sort(attribute='k')",
        "sort(attribute='k, v')",
        "unique",
        "unique(attribute='k')",
        "attr('a')",
        "attr(0)",
        "map(attribute='k')",
        "map(attribute='k', default=1)",
        "map('string')",
        "map('upper')",
        "select",
        "select('odd')",
        "select('in', [1])",
        "reject('==', 1)",
        "selectattr('k')",
        "selectattr('k', '==', 'a')",
        "rejectattr('k', 'in', 'ab')",
        "batch(2)",
        "batch(2, 0)",
        "join",
        "join(', ')",
        "join(d='-')",
        "join('-', 'k')",
        "join('-', attribute='k')",
        "join(1)",
        "sum",
        "sum(start=1)",
        "sum(start=[])",
        "sum(start='')",
        "sum(attribute='k', start='')",
        "sum('k')",
        "first",
        "last",
        "items",
        "list",
        "length",
        "reverse",
        "slice(2)",
        "default(1)",
    ] {
        for value in OPERANDS {
            check(&format!("({value}) | {filter}"), &mut different);
            check(&format!("({value}) | {filter} | list"), &mut different);
        }
    }
    assert!(different.is_empty(), "{}:\n{}", different.len(), different.join("\n"));
}

fn check(text: &str, different: &mut Vec<String>) {
    // minijinja's own filters in place of ours, with our settings.
    let mut plain = minijinja::Environment::new();
    plain.set_undefined_behavior(ENVIRONMENT.undefined_behavior());
    plain.set_debug(true);
    let own = told(Code::expression(text).and_then(|code| code.value(item())));
    let theirs = told(plain.compile_expression(text).and_then(|code| code.eval(item())));
    if own != theirs {
        different.push(format!("{text}\n  was {theirs}\n  is  {own}"));
    }
}

/// A value is weighed where something walks it, and what is small costs nothing worth telling.
#[test]
fn what_never_ends_is_refused_and_says_so() {
    let doubled = "{% set x = [1] %}{% set y = [1] %}".to_owned()
        + &"{% set x = [x, x] %}{% set y = [y, y] %}".repeat(40);
    for walk in [
        "{{ x ~ '' }}",
        "{{ x == y }}",
        "{{ x < y }}",
        "{{ 1 < x < y }}",
        "{{ x in [y] }}",
        "{{ x is eq(y) }}",
        "{{ x | upper }}",
        "{{ [x, y] | sort }}",
        "{{ [x] | join }}",
        "{{ '%s' | format(x) }}",
        "{{ [x, y] | unique }}",
        "{{ x | string }}",
    ] {
        let error = refused(&format!("{doubled}{walk}"));
        assert!(error.contains("may come to about 1000000 values or 15 MiB"), "{walk}: {error}");
    }
    for key in ["{{ {x: 1} }}", "{{ {'a': 1}[x] }}", "{{ {'a': 1}[[x][0]] }}", "{{ {}.get(x) }}"] {
        let error = refused(&format!("{doubled}{key}"));
        assert!(error.contains("a key may come to 64 KiB"), "{key}: {error}");
    }
    for text in ["{{ [1] * 600000 }}", "{% set x = [1] * 300000 %}{{ x + x }}"] {
        assert!(refused(text).contains("may come to about"), "{text}");
    }
    let deep = "{% set x = [[[[[[[[[[x]]]]]]]]]] %}".repeat(30);
    let error = refused(&format!("{{% set x = 1 %}}{deep}{{{{ x == [x] }}}}"));
    assert!(error.contains("200 levels deep"), "{error}");
}

/// Values are dropped by recursion: a thread whose stack is over takes the daemon with it.
#[test]
fn what_would_be_nested_too_deep_is_not_read() {
    let deeper = "{% set x = [[[[[[[[[[x]]]]]]]]]] %}";
    for (text, told) in [
        (format!("{{% set x = 1 %}}{}", deeper.repeat(31)), "300 levels"),
        ("{% set x = [1] | batch(2, x) %}".repeat(160), "300 levels"),
        ("{% for x in [1] recursive %}{{ loop([[[x]]]) }}{% endfor %}".into(), "2 levels deeper"),
        (
            "{% for x in [1] recursive %}{% set f = loop %}{% for y in [[[[x]]]] %}{{ f([y]) }}\
             {% endfor %}{% endfor %}"
                .into(),
            "2 levels deeper",
        ),
    ] {
        let error = Code::text(&text).unwrap_err();
        assert!(error.detail().unwrap_or_default().contains(told), "{text:.80}: {error}");
    }
    for text in [
        deeper.repeat(30),
        "{% for x in item.rows recursive %}{{ loop(x.rows | list) }}{% endfor %}".into(),
        "{% set x = [] %}".to_owned() + &"{% set x = x + [1] %}".repeat(400),
    ] {
        assert!(Code::text(&text).is_ok(), "{text:.80}");
    }
}

fn refused(text: &str) -> String {
    let (_, ended) = Code::text(text).unwrap().run(item());
    ended.unwrap_err().detail().unwrap_or_default().to_owned()
}
