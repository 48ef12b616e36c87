//! Keeps the marker beside the store up to date, so that an older copy put in its place is noticed
//! also after a daemon that never got to close its store.

use std::sync::Arc;
use std::time::Duration;

use crate::store::Store;
use crate::system::Clock;

/// How many acknowledged writes an older copy could hide is bounded by this.
const EVERY: Duration = Duration::from_secs(3600);

/// Writes the marker every hour, for as long as the daemon runs.
pub(super) async fn keep(store: Store, clock: Arc<dyn Clock>) {
    loop {
        clock.sleep(EVERY).await;
        let store = store.clone();
        match tokio::task::spawn_blocking(move || store.write_marker()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "marker not written"),
            Err(error) => tracing::error!(%error, "marker not written"),
        }
    }
}
