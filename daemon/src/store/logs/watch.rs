//! Sleeping until there are new lines of an execution, of a workflow, or of anyone.
//!
//! One [`tokio::sync::watch`] per key that somebody waits for; the writer thread looks the touched
//! keys up after each flush. With nobody waiting it does nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use a2n_segment::{Group, Stream};
use tokio::sync::watch;

/// Whose lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    One(Stream),
    Group(Group),
    Any,
}

#[derive(Debug, Default)]
pub(super) struct Watchers {
    keys: Mutex<BTreeMap<Key, watch::Sender<()>>>,
}

/// Wakes up when there are new lines.
#[derive(Debug)]
pub struct Watch {
    watchers: Arc<Watchers>,
    key: Key,
    /// `None` only while it is dropped.
    receiver: Option<watch::Receiver<()>>,
}

impl Watch {
    /// Waits until lines were written since the last call (or since this was made). Safe to drop
    /// and to call again. False when the log store is closed: no more will come.
    pub async fn changed(&mut self) -> bool {
        match &mut self.receiver {
            Some(receiver) => receiver.changed().await.is_ok(),
            None => false,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.receiver = None;
        let mut keys = self.watchers.lock();
        if keys.get(&self.key).is_some_and(|sender| sender.receiver_count() == 0) {
            keys.remove(&self.key);
        }
    }
}

impl Watchers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, watch::Sender<()>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn watch(self: &Arc<Self>, key: Key) -> Watch {
        let mut keys = self.lock();
        let sender = keys.entry(key).or_insert_with(|| watch::Sender::new(()));
        Watch { watchers: self.clone(), key, receiver: Some(sender.subscribe()) }
    }
    pub(super) fn wake(&self, touched: impl Iterator<Item = (Stream, Group)>) {
        let keys = self.lock();
        if keys.is_empty() {
            return;
        }
        let tell = |key: &Key| {
            if let Some(sender) = keys.get(key) {
                sender.send_replace(());
            }
        };
        for (stream, group) in touched {
            tell(&Key::One(stream));
            tell(&Key::Group(group));
        }
        tell(&Key::Any);
    }
    /// Ends all waiting.
    pub(super) fn close(&self) {
        self.lock().clear();
    }
}
