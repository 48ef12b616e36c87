//! `http`: sends a request and reads the answer.

use std::time::Duration;

use a2n_proto::Attachment;
use a2n_proto::document::Repeat;
use a2n_proto::execution::LogLevel;
use a2n_proto::nodes::NodeType;
use serde_json::{Value, json};

use super::answer::{self, Expected, OUTPUTS};
use super::base64;
use super::target::{self, WANTED_URL, target};
use crate::engine::kind::{NodeError, Outcome, WorksOn};
use crate::nodes::attached::Content;
use crate::nodes::config::{Config, is_expression, text, wrong};
use crate::nodes::context::{Context, output};
use crate::nodes::definition::{self, CarryOut, Definition, one_input, one_output};
use crate::nodes::schema;
use crate::system::http::{Answer, HttpError, Request, Sent};

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const AUTH_TYPES: [&str; 3] = ["BASIC", "BEARER", "HEADER"];
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_REDIRECTS: usize = 10;

const DOCUMENTATION: &str = include_str!("http.md");

pub(in crate::nodes) fn definition() -> Definition {
    let auth = schema::or_expression(json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["type"],
        "description": "How the request shows who it is from.",
        "properties": {
            "type": {"enum": AUTH_TYPES, "description": "BASIC: username and password. BEARER: token. HEADER: name and value."},
            "username": schema::text("BASIC."),
            "password": schema::text("BASIC."),
            "token": schema::text("BEARER."),
            "name": schema::text("HEADER: its name."),
            "value": schema::text("HEADER: its value."),
        },
    }));
    let many = || json!({"type": ["string", "number", "boolean", "array", "null"], "items": schema::text("One of several values.")});
    Definition {
        name: "http",
        version: "1.0.0",
        display_name: "HTTP request",
        description: "Sends an HTTP request and reads the answer.",
        node_type: NodeType::HttpRequest,
        category: "network",
        icon: "↔",
        color: "blue",
        tags: &["request", "rest", "api", "get", "post", "curl", "webhook"],
        documentation: DOCUMENTATION,
        settings_schema: schema::object(
            json!({
                "method": schema::choice(&METHODS, Some("GET"), "What is asked for."),
                "url": {"type": "string", "minLength": 1, "description": "Where to: http://, https:// or unix:/path/of/socket:/http/path.", "examples": ["https://example.org/health", "unix:/run/docker.sock:/v1.43/info"]},
                "query": schema::map(many(), "Added to the URL; a list gives a name several times, null leaves it out."),
                "headers": schema::map(many(), "Headers; a list gives a name several times, null leaves it out."),
                "body": {"description": "What is sent: a text as it is, an attachment's bytes, anything else as JSON."},
                "auth": auth,
                "timeout": schema::integer(1, Some(30_000), "Longest time for all of it, in milliseconds."),
                "followRedirects": schema::flag(true, "Whether redirects are followed, ten at most."),
                "expectStatus": schema::with(schema::list(status_schema(), "Statuses that are no failure; 200 to 299 where not said."), "examples", json!([[200, 404], ["200-299", 304]])),
                "output": schema::choice(&OUTPUTS, Some("AUTO"), "How the body is read: by its media type, as JSON, as text, as an attachment, not at all."),
            }),
            &["url"],
        ),
        input_schema: json!(true),
        output_schema: json!({
            "type": "object",
            "properties": {
                "status": {"type": "integer"},
                "headers": {"type": "object", "description": "Names in lower case."},
                "body": {"description": "By `output`; bytes are the reference of an attachment: {name, mediaType, size, hash}."},
                "url": {"type": "string", "description": "Where the answer came from, after redirects."},
                "duration": {"type": "integer", "description": "Milliseconds."},
            },
        }),
        constant_paths: &[],
        works_on: WorksOn::Each,
        inputs: one_input(),
        outputs: one_output,
        repeat: |config| {
            let method = config.get("method").map_or(Some("GET"), Value::as_str);
            if matches!(method, Some("GET" | "HEAD")) { Repeat::Retryable } else { Repeat::Once }
        },
        check,
        carry_out: CarryOut::Outside(|context| Box::pin(work(context))),
    }
}

