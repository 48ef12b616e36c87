//! `wait`: lets time pass, or waits for an event, a file, a port or an answer. Nothing is held meanwhile
//! but a stored timer.

use std::time::Duration;

use a2n_proto::document::Repeat;
use a2n_proto::event::Event;
use a2n_proto::nodes::NodeType;
use a2n_proto::{Json, Timestamp};
use jiff::{Span, SpanRelativeTo};
use serde_json::{Value, json};

use crate::engine::kind::{NodeError, Outcome, Work, WorksOn};
use crate::engine::request::Request;
use crate::engine::request::event::EventRequest;
use crate::nodes::config::{Config, is_expression, wrong};
use crate::nodes::context::output;
use crate::nodes::definition::{CarryOut, Definition, Fault, Looking, one_input, one_output};
use crate::nodes::schema;

mod look;

use look::{LATER, LOOKS};

/// Longest wait: about a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
const WANTED_DURATION: &str = "milliseconds or a text such as \"90s\", \"5m\", \"2h30m\", \"1d\"";
const WANTED_TIME: &str = "a time in RFC 3339, for example 2026-11-22T12:00:00Z";
/// What it may wait for, exactly one of them.
const FOR: [&str; 6] = ["duration", "until", "event", "file", "port", "http"];
const FROM: [&str; 2] = ["NOW", "START_OF_EXECUTION"];

const DOCUMENTATION: &str = include_str!("wait/wait.md");

pub(in crate::nodes) fn definition() -> Definition {
    Definition {
        name: "wait",
        version: "1.0.0",
        display_name: "Wait",
        description: "Lets time pass, or waits for an event, a file, a port or an answer.",
        node_type: NodeType::Delay,
        category: "flow",
        icon: "◷",
        color: "blue",
        tags: &[
            "delay", "sleep", "pause", "timer", "event", "signal", "file", "port", "poll", "until",
        ],
        documentation: DOCUMENTATION,
        settings_schema: settings(),
        input_schema: json!(true),
        output_schema: json!(true),
        constant_paths: &[],
        works_on: WorksOn::All,
        inputs: one_input(),
        outputs: one_output,
        repeat: |_| Repeat::Retryable,
        check,
        carry_out: CarryOut::Look(Looking {
            asks: |config| LOOKS.iter().any(|name| config.get(name).is_some()),
            later_paths: LATER,
            compute,
        }),
    }
}

fn settings() -> Value {
    let duration = json!({
        "description": "How long: milliseconds, or a text such as 90s, 5m, 2h30m, 1d.",
        "type": ["integer", "string"],
        "minimum": 0,
        "minLength": 1,
        "examples": [5000, "5m", "2h30m"],
    });
    let event = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["type"],
        "description": "The event to wait for.",
        "properties": {
            "type": schema::with(schema::text("Its name."), "examples", json!(["backup.done"])),
            "source": schema::text("Where it has to happen; anywhere where absent."),
            "where": schema::map(json!(true), "Members that its data has to have, with these values."),
        },
    });
    let timeout = schema::with(
        duration.clone(),
        "description",
        json!("How long to wait for it at most; without end where absent."),
    );
    let mut properties = json!({
        "duration": duration,
        "until": {"type": "string", "minLength": 1, "description": "The moment, in RFC 3339.", "examples": ["2026-11-22T12:00:00Z"]},
        "event": event,
        "from": schema::choice(&FROM, Some("NOW"), "From when on an event counts."),
        "timeout": timeout,
    });
    for (name, schema) in look::properties() {
        properties[name] = schema;
    }
    schema::object(properties, &[])
}

