//! What a node wants of the rest of the daemon: plain data that an inline kind gives as its outcome.
//!
//! A request is an attempt: it starts when the request is recorded and ends with the reply. It is made
//! again after every start of the daemon, so whoever answers it does so once per attempt. A new one is
//! a variant here, a file beside this one, one in `driving/desk/` that answers it, and a node.

use std::time::Duration;

use a2n_proto::execution::WaitingKind;
use a2n_proto::{Json, Timestamp, merge_patch};
use serde::{Deserialize, Serialize};

use super::kind::{Handles, Item, NodeError, Outcome};

pub mod child;
pub mod event;
pub mod lock;
pub mod look;
pub mod pace;
pub mod shared;

use super::approval::ApprovalRequest;
use child::ChildRequest;
use event::{EmitRequest, EventRequest};
use lock::LockRequest;
use look::LookRequest;
use pace::{DebounceRequest, ThrottleRequest};
use shared::SharedRequest;

/// What a unit of work wants of the rest of the daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// A value that executions share (`state`).
    Shared(SharedRequest),
    /// Another workflow is to run (`workflow`).
    Child(ChildRequest),
    /// Permits of a lock (`mutex`, `semaphore`).
    Lock(LockRequest),
    /// Its turn among those that may pass in a time (`throttle`).
    Throttle(ThrottleRequest),
    /// To be the last of those that come close together (`debounce`).
    Debounce(DebounceRequest),
    /// People's decision (`approval`).
    Approval(Box<ApprovalRequest>),
    /// That an event is told (`emit`).
    Emit(Box<EmitRequest>),
    /// That an event comes (`wait`).
    Event(Box<EventRequest>),
    /// That something in the world is as wanted (`wait`).
    Look(Box<LookRequest>),
}

/// What a request is answered with.
pub type Reply = Result<Outcome, NodeError>;

impl Request {
    /// What the unit waits for, where nothing is done for it meanwhile. Such a request takes no place
    /// of its node's `concurrency`, and an execution with nothing else is PAUSED.
    pub fn waits(&self) -> Option<WaitingKind> {
        match self {
            Self::Shared(_) | Self::Child(_) | Self::Throttle(_) | Self::Emit(_) => None,
            Self::Lock(_) => Some(WaitingKind::Limit),
            Self::Debounce(_) => Some(WaitingKind::Timer),
            Self::Approval(_) => Some(WaitingKind::Approval),
            Self::Event(_) | Self::Look(_) => Some(WaitingKind::Event),
        }
    }
    /// The wait in a few words, for people.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Shared(_) | Self::Child(_) | Self::Throttle(_) | Self::Emit(_) => None,
            Self::Lock(lock) if lock.limit == 1 => Some(format!("mutex `{}`", lock.name)),
            Self::Lock(lock) => {
                Some(format!("{} of {} of semaphore `{}`", lock.permits, lock.limit, lock.name))
            }
            Self::Debounce(_) => Some("until no other execution comes".to_owned()),
            Self::Approval(request) => Some(request.detail()),
            Self::Event(request) => Some(request.detail()),
            Self::Look(request) => Some(request.detail()),
        }
    }
    /// When it is over by itself.
    pub fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Shared(_)
            | Self::Child(_)
            | Self::Throttle(_)
            | Self::Lock(_)
            | Self::Emit(_) => None,
            Self::Debounce(debounce) => Some(debounce.until),
            Self::Approval(request) => request.until,
            Self::Event(request) => request.until,
            Self::Look(request) => request.until,
        }
    }
    /// What it then comes to.
    pub fn at_deadline(&self) -> Reply {
        match self {
            Self::Shared(_)
            | Self::Child(_)
            | Self::Throttle(_)
            | Self::Lock(_)
            | Self::Emit(_) => Err(late(None)),
            Self::Debounce(debounce) => Ok(Outcome::Items(debounce.leave("output"))),
            Self::Approval(request) => request.expired(),
            Self::Event(request) => request.late(),
            Self::Look(request) => request.late(),
        }
    }
    /// When it is over without a reply: by itself, or by the node's time-out.
    pub fn due(&self, asked_at: Timestamp, timeout: Option<Duration>) -> Option<Timestamp> {
        let limit = timeout.map(|after| asked_at.plus(after));
        [self.deadline(), limit].into_iter().flatten().min()
    }
    /// What it comes to when that moment is there.
    pub fn when_due(&self, asked_at: Timestamp, timeout: Option<Duration>) -> Reply {
        let by_itself = self.deadline().filter(|at| self.due(asked_at, timeout) == Some(*at));
        if by_itself.is_some() { self.at_deadline() } else { Err(late(timeout)) }
    }
}

/// The items, each with one member more; what is no object comes as `value` beside it, and where there
/// are none the member goes on alone.
fn with_member(items: &[Item], name: &str, value: &Json) -> Outcome {
    let member = (name.to_owned(), value.clone());
    let with = |item: &Item| {
        let members = merge_patch::members(item);
        let mut members = members.unwrap_or_else(|| vec![("value".to_owned(), item.clone())]);
        members.retain(|(known, _)| known != name);
        members.push(member.clone());
        merge_patch::object(&members)
    };
    let mut all: Vec<Item> = items.iter().map(with).collect();
    if all.is_empty() {
        all.push(merge_patch::object(&[member]));
    }
    Outcome::Items(Handles::from([("output".to_owned(), all)]))
}

fn late(timeout: Option<Duration>) -> NodeError {
    let within = timeout.map(|after| format!(" within {} ms", after.as_millis()));
    NodeError::new("TIMEOUT", format!("no answer came{}", within.unwrap_or_default()))
}
