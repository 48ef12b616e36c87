//! Requests through the executor, against a small hyper server of this process.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use super::*;
use crate::nodes::bench::{Bench, told};
use crate::system::System;

type Asks = Arc<Mutex<Vec<String>>>;

/// Answers with the status in the path and what was asked as JSON.
async fn answer(
    request: http::Request<Incoming>,
    asks: Asks,
) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
    let header = |name: &str| head.headers.get(name).map(|v| v.to_str().unwrap().to_owned());
    let said = json!({
        "asked": format!("{} {}", head.method, head.uri),
        "body": String::from_utf8_lossy(&body),
        "type": header("content-type"),
        "key": header("idempotency-key"),
        "auth": header("authorization"),
    });
    asks.lock().unwrap().push(said.to_string());
    let status: u16 = head.uri.path().trim_start_matches('/').parse().unwrap_or(200);
    let answer =
        http::Response::builder().status(status).header("Content-Type", "application/json");
    Ok(answer.header("X-Odd-Name", "v").body(Full::new(said.to_string().into())).unwrap())
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, asks: Asks) {
    let service = service_fn(move |request| answer(request, Arc::clone(&asks)));
    let _closed = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn server() -> (String, Asks) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asks = Asks::default();
    let heard = Arc::clone(&asks);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&heard)));
        }
    });
    (url, asks)
}

fn item(told: &str) -> Value {
    let text = told.strip_prefix("output: ").unwrap_or_else(|| panic!("{told}"));
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn an_answer_becomes_an_item() {
    let (url, _) = server().await;
    let bench = Bench::new();
    let config = json!({
        "method": "POST", "url": format!("{url}/201?a=1"), "query": {"b": ["2 3", 4], "c": null},
        "headers": {"X-Mine": 7}, "body": {"n": 1}, "auth": {"type": "BASIC", "username": "u", "password": "p"},
    });
    let item = item(&bench.run("http", config, "null").await);
    assert_eq!(item["status"], 201);
    assert_eq!(item["headers"]["x-odd-name"], "v");
    assert_eq!(item["url"], format!("{url}/201?a=1&b=2+3&b=4"));
    assert!(item["duration"].is_u64());
    assert_eq!(
        item["body"],
        json!({"asked": "POST /201?a=1&b=2+3&b=4", "body": "{\"n\":1}", "type": "application/json", "key": "key-1", "auth": "Basic dTpw"})
    );
    let heard = bench.ears.heard();
    assert!(heard[0].starts_with(&format!("- POST {url}/201: 201 in ")), "{heard:?}");
}

#[tokio::test]
async fn a_unix_socket_is_asked_by_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream, Asks::default()).await;
    });
    let url = format!("unix:{}:/v1/info?x=1", path.display());
    let item = item(&Bench::new().run("http", json!({"url": url}), "null").await);
    assert_eq!(item["body"]["asked"], "GET /v1/info?x=1");
    assert_eq!(item["url"], url);
    let guarded = Bench::with(System::real(), |settings| settings.private_addresses = false);
    let said = guarded.run("http", json!({"url": url}), "null").await;
    assert!(said.starts_with("FORBIDDEN_ADDRESS: "), "{said}");
}

#[tokio::test]
async fn an_unexpected_status_is_a_failure_with_its_code() {
    let (url, _) = server().await;
    let bench = Bench::new();
    let end = bench
        .end(Bench::job("http", json!({"url": format!("{url}/503?token=secret")}), "null"))
        .await;
    let said = told(&end.result);
    assert!(said.starts_with(&format!("HTTP_STATUS: status 503 from {url}/503: {{")), "{said}");
    assert_eq!(end.result.unwrap_err().code, Some(503));
    let config =
        json!({"url": format!("{url}/503"), "expectStatus": ["500-599"], "output": "NONE"});
    assert_eq!(item(&bench.run("http", config, "null").await)["body"], Value::Null);
}

