//! One node of an execution: its units of work, their attempts, and what came out.

use std::collections::BTreeMap;
use std::sync::Arc;

use a2n_proto::execution::NodeStatus;
use a2n_proto::{Json, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Units;
use crate::engine::kind::{Handles, Item, NodeError};
use crate::engine::request::Request;

/// One node that is not PENDING.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeState {
    /// Where it stands.
    pub status: NodeStatus,
    /// When it became ready.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Whether each unit is one item; else there is one unit.
    pub each: bool,
    /// Its units of work.
    pub units: Units,
    /// What it sent on, once it ended.
    pub output: Arc<Output>,
    /// Why it failed.
    pub error: Option<NodeError>,
    /// How far it is.
    pub progress: Option<(u8, Option<String>)>,
    /// Whether the execution got permits of a lock here and has not given them back.
    pub locked: bool,
    /// Whether the result was taken over from the execution that this one retries.
    pub carried: bool,
    /// Which of its connections brought items first (`join: ANY`), by its place among them.
    pub took: Option<u32>,
    /// How many bytes of its results were cut away after the end.
    pub cut_bytes: u64,
}

/// One unit of work: one item of a node that works on EACH, or everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitState {
    /// Where it stands.
    pub phase: Phase,
    /// Its tries. Empty where it was computed at once and well.
    pub attempts: Vec<AttemptState>,
    /// Whether its result was taken over from the execution that this one retries.
    pub carried: bool,
}

/// What an earlier execution did with one item of a node that works on EACH.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DoneItem {
    /// Which item it was.
    pub index: u32,
    /// Tells the item and its handle from others.
    pub print: [u8; 16],
    /// What came out.
    pub output: Handles,
}

impl DoneItem {
    /// The print of an item that comes in by a handle.
    pub fn print(handle: &str, item: &Item) -> [u8; 16] {
        let hash = Sha256::new().chain_update(handle).chain_update([0]).chain_update(item.as_str());
        let mut print = [0; 16];
        print.copy_from_slice(&hash.finalize()[..16]);
        print
    }
}

/// Where a unit of work stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Phase {
    /// May be started.
    Ready,
    /// An attempt runs: its start is recorded, its end is not.
    Running {
        /// The attempt.
        n: u32,
    },
    /// Will be tried again.
    Backoff {
        /// When.
        until: Timestamp,
    },
    /// Only waits.
    Waiting {
        /// Until when.
        until: Timestamp,
        /// What it then passes on.
        then: Handles,
    },
    /// An attempt asked something of the rest of the daemon and has no answer yet.
    Requested {
        /// The attempt.
        n: u32,
        /// What it asked.
        request: Box<Request>,
    },
    /// A person has to say how it ended.
    InDoubt {
        /// The attempt whose end is not known.
        n: u32,
    },
    /// The loop's body runs, or what the `try` watches over.
    Inside,
    /// Done.
    Done {
        /// What came out; moved to the node when that ends.
        output: Handles,
    },
    /// Its last attempt failed.
    Failed {
        /// Why.
        error: NodeError,
        /// The last attempt.
        n: u32,
    },
    /// Stopped before its end.
    Cancelled,
}

impl Phase {
    /// Whether nothing more happens with it.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed { .. } | Self::Cancelled)
    }
    /// Whether something is done for it now: an attempt runs, or a request that does not only wait.
    pub fn is_at_work(&self) -> bool {
        match self {
            Self::Running { .. } => true,
            Self::Requested { request, .. } => request.waits().is_none(),
            _ => false,
        }
    }
}

/// One try.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptState {
    /// From 1.
    pub n: u32,
    /// When its start was committed.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Exit code or HTTP status.
    pub exit: Option<i32>,
    /// Why it failed.
    pub error: Option<NodeError>,
    /// Whether its real end is not known; it then does not count as a failure.
    pub lost: bool,
}

/// What a node sent on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// By handle.
    pub handles: BTreeMap<String, Sent>,
    /// Whether items were cut away after the end; then it can't be used again.
    pub cut: bool,
}

/// What left through one handle.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// The items.
    pub items: Vec<Item>,
    /// For each item the number of the input item it came from, over all input handles in order.
    /// Empty where that is lost (nodes that work on ALL).
    pub from: Vec<u32>,
}

