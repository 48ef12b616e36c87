//! `wait`: lets time pass. Nothing is held meanwhile but a stored timer.

use std::time::Duration;

use a2n_proto::Timestamp;
use a2n_proto::document::Repeat;
use a2n_proto::nodes::NodeType;
use jiff::{Span, SpanRelativeTo};
use serde_json::{Value, json};

use crate::engine::kind::{NodeError, Outcome, Work, WorksOn};
use crate::nodes::config::{Config, is_expression, wrong};
use crate::nodes::context::output;
use crate::nodes::definition::{CarryOut, Definition, Fault, one_input, one_output};
use crate::nodes::schema;

/// Longest wait: about a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
const WANTED_DURATION: &str = "milliseconds or a text such as \"90s\", \"5m\", \"2h30m\", \"1d\"";
const WANTED_TIME: &str = "a time in RFC 3339, for example 2026-11-22T12:00:00Z";

const DOCUMENTATION: &str = "\
Waits for `duration` (milliseconds, or a text such as `90s`, `5m`, `2h30m`, `1d`, `1w`; a day has 24
hours) or `until` a time in RFC 3339, then passes all items on. A time in the past is over at once.
The wait is a moment of the wall clock, kept in the store: it outlives restarts, ends at the right
moment through suspend, and costs nothing. Where only waits are left the execution is PAUSED.

```yaml
type: wait
config: {duration: 5m}
```
";

pub(in crate::nodes) fn definition() -> Definition {
    let duration = json!({
        "description": "How long: milliseconds, or a text such as 90s, 5m, 2h30m, 1d.",
        "type": ["integer", "string"],
        "minimum": 0,
        "minLength": 1,
        "examples": [5000, "5m", "2h30m"],
    });
    Definition {
        name: "wait",
        version: "1.0.0",
        display_name: "Wait",
        description: "Lets time pass, then passes the items on.",
        node_type: NodeType::Delay,
        category: "flow",
        icon: "◷",
        color: "blue",
        tags: &["delay", "sleep", "pause", "timer"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({
                "duration": duration,
                "until": {"type": "string", "minLength": 1, "description": "The moment, in RFC 3339.", "examples": ["2026-11-22T12:00:00Z"]},
            }),
            &[],
        ),
        input_schema: json!(true),
        output_schema: json!(true),
        constant_paths: &[],
        works_on: WorksOn::All,
        inputs: one_input(),
        outputs: one_output,
        repeat: |_| Repeat::Retryable,
        check,
        carry_out: CarryOut::Inline(compute),
    }
}

fn check(config: &Value) -> Vec<Fault> {
    let known = |name: &str| config.get(name).filter(|value| !is_expression(value));
    let fault = |at: &str, message: String, hint: &str| {
        vec![(at.to_owned(), message, Some(hint.to_owned()))]
    };
    match (config.get("duration"), config.get("until")) {
        (None, None) => fault(
            "duration",
            "`wait` needs `duration` or `until`".into(),
            "for example duration: 5m",
        ),
        (Some(_), Some(_)) => {
            fault("until", "`duration` and `until` exclude each other".into(), "leave one out")
        }
        _ => {
            if let Some(value) = known("duration")
                && let Err(e) = duration("duration", value)
            {
                return fault("duration", e.message, "for example 5m");
            }
            if let Some(value) = known("until")
                && let Err(e) = moment(value)
            {
                return fault("until", e.message, "for example 2026-11-22T12:00:00Z");
            }
            Vec::new()
        }
    }
}

fn compute(work: &Work) -> Result<Outcome, NodeError> {
    let config = Config::of(&work.config, &["duration", "until"])?;
    let until = match (config.get("duration"), config.get("until")) {
        (Some(value), None) => work.now.plus(duration("duration", value)?),
        (None, Some(value)) => moment(value)?,
        _ => {
            let message = "exactly one of `duration` and `until` is needed";
            return Err(NodeError::new("CONFIG", message));
        }
    };
    let items = output(work.items.values().flatten().cloned().collect());
    Ok(if until <= work.now { Outcome::Items(items) } else { Outcome::WaitUntil(until, items) })
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
    found
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| wrong(at, value, WANTED_DURATION))
}

fn moment(value: &Value) -> Result<Timestamp, NodeError> {
    let found = value.as_str().and_then(|text| text.trim().parse().ok());
    found.ok_or_else(|| wrong("until", value, WANTED_TIME))
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn what_is_no_time_is_refused_when_saved_and_when_run() {
        let problem = |config: Value| {
            check(&config)
                .first()
                .map_or(String::new(), |(at, message, _)| format!("{at}: {message}"))
        };
        assert_eq!(problem(json!({})), "duration: `wait` needs `duration` or `until`");
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
        let said = problem(json!({"until": "2026-11-22T12:00:00"}));
        assert!(said.ends_with(WANTED_TIME), "{said}");
    }
}
