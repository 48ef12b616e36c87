//! What `wait` looks at: `file`, `port`, `http`. What is wrong with it as written, and the request that
//! it comes to.

use std::time::Duration;

use serde_json::{Value, json};

use super::{duration, until};
use crate::engine::kind::{NodeError, Outcome, Work};
use crate::engine::request::Request;
use crate::engine::request::look::{FileState, HttpTarget, LookRequest, Target};
use crate::nodes::config::{Config, condition, is_expression, text, wrong};
use crate::nodes::definition::Fault;
use crate::nodes::network::answer::Expected;
use crate::nodes::network::http;
use crate::nodes::network::target::{WANTED_URL, target};
use crate::nodes::schema;

/// What is looked at, one member of `config` each.
pub(super) const LOOKS: [&str; 3] = ["file", "port", "http"];
/// Where the expression stands that is asked about an answer.
pub(super) const LATER: &[&str] = &["http.where"];
/// How a file is wanted.
const STATES: [&str; 3] = ["EXISTS", "CHANGED", "GONE"];
const METHODS: [&str; 2] = ["GET", "HEAD"];
/// The least time between two looks: whoever needs it sooner wants an event.
const LEAST: Duration = Duration::from_secs(1);
/// How often a file is looked at that tells of its changes by itself.
const FILE_EVERY: Duration = Duration::from_secs(60);
/// How often others are asked.
const OTHER_EVERY: Duration = Duration::from_secs(10);

pub(super) fn properties() -> [(&'static str, Value); 4] {
    let file = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["path"],
        "description": "The file or folder to wait for.",
        "properties": {
            "path": {"type": "string", "minLength": 1, "description": "Where; a relative path is below HOME.", "examples": ["/srv/in/ready"]},
            "is": schema::choice(&STATES, Some("EXISTS"), "EXISTS: it is there. CHANGED: it is not as it was when the wait began. GONE: it is not there."),
        },
    });
    let port = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["port"],
        "description": "The TCP port that has to take connections.",
        "properties": {
            "host": schema::with(schema::text("A name or an address."), "default", json!("localhost")),
            "port": schema::or_expression(json!({"type": "integer", "minimum": 1, "maximum": 65535, "description": "Its number."})),
        },
    });
    let many = json!({"type": ["string", "number", "boolean", "array", "null"], "items": schema::text("One of several values.")});
    let http = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["url"],
        "description": "The answer to wait for.",
        "properties": {
            "url": {"type": "string", "minLength": 1, "description": "Where to: http://, https:// or unix:/path/of/socket:/http/path.", "examples": ["https://example.org/health"]},
            "method": schema::choice(&METHODS, Some("GET"), "What is asked for."),
            "headers": schema::map(many, "Headers; a list gives a name several times, null leaves it out."),
            "expectStatus": schema::with(schema::list(http::status_schema(), "Statuses that are wanted; 200 to 299 where not said."), "examples", json!([[200], ["200-299", 304]])),
            "where": schema::with(
                json!({"type": ["string", "boolean"], "description": "Has to be true besides, of `answer` (`status`, `headers`, `body`)."}),
                "examples", json!(["{{ answer.body.state == 'done' }}"]),
            ),
        },
    });
    let every = json!({
        "description": "How often to look: milliseconds, or a text such as 30s, at least 1s. 10s where not said; 1m for a file, which is also looked at when it changes.",
        "type": ["integer", "string"],
        "minimum": 1000,
        "minLength": 1,
        "examples": ["30s", "5m"],
    });
    [("file", file), ("port", port), ("http", http), ("every", every)]
}

/// What is wrong with it as written.
pub(super) fn check(config: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut say = |at: &str, message: String, hint: &str| {
        faults.push((at.to_owned(), message, Some(hint.to_owned())));
    };
    let known = |at: &str| config.pointer(at).filter(|value| !is_expression(value));
    if let Some(Err(e)) = known("/every").map(|value| every(Some(value), LEAST)) {
        say("every", e.message, "for example 30s");
    }
    if known("/file/path").and_then(Value::as_str).is_some_and(|path| path.contains('\0')) {
        let message = "`file.path` holds a NUL character".to_owned();
        say("file.path", message, "leave it out: no path of a file has one");
    }
    if let Some(host) = known("/port/host").and_then(Value::as_str)
        && !is_host(host)
    {
        let message = format!("`{}` is not a host", host.escape_debug());
        say("port.host", message, "write a name or an address, for example db.lan or ::1");
    }
    if let Some(http) = config.get("http") {
        let below = |(at, message, hint): Fault| (format!("http.{at}"), message, hint);
        faults.extend(http::url_and_status(http).into_iter().map(below));
        faults.extend(http::headers(http).into_iter().map(below));
        faults.extend(condition("http.where", http.get("where")));
    }
    faults
}

