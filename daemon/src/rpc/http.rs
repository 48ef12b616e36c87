//! HTTP/1.1 on the socket: POST `/` or `/rpc`, the pages, and the way to WebSocket.
//!
//! Any content type or none is taken. A call's error is an ordinary 200 with the JSON-RPC error in
//! it; other statuses are about HTTP itself. Connections are kept alive without an idle limit.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use soketto::handshake::http as handshake;
use tokio::net::UnixStream;

use super::caller::{Identity, Way};
use super::limits::Place;
use super::server::{Hub, Probe};
use super::session::Session;
use super::stream::Connection;
use crate::system::peer::Peer;

type Answer = Response<Full<Bytes>>;

/// Serves one connection until it ends or becomes a WebSocket.
pub(crate) async fn serve(hub: Arc<Hub>, stream: UnixStream, peer: Peer, place: Place) {
    let place = Arc::new(place);
    let stop = hub.stop.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (hub, place) = (Arc::clone(&hub), Arc::clone(&place));
        async move { Ok::<_, Infallible>(route(hub, request, peer, place).await) }
    });
    let mut builder = http1::Builder::new();
    // Half a request and then silence harms nobody: connections are counted and cost little.
    builder.header_read_timeout(None);
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

async fn route(hub: Arc<Hub>, request: Request<Incoming>, peer: Peer, place: Arc<Place>) -> Answer {
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        "/" | "/rpc" if *request.method() == Method::POST => post(&hub, request, peer).await,
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
async fn post(hub: &Arc<Hub>, request: Request<Incoming>, peer: Peer) -> Answer {
    let limit = hub.dispatcher.limits().max_frame_in_bytes;
    let (head, body) = request.into_parts();
    let told = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let body = if told > limit { None } else { Limited::new(body, limit).collect().await.ok() };
    let Some(body) = body else {
        // Either too large or lost in the middle; a lost client does not read this.
        let mut answer = json(StatusCode::PAYLOAD_TOO_LARGE, hub.dispatcher.too_large());
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return answer;
    };
    let user_agent = user_agent(&head.headers);
    let (session, _notes) = Session::new(peer, Way::Http, user_agent, hub.stop.clone());
    let reply = hub.dispatcher.handle(&session, &body.to_bytes()).wait().await;
    if reply.text.is_empty() {
        return plain(StatusCode::NO_CONTENT, "");
    }
    json(StatusCode::OK, reply.text)
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
        let Ok(parts) = upgraded.downcast::<TokioIo<UnixStream>>() else { return };
        let read_already = BytesMut::from(&*parts.read_buf);
        let stream = parts.io.into_inner();
        let connection = Connection::new(
            Arc::clone(&hub),
            stream,
            peer,
            Way::WebSocket,
            user_agent,
            read_already,
        );
        tokio::select! {
            biased;
            () = hub.cut() => {}
            () = connection.run() => {}
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

/// The head of the answer to a client that is over a limit, before hyper has it.
pub(crate) fn turned_away(body_bytes: usize) -> String {
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\
         Content-Length: {body_bytes}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
    )
}
