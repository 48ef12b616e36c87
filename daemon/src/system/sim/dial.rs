//! TCP ports of a made-up network: those that a test opens answer, all others refuse.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::system::Later;
use crate::system::dial::{Dial, DialError, Number};

/// Ports that answer; clones are the same ones.
#[derive(Debug, Clone, Default)]
pub struct SimDial {
    open: Arc<Mutex<BTreeSet<(String, u16)>>>,
}

impl SimDial {
    /// From now on it answers.
    pub fn open(&self, host: &str, port: u16) {
        self.lock().insert((host.to_owned(), port));
    }
    /// From now on it refuses.
    pub fn close(&self, host: &str, port: u16) {
        self.lock().remove(&(host.to_owned(), port));
    }
    fn lock(&self) -> MutexGuard<'_, BTreeSet<(String, u16)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dial for SimDial {
    fn dial(&self, to: Number) -> Later<'_, Result<(), DialError>> {
        let answers = self.lock().contains(&(to.host, to.port));
        let refused = || DialError::Connect { message: "connection refused".into() };
        Box::pin(std::future::ready(answers.then_some(()).ok_or_else(refused)))
    }
}