/// Has the daemon look.
pub(super) fn look(work: &Work, config: &Config<'_>) -> Result<Outcome, NodeError> {
    let (at, usual) = match LOOKS.map(|name| config.get(name)) {
        [Some(value), None, None] => (file(value)?, FILE_EVERY),
        [None, Some(value), None] => (port(value)?, OTHER_EVERY),
        [None, None, Some(value)] => (http_target(value)?, OTHER_EVERY),
        _ => {
            let message = "exactly one of `file`, `port` and `http` is needed";
            return Err(NodeError::new("CONFIG", message));
        }
    };
    Ok(Outcome::Request(Box::new(Request::Look(Box::new(LookRequest {
        at,
        every: every(config.get("every"), usual)?,
        until: until(work, config)?,
        said: None,
        items: work.items.values().flatten().cloned().collect(),
    })))))
}

fn every(value: Option<&Value>, usual: Duration) -> Result<Duration, NodeError> {
    let Some(value) = value else { return Ok(usual) };
    let every = duration("every", value)?;
    if every < LEAST {
        return Err(wrong("every", value, "at least 1s; what comes sooner is an event"));
    }
    Ok(every)
}

fn file(value: &Value) -> Result<Target, NodeError> {
    let config = Config::within("file", value, &["path", "is"])?;
    let path = config.require_text("path")?;
    if path.is_empty() || path.contains('\0') {
        return Err(NodeError::new("CONFIG", "`file.path` is empty or holds a zero byte"));
    }
    let wanted = match config.choice("is", &STATES)? {
        "CHANGED" => FileState::Changed,
        "GONE" => FileState::Gone,
        _ => FileState::Exists,
    };
    Ok(Target::File { path, wanted, first: None })
}

fn port(value: &Value) -> Result<Target, NodeError> {
    let config = Config::within("port", value, &["host", "port"])?;
    let host = config.text("host")?.unwrap_or_else(|| "localhost".to_owned());
    if !is_host(&host) {
        return Err(wrong("port.host", &host.into(), "the name or address of a host"));
    }
    let number = config.count("port")?.and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0);
    let Some(port) = number else {
        return Err(wrong("port.port", config.require("port")?, "a number from 1 to 65535"));
    };
    Ok(Target::Port { host, port })
}

/// Whether a text may be a name or an address; whether there is one shows when it is asked for.
fn is_host(text: &str) -> bool {
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || "/[]@?#%\\".contains(c);
    !text.is_empty() && text.len() <= 253 && !text.contains(is_odd)
}

