//! A network with the servers that a test puts there. Every answer takes a while, by the seed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{SimClock, SimEntropy};
use crate::system::http::{Answer, Http, HttpError, Request, Response};
use crate::system::{Clock, Later, whole};

/// What a server does with a request.
type Server = Box<dyn FnMut(&Request) -> Result<Response, HttpError> + Send>;

/// A made-up network; clones are the same one.
#[derive(Clone)]
pub struct SimHttp {
    clock: SimClock,
    entropy: Arc<SimEntropy>,
    /// By the beginning of the URL.
    servers: Arc<Mutex<BTreeMap<String, Server>>>,
}

impl SimHttp {
    /// A network without servers: every connection is refused.
    pub fn new(clock: SimClock, seed: u64) -> Self {
        Self { clock, entropy: Arc::new(SimEntropy::new(seed)), servers: Arc::default() }
    }
    /// Puts a server where URLs begin with `prefix`.
    pub fn serve(
        &self,
        prefix: &str,
        server: impl FnMut(&Request) -> Result<Response, HttpError> + Send + 'static,
    ) {
        self.lock().insert(prefix.to_owned(), Box::new(server));
    }
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Server>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn answer(&self, request: &Request) -> Result<Answer, HttpError> {
        self.asked(request).map(|Response { status, headers, body, url }| Answer {
            status,
            headers,
            url,
            body: whole(body),
        })
    }
    fn asked(&self, request: &Request) -> Result<Response, HttpError> {
        let mut servers = self.lock();
        let server = servers.iter_mut().find(|(prefix, _)| request.url.starts_with(&prefix[..]));
        match server {
            Some((_, server)) => server(request),
            None => {
                let message = "connection refused".into();
                Err(HttpError::Connect { to: request.url.clone(), message })
            }
        }
    }
}

impl Http for SimHttp {
    fn send(&self, request: Request) -> Later<'_, Result<Answer, HttpError>> {
        let takes = Duration::from_millis(1 + self.entropy.below(50));
        Box::pin(async move {
            match request.timeout {
                Some(after) if after < takes => {
                    self.clock.sleep(after).await;
                    // The request has left and is carried out, only its answer is late.
                    let _too_late = self.answer(&request);
                    Err(HttpError::Timeout { after, connected: true })
                }
                _ => {
                    self.clock.sleep(takes).await;
                    self.answer(&request)
                }
            }
        })
    }
}

impl std::fmt::Debug for SimHttp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.lock().keys()).finish()
    }
}
