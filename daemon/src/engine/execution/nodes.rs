//! The nodes of an execution that are not PENDING, and which of them work. A workflow may have ten
//! thousand nodes of which one works: a step looks at those that do, not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use a2n_proto::execution::NodeStatus;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{NodeKey, NodeState};

/// Nodes by their keys. Changed by `put`, `with` and `take` only, so that
/// what works is always known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Nodes {
    all: BTreeMap<NodeKey, NodeState>,
    working: BTreeSet<NodeKey>,
    retries: u32,
}

impl Nodes {
    /// Those that are RUNNING, in the order of their keys.
    pub fn working(&self) -> impl Iterator<Item = (&NodeKey, &NodeState)> {
        self.working.iter().filter_map(|key| self.all.get_key_value(key))
    }
    /// Attempts after the first, over all nodes.
    pub fn retries(&self) -> u32 {
        self.retries
    }
    /// Puts a node in, in place of what stood there.
    pub(super) fn put(&mut self, key: NodeKey, state: NodeState) {
        if state.status == NodeStatus::Running {
            self.working.insert(key.clone());
        } else {
            self.working.remove(&key);
        }
        self.retries = self.retries.saturating_add(state.retries());
        if let Some(before) = self.all.insert(key, state) {
            self.retries = self.retries.saturating_sub(before.retries());
        }
    }
    /// Changes a node that is there.
    pub(super) fn with(&mut self, key: &NodeKey, change: impl FnOnce(&mut NodeState)) {
        let Some(state) = self.all.get_mut(key) else { return };
        let (worked, retried) = (state.status == NodeStatus::Running, state.retries());
        change(state);
        self.retries = self.retries.saturating_sub(retried).saturating_add(state.retries());
        match (worked, state.status == NodeStatus::Running) {
            (true, false) => drop(self.working.remove(key)),
            (false, true) => drop(self.working.insert(key.clone())),
            _ => {}
        }
    }
    /// Takes a node out.
    pub(super) fn take(&mut self, key: &NodeKey) -> Option<(NodeKey, NodeState)> {
        self.working.remove(key);
        let taken = self.all.remove_entry(key)?;
        self.retries = self.retries.saturating_sub(taken.1.retries());
        Some(taken)
    }
}

impl Deref for Nodes {
    type Target = BTreeMap<NodeKey, NodeState>;
    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl From<BTreeMap<NodeKey, NodeState>> for Nodes {
    fn from(all: BTreeMap<NodeKey, NodeState>) -> Self {
        let working = all.iter().filter(|(_, state)| state.status == NodeStatus::Running);
        let working = working.map(|(key, _)| key.clone()).collect();
        let retries = all.values().map(NodeState::retries).fold(0, u32::saturating_add);
        Self { working, retries, all }
    }
}

impl Serialize for Nodes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.all.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Nodes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(d).map(Self::from)
    }
}
