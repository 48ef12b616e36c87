//! How an HTTP answer becomes an item.

use std::time::Duration;

use a2n_proto::Json;

use super::http::Fault;
use crate::engine::kind::NodeError;
use crate::nodes::attached;
use crate::nodes::context::Context;
use crate::nodes::data::members::Members;
use crate::system::http::{Answer, HttpError, Response};
use crate::system::{Pieces, begun, whole};

/// `config.output`, the default first.
pub(super) const OUTPUTS: [&str; 5] = ["AUTO", "JSON", "TEXT", "FILE", "NONE"];

/// The item `{status, headers, body, url, duration}`, while it comes to be.
pub(super) struct Item {
    pub(super) status: u16,
    headers: Json,
    body: Json,
    url: String,
}

impl Item {
    /// What is known when the head has come.
    pub(super) fn of(answer: &Answer) -> Self {
        let (status, url) = (answer.status, answer.url.clone());
        Self { status, headers: headers(&answer.headers), body: Json::null(), url }
    }
    /// Reads the body as `output` says; how many bytes it had.
    pub(super) async fn read(
        &mut self,
        context: &Context,
        output: &str,
        answer: Answer,
    ) -> Result<u64, Fault> {
        let media = media_type(&answer.headers);
        let at_most = context.settings.max_answer_bytes;
        let has_text = media.is_empty() || is_json(&media) || is_text(&media);
        match output {
            "NONE" => return drain(answer.body).await,
            "FILE" => return self.keep(context, answer, true).await,
            "AUTO" if !has_text => return self.keep(context, answer, false).await,
            _ => {}
        }
        let answer = answer.whole(at_most).await.map_err(Fault::Http)?;
        let size = answer.body.len() as u64;
        let text = std::str::from_utf8(&answer.body);
        self.body = match (output, text) {
            ("JSON", _) => json(&answer.body)?,
            ("AUTO", _) if size == 0 => Json::null(),
            ("AUTO", _) if is_json(&media) => json(&answer.body)?,
            // Nothing says what it is, and it is not text.
            ("AUTO", Err(_)) if media.is_empty() => {
                let Response { status, headers, body, url } = answer;
                let answer = Answer { status, headers, url, body: whole(body) };
                return self.keep(context, answer, false).await;
            }
            _ => Json::of(&String::from_utf8_lossy(&answer.body)),
        };
        Ok(size)
    }
    /// Puts the body aside as it comes. An empty one is nothing, unless a file is wanted.
    async fn keep(
        &mut self,
        context: &Context,
        mut answer: Answer,
        even_empty: bool,
    ) -> Result<u64, Fault> {
        let first = answer.body.next().await.map_err(Fault::Http)?;
        if first.is_none() && !even_empty {
            return Ok(0);
        }
        let name = name(&answer);
        let said = header(&answer.headers, "content-type").filter(|said| !said.trim().is_empty());
        let media = said.unwrap_or(BYTES).to_owned();
        let bytes = begun(first.into_iter().collect(), answer.body);
        let mut broken = None;
        let kept = attached::put_aside(context, bytes, &name, media.trim(), |e| {
            let fault = NodeError::new("BROKEN", e.to_string());
            broken = Some(e);
            fault
        });
        match kept.await {
            Ok(kept) => {
                self.body = attached::reference(&kept);
                Ok(kept.size)
            }
            Err(fault) => Err(broken.map_or(Fault::Node(fault), Fault::Http)),
        }
    }
    pub(super) fn finish(self, took: Duration) -> Json {
        let mut members = Members::default();
        members.put("status", Json::of(&self.status));
        members.put("headers", self.headers);
        members.put("body", self.body);
        members.put("url", Json::of(&self.url));
        members.put("duration", Json::of(&u64::try_from(took.as_millis()).unwrap_or(u64::MAX)));
        members.into_item()
    }
}

/// Reads to the end, so that a full answer is known to have come.
async fn drain(mut body: Box<dyn Pieces<HttpError>>) -> Result<u64, Fault> {
    let mut size = 0;
    while let Some(piece) = body.next().await.map_err(Fault::Http)? {
        size += piece.len() as u64;
    }
    Ok(size)
}

/// What bytes are that nothing is said of.
const BYTES: &str = "application/octet-stream";

/// Which statuses are no failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::nodes) struct Expected(Vec<(u16, u16)>);

impl Expected {
    /// From codes and ranges such as `200-299`; 200 to 299 where there are none.
    pub(in crate::nodes) fn of(texts: &[String]) -> Result<Self, NodeError> {
        if texts.is_empty() {
            return Ok(Self(vec![(200, 299)]));
        }
        let range = |text: &String| {
            let (from, to) = text.split_once('-').unwrap_or((text, text));
            let code = |text: &str| {
                let code = text.trim().parse::<u16>().ok();
                code.filter(|code| (100..=599).contains(code))
            };
            match (code(from), code(to)) {
                (Some(from), Some(to)) if from <= to => Ok((from, to)),
                _ => {
                    let message = format!(
                        "`expectStatus` names `{text}`, but must name codes from 100 to 599 or ranges such as 200-299"
                    );
                    Err(NodeError::new("CONFIG", message))
                }
            }
        };
        texts.iter().map(range).collect::<Result<_, _>>().map(Self)
    }
    /// From and to, each within.
    pub(in crate::nodes) fn ranges(self) -> Vec<(u16, u16)> {
        self.0
    }
    pub(super) fn has(&self, status: u16) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }
}

