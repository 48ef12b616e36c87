//! Slots for attempts that run outside: how many are taken, who waits for one, who gets the next.
//! Pure; the driver asks and tells.
//!
//! A free slot goes by priority (the execution's, and on top that of the node whose unit would begin),
//! then to the workflow that has the fewest, among equals to the one
//! that was served longest ago, and within a workflow to the oldest execution: a flood in one
//! workflow does not starve another of the same priority. Who gives a higher one means it: as long as
//! there is work of it, lower ones wait. Invariant: every slot taken is given back once, and the sum of
//! the workflows' slots is the number taken.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use a2n_proto::{ExecutionId, Timestamp, WorkflowId};

use super::places::Rank;

/// How many slots there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Over all workflows.
    pub(super) all: usize,
    /// In one workflow.
    pub(super) per_workflow: usize,
}

/// Slots that are taken, and executions with work that waits for one.
#[derive(Debug, Default)]
pub(super) struct Slots {
    taken: usize,
    workflows: BTreeMap<WorkflowId, Share>,
    levels: BTreeMap<Reverse<i32>, Level>,
    /// Where each that waits stands.
    waiting: BTreeMap<ExecutionId, (WorkflowId, Rank)>,
    served: u64,
}

/// What a workflow has, and when it last got one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Share {
    taken: usize,
    served: u64,
}

/// Who waits with one priority.
#[derive(Debug, Default)]
struct Level {
    order: BTreeSet<(Share, WorkflowId)>,
    queues: BTreeMap<WorkflowId, BTreeSet<(Timestamp, ExecutionId)>>,
}

impl Slots {
    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }
    /// How many executions wait for one.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }
    /// How many are free.
    pub(super) fn free(&self, limits: Limits) -> usize {
        limits.all.saturating_sub(self.taken)
    }

    /// An attempt takes one.
    pub(super) fn take(&mut self, workflow: WorkflowId) {
        self.taken += 1;
        self.served += 1;
        let served = self.served;
        self.change(workflow, |share| Share { taken: share.taken + 1, served });
    }

    /// `n` attempts give theirs back.
    pub(super) fn give(&mut self, workflow: WorkflowId, n: usize) {
        self.taken -= n;
        self.change(workflow, |share| Share { taken: share.taken - n, ..share });
    }

    /// What each workflow has, and how many of its executions wait.
    pub(super) fn by_workflow(&self) -> impl Iterator<Item = (WorkflowId, usize, usize)> {
        self.workflows.iter().map(|(workflow, share)| {
            let queues = self.levels.values().filter_map(|level| level.queues.get(workflow));
            (*workflow, share.taken, queues.map(BTreeSet::len).sum())
        })
    }

    fn share(&self, workflow: WorkflowId) -> Share {
        self.workflows.get(&workflow).copied().unwrap_or_default()
    }

    fn change(&mut self, workflow: WorkflowId, to: impl FnOnce(Share) -> Share) {
        let before = self.share(workflow);
        let after = to(before);
        for level in self.levels.values_mut() {
            if level.order.remove(&(before, workflow)) {
                level.order.insert((after, workflow));
            }
        }
        self.workflows.insert(workflow, after);
        self.forget_idle(workflow);
    }

    /// A workflow that neither has a slot nor waits for one need not be remembered.
    fn forget_idle(&mut self, workflow: WorkflowId) {
        let waits = || self.levels.values().any(|level| level.queues.contains_key(&workflow));
        if self.share(workflow).taken == 0 && !waits() {
            self.workflows.remove(&workflow);
        }
    }

    /// An execution has work that waits for a slot, in this turn from now on.
    pub(super) fn wait(&mut self, workflow: WorkflowId, rank: &Rank) {
        match self.waiting.get(&rank.2) {
            Some(known) if *known == (workflow, *rank) => return,
            Some(_) => self.stop_waiting(rank.2),
            None => {}
        }
        let share = self.share(workflow);
        let level = self.levels.entry(rank.0).or_default();
        level.queues.entry(workflow).or_default().insert((rank.1, rank.2));
        level.order.insert((share, workflow));
        self.workflows.entry(workflow).or_insert(share);
        self.waiting.insert(rank.2, (workflow, *rank));
    }

    /// It has none any more.
    pub(super) fn stop_waiting(&mut self, id: ExecutionId) {
        let Some((workflow, rank)) = self.waiting.remove(&id) else { return };
        let share = self.share(workflow);
        let Some(level) = self.levels.get_mut(&rank.0) else { return };
        let Some(queue) = level.queues.get_mut(&workflow) else { return };
        queue.remove(&(rank.1, id));
        if queue.is_empty() {
            level.queues.remove(&workflow);
            level.order.remove(&(share, workflow));
        }
        if level.queues.is_empty() {
            self.levels.remove(&rank.0);
        }
        self.forget_idle(workflow);
    }

    /// How many an execution may take now. Who waits and comes before it has the free ones first;
    /// and while others wait at all, it takes one at a time.
    pub(super) fn room(&self, limits: Limits, workflow: WorkflowId, rank: &Rank) -> usize {
        let own = limits.per_workflow.saturating_sub(self.share(workflow).taken);
        let free = self.free(limits).min(own);
        if free == 0 || self.waiting.is_empty() {
            return free;
        }
        let (mut before, mut others) = (0, false);
        for (priority, level) in self.levels.range(..=rank.0) {
            let same = *priority == rank.0;
            for (share, other) in &level.order {
                if share.taken >= limits.per_workflow {
                    continue;
                }
                let queue = &level.queues[other];
                others |= *other != workflow;
                let ahead = match (*other == workflow, same) {
                    (_, false) => queue.len(),
                    (true, true) => queue.range(..(rank.1, rank.2)).take(free).count(),
                    // One each, before it is this one's turn again.
                    (false, true) => {
                        let own = (self.share(workflow), workflow);
                        usize::from((*share, *other) < own)
                    }
                };
                before += ahead;
                if before >= free {
                    return 0;
                }
            }
        }
        // What it has beside its foremost work may have to wait for others of a higher turn.
        let below = self.levels.range((Bound::Excluded(rank.0), Bound::Unbounded)).next().is_some();
        if others || below { 1 } else { free - before }
    }

    /// The execution that gets the next free slot, those in `passed` apart: they took none.
    pub(super) fn next(
        &self,
        limits: Limits,
        passed: &BTreeSet<ExecutionId>,
    ) -> Option<ExecutionId> {
        if self.free(limits) == 0 {
            return None;
        }
        let workflows = self.levels.values().flat_map(|level| {
            let eligible = level.order.iter().filter(|(it, _)| it.taken < limits.per_workflow);
            eligible.flat_map(|(_, workflow)| &level.queues[workflow])
        });
        workflows.map(|(_, id)| *id).find(|id| !passed.contains(id))
    }
}

#[cfg(test)]
mod tests;