fn check(config: &Value) -> Vec<Fault> {
    let known = |name: &str| config.get(name).filter(|value| !is_expression(value));
    let fault = |at: &str, message: String, hint: &str| {
        vec![(at.to_owned(), message, Some(hint.to_owned()))]
    };
    let given: Vec<&str> = FOR.into_iter().filter(|name| config.get(name).is_some()).collect();
    match given.as_slice() {
        [] => {
            let message =
                "`wait` needs one of `duration`, `until`, `event`, `file`, `port` and `http`";
            return fault("duration", message.into(), "for example duration: 5m");
        }
        [_] => {}
        [first, second, ..] => {
            let message = format!("`{first}` and `{second}` exclude each other");
            return fault(second, message, "leave one out");
        }
    }
    for name in ["duration", "timeout"] {
        if let Some(Err(e)) = known(name).map(|value| duration(name, value)) {
            return fault(name, e.message, "for example 5m");
        }
    }
    if let Some(Err(e)) = known("until").map(|value| moment("until", value)) {
        return fault("until", e.message, "for example 2026-11-22T12:00:00Z");
    }
    let is_given = |names: &[&str]| names.iter().any(|name| config.get(name).is_some());
    for (name, needed, words) in [
        ("from", &["event"][..], "`event`"),
        ("every", &LOOKS[..], "`file`, `port` or `http`"),
        ("timeout", &["event", "file", "port", "http"][..], "`event`, `file`, `port` or `http`"),
    ] {
        if is_given(&[name]) && !is_given(needed) {
            let message = format!("`{name}` says nothing without {words}");
            return fault(name, message, "leave it out, or say what to wait for");
        }
    }
    let looked = look::check(config);
    if !looked.is_empty() {
        return looked;
    }
    let event_type = config.get("event").and_then(|event| event.get("type"));
    match event_type.filter(|value| !is_expression(value)).and_then(Value::as_str) {
        Some(name) if !Event::is_type(name) => {
            let message = format!("`{}` is not the name of an event", name.escape_debug());
            fault("event.type", message, "for example backup.done")
        }
        _ => Vec::new(),
    }
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let known = ["from", "timeout", "every"];
    let config = Config::of(&work.config, &[&FOR[..], &known].concat())?;
    if FOR.into_iter().filter(|name| config.get(name).is_some()).count() != 1 {
        let message =
            "exactly one of `duration`, `until`, `event`, `file`, `port` and `http` is needed";
        return Err(NodeError::new("CONFIG", message));
    }
    let until = match (config.get("duration"), config.get("until"), config.get("event")) {
        (Some(value), ..) => work.now.plus(duration("duration", value)?),
        (_, Some(value), _) => moment("until", value)?,
        (.., Some(value)) => return wait_for_event(work, &config, value),
        _ => return look::look(work, &config),
    };
    let items = output(work.items.values().flatten().cloned().collect());
    Ok(if until <= work.now { Outcome::Items(items) } else { Outcome::WaitUntil(until, items) })
}

/// When it is over by itself.
fn until(work: &Work, config: &Config<'_>) -> Result<Option<Timestamp>, NodeError> {
    let timeout = config.get("timeout").map(|value| duration("timeout", value)).transpose()?;
    Ok(timeout.map(|timeout| work.now.plus(timeout)))
}

fn wait_for_event(work: &Work, config: &Config<'_>, event: &Value) -> Result<Outcome, NodeError> {
    let event = Config::within("event", event, &["type", "source", "where"])?;
    let event_type = event.require_text("type")?;
    if !Event::is_type(&event_type) {
        return Err(wrong("event.type", &event_type.into(), "the name of an event"));
    }
    let matching = event.get("where");
    if let Some(other) = matching.filter(|value| !value.is_object()) {
        return Err(wrong("event.where", other, "an object"));
    }
    let after = match config.choice("from", &FROM)? {
        "START_OF_EXECUTION" => work.inbox.start,
        _ => work.inbox.now,
    };
    Ok(Outcome::Request(Box::new(Request::Event(Box::new(EventRequest {
        event_type,
        source: event.text("source")?,
        matching: matching.map(|value| Json::from(value.clone())).unwrap_or_default(),
        after,
        until: until(work, config)?,
        items: work.items.values().flatten().cloned().collect(),
    })))))
}

/// Milliseconds, or a text such as `2h30m`.
pub(in crate::nodes) fn duration(at: &str, value: &Value) -> Result<Duration, NodeError> {
    let found = match value {
        Value::Number(ms) => ms.as_u64().map(Duration::from_millis),
        Value::String(text) if text.trim().bytes().all(|b| b.is_ascii_digit()) => {
            text.trim().parse().ok().map(Duration::from_millis)
        }
        Value::String(text) => text
            .trim()
            .parse::<Span>()
            .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
            .ok()
            .and_then(|signed| Duration::try_from(signed).ok()),
        _ => None,
    };
    found.filter(|duration| *duration <= LONGEST).ok_or_else(|| wrong(at, value, WANTED_DURATION))
}

