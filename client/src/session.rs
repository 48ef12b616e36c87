//! A conversation with the daemon: typed calls, and subscriptions for [`crate::feed`].
//!
//! Cheap to clone; all clones share one WebSocket connection. A connection that was lost is
//! opened again by the next call, but a call that was under way is never repeated: whether it was
//! carried out is not known, and the caller is told so.

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use a2n_proto::api::Method;
use a2n_proto::{ErrorKind, Json, RpcError};
use jsonrpsee::client_transport::ws::{HeaderMap, HeaderValue, Url, WsTransportClientBuilder};
use jsonrpsee::core::client::{
    Client, ClientBuilder, ClientT as _, Error as WireError, Subscription, SubscriptionClientT as _,
};
use jsonrpsee::core::traits::ToRpcParams;
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use crate::connect::Place;
use crate::error::{Error, Tried};
use crate::mute::{self, PATIENCE, Tell};

/// Largest answer we take, as the daemon's own limit is.
const MAX_ANSWER_BYTES: u32 = 64 * 1024 * 1024;
/// The daemon's limit on what it is sent, unless set otherwise.
const USUAL_MAX_CALL_BYTES: usize = 4 * 1024 * 1024;
/// How long the greeting may take; over ssh a person may have to type a password.
const GREETING: Duration = Duration::from_secs(120);
/// Calls have their own time limits (`execution.wait`): this one only frees what is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(7 * 24 * 3600);
/// Notifications of one subscription that may wait for their reader (each carries up to 100 items);
/// beyond it the subscription is cut off and the feed resumes from its cursor.
const MAX_WAITING_NOTIFICATIONS: usize = 4_096;

/// A conversation with one daemon.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    place: Place,
    tell: Option<Tell>,
    link: Mutex<Option<Arc<Link>>>,
}

/// A connection, and who is at its other end.
struct Link {
    client: Client,
    /// The daemon's process, where the kernel names it.
    pid: Option<u32>,
}

impl Session {
    /// Connects.
    pub async fn open(place: Place) -> Result<Self, Error> {
        Self::begin(place, None).await
    }

    /// The same for someone who should not wait in silence: where the daemon does not answer it is
    /// told, and later given up. What waits by its nature is waited for.
    pub async fn open_telling(place: Place, tell: Tell) -> Result<Self, Error> {
        Self::begin(place, Some(tell)).await
    }

    async fn begin(place: Place, tell: Option<Tell>) -> Result<Self, Error> {
        let link = Mutex::new(Some(Arc::new(greet(&place, tell).await?)));
        Ok(Self { inner: Arc::new(Inner { place, tell, link }) })
    }

    /// Where the daemon is.
    pub fn place(&self) -> &Place {
        &self.inner.place
    }

    /// Calls a method of the contract.
    pub async fn call<M: Method>(&self, params: &M::Params) -> Result<M::Answer, Error> {
        let answer = self.call_json(M::NAME, &Json::of(params)).await?;
        answer.to().map_err(|error| not_understood(M::NAME, &error))
    }

    /// Calls any method; the answer is exactly the `result`.
    pub async fn call_json(&self, method: &str, params: &Json) -> Result<Json, Error> {
        let link = self.link().await?;
        let request = link.client.request::<Json, _>(method, Params(params));
        let answer = match self.inner.tell.filter(|_| !waits(method, params)) {
            Some(tell) => link.answered(request, tell).await?,
            None => request.await,
        };
        answer.map_err(|e| from_wire(method, params, e))
    }

    /// Starts any subscription of an entity, as it comes and without resuming.
    pub async fn listen(&self, entity: &str, params: &Json) -> Result<Listening, Error> {
        self.subscribe(entity, params).await.map(Listening)
    }

    /// Starts a subscription; [`crate::feed::Feed`] is the one to use: it resumes.
    pub(crate) async fn subscribe(
        &self,
        entity: &str,
        params: &Json,
    ) -> Result<Subscription<Json>, Error> {
        let link = self.link().await?;
        let (on, off) = (format!("{entity}.subscribe"), format!("{entity}.unsubscribe"));
        let request = link.client.subscribe::<Json, _>(&on, Params(params), &off);
        let answer = match self.inner.tell {
            Some(tell) => link.answered(request, tell).await?,
            None => request.await,
        };
        answer.map_err(|error| from_wire(&on, params, error))
    }

    /// The present connection, or a new one where it was lost.
    async fn link(&self) -> Result<Arc<Link>, Error> {
        let mut link = self.inner.link.lock().await;
        match &*link {
            Some(link) if link.client.is_connected() => Ok(link.clone()),
            _ => {
                // Dropped first, so that a failed attempt leaves no dead connection behind.
                *link = None;
                let fresh = Arc::new(greet(&self.inner.place, self.inner.tell).await?);
                *link = Some(fresh.clone());
                Ok(fresh)
            }
        }
    }
}

