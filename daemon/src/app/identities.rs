//! Who a peer of the socket is: its uid's account, kept until users or accounts change.
//!
//! Each look first catches up with the feed. A change of a user or an account is in the feed before
//! its caller is answered, so whoever is locked out is locked out from then on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use a2n_proto::api::auth::Via;
use a2n_proto::api::system::Mode;
use a2n_proto::identity::{Account, UserStatus};

use crate::access::strangers;
use crate::rpc::Identity;
use crate::store::{Caller, Feed, FeedRead, Origin, Store, Tx, account};
use crate::system::System;
use crate::system::host;
use crate::system::peer::Peer;

/// Looks peers up and remembers what it found.
#[derive(Debug)]
pub(super) struct Identities {
    store: Store,
    feed: Feed,
    system: System,
    mode: Mode,
    own_uid: u32,
    seen: Mutex<Seen>,
}

/// What was found, and up to which change of the feed it holds.
#[derive(Debug)]
struct Seen {
    known: BTreeMap<u32, Identity>,
    next: u64,
    /// Whom the log has been told of: a uid and the name that it has now.
    strangers: BTreeSet<(u32, String)>,
}

impl Identities {
    pub(super) fn new(store: Store, system: System, mode: Mode, own_uid: u32) -> Arc<Self> {
        let feed = store.feed();
        let next = feed.last() + 1;
        let seen = Seen { known: BTreeMap::new(), next, strangers: BTreeSet::new() };
        Arc::new(Self { store, feed, system, mode, own_uid, seen: Mutex::new(seen) })
    }

    /// What this peer's uid stands for.
    pub(super) fn identify(&self, peer: &Peer) -> Identity {
        // The service's own user has no account and gets none: a step that breaks out must not
        // be able to command the daemon.
        if self.mode == Mode::System && peer.uid == self.own_uid {
            return Identity::Refused;
        }
        let mut seen = self.lock();
        self.catch_up(&mut seen);
        if let Some(identity) = seen.known.get(&peer.uid) {
            return identity.clone();
        }
        let found = self.look(peer.uid, &mut seen);
        seen.known.insert(peer.uid, found.clone());
        found
    }

    fn look(&self, uid: u32, seen: &mut Seen) -> Identity {
        let found = self.store.read().and_then(|read| account::find_by_uid(&read, uid));
        match found {
            Ok(Some((user, account))) if user.status == UserStatus::Active => {
                if let Some(now) = another_name(&account, uid) {
                    if seen.strangers.insert((uid, now.clone())) {
                        self.note_stranger(&account, uid, &now);
                    }
                    return Identity::Unmapped;
                }
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

    /// Writes down, once for each name, that a uid is somebody else's now.
    fn note_stranger(&self, account: &Account, uid: u32, now: &str) {
        let was = account.login_name.clone().unwrap_or_default();
        tracing::warn!(uid, now, was, "uid has another name than when it was linked");
        let (account, now) = (account.clone(), now.to_owned());
        let note = move |tx: &mut Tx<'_>| strangers::note(tx, &account, uid, &now);
        let origin = Origin::daemon(self.system.now(), "IDENTITY");
        self.store.hand_over(origin, note, |result| {
            if let Err(error) = result {
                tracing::error!(%error, "another name of a uid is not written down");
            }
        });
    }

    /// Forgets what it knows where a user or an account has changed since. Answers whether one has.
    fn catch_up(&self, seen: &mut Seen) -> bool {
        let mut is_stale = false;
        while seen.next <= self.feed.last() {
            match self.feed.read_from(seen.next, 1_000) {
                Ok(FeedRead::Items(items)) => {
                    let Some(last) = items.last() else { break };
                    seen.next = last.seq + 1;
                    is_stale |= items.iter().any(|c| c.entity == "user" || c.entity == "account");
                }
                Ok(FeedRead::Gap { to, .. }) => {
                    seen.next = to + 1;
                    is_stale = true;
                }
                Err(error) => {
                    // Better to look everybody up again than to trust what may be old.
                    tracing::error!(%error, "feed not read");
                    is_stale = true;
                    break;
                }
            }
        }
        if is_stale {
            seen.known.clear();
        }
        is_stale
    }

    /// Calls `changed` whenever a user or an account has changed; runs as long as the daemon.
    pub(super) async fn follow(self: Arc<Self>, changed: impl Fn() + Send) {
        let mut watch = self.feed.watch();
        let mut next = self.feed.last() + 1;
        while watch.changed().await.is_ok() {
            // Whoever asks catches up too, so this has a place in the feed of its own.
            let mut own = Seen { known: BTreeMap::new(), next, strangers: BTreeSet::new() };
            let is_stale = self.catch_up(&mut own);
            next = own.next;
            if is_stale {
                changed();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name that a uid has now, where it is another one than when it was linked: the number was
/// given to somebody else. A number without a name, then or now, says nothing.
fn another_name(account: &Account, uid: u32) -> Option<String> {
    let was = account.login_name.as_deref()?;
    let now = host::known_login_name(uid)?;
    (now != was && was != format!("uid-{uid}")).then_some(now)
}
