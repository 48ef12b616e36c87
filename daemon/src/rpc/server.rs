//! The server on the one socket: accepts, counts, asks the kernel who it is, and tells the three
//! ways apart by the first byte.
//!
//! Driven by `app` with a token that stops it: then nothing more is accepted, subscriptions are
//! ended, calls in flight are answered, and what is still open at the deadline is cut.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::future::BoxFuture;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::caller::Way;
use super::dispatcher::Dispatcher;
use super::limits::{Place, Places};
use super::stream::Connection;
use super::{dialogue, envelope, http};
use crate::system::listen::{self, Socket};
use crate::system::peer::Peer;
use a2n_proto::{ErrorKind, Json, RpcError};

/// What `/healthz`, `/readyz` and `/metrics` answer; given by `app`.
pub trait Pages: Send + Sync + 'static {
    /// Whether the daemon is healthy, and a line that says so.
    fn health(&self) -> BoxFuture<'_, Probe>;
    /// Whether it takes work, and a line that says so.
    fn ready(&self) -> BoxFuture<'_, Probe>;
    /// Prometheus text.
    fn metrics(&self) -> BoxFuture<'_, String>;
}

/// The answer of a health page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// 200 or 503.
    pub ok: bool,
    /// One line for people.
    pub text: String,
}

/// The server, ready to run.
#[derive(Debug)]
pub struct Server {
    hub: Arc<Hub>,
}

/// What all connections share.
pub(crate) struct Hub {
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) pages: Arc<dyn Pages>,
    pub(crate) openrpc: fn() -> Json,
    /// Asks connections to end.
    pub(crate) stop: CancellationToken,
    /// Cuts those that did not.
    cut: CancellationToken,
    pub(crate) tracker: TaskTracker,
    places: Places,
    /// Places for clients that ask quickly.
    pub(crate) dialogues: Arc<Semaphore>,
    /// Connections over the limit that are being told so; while these are all taken, nobody is
    /// accepted.
    refusing: Arc<Semaphore>,
}

impl Server {
    /// A server over `dispatcher`; `openrpc` makes the document for `/openrpc.json`.
    pub fn new(
        dispatcher: Arc<Dispatcher>,
        pages: Arc<dyn Pages>,
        openrpc: fn() -> Json,
        stop: CancellationToken,
    ) -> Self {
        let refusing = (dispatcher.limits().max_connections / 4).clamp(1, 64);
        let hub = Hub {
            dispatcher,
            pages,
            openrpc,
            stop,
            cut: CancellationToken::new(),
            tracker: TaskTracker::new(),
            places: Places::default(),
            dialogues: Arc::new(Semaphore::new(dialogue::MOST)),
            refusing: Arc::new(Semaphore::new(refusing)),
        };
        Self { hub: Arc::new(hub) }
    }