/// Names in lower case; what stands several times is joined with commas, cookies are a list.
fn headers(all: &[(String, String)]) -> Json {
    let mut by_name = std::collections::BTreeMap::<&str, Vec<&str>>::new();
    for (name, value) in all {
        by_name.entry(name).or_default().push(value);
    }
    let mut members = Members::default();
    for (name, values) in by_name {
        let value =
            if name == "set-cookie" { Json::of(&values) } else { Json::of(&values.join(", ")) };
        members.put(name, value);
    }
    members.into_item()
}

fn header<'a>(headers: &'a [(String, String)], wanted: &str) -> Option<&'a str> {
    headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
}

fn json(body: &[u8]) -> Result<Json, Fault> {
    let fault =
        |said: String| Fault::Node(NodeError::new("PARSE", format!("the answer's body is {said}")));
    let text = std::str::from_utf8(body).map_err(|e| fault(format!("not UTF-8: {e}")))?;
    Json::parse(text).map_err(|e| fault(e.to_string()))
}

fn media_type(headers: &[(String, String)]) -> String {
    let media = header(headers, "content-type").map_or("", |v| v.split(';').next().unwrap_or(""));
    media.trim().to_ascii_lowercase()
}

/// What a file of the body would be called: as the server says, else as the URL ends.
fn name(answer: &Answer) -> String {
    let said = header(&answer.headers, "content-disposition").and_then(|disposition| {
        let value = disposition.split(';').find_map(|part| part.trim().strip_prefix("filename="));
        value.map(|value| value.trim_matches('"').to_owned())
    });
    said.unwrap_or_else(|| {
        let path = answer.url.split(['?', '#']).next().unwrap_or("");
        let path = path.split_once("://").map_or(path, |(_, rest)| rest);
        path.split_once('/').map_or("", |(_, path)| path).to_owned()
    })
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
    use crate::nodes::bench::Bench;

    async fn check(output: &str, media: &str, body: &[u8], wanted: &str) {
        let bench = Bench::new();
        let context = bench.context(Bench::job("http", serde_json::json!({}), "null"));
        let answer = Answer {
            status: 200,
            headers: vec![("content-type".into(), media.into())],
            body: whole(body.to_vec()),
            url: "http://x/some/logo?q=1".into(),
        };
        let mut item = Item::of(&answer);
        let told = match item.read(&context, output, answer).await {
            Ok(_) => item.body.to_string(),
            Err(Fault::Node(e)) => format!("{}: {}", e.kind, e.message),
            Err(Fault::Http(e)) => e.to_string(),
        };
        assert_eq!(told, wanted, "{output} {media}");
    }

    #[tokio::test]
    async fn the_media_type_decides() {
        check("AUTO", "application/json; charset=utf-8", b"{\"n\": 1.0}", r#"{"n":1.0}"#).await;
        check("AUTO", "application/problem+json", b"[1]", "[1]").await;
        check("AUTO", "text/html", b"<p>", r#""<p>""#).await;
        check("AUTO", "", b"plain", r#""plain""#).await;
        check("AUTO", "image/png", b"", "null").await;
        let wanted = "PARSE: the answer's body is not JSON: expected value at line 1 column 1";
        check("AUTO", "application/json", b"<p>", wanted).await;
        check("TEXT", "image/png", b"\xffx", "\"\u{fffd}x\"").await;
        check("JSON", "text/plain", b"7", "7").await;
        check("NONE", "text/plain", b"7", "null").await;
    }

    #[tokio::test]
    async fn bytes_are_put_aside() {
        let hash = "sha256:0f4636c78f65d3639ece5a064b5ae753e3408614a14fb18ab4d7540d2c248543";
        let kept = |name: &str, media: &str| {
            format!(r#"{{"name":"{name}","mediaType":"{media}","size":4,"hash":"{hash}"}}"#)
        };
        check("AUTO", "image/png", b"\x89PNG", &kept("logo", "image/png")).await;
        check("AUTO", "", b"\x89PNG", &kept("logo", BYTES)).await;
        check("FILE", "text/html; charset=x", b"\x89PNG", &kept("logo", "text/html; charset=x"))
            .await;
    }

    #[test]
    fn a_file_is_called_as_the_server_says() {
        let name = |disposition: &str, url: &str| {
            let headers = vec![("content-disposition".to_owned(), disposition.to_owned())];
            name(&Answer { status: 200, headers, url: url.into(), body: whole("") })
        };
        assert_eq!(name("attachment; filename=\"a b.txt\"", "http://x/"), "a b.txt");
        assert_eq!(name("inline; filename=b.txt; x=y", "http://x/"), "b.txt");
        assert_eq!(name("inline", "http://x/y/c.txt?q=/d#/e"), "y/c.txt");
        assert_eq!(name("inline", "http://x"), "");
    }

    #[tokio::test]
    async fn an_item_has_its_five_members() {
        let answer = Answer {
            status: 201,
            headers: [("a", "1"), ("set-cookie", "x"), ("a", "2")]
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .to_vec(),
            body: whole(""),
            url: "http://x/".into(),
        };
        let item = Item::of(&answer).finish(Duration::from_millis(12));
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