#[tokio::test]
async fn doubt_arises_only_after_sending_and_only_where_a_repeat_matters() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut some = [0u8; 10];
            let _closed_after = tokio::io::AsyncReadExt::read(&mut stream, &mut some).await;
        }
    });
    let bench = Bench::new();
    for (method, doubt) in [("GET", false), ("HEAD", false), ("POST", true), ("DELETE", true)] {
        let end =
            bench.end(Bench::job("http", json!({"method": method, "url": url}), "null")).await;
        let error = end.result.unwrap_err();
        assert_eq!((error.kind.as_str(), error.in_doubt), ("BROKEN", doubt), "{method}: {error:?}");
    }
    let refused = json!({"method": "POST", "url": "http://127.0.0.1:1/"});
    let error = bench.end(Bench::job("http", refused, "null")).await.result.unwrap_err();
    assert_eq!((error.kind.as_str(), error.in_doubt), ("CONNECT", false), "{error:?}");
}

#[tokio::test]
async fn a_request_that_is_none_is_refused_before_it_is_sent() {
    let bench = Bench::new();
    let run = async |config| bench.run("http", config, "null").await;
    let said = run(json!({"url": "ftp://x"})).await;
    assert_eq!(said, format!("CONFIG: `url` is \"ftp://x\", but must be {WANTED_URL}"));
    let said = run(json!({"url": "http:///status"})).await;
    assert_eq!(said, format!("CONFIG: `url` is \"http:///status\", but must be {WANTED_URL}"));
    for status in [json!("500-200"), json!(99), json!("600"), json!("all")] {
        let said = run(json!({"url": "http://x", "expectStatus": [status]})).await;
        assert!(said.starts_with("CONFIG: `expectStatus` names `"), "{said}");
    }
    let said = run(json!({"url": "http://x", "headers": {"A": "b\r\nC: d"}})).await;
    assert_eq!(said, "CONFIG: header `A` holds a line end or control character");
    let said = run(json!({"url": "http://x", "auth": {"type": "BEARER"}})).await;
    assert_eq!(said, "CONFIG: `auth.token` is missing or null");
    let said = run(json!({"url": "http://169.254.169.254/latest/meta-data"})).await;
    assert_eq!(
        said,
        "FORBIDDEN_ADDRESS: 169.254.169.254 is a link-local address (cloud metadata) and must not be called"
    );
}

#[tokio::test]
async fn a_cancel_ends_the_wait_for_an_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let bench = Bench::new();
    let stop = bench.stop.clone();
    tokio::spawn(async move {
        let _held_open = listener.accept().await;
        stop.cancel();
        std::future::pending::<()>().await;
    });
    assert_eq!(
        bench.run("http", json!({"url": url}), "null").await,
        "CANCELLED: cancelled while it ran"
    );
}

#[tokio::test]
async fn an_attachment_is_taken_in_and_sent_on_byte_for_byte() {
    let (url, _) = server().await;
    let bench = Bench::new();
    let download = json!({"url": format!("{url}/200"), "output": "FILE"});
    let body = item(&bench.run("http", download, "null").await)["body"].clone();
    assert_eq!((&body["name"], &body["mediaType"]), (&json!("200"), &json!("application/json")));
    let kept = bench.folder.path().join("attachments");
    let hash = body["hash"].as_str().unwrap().replace("sha256:", "");
    let bytes = std::fs::read_to_string(kept.join(hash)).unwrap();
    assert_eq!(body["size"], bytes.len());
    let upload = json!({"method": "PUT", "url": format!("{url}/200"), "body": body});
    let sent = item(&bench.run("http", upload, "null").await);
    assert_eq!(sent["body"]["body"], bytes.as_str());
    assert_eq!(sent["body"]["type"], "application/json");
    let named =
        json!({"method": "PUT", "url": url, "body": body, "headers": {"Content-Type": "x/y"}});
    assert_eq!(item(&bench.run("http", named, "null").await)["body"]["type"], "x/y");
    let mut gone = body.clone();
    gone["hash"] = format!("sha256:{}", "0".repeat(64)).into();
    let said = bench.run("http", json!({"method": "PUT", "url": url, "body": gone}), "null").await;
    assert!(said.starts_with("CONFIG: attachment sha256:0000"), "{said}");
}

