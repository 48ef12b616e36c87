//! Who makes a call, and what a method's body is told about it.

use std::fmt;
use std::sync::Arc;

use a2n_proto::api::Access;
use a2n_proto::{ErrorKind, RpcError, Timestamp};
use tokio_util::sync::CancellationToken;

use super::session::Session;
use crate::access::policy;
use crate::store::{Caller, Origin, Store, View};
use crate::system::peer::Peer;

/// What the peer's uid stands for. Asked anew for every call, so that a lock-out works at once.
#[derive(Debug, Clone)]
pub enum Identity {
    /// A user with an account.
    Account(Arc<Caller>),
    /// A user of the operating system without an account: only open methods.
    Unmapped,
    /// The daemon's own user in system mode: nothing but `/healthz` and `/readyz`.
    Refused,
}

/// Turns a peer's credentials into an identity; given by `app`.
pub type Identify = Arc<dyn Fn(&Peer) -> Identity + Send + Sync>;

/// Which of the three ways a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// One JSON text a line.
    Lines,
    /// HTTP POST.
    Http,
    /// WebSocket messages.
    WebSocket,
}

impl Way {
    /// The door's name in audit rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lines => "UNIX",
            Self::Http => "HTTP",
            Self::WebSocket => "WEBSOCKET",
        }
    }
}

/// One call, as a method's body sees it.
#[derive(Clone)]
pub struct Call {
    /// The method's name.
    pub method: &'static str,
    /// The peer at the other end.
    pub peer: Peer,
    /// What its uid stands for.
    pub identity: Identity,
    /// The way it came.
    pub way: Way,
    /// The request's id as JSON text; none for a notification.
    pub request_id: Option<Arc<str>>,
    pub(super) session: Arc<Session>,
}

impl Call {
    /// The account that calls; UNAUTHENTICATED where there is none.
    pub fn caller(&self) -> Result<&Arc<Caller>, RpcError> {
        match &self.identity {
            Identity::Account(caller) => Ok(caller),
            Identity::Unmapped | Identity::Refused => Err(no_account(self.peer.uid)),
        }
    }

    /// The `User-Agent`, on HTTP and WebSocket.
    pub fn user_agent(&self) -> Option<&str> {
        self.session.user_agent.as_deref()
    }

    /// Cancelled when the daemon stops: what waits for long gives up then.
    pub fn stopping(&self) -> &CancellationToken {
        &self.session.stopping
    }

    /// The store as the caller sees it: the only one a body gets for people's data.
    pub fn view(&self, store: &Store, at: Timestamp) -> Result<View, RpcError> {
        Ok(store.as_caller(Caller::clone(self.caller()?), at))
    }

    /// Who writes and from where, for audit rows.
    pub fn origin(&self, at: Timestamp) -> Origin {
        let user = match &self.identity {
            Identity::Account(caller) => Some(caller.user),
            Identity::Unmapped | Identity::Refused => None,
        };
        Origin {
            at,
            user,
            uid: Some(self.peer.uid),
            source: self.way.as_str().to_owned(),
            user_agent: self.user_agent().map(str::to_owned),
            request_id: self.request_id.as_deref().map(str::to_owned),
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by uid {}", self.method, self.peer.uid)
    }
}

impl Identity {
    /// Whether somebody who was let in as `before` may still have what was answered to them then.
    pub(crate) fn still_is(&self, before: &Self) -> bool {
        match (before, self) {
            (Self::Account(before), Self::Account(now)) => {
                before.user == now.user && before.role <= now.role
            }
            (Self::Account(_), Self::Unmapped | Self::Refused) => false,
            // Who had no account was told nothing that needs one.
            (Self::Unmapped | Self::Refused, _) => true,
        }
    }

    /// Says that they were let in, and no longer are.
    pub(crate) fn locked_out(peer: &Peer) -> RpcError {
        let message = format!("the account of uid {} was changed meanwhile", peer.uid);
        RpcError::new(ErrorKind::Unauthenticated, message)
            .hint("`a2n whoami` tells who you are now")
    }

    /// Whether a method that needs `access` may be asked at all. What depends on one object
    /// (shares) is decided where that object is read.
    pub(crate) fn admit(&self, access: Access, peer: &Peer) -> Result<(), RpcError> {
        let caller = match (self, access) {
            (Self::Refused, _) => {
                let message = "the daemon's own user may not use the socket";
                return Err(RpcError::new(ErrorKind::Forbidden, message)
                    .hint("call as a user of your own; /healthz and /readyz answer"));
            }
            (_, Access::Open) => return Ok(()),
            (Self::Unmapped, _) => return Err(no_account(peer.uid)),
            (Self::Account(caller), _) => caller,
        };
        policy::at_the_door(access, Some(caller.role))
    }
}

fn no_account(uid: u32) -> RpcError {
    RpcError::new(ErrorKind::Unauthenticated, format!("uid {uid} has no account here"))
        .hint(policy::NO_ACCOUNT)
}
