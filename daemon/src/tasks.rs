//! Supervised tasks: each has a name, a policy for its end, and a token that asks it to stop.
//!
//! The daemon spawns nothing outside of here (connections have their own tracker in `rpc`). A task
//! with [`OnEnd::StopDaemon`] that ends or panics before it was asked to takes the daemon down in
//! order; one with [`OnEnd::Ignore`] is only logged.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of the daemon; clones share them.
#[derive(Debug, Clone)]
pub struct Tasks {
    shared: Arc<Shared>,
}

/// What the end of a task means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnEnd {
    /// The daemon can't go on without it: everything stops in order.
    StopDaemon,
    /// It may end at any time; a panic is logged.
    Ignore,
}

#[derive(Debug)]
struct Shared {
    tracker: TaskTracker,
    stop: CancellationToken,
    /// Running tasks by number, for the message about those that did not end in time.
    running: Mutex<BTreeMap<u64, &'static str>>,
    numbers: std::sync::atomic::AtomicU64,
    /// The first task that ended though it must not.
    culprit: Mutex<Option<&'static str>>,
}

impl Tasks {
    /// No tasks yet; `stop` asks all of them to end.
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            shared: Arc::new(Shared {
                tracker: TaskTracker::new(),
                stop,
                running: Mutex::default(),
                numbers: std::sync::atomic::AtomicU64::new(0),
                culprit: Mutex::default(),
            }),
        }
    }

    /// The token that is cancelled when the daemon stops.
    pub fn stop_token(&self) -> CancellationToken {
        self.shared.stop.clone()
    }

    /// Starts a task under `name`.
    pub fn spawn(
        &self,
        name: &'static str,
        on_end: OnEnd,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let shared = Arc::clone(&self.shared);
        let number = shared.numbers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        lock(&shared.running).insert(number, name);
        self.shared.tracker.spawn(async move {
            let outcome = AssertUnwindSafe(task).catch_unwind().await;
            lock(&shared.running).remove(&number);
            if outcome.is_err() {
                tracing::error!(task = name, "task panicked");
            }
            if on_end == OnEnd::StopDaemon && !shared.stop.is_cancelled() {
                tracing::error!(task = name, "task ended unexpectedly");
                lock(&shared.culprit).get_or_insert(name);
                shared.stop.cancel();
            }
        });
    }

    /// The task whose unexpected end stops the daemon, where there is one.
    pub fn culprit(&self) -> Option<&'static str> {
        *lock(&self.shared.culprit)
    }

    /// Asks all to end and waits at most `grace`; answers the names of those that did not.
    pub async fn stop(&self, grace: Duration) -> Vec<&'static str> {
        self.shared.stop.cancel();
        self.shared.tracker.close();
        if tokio::time::timeout(grace, self.shared.tracker.wait()).await.is_ok() {
            return Vec::new();
        }
        lock(&self.shared.running).values().copied().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_unexpected_end_stops_the_daemon_and_names_the_task() {
        let tasks = Tasks::new(CancellationToken::new());
        let stop = tasks.stop_token();
        tasks.spawn("aside", OnEnd::Ignore, async {});
        tasks.spawn("vital", OnEnd::StopDaemon, async { panic!("on purpose") });
        stop.cancelled().await;
        assert_eq!(tasks.culprit(), Some("vital"));
        assert!(tasks.stop(Duration::from_secs(5)).await.is_empty());
    }

    #[tokio::test]
    async fn a_task_that_does_not_end_is_named() {
        let tasks = Tasks::new(CancellationToken::new());
        tasks.spawn("stubborn", OnEnd::Ignore, std::future::pending());
        assert_eq!(tasks.stop(Duration::from_millis(1)).await, ["stubborn"]);
    }
}