#[tokio::test]
async fn a_body_that_can_not_be_kept_fails_and_leaves_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let half = "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 9\r\n\r\nhalf";
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut some = [0u8; 1000];
            let _asked = tokio::io::AsyncReadExt::read(&mut stream, &mut some).await;
            let _gone = tokio::io::AsyncWriteExt::write_all(&mut stream, half.as_bytes()).await;
        }
    });
    let bench = Bench::new();
    for (method, doubt) in [("GET", false), ("POST", true)] {
        let job = Bench::job("http", json!({"method": method, "url": url}), "null");
        let error = bench.end(job).await.result.unwrap_err();
        assert_eq!((error.kind.as_str(), error.in_doubt), ("BROKEN", doubt), "{error:?}");
    }
    let (url, _) = server().await;
    let small = Bench::with_limit(10);
    let download = json!({"method": "POST", "url": url, "output": "FILE"});
    let error = small.end(Bench::job("http", download, "null")).await.result.unwrap_err();
    assert_eq!((error.kind.as_str(), error.in_doubt), ("TOO_LARGE", false), "{error:?}");
    for bench in [bench, small] {
        let kept = std::fs::read_dir(bench.folder.path().join("attachments")).unwrap();
        assert_eq!(kept.count(), 0);
    }
}

#[test]
fn statuses_that_no_answer_has_are_found_when_saved() {
    let faults = |list: Value| check(&json!({"url": "http://x", "expectStatus": list}));
    assert_eq!(faults(json!([200, "200-299", "404-404", "{{ c }}"])), []);
    let (path, message, hint) = faults(json!([200, "500-200"])).remove(0);
    assert_eq!(
        (path.as_str(), message.as_str(), hint.as_deref()),
        ("expectStatus[1]", "no status is from 500 to 200", Some("write 200-500"))
    );
    let schema = jsonschema::draft202012::new(&definition().settings_schema).unwrap();
    for status in [json!(99), json!(600), json!("99-200"), json!("200-600"), json!(-1)] {
        assert!(!schema.is_valid(&json!({"url": "http://x", "expectStatus": [status]})));
    }
}

#[test]
fn literal_faults_of_headers_and_ports_are_found_when_saved() {
    let faults = |more: Value| {
        let mut config = json!({"url": "http://x"});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        check(&config).into_iter().map(|(at, ..)| at).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(faults(json!({"headers": {"X-A": "b", "x_b": ["c", "{{ d\n }}"]}})), "");
    assert_eq!(faults(json!({"headers": {"X A": "b"}})), "headers.X A");
    assert_eq!(faults(json!({"headers": {"X-A": ["b", "c\r\nd"]}})), "headers.X-A");
    let auth = json!({"type": "HEADER", "name": "a b", "value": "c"});
    assert_eq!(faults(json!({"auth": auth})), "auth.name");
    assert_eq!(faults(json!({"url": "http://x:65536/"})), "url");
    assert_eq!(faults(json!({"url": "http://x:65535/"})), "");
}

#[test]
fn urls_and_repeats() {
    assert_eq!(
        target("unix:/run/a.sock").unwrap(),
        ("http://localhost/".into(), Some("/run/a.sock".into()))
    );
    assert_eq!(target("HTTPS://x/").unwrap(), ("HTTPS://x/".into(), None));
    let hostless = ["http://", "https:///a", "http://:80/", "http://me@/", "http://?a", "http://#"];
    let socketless = ["unix:/", "unix:/run/:/a"];
    let others = ["unix:relative", "x", "", "file:///etc"];
    for bad in others.into_iter().chain(hostless).chain(socketless) {
        assert!(target(bad).is_none(), "{bad}");
        assert_eq!(check(&json!({"url": bad})).len(), 1, "{bad}");
    }
    for bad in ["http://[::1", "http://x:99999/", "http://a b/"] {
        assert_eq!(check(&json!({"url": bad})).len(), 1, "{bad}");
    }
    for good in ["{{ item.url }}", "http://{{ item.host }}/", "http://[::1]:80/", "http://u:p@x?a"]
    {
        assert_eq!(check(&json!({"url": good})), [], "{good}");
    }
    let definition = definition();
    let repeat = |method: &str| (definition.repeat)(&json!({"method": method}));
    assert_eq!((definition.repeat)(&json!({})), Repeat::Retryable);
    assert_eq!(repeat("HEAD"), Repeat::Retryable);
    assert_eq!(repeat("PUT"), Repeat::Once);
    assert_eq!(repeat("{{ item.method }}"), Repeat::Once);
}