impl NodeState {
    pub(in crate::engine) fn unstarted() -> Self {
        Self {
            status: NodeStatus::Pending,
            started_at: None,
            ended_at: None,
            each: false,
            units: Units::default(),
            output: Arc::new(Output::default()),
            error: None,
            progress: None,
            locked: false,
            carried: false,
            took: None,
            cut_bytes: 0,
        }
    }
    /// Over, with an output that was given instead of its work.
    pub(in crate::engine) fn given(sent: &Handles, at: Timestamp) -> Self {
        let sent = sent.iter().map(|(handle, items)| {
            (handle.clone(), Sent { items: items.clone(), from: Vec::new() })
        });
        Self {
            status: NodeStatus::Success,
            started_at: Some(at),
            ended_at: Some(at),
            output: Arc::new(Output { handles: sent.collect(), cut: false }),
            carried: true,
            ..Self::unstarted()
        }
    }
    pub(super) fn started(at: Timestamp, units: u32, each: bool) -> Self {
        Self {
            status: NodeStatus::Running,
            started_at: Some(at),
            each,
            units: Units::ready(units),
            ..Self::unstarted()
        }
    }
    pub(super) fn skipped(at: Timestamp) -> Self {
        Self { status: NodeStatus::Skipped, ended_at: Some(at), ..Self::unstarted() }
    }
    /// Whether its body runs, or what it watches over.
    pub fn is_inside(&self) -> bool {
        self.units.first().is_some_and(|unit| unit.phase == Phase::Inside)
    }
    /// Whether it is over.
    pub fn is_settled(&self) -> bool {
        !matches!(self.status, NodeStatus::Pending | NodeStatus::Running)
    }
    /// Size of all its results: what it sent, or what its items came to where it sent nothing.
    pub fn size_bytes(&self) -> usize {
        self.output.size_bytes() + usize::try_from(self.units_bytes()).unwrap_or(usize::MAX)
    }
    /// Size of what its units of work came to, before that moves to its output.
    pub(super) fn units_bytes(&self) -> u64 {
        let of_unit = |unit: &UnitState| match &unit.phase {
            Phase::Done { output } => handles_bytes(output),
            _ => 0,
        };
        self.units.iter().map(of_unit).sum()
    }
    /// Attempts after the first, over all units; none of those that were taken over.
    pub fn retries(&self) -> u32 {
        if self.carried { 0 } else { self.units.retries() }
    }
    /// The running attempts: item and number.
    pub(in crate::engine) fn running(&self) -> impl Iterator<Item = (Option<u32>, u32)> + '_ {
        self.units.under_way().filter_map(|(index, unit)| match unit.phase {
            Phase::Running { n } => Some((self.each.then_some(index), n)),
            _ => None,
        })
    }
}

/// Size of items' texts together.
pub(in crate::engine) fn handles_bytes(handles: &Handles) -> u64 {
    handles.values().flatten().map(|item| item.size_bytes() as u64).sum()
}

impl UnitState {
    /// Attempts after the first.
    pub(super) fn retries(&self) -> u32 {
        let attempts = if self.carried { 0 } else { self.attempts.len() };
        u32::try_from(attempts).unwrap_or(u32::MAX).saturating_sub(1)
    }
    /// Ended attempts that count as failures.
    pub(in crate::engine) fn failures(&self) -> u32 {
        let failed = self.attempts.iter().filter(|a| a.error.is_some() && !a.lost).count();
        u32::try_from(failed).unwrap_or(u32::MAX)
    }
    /// The request without an answer: its attempt, when that began, and what it asked.
    pub fn requested(&self) -> Option<(u32, Timestamp, &Request)> {
        let Phase::Requested { n, request } = &self.phase else { return None };
        let attempt = self.attempts.iter().rfind(|attempt| attempt.n == *n)?;
        Some((*n, attempt.started_at, request))
    }
    /// The number of the next attempt.
    pub(in crate::engine) fn next_attempt(&self) -> u32 {
        self.attempts.last().map_or(1, |a| a.n.saturating_add(1))
    }
}

impl Sent {
    /// Size of the items' texts together.
    pub(super) fn size_bytes(&self) -> u64 {
        self.items.iter().map(|item| item.size_bytes() as u64).sum()
    }
}

impl Output {
    /// The items of one handle; none where nothing left through it.
    pub fn items(&self, handle: &str) -> &[Item] {
        self.handles.get(handle).map_or(&[], |sent| sent.items.as_slice())
    }
    /// Whether nothing left through any handle.
    pub fn is_empty(&self) -> bool {
        self.handles.values().all(|sent| sent.items.is_empty())
    }
    /// Size of the items' texts together.
    pub fn size_bytes(&self) -> usize {
        self.handles.values().flat_map(|sent| &sent.items).map(Json::size_bytes).sum()
    }
}
