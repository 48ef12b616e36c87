//! Who of a workflow's executions may run: `settings.concurrency`. Pure; the driver asks and tells.
//!
//! An execution takes a place when it begins and keeps it until its end is committed, also while it
//! only waits. One that another execution of the same workflow started, directly or through others,
//! shares that one's place: it would wait for its own ancestor otherwise.
//! Invariant: with a limit, no place is given while as many families as the limit hold one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use a2n_proto::workflow::{Concurrency, ConcurrencyPolicy};
use a2n_proto::{ExecutionId, Timestamp, WorkflowId};

/// The order in which executions get what there is too little of: highest priority first, then
/// oldest.
pub(super) type Rank = (Reverse<i32>, Timestamp, ExecutionId);

/// A workflow's rule, and the revision of the workflow that it comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// Of the workflow: an older rule never replaces a newer one.
    pub revision: u64,
    /// What its settings say.
    pub concurrency: Concurrency,
}

impl Rule {
    /// How many may run at once; none where there is no limit.
    fn limit(&self) -> Option<usize> {
        match self.concurrency.policy {
            ConcurrencyPolicy::Allow => None,
            _ => self.concurrency.max_instances.map(|most| most.max(1) as usize),
        }
    }
}

/// Why an execution is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// Policy REJECT, and all places are taken.
    Running {
        /// One that has a place.
        by: ExecutionId,
        /// How many places there are.
        limit: usize,
    },
    /// As many wait as may.
    Queued {
        /// How many.
        limit: usize,
    },
}

/// All workflows' places.
#[derive(Debug, Default)]
pub(super) struct Places {
    of: BTreeMap<WorkflowId, Place>,
    queued: usize,
}

#[derive(Debug, Default)]
struct Place {
    rule: Rule,
    /// By the execution that took the place: who shares it and has not ended.
    holders: BTreeMap<ExecutionId, BTreeSet<ExecutionId>>,
    /// Which place an execution shares.
    family: BTreeMap<ExecutionId, ExecutionId>,
    /// Who waits, and whether its turn may come: it is stored, and not paused.
    queue: BTreeMap<Rank, bool>,
}

impl Place {
    fn has_room(&self) -> bool {
        self.rule.limit().is_none_or(|limit| self.holders.len() < limit)
    }
    fn take(&mut self, id: ExecutionId, root: ExecutionId) {
        self.holders.entry(root).or_default().insert(id);
        if root != id {
            self.family.insert(id, root);
        }
    }
    fn is_unused(&self) -> bool {
        self.holders.is_empty() && self.queue.is_empty()
    }
}

impl Places {
    /// Takes a workflow's rule in, unless a newer one is known.
    pub(super) fn learn(&mut self, workflow: WorkflowId, rule: &Rule) {
        let place = self.of.entry(workflow).or_default();
        if rule.revision >= place.rule.revision {
            place.rule.clone_from(rule);
        }
    }

    /// The same where the workflow has executions that have not ended; the next one brings it along
    /// otherwise.
    pub(super) fn change(&mut self, workflow: WorkflowId, rule: &Rule) {
        if self.of.contains_key(&workflow) {
            self.learn(workflow, rule);
        }
    }

    /// Whether an execution that is about to be accepted begins at once; else it waits in the queue.
    /// `root` is the topmost of its ancestors of the same workflow, or itself. Where there is no room
    /// for it in memory (`is_full`) it waits, however many places are free.
    pub(super) fn admit(
        &mut self,
        workflow: WorkflowId,
        rank: Rank,
        root: ExecutionId,
        is_full: bool,
    ) -> Result<bool, Refused> {
        let place = self.of.entry(workflow).or_default();
        let is_first = |place: &Place| {
            let mut before = place.queue.range(..rank);
            before.all(|(_, ready)| !ready)
        };
        let has_place = place.holders.contains_key(&root) || (place.has_room() && is_first(place));
        if has_place && !is_full {
            place.take(rank.2, root);
            return Ok(true);
        }
        let limit = place.rule.limit().unwrap_or(usize::MAX);
        match place.rule.concurrency.policy {
            ConcurrencyPolicy::Reject if !has_place => {
                if let Some(by) = place.holders.keys().next() {
                    return Err(Refused::Running { by: *by, limit });
                }
            }
            ConcurrencyPolicy::Queue if !has_place => {
                let most = place.rule.concurrency.max_queued.map(|most| most as usize);
                if let Some(limit) = most.filter(|most| place.queue.len() >= *most) {
                    return Err(Refused::Queued { limit });
                }
            }
            _ => {}
        }
        place.queue.insert(rank, false);
        self.queued += 1;
        Ok(false)
    }

    /// An execution that had begun before this daemon did.
    pub(super) fn hold(&mut self, workflow: WorkflowId, id: ExecutionId, root: ExecutionId) {
        self.of.entry(workflow).or_default().take(id, root);
    }

    /// Puts an execution into the queue, or says whether the turn of one there may come.
    pub(super) fn queue(&mut self, workflow: WorkflowId, rank: Rank, ready: bool) {
        if self.of.entry(workflow).or_default().queue.insert(rank, ready).is_none() {
            self.queued += 1;
        }
    }

