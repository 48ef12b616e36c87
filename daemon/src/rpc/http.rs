//! HTTP/1.1 on the socket: POST `/` or `/rpc`, the pages, and the way to WebSocket.
//!
//! Any content type or none is taken. A call's error is an ordinary 200 with the JSON-RPC error in
//! it; other statuses are about HTTP itself. Connections are kept alive without an idle limit, but a
//! request that has begun has to get on. A client that has ended its side still gets its answer.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use a2n_proto::{ErrorKind, RpcError};

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use soketto::handshake::http as handshake;
use tokio::net::UnixStream;

use super::caller::{Identity, Way};
use super::envelope;
use super::http_stream::{HttpStream, Progress};
use super::limits::Place;
use super::pace::Pace;
use super::server::{Hub, Probe};
use super::session::Session;
use super::stream::Connection;
use crate::system::peer::Peer;

type Answer = Response<Full<Bytes>>;

/// Serves one connection until it ends or becomes a WebSocket.
pub(crate) async fn serve(hub: Arc<Hub>, stream: UnixStream, peer: Peer, place: Place) {
    let place = Arc::new(place);
    let stop = hub.stop.clone();
    let progress = Arc::new(Progress::default());
    let stream =
        HttpStream::new(stream, Arc::clone(&progress), hub.dispatcher.limits().message_within);
    let service = service_fn(move |request: Request<Incoming>| {
        let (hub, place) = (Arc::clone(&hub), Arc::clone(&place));
        let progress = Arc::clone(&progress);
        async move {
            progress.begin_answer();
            let answer = route(hub, request, peer, place, &progress).await;
            progress.end_answer();
            Ok::<_, Infallible>(answer)
        }
    });
    let mut builder = http1::Builder::new();
    // hyper's own limit would also close idle connections; the stream looks after heads.
    builder.header_read_timeout(None).half_close(true);
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        biased;
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        ended = connection.as_mut() => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(uid = peer.uid, %error, "http connection lost");
    }
}

async fn route(
    hub: Arc<Hub>,
    request: Request<Incoming>,
    peer: Peer,
    place: Arc<Place>,
    progress: &Progress,
) -> Answer {
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.uri().path();
    if request.headers().contains_key(header::AUTHORIZATION) && !is_probe(path) {
        return no_tokens();
    }
    match path {
        "/" | "/rpc" if *request.method() == Method::POST => {
            post(&hub, request, peer, progress).await
        }
        "/" | "/rpc" if is_get && handshake::is_upgrade_request(&request) => {
            upgrade(hub, request, peer, place)
        }
        "/" | "/rpc" => not_allowed("POST"),
        "/healthz" if is_get => probe(hub.pages.health().await),
        "/readyz" if is_get => probe(hub.pages.ready().await),
        "/metrics" if is_get => match identity(&hub, peer) {
            Identity::Account(_) => {
                text(StatusCode::OK, "text/plain; version=0.0.4", hub.pages.metrics().await)
            }
            Identity::Unmapped | Identity::Refused => {
                plain(StatusCode::FORBIDDEN, "metrics need an account\n")
            }
        },
        "/openrpc.json" if is_get => match identity(&hub, peer) {
            Identity::Refused => plain(StatusCode::FORBIDDEN, "not for the daemon's own user\n"),
            _ => text(StatusCode::OK, "application/json", (hub.openrpc)().to_string()),
        },
        "/healthz" | "/readyz" | "/metrics" | "/openrpc.json" => not_allowed("GET"),
        _ => plain(
            StatusCode::NOT_FOUND,
            "POST / or /rpc takes JSON-RPC; GET /healthz /readyz /metrics /openrpc.json\n",
        ),
    }
}

/// One call, notification or batch in the body.
async fn post(
    hub: &Arc<Hub>,
    request: Request<Incoming>,
    peer: Peer,
    progress: &Progress,
) -> Answer {
    let (head, body) = request.into_parts();
    let body = match whole(hub, body, progress).await {
        Ok(body) => body,
        Err(unread) => {
            let (status, error) = match unread {
                Unread::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, hub.dispatcher.too_large()),
                Unread::Overdue => (StatusCode::REQUEST_TIMEOUT, hub.dispatcher.overdue()),
                Unread::Torn => {
                    let message = "the body ended before its announced end";
                    let error = RpcError::new(ErrorKind::Parse, message);
                    (StatusCode::BAD_REQUEST, envelope::error("null", &error))
                }
            };
            let mut answer = json(status, error);
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            return answer;
        }
    };
    let user_agent = user_agent(&head.headers);
    let (session, _notes) = Session::new(peer, Way::Http, user_agent, hub.stop.clone());
    let reply = hub.dispatcher.handle(&session, &body).wait().await;
    if reply.text.is_empty() {
        return plain(StatusCode::NO_CONTENT, "");
    }
    json(StatusCode::OK, reply.text)
}

