//! The one dispatcher behind the three ways in: a frame in, the answer's bytes out.
//!
//! Params are read while the frame is still borrowed, so a call costs two allocations besides its
//! answer. Nothing is spawned for a call: the connection drives its own. A panic in a body ends
//! that call with INTERNAL and a correlation id that stands in the log.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use a2n_proto::{ErrorKind, RpcError};
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::watch;

use super::caller::{Call, Identify, Identity};
use super::envelope::{self, Frame, Refusal, Request};
use super::limits::Limits;
use super::registry::{Answering, Asked, Entry, Outcome, Registry};
use super::session::Session;
use crate::operations::logbook::Subject;

/// What stands for the name of a method that does not exist: names that callers make up are not kept.
const NO_METHOD: &str = "";

/// Hears of every call that was answered.
pub trait Observer: Send + Sync + fmt::Debug {
    /// Running time now, from any fixed moment.
    fn running_time(&self) -> Duration;
    /// A call was answered, well or with an error of this kind. The method is empty where there is
    /// none of the name that was asked for.
    fn answered(&self, method: &'static str, error: Option<ErrorKind>, took: Duration);
}

/// All methods with their bodies, the gate in front of them, and the counters beside them.
pub struct Dispatcher {
    methods: BTreeMap<&'static str, Entry>,
    identify: Identify,
    limits: Limits,
    /// Begins every correlation id, so that ids of two starts of the daemon differ.
    tag: String,
    counts: Counts,
    observer: Option<Arc<dyn Observer>>,
    /// Rings when somebody's account or role has changed.
    people: watch::Sender<()>,
}

/// How many calls came and what became of them; `/metrics` shows these.
#[derive(Debug, Default)]
pub struct Counts {
    in_flight: Arc<AtomicUsize>,
    subscriptions: Arc<AtomicUsize>,
    calls: AtomicU64,
    failed: AtomicU64,
    panics: AtomicU64,
}

/// Which method a call asks for, and since when.
#[derive(Clone, Copy)]
struct Timed {
    method: &'static str,
    began: Option<Duration>,
}

/// What a frame comes to.
pub(crate) enum Handling {
    /// Nothing to answer: notifications that were refused.
    Nothing,
    /// Answered at once.
    Ready(Reply),
    /// To be driven by the connection.
    Pending(Pin<Box<dyn Future<Output = Reply> + Send>>),
}

/// An answer, and the tasks that begin once it is sent.
#[derive(Default)]
pub(crate) struct Reply {
    /// JSON text; empty where nothing is answered.
    pub(crate) text: Vec<u8>,
    /// Subscriptions that were opened.
    pub(crate) starts: Vec<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Dispatcher {
    /// The dispatcher over `registry`. `tag` begins every correlation id; `observer` hears of calls.
    pub fn new<C: Send + Sync + 'static>(
        registry: Registry<C>,
        identify: Identify,
        limits: Limits,
        tag: String,
        observer: Option<Arc<dyn Observer>>,
    ) -> Arc<Self> {
        let methods = registry.into_methods();
        let (counts, people) = (Counts::default(), watch::Sender::new(()));
        Arc::new(Self { methods, identify, limits, tag, counts, observer, people })
    }

    /// Somebody's account or role has changed: subscriptions of who may no longer be here end.
    pub fn people_changed(&self) {
        self.people.send_replace(());
    }

    /// The counters.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn identify(&self, session: &Session) -> Identity {
        (self.identify)(&session.peer)
    }

    /// Takes one frame from a session.
    pub(crate) fn handle(self: &Arc<Self>, session: &Arc<Session>, frame: &[u8]) -> Handling {
        match envelope::read(frame, self.limits.max_batch) {
            Frame::One(request) => self.one(session, &request),
            Frame::Batch(requests) => self.batch(session, requests),
            Frame::Refused(refusal) => Handling::Ready(refused(&refusal)),
        }
    }

    /// The answer to a frame that is larger than the limit and was not read.
    pub(crate) fn too_large(&self) -> Vec<u8> {
        let limit = self.limits.max_frame_in_bytes;
        let message = format!("a request may have {limit} bytes");
        let error = RpcError::new(ErrorKind::TooLarge, message)
            .hint("send it in parts, or raise the limit for requests in the settings");
        envelope::error("null", &error)
    }

    /// The answer to a frame that has begun and does not get on.
    pub(crate) fn overdue(&self) -> Vec<u8> {
        let within = self.limits.message_within.as_secs_f64();
        let message = format!("the message has begun, and its end did not come within {within} s");
        let error = RpcError::new(ErrorKind::Parse, message)
            .hint("on lines a message ends with a line feed");
        envelope::error("null", &error)
    }