/// One of `expectStatus`.
pub(in crate::nodes) fn status_schema() -> Value {
    json!({"type": ["integer", "string"], "minimum": 100, "maximum": 599, "pattern": r"\{\{|\{%|^[1-5][0-9][0-9]-[1-5][0-9][0-9]$", "description": "A code, or a range such as 200-299."})
}

fn check(config: &Value) -> Vec<definition::Fault> {
    let mut faults = url_and_status(config);
    faults.extend(headers(config));
    if let Some(name) = config.pointer("/auth/name").filter(|name| !is_expression(name))
        && name.as_str().is_some_and(|name| !is_header_name(name))
    {
        faults.push(("auth.name".into(), "this is not the name of a header".into(), header_hint()));
    }
    if let Some(auth) = config.get("auth").filter(|auth| auth.is_object()) {
        let needed: &[&str] = match auth.get("type").and_then(Value::as_str) {
            Some("BASIC") => &["username", "password"],
            Some("BEARER") => &["token"],
            Some("HEADER") => &["name", "value"],
            _ => &[],
        };
        for &name in needed.iter().filter(|&&name| auth.get(name).is_none()) {
            faults.push((
                format!("auth.{name}"),
                format!("this kind of `auth` needs `{name}`"),
                Some(format!("add `{name}` to `auth`")),
            ));
        }
    }
    faults
}

/// What is wrong with `url` and `expectStatus`.
pub(in crate::nodes) fn url_and_status(config: &Value) -> Vec<definition::Fault> {
    let mut faults = Vec::new();
    if let Some(url) = config.get("url").filter(|url| !is_expression(url))
        && let Some(message) = url.as_str().and_then(target::fault)
    {
        faults.push(("url".into(), message, Some(format!("write {WANTED_URL}"))));
    }
    for (n, status) in list(config, "expectStatus").iter().enumerate() {
        // What is no code or range at all is told by the schema.
        if let Some((from, to)) = status.as_str().and_then(|text| text.split_once('-'))
            && let (Ok(from), Ok(to)) = (from.parse::<u16>(), to.parse::<u16>())
            && from > to
        {
            faults.push((
                format!("expectStatus[{n}]"),
                format!("no status is from {from} to {to}"),
                Some(format!("write {to}-{from}")),
            ));
        }
    }
    faults
}

/// What is wrong with `headers`.
pub(in crate::nodes) fn headers(config: &Value) -> Vec<definition::Fault> {
    let mut faults: Vec<definition::Fault> = Vec::new();
    let headers = config.get("headers").and_then(Value::as_object);
    for (name, value) in headers.into_iter().flatten() {
        let at = format!("headers.{name}");
        if !is_header_name(name) {
            faults.push((at, format!("`{name}` is not the name of a header"), header_hint()));
        } else if has_line_end(value) {
            let message = format!("the value of `{name}` holds a line end or NUL");
            faults.push((at, message, Some("write it in one line".into())));
        }
    }
    faults
}

/// A token, as HTTP has it.
fn is_header_name(name: &str) -> bool {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(is_token)
}

fn header_hint() -> Option<String> {
    Some("use letters, digits and -, for example X-Request-Id".into())
}

/// In the parts that are no expressions.
fn has_line_end(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.iter().any(has_line_end),
        Value::String(text) => !is_expression(value) && text.contains(['\r', '\n', '\0']),
        _ => false,
    }
}

fn list<'v>(config: &'v Value, name: &str) -> &'v [Value] {
    config.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