impl Link {
    async fn answered<T>(&self, request: impl Future<Output = T>, tell: Tell) -> Result<T, Error> {
        let nothing = Json::null();
        let ping = || self.client.request::<Json, _>("system.ping", Params(&nothing));
        mute::answered(PATIENCE, request, ping, || tell(&does_not_answer(self.pid)))
            .await
            .ok_or(Error::Mute { pid: self.pid })
    }
}

/// Whether a call waits by its nature, so that no answer says nothing.
fn waits(method: &str, params: &Json) -> bool {
    method.ends_with(".wait")
        || (method == "workflow.run" && params.to_value()["wait"] == serde_json::Value::Bool(true))
}

fn does_not_answer(pid: Option<u32>) -> String {
    let who = pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
    format!("the daemon does not answer{who}; still waiting")
}

/// A subscription whose notices come as they are.
#[derive(Debug)]
pub struct Listening(Subscription<Json>);

impl Listening {
    /// The next notice.
    ///
    /// # Errors
    /// The connection is gone, or what came is not JSON.
    pub async fn next(&mut self) -> Result<Json, Error> {
        match self.0.next().await {
            Some(Ok(notice)) => Ok(notice),
            Some(Err(error)) => Err(not_understood("the subscription", &error)),
            None => Err(Error::Lost { reason: "it closed the subscription".into() }),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("place", &self.inner.place).finish_non_exhaustive()
    }
}

async fn greet(place: &Place, tell: Option<Tell>) -> Result<Link, Error> {
    let (stream, at) = place.open().await?;
    let pid = stream.daemon();
    let url = Url::parse("ws://a2n/").expect("a constant URL");
    let mut headers = HeaderMap::new();
    headers
        .insert("user-agent", HeaderValue::from_static(concat!("a2n/", env!("CARGO_PKG_VERSION"))));
    let greeting = WsTransportClientBuilder::default()
        .set_headers(headers)
        .connection_timeout(GREETING)
        .max_request_size(MAX_ANSWER_BYTES)
        .max_response_size(MAX_ANSWER_BYTES)
        .build_with_stream(url, stream);
    let greeted = match tell.filter(|_| place.host.is_none()) {
        Some(tell) => {
            mute::answered(PATIENCE, greeting, pending::<()>, || tell(&does_not_answer(pid)))
                .await
                .ok_or(Error::Mute { pid })?
        }
        None => greeting.await,
    };
    let (sender, receiver) = greeted.map_err(|error| Error::Unreachable {
        tried: Tried(vec![(at, format!("it does not greet back: {error}"))]),
    })?;
    let client = ClientBuilder::default()
        .request_timeout(FORGOTTEN)
        .max_buffer_capacity_per_subscription(MAX_WAITING_NOTIFICATIONS)
        .disable_ws_ping()
        .build_with_tokio(sender, receiver);
    Ok(Link { client, pid })
}

struct Params<'a>(&'a Json);

impl ToRpcParams for Params<'_> {
    fn to_rpc_params(self) -> Result<Option<Box<RawValue>>, serde_json::Error> {
        if self.0.is_null() {
            return Ok(None);
        }
        RawValue::from_string(self.0.as_str().to_owned()).map(Some)
    }
}

fn from_wire(method: &str, params: &Json, error: WireError) -> Error {
    match error {
        WireError::Call(object) => {
            Error::Refused(Box::new(refused(object.code(), object.message(), object.data())))
        }
        WireError::ParseError(error) => not_understood(method, &error),
        _ if params.size_bytes() > USUAL_MAX_CALL_BYTES => Error::Refused(Box::new(
            RpcError::new(
                ErrorKind::TooLarge,
                format!("{} bytes are more than the daemon takes at once", params.size_bytes()),
            )
            .hint("the limit is the setting `socket.maxFrameIn`"),
        )),
        WireError::RestartNeeded(cause) => Error::Lost { reason: cause.to_string() },
        other => Error::Lost { reason: other.to_string() },
    }
}

fn refused(code: i32, message: &str, data: Option<&RawValue>) -> RpcError {
    if let Some(data) = data.and_then(|data| serde_json::from_str(data.get()).ok()) {
        return RpcError::from_data(data);
    }
    let kind = ErrorKind::ALL.iter().find(|kind| kind.code() == code);
    RpcError::new(kind.copied().unwrap_or(ErrorKind::Internal), message)
}

fn not_understood(method: &str, error: &serde_json::Error) -> Error {
    Error::Answer { method: method.to_owned(), reason: error.to_string() }
}
