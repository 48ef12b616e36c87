//! Tells the engine when a workflow's rule of how many run at once changes: executions that wait may
//! find a place then. A start brings the rule along; this is for those that wait already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use a2n_proto::{Change, ChangeKind, WorkflowId};

use crate::engine::driving::handle::Engine;
use crate::engine::driving::plans::Plans;
use crate::engine::driving::recover;
use crate::store::{Error, FeedRead, Store};

/// Follows the feed for rules.
#[derive(Debug)]
pub(super) struct Rules {
    store: Store,
    plans: Arc<Plans>,
    engine: Engine,
    /// The first change that was not looked at.
    next: u64,
}

impl Rules {
    /// From what the feed has now; what was before is read at the start.
    pub(super) fn new(store: Store, plans: Arc<Plans>, engine: Engine) -> Self {
        let next = store.feed().last() + 1;
        Self { store, plans, engine, next }
    }

    /// Follows for as long as the daemon runs.
    pub(super) async fn run(mut self) {
        let mut watch = self.store.feed().watch();
        loop {
            if let Err(error) = self.read_on().await {
                tracing::error!(%error, "rules of workflows not followed");
            }
            if watch.changed().await.is_err() {
                return;
            }
        }
    }

    async fn read_on(&mut self) -> Result<(), Error> {
        loop {
            let mut touched = BTreeMap::new();
            match self.store.feed().read_from(self.next, 1_000)? {
                FeedRead::Items(items) => {
                    let Some(last) = items.last() else { return Ok(()) };
                    self.next = last.seq + 1;
                    touched.extend(items.iter().filter_map(touched_by));
                }
                // Whoever starts one next brings its rule along.
                FeedRead::Gap { to, .. } => self.next = to + 1,
            }
            let (gone, changed): (BTreeSet<_>, BTreeSet<_>) =
                touched.into_iter().partition(|(_, is_gone)| *is_gone);
            for (id, _) in changed {
                let rule = recover::rule(&self.store.read()?, &self.plans, id)?;
                if let Some(rule) = rule {
                    self.engine.rule(id, rule).await;
                }
            }
            for (id, _) in gone {
                self.engine.workflow_gone(id).await;
            }
        }
    }
}

/// The workflow whose rule a change may have changed, and whether it is gone.
fn touched_by(change: &Arc<Change>) -> Option<(WorkflowId, bool)> {
    if change.entity != "workflow" {
        return None;
    }
    let id = change.id.parse().ok()?;
    match change.change {
        ChangeKind::Deleted => Some((id, true)),
        ChangeKind::Created => None,
        ChangeKind::Updated => {
            let members = a2n_proto::merge_patch::members(&change.fields)?;
            let is_published = members.iter().any(|(name, _)| name == "publishedVersion");
            is_published.then_some((id, false))
        }
    }
}