    /// Whether places of a workflow are limited.
    pub(super) fn is_limited(&self, workflow: WorkflowId) -> bool {
        self.of.get(&workflow).is_some_and(|place| place.rule.limit().is_some())
    }

    /// Whether another execution is given a place, now or because others are made to end for it.
    pub(super) fn is_open(&self, workflow: WorkflowId) -> bool {
        self.of.get(&workflow).is_none_or(|place| {
            place.has_room() || place.rule.concurrency.policy == ConcurrencyPolicy::Replace
        })
    }

    /// How many may run at once; none where there is no limit.
    pub(super) fn limit(&self, workflow: WorkflowId) -> Option<usize> {
        self.of.get(&workflow)?.rule.limit()
    }

    /// Who shares each place.
    pub(super) fn families(&self, workflow: WorkflowId) -> Vec<Vec<ExecutionId>> {
        let places = self.of.get(&workflow).into_iter().flat_map(|place| place.holders.values());
        places.map(|all| all.iter().copied().collect()).collect()
    }

    /// All that wait in a workflow, which is gone.
    pub(super) fn drop_queue(&mut self, workflow: WorkflowId) -> Vec<ExecutionId> {
        let Some(place) = self.of.get_mut(&workflow) else { return Vec::new() };
        let all = std::mem::take(&mut place.queue);
        self.queued -= all.len();
        if place.is_unused() {
            self.of.remove(&workflow);
        }
        all.into_keys().map(|rank| rank.2).collect()
    }

    /// Whether an execution has a place.
    pub(super) fn holds(&self, workflow: WorkflowId, id: ExecutionId) -> bool {
        self.of.get(&workflow).is_some_and(|place| {
            place.family.contains_key(&id)
                || place.holders.get(&id).is_some_and(|all| all.contains(&id))
        })
    }

    /// Whether an execution waits for a place.
    pub(super) fn waits(&self, workflow: WorkflowId, rank: &Rank) -> bool {
        self.of.get(&workflow).is_some_and(|place| place.queue.contains_key(rank))
    }

    /// An execution is over, or is not there after all.
    pub(super) fn release(&mut self, workflow: WorkflowId, rank: &Rank) {
        let Some(place) = self.of.get_mut(&workflow) else { return };
        if place.queue.remove(rank).is_some() {
            self.queued -= 1;
        }
        let id = rank.2;
        let root = place.family.remove(&id).unwrap_or(id);
        if let Some(all) = place.holders.get_mut(&root) {
            all.remove(&id);
            if all.is_empty() {
                place.holders.remove(&root);
            }
        }
        if place.is_unused() {
            self.of.remove(&workflow);
        }
    }

    /// Gives a free place to the first in the queue whose turn may come.
    pub(super) fn next(&mut self, workflow: WorkflowId) -> Option<ExecutionId> {
        let place = self.of.get_mut(&workflow)?;
        if !place.has_room() {
            return None;
        }
        let first = *place.queue.iter().find(|(_, ready)| **ready)?.0;
        place.queue.remove(&first);
        self.queued -= 1;
        place.take(first.2, first.2);
        Some(first.2)
    }

    /// Who has to make room under REPLACE: as many of the oldest that run as there are waiting, and
    /// of the waiting themselves all but the newest that find a place.
    pub(super) fn to_replace(
        &self,
        workflow: WorkflowId,
        is_ending: impl Fn(ExecutionId) -> bool,
    ) -> Vec<ExecutionId> {
        let Some(place) = self.of.get(&workflow) else { return Vec::new() };
        let limit = match place.rule.concurrency.policy {
            ConcurrencyPolicy::Replace => place.rule.limit(),
            _ => None,
        };
        let Some(limit) = limit else { return Vec::new() };
        let mut waiting: Vec<(Timestamp, ExecutionId)> = place
            .queue
            .iter()
            .filter(|(_, ready)| **ready)
            .map(|((_, at, id), _)| (*at, *id))
            .collect();
        waiting.sort_unstable();
        let surplus = waiting.len().saturating_sub(limit);
        let mut replaced: Vec<ExecutionId> = waiting[..surplus].iter().map(|(_, id)| *id).collect();
        let (ending, running): (Vec<_>, Vec<_>) =
            place.holders.values().partition(|all| all.iter().all(|id| is_ending(*id)));
        let kept = waiting.len() - surplus;
        let needed = (kept + place.holders.len()).saturating_sub(limit + ending.len());
        // Ids are given in the order of time: the oldest come first.
        let members = running.into_iter().take(needed).flatten();
        replaced.extend(members.copied().filter(|id| !is_ending(*id)));
        replaced
    }

    /// How many wait before this one, counted up to `most`.
    pub(super) fn before(&self, workflow: WorkflowId, rank: &Rank, most: usize) -> usize {
        let Some(place) = self.of.get(&workflow) else { return 0 };
        place.queue.range(..rank).take(most).count()
    }

    /// How many wait in each workflow where any do.
    pub(super) fn queued_by_workflow(&self) -> impl Iterator<Item = (WorkflowId, usize)> {
        let waiting = self.of.iter().filter(|(_, place)| !place.queue.is_empty());
        waiting.map(|(workflow, place)| (*workflow, place.queue.len()))
    }

    /// How many executions wait for a place.
    pub(super) fn queued(&self) -> usize {
        self.queued
    }
}

#[cfg(test)]
mod tests;
