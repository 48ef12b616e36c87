//! Tells the metrics of calls and commits. Made before the store, which the metrics look at; what is
//! committed before they are there is not counted.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use a2n_proto::ErrorKind;

use crate::operations::metrics::Metrics;
use crate::system::Clock;
use crate::{rpc, store};

/// Counts calls and commits.
#[derive(Debug)]
pub(super) struct Counting {
    clock: Arc<dyn Clock>,
    metrics: OnceLock<Metrics>,
}

impl Counting {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, metrics: OnceLock::new() })
    }
    pub(super) fn count_in(&self, metrics: Metrics) {
        let before = self.metrics.set(metrics);
        debug_assert!(before.is_ok(), "the metrics are made once");
    }
}

impl store::Observer for Counting {
    fn running_time(&self) -> Duration {
        self.clock.monotonic()
    }
    fn committed(&self, took: Duration, writes: u64) {
        if let Some(metrics) = self.metrics.get() {
            metrics.committed(took, writes);
        }
    }
}

impl rpc::Observer for Counting {
    fn running_time(&self) -> Duration {
        self.clock.monotonic()
    }
    fn answered(&self, method: &'static str, error: Option<ErrorKind>, took: Duration) {
        if let Some(metrics) = self.metrics.get() {
            metrics.rpc_call(method, error.map_or("OK", ErrorKind::as_str), took);
        }
    }
}