/// A time in RFC 3339.
pub(in crate::nodes) fn moment(at: &str, value: &Value) -> Result<Timestamp, NodeError> {
    let found = value.as_str().and_then(|text| text.trim().parse().ok());
    found.ok_or_else(|| wrong(at, value, WANTED_TIME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kind::{Handles, InboxAt};
    use crate::nodes::bench::check_all;

    #[test]
    fn it_waits_by_the_wall_clock() {
        // The bench's clock stands at 2026-11-22T12:00:00Z.
        let check = |config, wanted| check_all("wait", config, &[("input", "[1,2]")], wanted);
        check(r#"{"duration":1500}"#, "until 2026-11-22T12:00:01.500Z, then output: 1 2");
        check(r#"{"duration":"1500"}"#, "until 2026-11-22T12:00:01.500Z, then output: 1 2");
        check(r#"{"duration":"2h30m"}"#, "until 2026-11-22T14:30:00.000Z, then output: 1 2");
        check(r#"{"duration":"1d 5m"}"#, "until 2026-11-23T12:05:00.000Z, then output: 1 2");
        check(
            r#"{"until":"2026-11-22T14:00:00+01:00"}"#,
            "until 2026-11-22T13:00:00.000Z, then output: 1 2",
        );
        check(r#"{"until":"2020-01-01T00:00:00Z"}"#, "output: 1 2");
        check(r#"{"duration":0}"#, "output: 1 2");
    }

    #[test]
    fn it_waits_for_an_event_from_the_number_that_counts() {
        let asked = |config: Value| {
            let (now, inbox) =
                ("2026-11-22T12:00:00Z".parse().unwrap(), InboxAt { start: 3, now: 7 });
            let items = Handles::from([("input".to_owned(), vec![Json::of(&1)])]);
            match compute(&Work { config, items, now, inbox }) {
                Ok(Outcome::Request(request)) => match *request {
                    Request::Event(event) => {
                        let until = event.until.map(|at| at.to_string()).unwrap_or_default();
                        format!("{} after {} {until}", event.detail(), event.after)
                    }
                    other => format!("{other:?}"),
                },
                other => format!("{other:?}"),
            }
        };
        assert_eq!(asked(json!({"event": {"type": "a"}})), "event a after 7 ");
        let whole = json!({
            "event": {"type": "a.b", "source": "nas", "where": {"id": 7}},
            "from": "START_OF_EXECUTION", "timeout": "1m",
        });
        let wanted = "event a.b from nas with {\"id\":7} after 3 2026-11-22T12:01:00.000Z";
        assert_eq!(asked(whole), wanted);
        assert!(asked(json!({"event": {"type": "a b"}})).contains("the name of an event"));
        assert!(asked(json!({"event": {"type": "a", "where": 7}})).contains("must be an object"));
        assert!(asked(json!({"event": {"type": "a"}, "duration": 1})).contains("exactly one of"));
    }

    #[test]
    fn what_is_no_time_is_refused_when_saved_and_when_run() {
        let problem = |config: Value| {
            check(&config)
                .first()
                .map_or(String::new(), |(at, message, _)| format!("{at}: {message}"))
        };
        assert_eq!(
            problem(json!({})),
            "duration: `wait` needs one of `duration`, `until`, `event`, `file`, `port` and `http`"
        );
        assert_eq!(problem(json!({"duration": "5m"})), "");
        assert_eq!(problem(json!({"duration": "{{ vars.pause }}"})), "");
        for bad in [
            json!("soon"),
            json!("-5m"),
            json!("1 month"),
            json!(-1),
            json!(1.5),
            json!("9999999w"),
        ] {
            let said = problem(json!({"duration": bad}));
            assert!(said.ends_with(WANTED_DURATION), "{said}");
        }
        assert_eq!(
            problem(json!({"duration": "5m", "event": {"type": "a"}})),
            "event: `duration` and `event` exclude each other"
        );
        assert_eq!(
            problem(json!({"duration": "5m", "timeout": "5m"})),
            "timeout: `timeout` says nothing without `event`, `file`, `port` or `http`"
        );
        assert!(problem(json!({"event": {"type": "a b"}})).starts_with("event.type: `a b`"));
        let said = problem(json!({"until": "2026-11-22T12:00:00"}));
        assert!(said.ends_with(WANTED_TIME), "{said}");
    }
}
