//! How an HTTP answer becomes an item.

use std::time::Duration;

use a2n_proto::Json;

use crate::engine::kind::NodeError;
use crate::nodes::data::members::Members;
use crate::system::http::Response;

/// `config.output`, the default first.
pub(super) const OUTPUTS: [&str; 5] = ["AUTO", "JSON", "TEXT", "FILE", "NONE"];

/// The item `{status, headers, body, url, duration}`.
pub(super) fn item(output: &str, answer: &Response, took: Duration) -> Result<Json, NodeError> {
    let mut members = Members::default();
    members.put("status", Json::of(&answer.status));
    members.put("headers", headers(answer));
    members.put("body", body(output, answer)?);
    members.put("url", Json::of(&answer.url));
    members.put("duration", Json::of(&u64::try_from(took.as_millis()).unwrap_or(u64::MAX)));
    Ok(members.into_item())
}

/// Which statuses are no failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected(Vec<(u16, u16)>);

impl Expected {
    /// From codes and ranges such as `200-299`; 200 to 299 where there are none.
    pub(super) fn of(texts: &[String]) -> Result<Self, NodeError> {
        if texts.is_empty() {
            return Ok(Self(vec![(200, 299)]));
        }
        let range = |text: &String| {
            let (from, to) = text.split_once('-').unwrap_or((text, text));
            match (from.trim().parse(), to.trim().parse()) {
                (Ok(from), Ok(to)) => Ok((from, to)),
                _ => {
                    let message = format!(
                        "`expectStatus` names `{text}`, but must name codes or ranges such as 200-299"
                    );
                    Err(NodeError::new("CONFIG", message))
                }
            }
        };
        texts.iter().map(range).collect::<Result<_, _>>().map(Self)
    }
    pub(super) fn has(&self, status: u16) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }
}

/// Names in lower case; what stands several times is joined with commas, cookies are a list.
fn headers(answer: &Response) -> Json {
    let mut all = std::collections::BTreeMap::<&str, Vec<&str>>::new();
    for (name, value) in &answer.headers {
        all.entry(name).or_default().push(value);
    }
    let mut members = Members::default();
    for (name, values) in all {
        let value =
            if name == "set-cookie" { Json::of(&values) } else { Json::of(&values.join(", ")) };
        members.put(name, value);
    }
    members.into_item()
}

fn body(output: &str, answer: &Response) -> Result<Json, NodeError> {
    let unsupported = |message: String| Err(NodeError::new("UNSUPPORTED", message));
    match output {
        "NONE" => Ok(Json::null()),
        "TEXT" => Ok(Json::of(&String::from_utf8_lossy(&answer.body))),
        "JSON" => json(answer),
        "FILE" => unsupported("output FILE needs attachments, which this version lacks".into()),
        _ if answer.body.is_empty() => Ok(Json::null()),
        _ => match (media_type(answer), std::str::from_utf8(&answer.body)) {
            (media, _) if is_json(&media) => json(answer),
            (media, Ok(text)) if media.is_empty() || is_text(&media) => Ok(Json::of(text)),
            (media, _) if is_text(&media) => Ok(Json::of(&String::from_utf8_lossy(&answer.body))),
            (media, _) => unsupported(format!(
                "the answer is `{media}`, bytes that need attachments, which this version lacks: set output to TEXT or NONE"
            )),
        },
    }
}

fn json(answer: &Response) -> Result<Json, NodeError> {
    let fault = |said: String| NodeError::new("PARSE", format!("the answer's body is {said}"));
    let text = std::str::from_utf8(&answer.body).map_err(|e| fault(format!("not UTF-8: {e}")))?;
    Json::parse(text).map_err(|e| fault(e.to_string()))
}

fn media_type(answer: &Response) -> String {
    let found = answer.headers.iter().find(|(name, _)| name == "content-type");
    let media = found.map_or("", |(_, value)| value.split(';').next().unwrap_or(""));
    media.trim().to_ascii_lowercase()
}

fn is_json(media: &str) -> bool {
    media == "application/json" || media.ends_with("+json")
}

fn is_text(media: &str) -> bool {
    media.starts_with("text/")
        || media.ends_with("+xml")
        || matches!(
            media,
            "application/xml"
                | "application/yaml"
                | "application/toml"
                | "application/javascript"
                | "application/x-ndjson"
                | "application/jsonl"
                | "application/x-www-form-urlencoded"
                | "application/openmetrics-text"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(output: &str, media: &str, body: &[u8], wanted: &str) {
        let answer = Response {
            status: 200,
            headers: vec![("content-type".into(), media.into())],
            body: body.to_vec().into(),
            url: "http://x/".into(),
        };
        let told = match super::body(output, &answer) {
            Ok(body) => body.to_string(),
            Err(e) => format!("{}: {}", e.kind, e.message),
        };
        assert_eq!(told, wanted, "{output} {media}");
    }

    #[test]
    fn the_media_type_decides() {
        check("AUTO", "application/json; charset=utf-8", b"{\"n\": 1.0}", r#"{"n":1.0}"#);
        check("AUTO", "application/problem+json", b"[1]", "[1]");
        check("AUTO", "text/html", b"<p>", r#""<p>""#);
        check("AUTO", "", b"plain", r#""plain""#);
        check("AUTO", "image/png", b"", "null");
        check(
            "AUTO",
            "application/json",
            b"<p>",
            "PARSE: the answer's body is not JSON: expected value at line 1 column 1",
        );
        check("TEXT", "image/png", b"\xffx", "\"\u{fffd}x\"");
        check("JSON", "text/plain", b"7", "7");
        check("NONE", "text/plain", b"7", "null");
        check(
            "AUTO",
            "image/png",
            b"\x89PNG",
            "UNSUPPORTED: the answer is `image/png`, bytes that need attachments, which this version lacks: set output to TEXT or NONE",
        );
    }

    #[test]
    fn an_item_has_its_five_members() {
        let answer = Response {
            status: 201,
            headers: [("a", "1"), ("set-cookie", "x"), ("a", "2")]
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .to_vec(),
            body: bytes::Bytes::new(),
            url: "http://x/".into(),
        };
        let item = item("AUTO", &answer, Duration::from_millis(12)).unwrap();
        let wanted = r#"{"status":201,"headers":{"a":"1, 2","set-cookie":["x"]},"body":null,"url":"http://x/","duration":12}"#;
        assert_eq!(item.as_str(), wanted);
    }

    #[test]
    fn expected_statuses_are_codes_and_ranges() {
        let expected =
            |texts: &[&str]| Expected::of(&texts.iter().map(|&t| t.to_owned()).collect::<Vec<_>>());
        assert!(expected(&[]).unwrap().has(204) && !expected(&[]).unwrap().has(304));
        let some = expected(&["404", "200-201"]).unwrap();
        assert!(some.has(404) && some.has(201) && !some.has(202));
        assert!(expected(&["2xx"]).is_err());
    }
}
