//! Loops, and what a `try` watches over, of an execution that is run again: each is taken over as a
//! whole where it came to its own end, or runs again as a whole. A single iteration never is.

use std::collections::{BTreeMap, BTreeSet};

use a2n_proto::execution::NodeStatus;

use super::again::misfit;
use crate::engine::execution::{Finished, NodeKey, NodeState, State};
use crate::engine::plan::Plan;
use crate::engine::regions::RegionKind;

/// A loop or a `try` that stands in no other, with all that is in it.
#[derive(Debug)]
pub(super) struct Part {
    /// The node that it belongs to.
    entry: usize,
    kind: RegionKind,
    /// Its nodes, the entry among them.
    pub(super) members: BTreeSet<usize>,
}

/// What becomes of a part.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It comes out as before.
    Stands(Box<Carried>),
    /// It was passed by, and is again.
    Skipped,
    /// It runs again, and this says why, where that has to be said.
    RunsAgain(Option<String>),
    /// The result of this node, which would be needed, was cut away.
    Cut(String),
    /// This node held a lock to the end.
    Locked(String),
}

/// What is taken over of a part.
#[derive(Debug, Default)]
pub(super) struct Carried {
    pub(super) nodes: BTreeMap<NodeKey, NodeState>,
    pub(super) finished: Finished,
}

/// The outermost part that a node is in or belongs to.
pub(super) fn outermost(plan: &Plan, number: usize) -> Option<usize> {
    let node = &plan.nodes[number];
    let mut part = if node.region == 0 { node.gate? } else { node.region };
    while plan.regions[part].parent != 0 {
        part = plan.regions[part].parent;
    }
    Some(part)
}

impl Part {
    pub(super) fn of(plan: &Plan, part: usize) -> Self {
        let members =
            (0..plan.nodes.len()).filter(|number| outermost(plan, *number) == Some(part)).collect();
        Self { entry: plan.regions[part].entry, kind: plan.regions[part].kind, members }
    }

    fn names<'p>(&self, plan: &'p Plan) -> BTreeSet<&'p str> {
        self.members.iter().map(|number| plan.nodes[*number].id.as_str()).collect()
    }

    /// Whether it came to its own end: what failed within was caught, or ended with an iteration.
    pub(super) fn ended_well(&self, plan: &Plan, old: &State) -> bool {
        let key = &plan.nodes[self.entry].key;
        let node = old.nodes.get(key).is_some_and(|node| node.status == NodeStatus::Success);
        let frame = old.frames.get(key);
        match self.kind {
            RegionKind::Watched => node,
            RegionKind::Body => node && frame.is_none_or(|frame| frame.ended && !frame.unlucky),
            RegionKind::Natural => frame.is_some_and(|frame| frame.ended && !frame.unlucky),
            RegionKind::Whole => false,
        }
    }

    /// What becomes of it where all that leads to it comes out as before. `chosen` run again in any case.
    pub(super) fn judge(
        &self,
        plan: &Plan,
        old_plan: &Plan,
        old: &State,
        chosen: &BTreeSet<usize>,
    ) -> Verdict {
        let entry = &plan.nodes[self.entry];
        let again = |why: String| Verdict::RunsAgain(Some(format!("{} {why}", self.told(plan))));
        if let Some(inner) = self.members.intersection(chosen).find(|n| **n != self.entry) {
            let inner = &plan.nodes[*inner].id;
            return again(format!("runs again from its beginning: node `{inner}` is in it"));
        }
        if chosen.contains(&self.entry) {
            return Verdict::RunsAgain(None);
        }
        let there = old_plan.by_id.get(&entry.id).and_then(|number| outermost(old_plan, *number));
        let before = there.map(|part| Self::of(old_plan, part));
        if before.as_ref().map(|before| before.names(old_plan)) != Some(self.names(plan)) {
            return again("runs again: other nodes belong to it".to_owned());
        }
        for number in &self.members {
            if let Some(why) = misfit(plan, old_plan, *number) {
                return again(format!("runs again: {why} (node `{}`)", plan.nodes[*number].id));
            }
        }
        let is_skipped = |node: &NodeState| node.status == NodeStatus::Skipped;
        let never_begun = old.frames.get(&entry.key).is_some_and(|frame| frame.begun == 0);
        let passed_by = match self.kind {
            RegionKind::Natural => never_begun && !old.nodes.contains_key(&entry.key),
            _ => old.nodes.get(&entry.key).is_some_and(is_skipped),
        };
        if passed_by && self.is_lucky(old, entry) {
            return Verdict::Skipped;
        }
        if !self.ended_well(plan, old) {
            return again("runs again from its beginning: it did not come to its end".to_owned());
        }
        self.carry(plan, old)
    }

    /// Whether what was passed by was so because nothing came, not because something before failed.
    fn is_lucky(&self, old: &State, entry: &crate::engine::plan::PlanNode) -> bool {
        old.frames.get(&entry.key).is_none_or(|frame| !frame.unlucky)
    }

    fn carry(&self, plan: &Plan, old: &State) -> Verdict {
        let names = self.names(plan);
        let is_in = |key: &NodeKey| names.contains(key.node.as_str());
        let mut carried = Carried::default();
        for (key, before) in old.nodes.iter().filter(|(key, _)| is_in(key)) {
            if before.locked {
                return Verdict::Locked(key.node.clone());
            }
            if before.output.cut && key.iteration.is_empty() && self.is_sent_on(plan, &key.node) {
                return Verdict::Cut(key.node.clone());
            }
            carried.nodes.insert(key.clone(), NodeState { carried: true, ..before.clone() });
        }
        let frames = old.frames.iter().filter(|(key, _)| is_in(key));
        carried.finished.frames = frames.map(|(key, it)| (key.clone(), it.clone())).collect();
        let caught = old.caught.iter().filter(|(key, _)| is_in(key));
        carried.finished.caught = caught.map(|(key, it)| (key.clone(), it.clone())).collect();
        Verdict::Stands(Box::new(carried))
    }

    /// Whether what a node sent goes to others outside.
    fn is_sent_on(&self, plan: &Plan, id: &str) -> bool {
        let Some(number) = plan.by_id.get(id) else { return false };
        let mut targets = plan.nodes[*number].outgoing.iter().map(|c| plan.connections[*c].target);
        targets.any(|target| !self.members.contains(&target))
    }

    /// What it is called in a sentence.
    fn told(&self, plan: &Plan) -> String {
        let id = &plan.nodes[self.entry].id;
        match self.kind {
            RegionKind::Watched => format!("what `{id}` watches over"),
            _ => format!("the loop of node `{id}`"),
        }
    }
}
