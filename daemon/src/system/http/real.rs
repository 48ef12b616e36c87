//! HTTP by reqwest and rustls (ring). Proxy variables are ignored, nothing is retried, redirects
//! are followed here so that each hop is guarded and what was already answered is known.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, ClientBuilder, Url, redirect};
use tokio::time::Instant;
use tower::util::MapResponseLayer;

use super::{Answer, Http, HttpError, Request, Sent, refuses};
use crate::system::files::FileError;
use crate::system::{Later, Pieces};

/// How long one address may take to answer at all.
const CONNECT: Duration = Duration::from_secs(30);

/// The machine's network.
#[derive(Debug, Default)]
pub struct RealHttp {
    /// By (https, private addresses allowed): made when first needed, since reading the machine's
    /// certificates takes milliseconds and fails where there are none.
    clients: Mutex<BTreeMap<(bool, bool), Client>>,
}

tokio::task_local! {
    /// Whether this request's connection came to stand. Connections are not pooled, so they are
    /// made within the task that sends.
    static CONNECTED: Arc<AtomicBool>;
}

impl Http for RealHttp {
    fn send(&self, request: Request) -> Later<'_, Result<Answer, HttpError>> {
        Box::pin(async move {
            // One too far off to be told is none.
            let end = request
                .timeout
                .and_then(|after| Instant::now().checked_add(after).map(|at| (at, after)));
            let connected = Arc::new(AtomicBool::new(false));
            let sending = CONNECTED.scope(Arc::clone(&connected), self.follow(&request, end));
            let Some((at, after)) = end else { return Box::pin(sending).await };
            match tokio::time::timeout_at(at, Box::pin(sending)).await {
                Ok(done) => done,
                Err(_) => {
                    let connected = connected.load(Ordering::Acquire);
                    Err(HttpError::Timeout { after, connected })
                }
            }
        })
    }
}

impl RealHttp {
    async fn follow(
        &self,
        request: &Request,
        end: Option<(Instant, Duration)>,
    ) -> Result<Answer, HttpError> {
        let mut hop = Hop::first(request)?;
        for followed in 0.. {
            let answer = self.once(&hop, request).await;
            let answer = answer.map_err(|e| {
                if followed == 0 { e } else { HttpError::AfterRedirect { source: Box::new(e) } }
            })?;
            if request.max_redirects == 0 || !hop.redirect(&answer, request)? {
                return Ok(arriving(answer, hop.url, end));
            }
            if followed >= request.max_redirects {
                let why = format!("more than {} redirects", request.max_redirects);
                return Err(HttpError::Redirect { why });
            }
        }
        unreachable!("the loop only ends by return")
    }
    async fn once(&self, hop: &Hop, request: &Request) -> Result<reqwest::Response, HttpError> {
        let client = self.client(&hop.url, request)?;
        CONNECTED.with(|connected| connected.store(false, Ordering::Release));
        let mut sending = client.request(hop.method.clone(), hop.url.clone());
        sending = sending.headers(hop.headers.clone());
        match &hop.body {
            None => {}
            Some(Sent::Bytes(bytes)) => sending = sending.body(bytes.clone()),
            Some(Sent::Attachment { from, hash }) => {
                let opened = from.read(*hash).await;
                let opened = opened.map_err(|e| HttpError::Malformed { what: e.to_string() })?;
                let size = HeaderValue::from(opened.size);
                sending =
                    sending.header(header::CONTENT_LENGTH, size).body(streamed(opened.pieces));
            }
        }
        sending.send().await.map_err(|e| {
            if let Some(forbidden) = forbidden(&e) {
                return forbidden;
            }
            let message = chain(&e.without_url());
            if CONNECTED.with(|connected| connected.load(Ordering::Acquire)) {
                HttpError::Broken { message }
            } else {
                let to = match &request.socket {
                    Some(socket) => socket.display().to_string(),
                    None => hop.url.authority().rsplit('@').next().unwrap_or("").to_owned(),
                };
                HttpError::Connect { to, message }
            }
        })
    }
    fn client(&self, url: &Url, request: &Request) -> Result<Client, HttpError> {
        let secure = url.scheme() == "https";
        if let Some(socket) = &request.socket {
            let builder = builder(secure, true).unix_socket(socket.as_path());
            return builder.build().map_err(|e| unusable(url, &e));
        }
        if let Some(address) = literal(url)
            && let Some(why) = refuses(address, request.private_addresses)
        {
            return Err(HttpError::Forbidden { address, why });
        }
        let key = (secure, request.private_addresses);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = builder(key.0, key.1).build().map_err(|e| unusable(url, &e))?;
        clients.insert(key, client.clone());
        Ok(client)
    }
}

/// Refuses what is not a URL that can be asked, as sending a request to it would.
pub fn check_url(text: &str) -> Result<(), HttpError> {
    read_url(text).map(drop)
}

