//! Where methods get their bodies: typed by the contract's method types, kept by name.
//!
//! A body is `|context, call, params| async move { … }`. What the contract says of a method (its
//! access, its params' form) is enforced around the body, on every way in, before it is asked.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use a2n_proto::api::{self, Access, Method, MethodInfo, Subscription};
use a2n_proto::{ErrorKind, RpcError, json};
use serde::Serialize;

use super::caller::{Call, Way};
use super::session::Session;
use super::subscription::{Ended, Opened, Sink, Stopped};

/// The methods that have a body.
pub struct Registry<C> {
    context: Arc<C>,
    methods: BTreeMap<&'static str, Entry>,
}

/// What an asked body comes to.
pub(crate) enum Outcome {
    /// The answer's JSON text.
    Answer(Vec<u8>),
    /// The answer's JSON text, and the subscription's task, to be started after it is sent.
    Opened(Vec<u8>, Pin<Box<dyn Future<Output = ()> + Send>>),
}

pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<Outcome, RpcError>> + Send>>;

type Body = Box<dyn Fn(Asked<'_>) -> Result<Answering, RpcError> + Send + Sync>;

/// One method with its body.
pub(crate) struct Entry {
    pub(crate) access: Access,
    /// Whether it opens a subscription.
    pub(crate) is_subscription: bool,
    /// Whether it only tells, so that an answer may be kept from somebody who was locked out.
    pub(crate) is_reading: bool,
    pub(crate) body: Body,
}

/// A call on its way into a body; params are still text.
pub(crate) struct Asked<'a> {
    pub(crate) session: &'a Arc<Session>,
    pub(crate) call: Call,
    pub(crate) params: Option<&'a str>,
    pub(crate) max_subscriptions: usize,
}

impl<C: Send + Sync + 'static> Registry<C> {
    /// No methods yet; every body gets `context`.
    pub fn new(context: Arc<C>) -> Self {
        Self { context, methods: BTreeMap::new() }
    }

    /// Gives method `M` its body.
    ///
    /// # Panics
    /// Where it already has one.
    pub fn method<M: Method, F>(
        &mut self,
        body: impl Fn(Arc<C>, Call, M::Params) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<M::Answer, RpcError>> + Send + 'static,
    {
        let context = Arc::clone(&self.context);
        let body: Body = Box::new(move |asked| {
            let params = api::read_params::<M>(asked.params.unwrap_or("{}"))?;
            let answer = body(Arc::clone(&context), asked.call, params);
            Ok(Box::pin(async move { answer.await.map(|answer| Outcome::Answer(text(&answer))) }))
        });
        self.insert(M::NAME, M::ACCESS, false, body);
    }

    /// Gives subscription `S` its body, in two parts: the first checks and answers an error or the
    /// second, which runs once the id is answered.
    ///
    /// # Panics
    /// Where it already has one.
    pub fn subscription<S: Subscription, F, B>(
        &mut self,
        body: impl Fn(Arc<C>, Call, S::Params, Arc<Sink>) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<B, RpcError>> + Send + 'static,
        B: Future<Output = Result<Ended, Stopped>> + Send + 'static,
    {
        let context = Arc::clone(&self.context);
        let body: Body = Box::new(move |asked| {
            let params = api::read_params::<S>(asked.params.unwrap_or("{}"))?;
            refuse_http(&asked.call)?;
            let most = asked.max_subscriptions;
            let Some((id, end)) = asked.session.open(S::UNSUBSCRIBE, most) else {
                let message = format!("{most} subscriptions are open on this connection");
                return Err(RpcError::new(ErrorKind::Overloaded, message)
                    .hint("end one of them, or open another connection"));
            };
            let session = Arc::clone(asked.session);
            let sink = Arc::new(Sink::new(id, S::NOTIFICATION, &session));
            let checked = body(Arc::clone(&context), asked.call, params, Arc::clone(&sink));
            let pending = Pending { session: Some(session), id };
            Ok(Box::pin(async move {
                let body = checked.await?;
                let session = pending.keep();
                let opened = Opened { session, sink, end, body };
                Ok(Outcome::Opened(text(&id), Box::pin(opened.run())))
            }))
        });
        self.insert(S::NAME, S::ACCESS, true, body);
        let body: Body = Box::new(move |asked| unsubscribe(&asked, S::UNSUBSCRIBE));
        self.insert(S::UNSUBSCRIBE, S::ACCESS, false, body);
    }

    /// A method outside of the contract, for the conformance cases: params as they come.
    #[cfg(test)]
    pub(crate) fn raw(
        &mut self,
        name: &'static str,
        body: impl Fn(serde_json::Value) -> Result<serde_json::Value, RpcError> + Send + Sync + 'static,
    ) {
        let body: Body = Box::new(move |asked| {
            let params = serde_json::from_str(asked.params.unwrap_or("null")).unwrap();
            let answer = body(params);
            Ok(Box::pin(std::future::ready(answer.map(|answer| Outcome::Answer(text(&answer))))))
        });
        self.insert(name, Access::Open, false, body);
    }

    /// The contract's methods that have no body yet.
    pub fn missing(&self) -> Vec<&'static str> {
        let names = api::all().iter().map(|method: &MethodInfo| method.name);
        names.filter(|name| !self.methods.contains_key(name)).collect()
    }

    pub(crate) fn into_methods(self) -> BTreeMap<&'static str, Entry> {
        self.methods
    }

    fn insert(&mut self, name: &'static str, access: Access, is_subscription: bool, body: Body) {
        let is_reading = api::find(name).is_none_or(|method| !method.writes());
        let entry = Entry { access, is_subscription, is_reading, body };
        let before = self.methods.insert(name, entry);
        assert!(before.is_none(), "{name} has two bodies");
    }
}