async fn work(context: Context) -> Result<Outcome, NodeError> {
    let asked = Asked::of(&context)?;
    let shown = asked.shown();
    let (is_once, method) = (asked.is_once(), asked.request.method.clone());
    context.measure_bytes("step.bytes_in", asked.body_bytes);
    let exchange = async {
        let began = context.system.clock.monotonic();
        let mut answer = context.system.http.send(asked.request).await.map_err(Fault::Http)?;
        if let Some(written) = asked.unix {
            answer.url = written;
        }
        if !asked.expected.has(answer.status) {
            return Err(Fault::Node(unexpected(answer, &shown).await));
        }
        let mut item = answer::Item::of(&answer);
        let size = item.read(&context, asked.output, answer).await?;
        let took = context.system.clock.monotonic().saturating_sub(began);
        Ok((item, size, took))
    };
    let exchanged = tokio::select! {
        biased;
        exchanged = exchange => exchanged,
        () = context.stop.cancelled() => return Err(Context::stopped()),
    };
    match exchanged {
        Ok((item, size, took)) => {
            context.measure_bytes("step.bytes_out", size);
            let (status, ms) = (item.status, took.as_millis());
            let line = format!("{method} {shown}: {status} in {ms} ms, {size} bytes");
            context.say(LogLevel::Info, line).await;
            Ok(Outcome::Items(output(vec![item.finish(took)])))
        }
        Err(fault) => {
            let fault = match fault {
                Fault::Http(e) => failed(&e, is_once),
                Fault::Node(e) => e,
            };
            context.say(LogLevel::Error, format!("{method} {shown}: {fault}")).await;
            Err(fault)
        }
    }
}

/// What went wrong: on the way, or with what came.
pub(super) enum Fault {
    Http(HttpError),
    Node(NodeError),
}

/// The resolved configuration.
struct Asked {
    request: Request,
    expected: Expected,
    output: &'static str,
    body_bytes: u64,
    /// The URL as it was written, for a Unix socket.
    unix: Option<String>,
}