fn read_url(text: &str) -> Result<Url, HttpError> {
    let malformed = |what: String| HttpError::Malformed { what };
    let url = Url::parse(text).map_err(|e| malformed(format!("`{text}` is not a URL: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(malformed(format!("`{text}` is not an http or https URL")));
    }
    Ok(url)
}

/// One request of a chain of redirects.
struct Hop {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Sent>,
}

impl Hop {
    fn first(request: &Request) -> Result<Self, HttpError> {
        let malformed = |what: String| HttpError::Malformed { what };
        let mut url = read_url(&request.url)?;
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| malformed(format!("`{}` is not a method", request.method)))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let known = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| malformed(format!("`{name}` is not a header name")))?;
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
                malformed(format!("header `{name}` holds a line end or control character"))
            })?;
            headers.append(known, value);
        }
        Ok(Self { method, url, headers, body: request.body.clone() })
    }
    /// Turns to where `answer` points; false where it does not point elsewhere.
    fn redirect(
        &mut self,
        answer: &reqwest::Response,
        request: &Request,
    ) -> Result<bool, HttpError> {
        let status = answer.status().as_u16();
        let Some(location) = answer.headers().get(header::LOCATION) else { return Ok(false) };
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Ok(false);
        }
        let refused = |why: String| HttpError::Redirect { why };
        let text = String::from_utf8_lossy(location.as_bytes()).into_owned();
        let to = self.url.join(&text).map_err(|e| refused(format!("`{text}`: {e}")))?;
        if !matches!(to.scheme(), "http" | "https") {
            return Err(refused(format!("`{text}` is not an http or https URL")));
        }
        let same_origin = to.origin() == self.url.origin();
        if request.socket.is_some() && !same_origin {
            return Err(refused(format!("`{text}` leaves the Unix socket")));
        }
        if self.url.scheme() == "https" && to.scheme() == "http" {
            return Err(refused(format!("`{text}` is not encrypted")));
        }
        if !same_origin {
            for secret in [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION] {
                self.headers.remove(secret);
            }
            self.headers.remove(header::HOST);
        }
        let becomes_get = match status {
            303 => self.method != Method::HEAD,
            301 | 302 => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.body = None;
            self.headers.remove(header::CONTENT_TYPE);
        }
        self.url = to;
        Ok(true)
    }
}

/// The answer whose head has come.
fn arriving(answer: reqwest::Response, mut url: Url, end: Option<(Instant, Duration)>) -> Answer {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers =
        answer.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
    // Both can only fail for URLs without a host; this one had one.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    Answer {
        status: answer.status().as_u16(),
        headers: headers.collect(),
        url: url.into(),
        body: Box::new(Arriving { answer, end }),
    }
}

/// The body of an answer, and when it must have come.
#[derive(Debug)]
struct Arriving {
    answer: reqwest::Response,
    end: Option<(Instant, Duration)>,
}

impl Pieces<HttpError> for Arriving {
    fn next(&mut self) -> Later<'_, Result<Option<Bytes>, HttpError>> {
        Box::pin(async move {
            loop {
                let chunk = self.answer.chunk();
                let chunk = match self.end {
                    None => chunk.await,
                    Some((at, after)) => tokio::time::timeout_at(at, chunk)
                        .await
                        .map_err(|_| HttpError::Timeout { after, connected: true })?,
                };
                match chunk {
                    Ok(Some(piece)) if piece.is_empty() => {}
                    Ok(piece) => return Ok(piece),
                    Err(e) => return Err(HttpError::Broken { message: chain(&e.without_url()) }),
                }
            }
        })
    }
}

/// A body that is read while it is sent.
fn streamed(pieces: Box<dyn Pieces<FileError>>) -> reqwest::Body {
    reqwest::Body::wrap_stream(stream::try_unfold(pieces, |mut pieces| async move {
        Ok::<_, FileError>(pieces.next().await?.map(|piece| (piece, pieces)))
    }))
}

fn builder(secure: bool, private_addresses: bool) -> ClientBuilder {
    // The second and later calls find it there, which is as good.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT)
        .referer(false)
        .dns_resolver(Arc::new(Guarded { private_addresses }))
        .connector_layer(MapResponseLayer::new(|connection| {
            let _elsewhere = CONNECTED.try_with(|flag| flag.store(true, Ordering::Release));
            connection
        }));
    if secure { builder } else { builder.tls_certs_only([]) }
}

#[derive(Debug)]
struct Guarded {
    private_addresses: bool,
}

/// Carried through reqwest as the reason why a name gave no address.
#[derive(Debug, thiserror::Error)]
#[error("{address} is {why} and must not be called")]
struct ForbiddenName {
    address: IpAddr,
    why: &'static str,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private_addresses;
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let (mut allowed, mut refused) = (Vec::new(), None);
            for address in found {
                match refuses(address.ip(), private) {
                    None => allowed.push(address),
                    Some(why) => refused = Some(ForbiddenName { address: address.ip(), why }),
                }
            }
            match refused {
                Some(refused) if allowed.is_empty() => Err(refused.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

/// No client could be made: this machine has no certificates, most likely.
fn unusable(url: &Url, error: &reqwest::Error) -> HttpError {
    let to = url.host_str().unwrap_or("").to_owned();
    HttpError::Connect { to, message: chain(error) }
}

fn forbidden(error: &reqwest::Error) -> Option<HttpError> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(ForbiddenName { address, why }) = cause.downcast_ref() {
            return Some(HttpError::Forbidden { address: *address, why });
        }
        source = cause.source();
    }
    None
}

/// The innermost words are the telling ones, so all are given.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text
}
