//! What every command gets, and how it asks the daemon.

use std::io::Write as _;

use a2n_client::connect::Place;
use a2n_client::{Error, Exit, Session};
use a2n_proto::Json;
use a2n_proto::api::Method;

use super::Global;
use super::failure::Failure;
use super::output::Out;

/// How a command ended.
pub(super) type Outcome = Result<Exit, Failure>;

/// What every command gets.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) place: Place,
    pub(super) out: Out,
}

impl Context {
    pub(super) fn new(global: Global) -> Self {
        let place = global.place(&|name| std::env::var_os(name));
        Self { place, out: Out::stdout(global.output, global.no_color) }
    }

    /// Connects to the daemon.
    pub(super) async fn session(&self) -> Result<Session, Failure> {
        Ok(self.open(self.place.clone()).await?)
    }

    /// Connects to a daemon that is named; one that does not answer is told on standard error.
    pub(super) async fn open(&self, place: Place) -> Result<Session, Error> {
        Session::open_telling(place, |line| {
            // Nobody is left to be told when standard error is gone.
            let _ = writeln!(std::io::stderr().lock(), "a2n: {line}");
        })
        .await
    }
}

/// An answer as it came and as the type it stands for.
#[derive(Debug)]
pub(super) struct Answered<T> {
    pub(super) json: Json,
    pub(super) value: T,
}

/// Calls a method and keeps the answer's own text beside its type.
pub(super) async fn ask<M: Method>(
    session: &Session,
    params: &M::Params,
) -> Result<Answered<M::Answer>, Failure> {
    Ok(ask_raw::<M>(session, params).await?)
}

/// The same where the caller tells the error itself.
pub(super) async fn ask_raw<M: Method>(
    session: &Session,
    params: &M::Params,
) -> Result<Answered<M::Answer>, Error> {
    let json = session.call_json(M::NAME, &Json::of(params)).await?;
    let value = json.to().map_err(|error: serde_json::Error| Error::Answer {
        method: M::NAME.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(Answered { json, value })
}
