//! Against small servers of this process: on loopback and on a Unix socket.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};

use super::*;

fn request(method: &str, url: &str) -> Request {
    Request {
        method: method.into(),
        url: url.into(),
        socket: None,
        query: Vec::new(),
        headers: Vec::new(),
        body: None,
        timeout: Some(Duration::from_secs(20)),
        max_redirects: 5,
        private_addresses: true,
    }
}

async fn whole(http: &RealHttp, request: Request) -> Result<Response, HttpError> {
    http.send(request).await?.whole(1000).await
}

/// Answers each connection with the next of `answers`, after the whole head has come, and gives
/// back what was asked.
async fn serve(answers: Vec<&'static str>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            asked.push(answer_one(&mut stream, answer).await);
        }
        asked
    });
    (url, served)
}

async fn answer_one<S: AsyncReadExt + AsyncWriteExt + Unpin>(s: &mut S, answer: &str) -> String {
    let mut head = Vec::new();
    // A TLS greeting begins with 22 and has no such end.
    while !head.windows(4).any(|w| w == b"\r\n\r\n") && head.first() != Some(&22) {
        if s.read_buf(&mut head).await.unwrap() == 0 {
            break;
        }
    }
    s.write_all(answer.as_bytes()).await.unwrap();
    String::from_utf8_lossy(&head).into_owned()
}

const OK: &str = "HTTP/1.1 200 OK\r\nX-Two: 2\r\nContent-Length: 2\r\n\r\nhi";

#[tokio::test]
async fn an_answer_arrives_whole() {
    let (url, served) = serve(vec![OK]).await;
    let mut asked = request("POST", &format!("{}/a?b=c", url.replace("//", "//u:p@")));
    asked.headers.push(("X-One".into(), "1".into()));
    asked.query.push(("d e".into(), "f&g".into()));
    asked.body = Some(Sent::Bytes(Bytes::from_static(b"")));
    let answer = whole(&RealHttp::default(), asked).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (200, &b"hi"[..]));
    assert!(answer.headers.contains(&("x-two".into(), "2".into())), "{:?}", answer.headers);
    assert_eq!(answer.url, format!("{url}/a?b=c&d+e=f%26g"));
    let head = served.await.unwrap().remove(0);
    assert!(head.starts_with("POST /a?b=c&d+e=f%26g HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("x-one: 1\r\n"), "{head}");
}

#[tokio::test]
async fn a_unix_socket_is_a_server_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        answer_one(&mut stream, OK).await
    });
    let asked = Request { socket: Some(path), ..request("GET", "http://localhost/healthz") };
    assert_eq!(whole(&RealHttp::default(), asked).await.unwrap().status, 200);
    assert!(served.await.unwrap().starts_with("GET /healthz "));
    let gone = folder.path().join("nobody");
    let asked = Request { socket: Some(gone), ..request("POST", "http://localhost/") };
    let error = whole(&RealHttp::default(), asked).await.unwrap_err();
    assert!(matches!(error, HttpError::Connect { .. }), "{error:?}");
}

#[tokio::test]
async fn what_was_not_sent_is_known_and_what_was_sent_is_in_doubt() {
    let http = RealHttp::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let refused = whole(&http, request("POST", &url)).await.unwrap_err();
    assert!(!refused.may_have_arrived(), "{refused:?}");
    let unresolved =
        whole(&http, request("POST", "http://no-such-host.invalid/")).await.unwrap_err();
    assert!(matches!(unresolved, HttpError::Connect { .. }), "{unresolved:?}");
    for broken in ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"] {
        let (url, _served) = serve(vec![broken]).await;
        let error = whole(&http, request("POST", &url)).await.unwrap_err();
        assert!(error.may_have_arrived(), "{error:?}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let slow = Request { timeout: Some(Duration::from_millis(100)), ..request("POST", &url) };
    let error = whole(&http, slow).await.unwrap_err();
    assert!(matches!(error, HttpError::Timeout { connected: true, .. }), "{error:?}");
}

#[tokio::test]
async fn redirects_are_followed_within_limits() {
    let http = RealHttp::default();
    let (url, served) =
        serve(vec!["HTTP/1.1 303 S\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", OK]).await;
    let answer = whole(&http, request("POST", &format!("{url}/a"))).await.unwrap();
    assert_eq!(answer.url, format!("{url}/b"));
    assert!(served.await.unwrap()[1].starts_with("GET /b "));
    let (url, _served) = serve(vec![
        "HTTP/1.1 302 S\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n",
    ])
    .await;
    let error = whole(&http, request("GET", &url)).await.unwrap_err();
    assert!(error.to_string().contains("169.254.169.254"), "{error}");
    let (url, _served) =
        serve(vec!["HTTP/1.1 302 S\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"]).await;
    let stays = Request { max_redirects: 0, ..request("GET", &url) };
    assert_eq!(whole(&http, stays).await.unwrap().status, 302);
}

#[tokio::test]
async fn addresses_are_guarded_also_behind_names() {
    let http = RealHttp::default();
    for url in ["http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/", "http://0x7f.1/"] {
        let asked = Request { private_addresses: false, ..request("GET", url) };
        let error = whole(&http, asked).await.unwrap_err();
        assert!(matches!(error, HttpError::Forbidden { .. }), "{url}: {error:?}");
    }
    let error = whole(&http, request("GET", "http://169.254.169.254/")).await.unwrap_err();
    assert!(matches!(error, HttpError::Forbidden { .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_is_too_long_and_a_request_that_is_none_are_refused() {
    let http = RealHttp::default();
    let (url, _served) = serve(vec![OK]).await;
    let answer = http.send(request("GET", &url)).await.unwrap();
    let error = answer.whole(1).await.unwrap_err();
    assert_eq!(error.to_string(), "the answer (200) is longer than 1 bytes");
    for url in ["nonsense", "ftp://x/", "file:///etc/passwd"] {
        let error = whole(&http, request("GET", url)).await.unwrap_err();
        assert!(matches!(error, HttpError::Malformed { .. }), "{error:?}");
    }
    let mut split = request("GET", "http://x.invalid/");
    split.headers.push(("X".into(), "a\r\nHost: b".into()));
    let error = whole(&http, split).await.unwrap_err();
    assert_eq!(error.to_string(), "header `X` holds a line end or control character");
}

#[tokio::test]
async fn a_server_that_can_not_prove_itself_gets_nothing() {
    // It speaks plain text where TLS is wanted. The request itself was never sent.
    let (url, _served) = serve(vec!["HTTP/1.1 400 Bad Request\r\n\r\n"]).await;
    let error = whole(&RealHttp::default(), request("POST", &url.replace("http:", "https:"))).await;
    let error = error.unwrap_err();
    assert!(matches!(error, HttpError::Connect { .. }), "{error:?}");
    assert!(!error.may_have_arrived());
}