    fn batch(
        self: &Arc<Self>,
        session: &Arc<Session>,
        requests: Vec<Result<Request<'_>, Refusal>>,
    ) -> Handling {
        let handlings = requests.into_iter().map(|request| match request {
            Ok(request) => self.one(session, &request),
            Err(refusal) => Handling::Ready(refused(&refusal)),
        });
        let replies = join_all(handlings.collect::<Vec<_>>().into_iter().map(Handling::wait));
        let max_bytes = self.limits.max_frame_out_bytes;
        Handling::Pending(Box::pin(async move {
            let mut whole = Reply::default();
            for reply in replies.await.into_iter().filter(|reply| !reply.text.is_empty()) {
                whole.text.push(if whole.text.is_empty() { b'[' } else { b',' });
                whole.text.extend_from_slice(&reply.text);
                whole.starts.extend(reply.starts);
            }
            if !whole.text.is_empty() {
                whole.text.push(b']');
            }
            if whole.text.len() > max_bytes {
                whole.text = envelope::error("null", &answer_too_large(max_bytes));
            }
            whole
        }))
    }

    fn one(self: &Arc<Self>, session: &Arc<Session>, request: &Request<'_>) -> Handling {
        let id: Option<Arc<str>> = request.id.map(Arc::from);
        self.counts.calls.fetch_add(1, Ordering::Relaxed);
        let found = self.methods.get_key_value(&*request.method);
        let timed = Timed {
            method: found.map_or(NO_METHOD, |(&method, _)| method),
            began: self.observer.as_ref().map(|observer| observer.running_time()),
        };
        let before = self.identify(session);
        let (answering, slot) = match self.ask(session, &before, request, found, id.clone()) {
            Ok(begun) => begun,
            Err(error) => return self.refuse(id.as_deref(), timed, error),
        };
        let dispatcher = Arc::clone(self);
        let is_reading = found.is_some_and(|(_, entry)| entry.is_reading);
        let session = Arc::clone(session);
        let subject = Subject { method: timed.method, caller: session.peer.uid };
        Handling::Pending(Box::pin(subject.throughout(async move {
            let outcome = AssertUnwindSafe(answering).catch_unwind().await;
            drop(slot);
            let mut outcome = outcome.unwrap_or_else(|panic| Err(dispatcher.panicked(&*panic)));
            if is_reading && outcome.is_ok() && !dispatcher.identify(&session).still_is(&before) {
                outcome = Err(Identity::locked_out(&session.peer));
            }
            dispatcher.reply(id.as_deref(), timed, outcome, Some((&session, before)))
        })))
    }