/// Why a body is not there.
enum Unread {
    TooLarge,
    Overdue,
    Torn,
}

/// The whole body, as long as it gets on.
async fn whole(hub: &Hub, body: Incoming, progress: &Progress) -> Result<Bytes, Unread> {
    let limits = hub.dispatcher.limits();
    let told = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if told > limits.max_frame_in_bytes {
        return Err(Unread::TooLarge);
    }
    let mut pace = Pace::default();
    let mut collected = pin!(Limited::new(body, limits.max_frame_in_bytes).collect());
    let collected = poll_fn(|cx| {
        if let Poll::Ready(collected) = collected.as_mut().poll(cx) {
            return Poll::Ready(Some(collected));
        }
        pace.poll_late(cx, progress.received(), limits.message_within).map(|()| None)
    })
    .await;
    match collected {
        None => Err(Unread::Overdue),
        Some(Ok(body)) => Ok(body.to_bytes()),
        Some(Err(error)) if error.is::<LengthLimitError>() => Err(Unread::TooLarge),
        Some(Err(_)) => Err(Unread::Torn),
    }
}

/// A token acts as somebody else. There are none yet, so whoever sends one is told, instead of
/// being given the rights of the Unix user.
fn no_tokens() -> Answer {
    let message = "tokens and passwords are not taken yet: the Unix user of the connection counts";
    let error = RpcError::new(ErrorKind::Unauthenticated, message)
        .hint("leave out the header Authorization");
    let mut answer = json(StatusCode::UNAUTHORIZED, envelope::error("null", &error));
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}

/// The pages that are open to all who can connect.
fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// Answers the handshake; the same connection then goes on with WebSocket frames.
fn upgrade(hub: Arc<Hub>, mut request: Request<Incoming>, peer: Peer, place: Arc<Place>) -> Answer {
    let Ok(answer) = handshake::Server::new().receive_request(&request) else {
        return plain(StatusCode::BAD_REQUEST, "not a WebSocket handshake of version 13\n");
    };
    let user_agent = user_agent(request.headers());
    let upgraded = hyper::upgrade::on(&mut request);
    let tracker = hub.tracker.clone();
    tracker.spawn(async move {
        let Ok(upgraded) = upgraded.await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<HttpStream>>() else { return };
        let read_already = BytesMut::from(&*parts.read_buf);
        let stream = parts.io.into_inner().into_inner();
        let connection =
            Connection::new(Arc::clone(&hub), peer, Way::WebSocket, user_agent, read_already);
        tokio::select! {
            biased;
            () = hub.cut() => {}
            () = connection.run(stream) => {}
        }
        drop(place);
    });
    answer.map(|()| Full::default())
}

fn identity(hub: &Hub, peer: Peer) -> Identity {
    let (session, _notes) = Session::new(peer, Way::Http, None, hub.stop.clone());
    hub.dispatcher.identify(&session)
}

fn user_agent(headers: &http::HeaderMap) -> Option<Arc<str>> {
    let text = headers.get(header::USER_AGENT)?.to_str().ok()?;
    Some(text.chars().take(200).collect::<String>().into())
}

fn probe(probe: Probe) -> Answer {
    let status = if probe.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    plain(status, &format!("{}\n", probe.text))
}

fn not_allowed(allowed: &'static str) -> Answer {
    let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, &format!("use {allowed}\n"));
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    answer
}

fn plain(status: StatusCode, body: &str) -> Answer {
    text(status, "text/plain; charset=utf-8", body.to_owned())
}

fn json(status: StatusCode, body: Vec<u8>) -> Answer {
    text(status, "application/json", body)
}

fn text(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// The answer to a head that has begun and does not get on; hyper would close without a word.
pub(crate) fn overdue(within: Duration) -> Vec<u8> {
    let body = format!("the request did not come within {} s\n", within.as_secs_f64());
    format!(
        "HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The head of the answer to a client that is over a limit, before hyper has it.
pub(crate) fn turned_away(body_bytes: usize) -> String {
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\
         Content-Length: {body_bytes}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
    )
}