/// Ends one subscription; answers whether there was one, after its last note is out.
fn unsubscribe(asked: &Asked<'_>, name: &'static str) -> Result<Answering, RpcError> {
    let params = asked.params.unwrap_or("{}");
    refuse_http(&asked.call)?;
    // jsonrpsee's client sends an array here, and only here.
    let id = if params.starts_with('[') {
        let one: Result<[u64; 1], _> = serde_json::from_str(params);
        let wrong = "params has to be {\"subscription\": id} or [id]";
        one.map_err(|_| RpcError::new(ErrorKind::Params, wrong).at("params"))?[0]
    } else {
        let read: Result<api::Unsubscription, _> = json::read(params);
        let wrong =
            |unfit: json::Unfit| RpcError::new(ErrorKind::Params, unfit.message).at(unfit.path);
        read.map_err(wrong)?.subscription.0
    };
    let gone = asked.session.unsubscribe(id, name);
    Ok(Box::pin(async move {
        let known = gone.is_some();
        if let Some(gone) = gone {
            let _ = gone.await;
        }
        Ok(Outcome::Answer(text(&known)))
    }))
}

fn refuse_http(call: &Call) -> Result<(), RpcError> {
    if call.way != Way::Http {
        return Ok(());
    }
    Err(RpcError::new(ErrorKind::Unsupported, "HTTP POST has no subscriptions")
        .hint("use WebSocket or lines on the same socket, or poll"))
}

fn text<T: Serialize>(answer: &T) -> Vec<u8> {
    serde_json::to_vec(answer).expect("our types are JSON")
}

/// A subscription whose body has not agreed yet: forgotten unless kept.
struct Pending {
    session: Option<Arc<Session>>,
    id: u64,
}

impl Pending {
    fn keep(mut self) -> Arc<Session> {
        self.session.take().expect("kept once")
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            session.forget(self.id);
        }
    }
}

impl<C> fmt::Debug for Registry<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.methods.keys()).finish()
    }
}
