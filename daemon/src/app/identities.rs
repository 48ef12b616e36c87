//! Who a peer of the socket is: its uid's account, kept until users or accounts change.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use a2n_proto::api::auth::Via;
use a2n_proto::api::system::Mode;
use a2n_proto::identity::UserStatus;

use crate::rpc::Identity;
use crate::store::{Caller, FeedRead, Store, account};
use crate::system::peer::Peer;

/// Looks peers up and remembers what it found.
#[derive(Debug)]
pub(super) struct Identities {
    store: Store,
    mode: Mode,
    own_uid: u32,
    known: RwLock<BTreeMap<u32, Identity>>,
}

impl Identities {
    pub(super) fn new(store: Store, mode: Mode, own_uid: u32) -> Arc<Self> {
        Arc::new(Self { store, mode, own_uid, known: RwLock::default() })
    }

    /// What this peer's uid stands for.
    pub(super) fn identify(&self, peer: &Peer) -> Identity {
        // The service's own user has no account and gets none: a step that breaks out must not
        // be able to command the daemon.
        if self.mode == Mode::System && peer.uid == self.own_uid {
            return Identity::Refused;
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(identity) = known.get(&peer.uid) {
            return identity.clone();
        }
        drop(known);
        let found = self.look(peer.uid);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(peer.uid, found.clone());
        found
    }

    fn look(&self, uid: u32) -> Identity {
        let found = self.store.read().and_then(|read| account::find_by_uid(&read, uid));
        match found {
            Ok(Some((user, _))) if user.status == UserStatus::Active => {
                Identity::Account(Arc::new(Caller {
                    user: user.id,
                    name: user.name,
                    role: user.role,
                    uid: Some(uid),
                    via: Via::Unix,
                }))
            }
            Ok(_) => Identity::Unmapped,
            Err(error) => {
                tracing::error!(uid, %error, "account not read");
                Identity::Unmapped
            }
        }
    }

    /// Forgets what it knows whenever a user or an account changes; runs as long as the daemon.
    pub(super) async fn follow(self: Arc<Self>) {
        let feed = self.store.feed();
        let mut watch = feed.watch();
        let mut next = feed.last() + 1;
        while watch.changed().await.is_ok() {
            loop {
                let stale = match feed.read_from(next, 1_000) {
                    Ok(FeedRead::Items(items)) if items.is_empty() => break,
                    Ok(FeedRead::Items(items)) => {
                        next = items.last().map_or(next, |change| change.seq + 1);
                        items.iter().any(|c| c.entity == "user" || c.entity == "account")
                    }
                    Ok(FeedRead::Gap { to, .. }) => {
                        next = to + 1;
                        true
                    }
                    Err(_) => break,
                };
                if stale {
                    self.known.write().unwrap_or_else(PoisonError::into_inner).clear();
                }
            }
        }
    }
}
