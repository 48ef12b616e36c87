//! Feeds the service manager's watchdog while the engine answers, so that a daemon that hangs is
//! started again. Where nobody waits for it, nothing wakes up.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::driving::handle::Engine;
use crate::system::{Clock, systemd};

/// Asks the engine once in `every` and passes its answer on as a sign of life.
pub(super) async fn feed(engine: Engine, clock: Arc<dyn Clock>, every: Duration) {
    while engine.load().await.is_ok() {
        systemd::alive();
        clock.sleep(every).await;
    }
}