    /// How many connections there are now, for `/metrics`.
    pub fn connections(&self) -> impl Fn() -> usize + Send + Sync + 'static {
        let places = self.hub.places.clone();
        move || places.n_taken()
    }

    /// Serves one client whose stream is open already, as [`Server::run`] does each that it accepts.
    pub fn welcome(&self, stream: UnixStream) {
        if let Err((stream, limit)) = welcome(&self.hub, stream) {
            let hub = Arc::clone(&self.hub);
            self.hub.tracker.spawn(async move { turn_away(&hub, stream, limit).await });
        }
    }

    /// Serves until stopped, then ends in order.
    pub async fn run(self, socket: Socket) {
        let Self { hub } = self;
        let stop = hub.stop.clone();
        let (mut turned_away, mut is_short) = (0_u64, false);
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok(stream) => match welcome(&hub, stream) {
                    Ok(()) => {
                        is_short = false;
                        if turned_away > 0 {
                            tracing::info!(turned_away, "clients taken again");
                            turned_away = 0;
                        }
                    }
                    Err((stream, limit)) => {
                        // Once for a whole crowd, which must not fill the log.
                        if turned_away == 0 {
                            tracing::warn!(limit, "clients turned away");
                        }
                        turned_away += 1;
                        tokio::select! {
                            biased;
                            () = stop.cancelled() => break,
                            () = turn_away(&hub, stream, limit) => {}
                        }
                    }
                },
                Err(error) => {
                    // Out of descriptors, mostly: others need time to close theirs. Said once.
                    if !std::mem::replace(&mut is_short, true) {
                        tracing::warn!(%error, "client not accepted");
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        drop(socket);
        hub.tracker.close();
        let grace = hub.dispatcher.limits().stop_grace;
        if tokio::time::timeout(grace, hub.tracker.wait()).await.is_err() {
            tracing::warn!(n_left = hub.places.n_taken(), "connections cut at the deadline");
            hub.cut.cancel();
            hub.tracker.wait().await;
        }
    }
}

/// Finds out who a new client is and starts its task; gives it back with the limit that is reached.
fn welcome(hub: &Arc<Hub>, stream: UnixStream) -> Result<(), (UnixStream, &'static str)> {
    let peer = match Peer::of(&stream) {
        Ok(peer) => peer,
        Err(error) => {
            tracing::warn!(%error, "client closed: credentials can't be read");
            return Ok(());
        }
    };
    let place = match hub.places.take(peer.uid, hub.dispatcher.limits()) {
        Ok(place) => place,
        Err(limit) => return Err((stream, limit)),
    };
    let task = serve(Arc::clone(hub), stream, peer, place);
    let cut = hub.cut.clone();
    hub.tracker.spawn(async move {
        tokio::select! {
            biased;
            () = cut.cancelled() => {}
            () = task => {}
        }
    });
    Ok(())
}

async fn serve(hub: Arc<Hub>, stream: UnixStream, peer: Peer, place: Place) {
    let within = hub.dispatcher.limits().first_byte_within;
    let first = tokio::select! {
        biased;
        () = hub.stop.cancelled() => return,
        first = tokio::time::timeout(within, listen::first_byte(&stream)) => first,
    };
    match first {
        Ok(Ok(Some(byte))) if is_http(byte) => http::serve(hub, stream, peer, place).await,
        Ok(Ok(Some(_))) => {
            Connection::new(hub, peer, Way::Lines, None, BytesMut::new()).run(stream).await;
            drop(place);
        }
        Ok(Ok(None)) => {}
        Ok(Err(error)) => tracing::debug!(uid = peer.uid, %error, "client lost"),
        Err(_) => tracing::debug!(uid = peer.uid, "client closed: it said nothing"),
    }
}

/// HTTP methods begin with a capital letter, and no JSON text does.
const fn is_http(first: u8) -> bool {
    first.is_ascii_uppercase()
}

/// Tells a client over a limit so, in its own protocol, and closes.
async fn turn_away(hub: &Arc<Hub>, stream: UnixStream, limit: &'static str) {
    let Ok(permit) = Arc::clone(&hub.refusing).acquire_owned().await else { return };
    hub.tracker.spawn(async move {
        let said = async {
            let first = listen::first_byte(&stream).await?;
            let mut error =
                RpcError::new(ErrorKind::Overloaded, format!("the limit of {limit} is reached"));
            error.retry_after_ms = Some(1000);
            let mut text = envelope::error("null", &error);
            text.push(b'\n');
            if first.is_some_and(is_http) {
                text = [http::turned_away(text.len()).as_bytes(), &text].concat();
            }
            // What is left unread would reset the connection before the client has read this.
            let mut unread = [0; 4096];
            while stream.try_read(&mut unread).is_ok_and(|n| n > 0) {}
            stream.writable().await?;
            stream.try_write(&text)
        };
        let said: Result<io::Result<usize>, _> =
            tokio::time::timeout(Duration::from_secs(1), said).await;
        if let Ok(Err(error)) = said {
            tracing::debug!(%error, "client not told");
        }
        drop(permit);
    });
}

impl Hub {
    /// Resolves when the deadline of a stop has passed.
    pub(crate) async fn cut(&self) {
        self.cut.cancelled().await;
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hub({} connections)", self.places.n_taken())
    }
}