fn http_target(value: &Value) -> Result<Target, NodeError> {
    let known = ["url", "method", "headers", "expectStatus", "where"];
    let config = Config::within("http", value, &known)?;
    let written = config.require_text("url")?;
    let Some((url, socket)) = target(&written) else {
        return Err(wrong("http.url", &written.into(), WANTED_URL));
    };
    let status: Result<Vec<String>, NodeError> =
        config.list("expectStatus")?.iter().map(|(at, value)| text(at, value)).collect();
    let holds = match config.get("where") {
        None | Some(Value::Bool(true)) => None,
        Some(value) if is_expression(value) => Some(text("http.where", value)?),
        Some(other) => return Err(wrong("http.where", other, "an expression over `answer`")),
    };
    Ok(Target::Http(Box::new(HttpTarget {
        method: config.choice("method", &METHODS)?.to_owned(),
        url,
        socket: socket.map(|path| path.to_string_lossy().into_owned()),
        headers: config.text_lists("headers")?,
        status: Expected::of(&status?)?.ranges(),
        holds,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::bench::check_all;

    fn problems(config: Value) -> Vec<String> {
        super::super::check(&config)
            .iter()
            .map(|(at, message, _)| format!("{at}: {message}"))
            .collect()
    }

    #[test]
    fn each_form_becomes_a_request_that_says_what_it_waits_for() {
        let asked = |config: &str| {
            let config: Value = serde_json::from_str(config).unwrap();
            let work = Work {
                config,
                items: Default::default(),
                now: "2026-11-22T12:00:00Z".parse().unwrap(),
                inbox: Default::default(),
            };
            match super::super::compute(&work) {
                Ok(Outcome::Request(request)) => match *request {
                    Request::Look(look) => {
                        let until = look.until.map(|at| format!(" until {at}")).unwrap_or_default();
                        format!("{} every {:?}{until}", look.detail(), look.every)
                    }
                    other => format!("{other:?}"),
                },
                Ok(other) => format!("{other:?}"),
                Err(e) => e.to_string(),
            }
        };
        assert_eq!(asked(r#"{"file": {"path": "/in/x"}}"#), "file /in/x every 60s");
        assert_eq!(
            asked(r#"{"file": {"path": "x", "is": "GONE"}, "every": "2s", "timeout": "1m"}"#),
            "the end of file x every 2s until 2026-11-22T12:01:00.000Z"
        );
        assert_eq!(
            asked(r#"{"port": {"port": "22"}}"#),
            "an answer of port localhost:22 every 10s"
        );
        assert_eq!(
            asked(r#"{"http": {"url": "http://h/x?k=1", "where": "{{ answer.body.ok }}"}}"#),
            "the answer of http://h/x every 10s"
        );
        for (config, wanted) in [
            (r#"{"file": {"path": ""}}"#, "`file.path` is empty or holds a zero byte"),
            (r#"{"file": "x"}"#, "`file` is \"x\", but must be an object"),
            (r#"{"port": {"port": 0}}"#, "`port.port` is 0, but must be a number from 1 to 65535"),
            (r#"{"port": {}}"#, "`port.port` is missing or null"),
            (
                r#"{"port": {"port": 1, "host": "a b"}}"#,
                "`port.host` is \"a b\", but must be the name or address of a host",
            ),
            (
                r#"{"http": {"url": "http://h/", "method": "POST"}}"#,
                "`http.method` is \"POST\", but must be one of GET, HEAD",
            ),
            (
                r#"{"http": {"url": "http://h/", "where": 7}}"#,
                "`http.where` is 7, but must be an expression over `answer`",
            ),
            (
                r#"{"file": {"path": "x"}, "every": 10}"#,
                "`every` is 10, but must be at least 1s; what comes sooner is an event",
            ),
        ] {
            assert_eq!(asked(config), wanted, "{config}");
        }
        check_all(
            "wait",
            r#"{"file": {"path": "x"}, "port": {"port": 1}}"#,
            &[("input", "[]")],
            "CONFIG: exactly one of `duration`, `until`, `event`, `file`, `port` and `http` is needed",
        );
    }

    #[test]
    fn what_is_wrong_is_told_when_it_is_saved() {
        assert_eq!(problems(json!({"file": {"path": "{{ inputs.f }}"}, "every": "1m"})), [""; 0]);
        let later = json!({"http": {"url": "http://h/", "where": "{{ answer.body.ok }}"}});
        assert_eq!(problems(later), [""; 0]);
        let bad = json!({"http": {
            "url": "ftp://x", "headers": {"a b": "c"}, "expectStatus": ["300-200"], "where": "ok",
        }, "every": "10ms"});
        let told = problems(bad);
        for at in ["every: ", "http.url: ", "http.headers.a b: ", "http.expectStatus[0]: "] {
            assert!(told.iter().any(|told| told.starts_with(at)), "{at}{told:?}");
        }
        assert!(told.iter().any(|told| told.starts_with("http.where: a condition is one")));
        assert!(problems(json!({"file": {"path": "a\0b"}}))[0].starts_with("file.path: "));
        assert!(
            problems(json!({"port": {"host": "http://h", "port": 1}}))[0].starts_with("port.host")
        );
        let two = problems(json!({"file": {"path": "x"}, "event": {"type": "a"}}));
        assert_eq!(two, ["file: `event` and `file` exclude each other"]);
        let idle = problems(json!({"duration": "1s", "every": "5s"}));
        assert_eq!(idle, ["every: `every` says nothing without `file`, `port` or `http`"]);
    }
}