    /// Checks who asks, reads the params and begins the body.
    fn ask(
        &self,
        session: &Arc<Session>,
        identity: &Identity,
        request: &Request<'_>,
        found: Option<(&&'static str, &Entry)>,
        id: Option<Arc<str>>,
    ) -> Result<(Answering, Slot), RpcError> {
        let Some((&method, entry)) = found else {
            let name: String = request.method.chars().take(100).collect();
            let message = format!("there is no method `{name}`");
            return Err(
                RpcError::new(ErrorKind::Method, message).hint("rpc.discover lists all methods")
            );
        };
        identity.admit(entry.access, &session.peer)?;
        if entry.is_subscription && id.is_none() {
            let message =
                format!("{method} needs an id: nobody would know the subscription's number");
            return Err(RpcError::new(ErrorKind::Request, message));
        }
        let slot = self.slot()?;
        let call = Call {
            method,
            peer: session.peer,
            identity: identity.clone(),
            way: session.way,
            request_id: id,
            session: Arc::clone(session),
        };
        let asked = Asked {
            session,
            call,
            params: request.params,
            max_subscriptions: self.limits.max_subscriptions_per_connection,
        };
        let subject = Subject { method, caller: session.peer.uid };
        let begun = subject.during(|| catch_unwind(AssertUnwindSafe(|| (entry.body)(asked))));
        let answering = begun.unwrap_or_else(|panic| Err(self.panicked(&*panic)))?;
        Ok((answering, slot))
    }

    fn slot(&self) -> Result<Slot, RpcError> {
        let slot = Slot(Arc::clone(&self.counts.in_flight));
        if slot.0.fetch_add(1, Ordering::Relaxed) < self.limits.max_in_flight {
            return Ok(slot);
        }
        let mut error = RpcError::new(ErrorKind::Overloaded, "too many calls are being answered");
        error.retry_after_ms = Some(100);
        Err(error.hint("nothing was accepted; try again"))
    }

    fn refuse(self: &Arc<Self>, id: Option<&str>, timed: Timed, error: RpcError) -> Handling {
        let reply = self.reply(id, timed, Err(error), None);
        if reply.text.is_empty() { Handling::Nothing } else { Handling::Ready(reply) }
    }

    fn reply(
        self: &Arc<Self>,
        id: Option<&str>,
        timed: Timed,
        outcome: Result<Outcome, RpcError>,
        who: Option<(&Arc<Session>, Identity)>,
    ) -> Reply {
        let max_bytes = self.limits.max_frame_out_bytes;
        let (answer, starts) = match outcome {
            Ok(Outcome::Answer(answer)) => (Ok(answer), Vec::new()),
            Ok(Outcome::Opened(answer, task)) => (Ok(answer), vec![self.counted(task, who)]),
            Err(error) => (Err(self.traced(error)), Vec::new()),
        };
        let answer = match answer {
            Ok(answer) if answer.len() > max_bytes => Err(answer_too_large(max_bytes)),
            answer => answer,
        };
        if answer.is_err() {
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
        }
        if let (Some(observer), Some(began)) = (&self.observer, timed.began) {
            let took = observer.running_time().saturating_sub(began);
            observer.answered(timed.method, answer.as_ref().err().map(|e| e.kind), took);
        }
        let text = match (id, &answer) {
            (None, _) => Vec::new(),
            (Some(id), Ok(answer)) => envelope::result(id, answer),
            (Some(id), Err(error)) => envelope::error(id, error),
        };
        Reply { text, starts }
    }

    /// A subscription's task that is counted while it runs, and ends when its client is locked out.
    fn counted(
        self: &Arc<Self>,
        mut task: Pin<Box<dyn Future<Output = ()> + Send>>,
        who: Option<(&Arc<Session>, Identity)>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let open = Arc::clone(&self.counts.subscriptions);
        let who = who.map(|(session, before)| (Arc::clone(session), before));
        // Not the dispatcher itself: it must be able to go while a subscription is left.
        let (dispatcher, mut changes) = (Arc::downgrade(self), self.people.subscribe());
        Box::pin(async move {
            open.fetch_add(1, Ordering::Relaxed);
            let _slot = Slot(open);
            let Some((session, before)) = who else { return task.await };
            loop {
                let is_out = dispatcher
                    .upgrade()
                    .is_some_and(|dispatcher| !dispatcher.identify(&session).still_is(&before));
                if is_out {
                    session.end_all(ErrorKind::Unauthenticated.as_str());
                    return task.await;
                }
                tokio::select! {
                    biased;
                    () = &mut task => return,
                    rung = changes.changed() => if rung.is_err() { return task.await },
                }
            }
        })
    }

    /// Gives an internal error its correlation id, and the log the error.
    fn traced(&self, mut error: RpcError) -> RpcError {
        if error.kind == ErrorKind::Internal && error.correlation_id.is_none() {
            let id = self.correlation_id();
            tracing::error!(correlation_id = id, %error, "call failed");
            error.correlation_id = Some(id);
        }
        error
    }

    fn panicked(&self, panic: &(dyn Any + Send)) -> RpcError {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("(no text)");
        self.counts.panics.fetch_add(1, Ordering::Relaxed);
        let id = self.correlation_id();
        tracing::error!(correlation_id = id, panic = said, "call panicked");
        let mut error = RpcError::new(ErrorKind::Internal, "the daemon made a mistake")
            .hint(format!("please report it with the log lines that name {id}"));
        error.correlation_id = Some(id);
        error
    }

    fn correlation_id(&self) -> String {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        format!("{}-{}", self.tag, NUMBER.fetch_add(1, Ordering::Relaxed))
    }
}

impl Handling {
    /// Drives it to its reply.
    pub(crate) async fn wait(self) -> Reply {
        match self {
            Self::Nothing => Reply::default(),
            Self::Ready(reply) => reply,
            Self::Pending(answering) => answering.await,
        }
    }
}

impl Counts {
    /// Calls being answered now.
    pub fn n_in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
    /// Subscriptions that are open now.
    pub fn n_subscriptions(&self) -> usize {
        self.subscriptions.load(Ordering::Relaxed)
    }
    /// Calls since the start.
    pub fn n_calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
    /// Calls that were answered with an error.
    pub fn n_failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
    /// Calls whose body panicked.
    pub fn n_panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

/// One of the calls in flight, or of the open subscriptions; counted down when dropped, also when its connection goes.
struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn refused(refusal: &Refusal) -> Reply {
    Reply { text: envelope::error(&refusal.id, &refusal.error), starts: Vec::new() }
}

fn answer_too_large(limit: usize) -> RpcError {
    RpcError::new(ErrorKind::TooLarge, format!("the answer has more than {limit} bytes"))
        .hint("ask for fewer rows, or raise the limit for answers in the settings")
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dispatcher({} methods)", self.methods.len())
    }
}