impl Asked {
    fn of(context: &Context) -> Result<Self, NodeError> {
        const KNOWN: [&str; 10] = [
            "method",
            "url",
            "query",
            "headers",
            "body",
            "auth",
            "timeout",
            "followRedirects",
            "expectStatus",
            "output",
        ];
        let config = Config::of(context.config(), &KNOWN)?;
        let written = config.require_text("url")?;
        let Some((url, socket)) = target(&written) else {
            return Err(wrong("url", &Value::String(written), WANTED_URL));
        };
        let private_addresses = context.settings.private_addresses;
        if socket.is_some() && !private_addresses {
            let message = format!("`{written}` is on this machine and must not be called");
            return Err(NodeError::new("FORBIDDEN_ADDRESS", message));
        }
        let mut headers = config.text_lists("headers")?;
        let has = |headers: &[(String, String)], name: &str| {
            headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        for (name, _) in &headers {
            if ["content-length", "transfer-encoding", "connection"]
                .iter()
                .any(|own| name.eq_ignore_ascii_case(own))
            {
                let message = format!("`headers.{name}` is set by A2N and can't be chosen");
                return Err(NodeError::new("CONFIG", message));
            }
        }
        let content = config.get("body").map(Content::of);
        let body_bytes = content.as_ref().map_or(0, Content::size);
        let (body, media_type) = match content {
            None => (None, None),
            Some(Content::Text(text)) => (Some(Sent::Bytes(text.into())), None),
            Some(Content::Json(text)) => {
                (Some(Sent::Bytes(text.into())), Some("application/json".to_owned()))
            }
            Some(Content::Attachment(Attachment { hash, media_type, .. })) => {
                let from = context.attachments.clone();
                (Some(Sent::Attachment { from, hash }), Some(media_type))
            }
        };
        if let Some(media_type) = media_type.filter(|_| !has(&headers, "content-type")) {
            headers.push(("content-type".into(), media_type));
        }
        headers.extend(authorization(&config)?);
        if !has(&headers, "idempotency-key") {
            headers.push(("idempotency-key".into(), context.job.idempotency_key.clone()));
        }
        if !has(&headers, "user-agent") {
            headers.push(("user-agent".into(), concat!("a2n/", env!("CARGO_PKG_VERSION")).into()));
        }
        let follow = config.flag("followRedirects", true)?;
        let request = Request {
            method: config.choice("method", &METHODS)?.to_owned(),
            url,
            socket: socket.clone(),
            query: config.text_lists("query")?,
            headers,
            body,
            timeout: Some(config.millis("timeout")?.unwrap_or(DEFAULT_TIMEOUT)),
            max_redirects: if follow { MAX_REDIRECTS } else { 0 },
            private_addresses,
        };
        let expected: Result<Vec<String>, NodeError> =
            config.list("expectStatus")?.iter().map(|(at, value)| text(at, value)).collect();
        Ok(Self {
            request,
            expected: Expected::of(&expected?)?,
            output: config.choice("output", &OUTPUTS)?,
            body_bytes,
            unix: socket.map(|_| written),
        })
    }
    /// Whether a repeat could do something twice.
    fn is_once(&self) -> bool {
        !matches!(self.request.method.as_str(), "GET" | "HEAD")
    }
    /// The URL for the log: what comes after `?` and before `@` may be secret.
    fn shown(&self) -> String {
        let url = self.unix.as_ref().unwrap_or(&self.request.url);
        let url = url.split(['?', '#']).next().unwrap_or("");
        match url.split_once("://") {
            Some((scheme, rest)) => {
                let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let host = host.rsplit('@').next().unwrap_or("");
                format!("{scheme}://{host}{path}")
            }
            None => url.to_owned(),
        }
    }
}

fn authorization(config: &Config<'_>) -> Result<Option<(String, String)>, NodeError> {
    let Some(auth) = config.get("auth") else { return Ok(None) };
    let known = ["type", "username", "password", "token", "name", "value"];
    let auth = Config::within("auth", auth, &known)?;
    auth.require("type")?;
    Ok(Some(match auth.choice("type", &AUTH_TYPES)? {
        "BASIC" => {
            let pair =
                format!("{}:{}", auth.require_text("username")?, auth.require_text("password")?);
            ("authorization".into(), format!("Basic {}", base64::encode(pair.as_bytes())))
        }
        "BEARER" => ("authorization".into(), format!("Bearer {}", auth.require_text("token")?)),
        _ => (auth.require_text("name")?, auth.require_text("value")?),
    }))
}

fn failed(error: &HttpError, is_once: bool) -> NodeError {
    let kind = match error {
        HttpError::Malformed { .. } => "CONFIG",
        HttpError::Forbidden { .. } => "FORBIDDEN_ADDRESS",
        HttpError::Connect { .. } => "CONNECT",
        HttpError::Timeout { .. } => "TIMEOUT",
        HttpError::Broken { .. } => "BROKEN",
        HttpError::TooLarge { .. } => "TOO_LARGE",
        HttpError::Redirect { .. } => "REDIRECT",
        HttpError::AfterRedirect { source } => {
            let inner = failed(source, is_once);
            return NodeError { message: error.to_string(), in_doubt: is_once, ..inner };
        }
    };
    let in_doubt = is_once && error.may_have_arrived();
    NodeError { in_doubt, ..NodeError::new(kind, error.to_string()) }
}

async fn unexpected(mut answer: Answer, shown: &str) -> NodeError {
    let body = answer.beginning(800).await;
    let body: String = String::from_utf8_lossy(&body).trim().chars().take(200).collect();
    let said = if body.is_empty() { String::new() } else { format!(": {body}") };
    let message = format!("status {} from {shown}{said}", answer.status);
    NodeError { code: Some(answer.status.into()), ..NodeError::new("HTTP_STATUS", message) }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
