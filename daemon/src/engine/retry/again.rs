//! Running an ended execution again as a new one: which results it takes over, and what did not fit.
//!
//! Invariant: the old execution is only read. Whatever is refused is refused before anything starts.

use std::collections::{BTreeMap, BTreeSet};

use a2n_proto::execution::NodeStatus;

use super::given;
use super::parts::{Part, Verdict, outermost};
use crate::engine::execution::{
    DoneItem, Ending, Finished, NodeKey, NodeState, Phase, Start, State,
};
use crate::engine::kind::{Handles, Item};
use crate::engine::plan::Plan;
use crate::engine::step;

/// From where an execution is run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetryFrom {
    /// Everything again.
    Start,
    /// The failed and cancelled nodes and all that comes after them.
    FailedNode,
    /// Only the items that failed or were cancelled, and what comes of them: an item that came into
    /// a node before just as it does now, and was done, is not done again.
    FailedItems,
    /// This node and all that comes after it.
    Node(String),
}

/// Results that stand for what nodes sent: from node id to handle to items.
pub type Given = BTreeMap<String, Handles>;

/// How a new execution begins, and what it takes over.
#[derive(Debug, Clone)]
pub struct Again {
    /// Its beginning.
    pub start: Start,
    /// Whole loops and the like that it takes over.
    pub finished: Finished,
    /// What it takes over.
    pub taken: Taken,
}

/// What a new execution takes over, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Nodes whose results stand as they are.
    pub nodes: Vec<String>,
    /// Nodes of which only single items are done, and how many.
    pub items: BTreeMap<String, usize>,
    /// What did not fit, in sentences.
    pub notes: Vec<String>,
}

/// Why an execution can't be run again so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such node.
    #[error("there is no node `{0}` in the version that would run")]
    UnknownNode(String),
    /// A result is given for a handle that the node does not have.
    #[error("node `{node}` has no output `{handle}`; it has {known}")]
    UnknownHandle {
        /// The node.
        node: String,
        /// The handle that is not there.
        handle: String,
        /// Those that are.
        known: String,
    },
    /// A node is to run again and has a given result.
    #[error("node `{0}` is given a result, so it can't be the one to run again from")]
    GivenAndAgain(String),
    /// Nothing failed.
    #[error("no node failed or was cancelled; run it again from START or from a node")]
    NothingFailed,
    /// No item failed.
    #[error("no item failed or was cancelled; run it again from START or from a node")]
    NoItemFailed,
    /// A result that would be taken over was cut away.
    #[error("the result of node `{0}` was cut away after the end; run it again from START")]
    Cut(String),
    /// A lock that was held to the end would not be held.
    #[error(
        "node `{0}` held a lock to the end, which a retry after it would not hold; run it again from `{0}` or from START"
    )]
    Locked(String),
    /// The execution has not ended.
    #[error("the execution has not ended yet")]
    NotEnded,
}

/// The beginning of a new execution that takes over what it may of an ended one. `plan` is of the
/// version that will run, `old_plan` of the one that did; `given` stands for what nodes sent.
pub fn again(
    plan: &Plan,
    old_plan: &Plan,
    old: &State,
    from: &RetryFrom,
    given: &Given,
    mut start: Start,
) -> Result<Again, Error> {
    if !old.status().is_ended() {
        return Err(Error::NotEnded);
    }
    start.retry_of = Some(old.start().execution);
    start.carried = BTreeMap::new();
    start.done_before = BTreeMap::new();
    let chosen = chosen(plan, old, from)?;
    for (id, handles) in given {
        let number = *plan.by_id.get(id).ok_or_else(|| Error::UnknownNode(id.clone()))?;
        if matches!(from, RetryFrom::Node(node) if node == id) {
            return Err(Error::GivenAndAgain(id.clone()));
        }
        let state = given::state(plan, old, number, handles, start.created_at)?;
        start.carried.insert(plan.nodes[number].key.clone(), state);
    }
    let (finished, taken) = (Finished::default(), Taken::default());
    let mut work = Work { plan, old_plan, old, start, finished, taken };
    if let Some(chosen) = chosen {
        work.take_over(&chosen, from == &RetryFrom::FailedItems, given)?;
    }
    Ok(Again { start: work.start, finished: work.finished, taken: work.taken })
}

/// The nodes that run again in any case; none where all do.
fn chosen(plan: &Plan, old: &State, from: &RetryFrom) -> Result<Option<BTreeSet<usize>>, Error> {
    let bad = |status| matches!(status, NodeStatus::Failed | NodeStatus::Cancelled);
    let stopping = match &old.ending {
        Some(Ending::Stopped { node, .. }) => Some(node),
        _ => None,
    };
    let found = |is_bad: &dyn Fn(&NodeState) -> bool| -> BTreeSet<usize> {
        let failed = old.nodes.iter().filter(|(key, node)| is_bad(node) || stopping == Some(*key));
        failed.filter_map(|(key, _)| plan.by_id.get(&key.node).copied()).collect()
    };
    Ok(Some(match from {
        RetryFrom::Start => return Ok(None),
        RetryFrom::Node(id) => {
            let number = plan.by_id.get(id).ok_or_else(|| Error::UnknownNode(id.clone()))?;
            BTreeSet::from([*number])
        }
        RetryFrom::FailedNode => {
            let all = found(&|node| bad(node.status));
            // What failed where somebody caught it, or a `break` cut off, is no reason to do it again.
            let handled = |number: &usize| {
                let part = outermost(plan, *number).map(|part| Part::of(plan, part));
                part.is_some_and(|part| part.ended_well(plan, old))
            };
            let open: BTreeSet<usize> = all.iter().copied().filter(|n| !handled(n)).collect();
            let failed = if open.is_empty() && old.ending.is_none() { all } else { open };
            // One that was cancelled or ran too long may have no node that failed.
            if failed.is_empty() && old.ending.is_none() {
                return Err(Error::NothingFailed);
            }
            failed
        }
        RetryFrom::FailedItems => {
            let failed = found(&|node| bad(node.status) || node.units.iter().any(is_bad));
            if failed.is_empty() && old.ending.is_none() {
                return Err(Error::NoItemFailed);
            }
            failed
        }
    }))
}

fn is_bad(unit: &crate::engine::execution::UnitState) -> bool {
    matches!(unit.phase, Phase::Failed { .. } | Phase::Cancelled)
}

struct Work<'a> {
    plan: &'a Plan,
    old_plan: &'a Plan,
    old: &'a State,
    start: Start,
    finished: Finished,
    taken: Taken,
}

impl Work<'_> {
    fn take_over(
        &mut self,
        chosen: &BTreeSet<usize>,
        by_item: bool,
        given: &Given,
    ) -> Result<(), Error> {
        // Nodes that come out as before: taken over, or skipped again for the same reasons.
        let mut same: BTreeSet<usize> = BTreeSet::new();
        let mut parts: BTreeSet<usize> = BTreeSet::new();
        let plan = self.plan;
        for number in plan.order.iter().copied() {
            let node = &plan.nodes[number];
            if let Some(part) = outermost(plan, number) {
                if parts.insert(part) {
                    self.take_part(&Part::of(plan, part), chosen, given, &mut same)?;
                }
                continue;
            }
            if given.contains_key(&node.id) {
                continue;
            }
            let Some(before) = self.old.nodes.get(&node.key) else { continue };
            let mut sources = node.incoming.iter().map(|c| plan.connections[*c].source);
            let stands = !chosen.contains(&number) && sources.all(|source| same.contains(&source));
            if !stands && !by_item {
                continue;
            }
            if let Some(why) = misfit(plan, self.old_plan, number) {
                self.taken.notes.push(format!("node `{}` runs again: {why}", node.id));
                continue;
            }
            if !stands {
                self.take_items(number, before)?;
            } else if self.take_whole(&node.key, before)? {
                same.insert(number);
            }
        }
        for key in self.old.nodes.keys().filter(|key| !plan.by_id.contains_key(&key.node)) {
            self.taken.notes.push(format!(
                "node `{}` is not in this version; its result is left out",
                key.node
            ));
        }
        let anything = !self.taken.nodes.is_empty() || !self.taken.items.is_empty();
        if anything && self.start.inputs != self.old.start().inputs {
            let note = "what is taken over was done with the earlier inputs";
            self.taken.notes.push(note.to_owned());
        }
        Ok(())
    }

    /// Takes over a loop, or what a `try` watches over, as a whole or not at all.
    fn take_part(
        &mut self,
        part: &Part,
        chosen: &BTreeSet<usize>,
        given: &Given,
        same: &mut BTreeSet<usize>,
    ) -> Result<(), Error> {
        let plan = self.plan;
        let incoming = part.members.iter().flat_map(|number| &plan.nodes[*number].incoming);
        let mut sources = incoming.map(|c| plan.connections[*c].source);
        let follows = sources.any(|it| !part.members.contains(&it) && !same.contains(&it));
        let is_given =
            part.members.iter().any(|number| given.contains_key(&plan.nodes[*number].id));
        if follows || is_given {
            return Ok(());
        }
        match part.judge(plan, self.old_plan, self.old, chosen) {
            Verdict::Cut(node) => return Err(Error::Cut(node)),
            Verdict::Locked(node) => return Err(Error::Locked(node)),
            Verdict::RunsAgain(why) => {
                self.taken.notes.extend(why);
                return Ok(());
            }
            Verdict::Skipped => {}
            Verdict::Stands(carried) => {
                let mut names: Vec<String> =
                    carried.nodes.keys().map(|key| key.node.clone()).collect();
                names.dedup();
                self.taken.nodes.extend(names);
                self.start.carried.extend(carried.nodes);
                self.finished.frames.extend(carried.finished.frames);
                self.finished.caught.extend(carried.finished.caught);
            }
        }
        same.extend(&part.members);
        Ok(())
    }

    /// Whether the node comes out as before.
    fn take_whole(&mut self, key: &NodeKey, before: &NodeState) -> Result<bool, Error> {
        match before.status {
            NodeStatus::Skipped => Ok(true),
            NodeStatus::Success if before.output.cut => Err(Error::Cut(key.node.clone())),
            NodeStatus::Success if before.locked => Err(Error::Locked(key.node.clone())),
            NodeStatus::Success => {
                let mut result = before.clone();
                result.carried = true;
                self.start.carried.insert(key.clone(), result);
                self.taken.nodes.push(key.node.clone());
                Ok(true)
            }
            status => {
                let status = a2n_proto::Json::of(&status);
                let status = status.as_str().trim_matches('"');
                let note = format!("node `{}` runs again too: it was {status}", key.node);
                self.taken.notes.push(note);
                Ok(false)
            }
        }
    }

    /// Remembers what was done with single items of a node that works on EACH.
    fn take_items(&mut self, number: usize, before: &NodeState) -> Result<(), Error> {
        let node = &self.plan.nodes[number];
        let is_done = |phase: &Phase| matches!(phase, Phase::Done { .. });
        if !before.each || !before.units.iter().any(|unit| is_done(&unit.phase)) {
            return Ok(());
        }
        if before.output.cut {
            return Err(Error::Cut(node.id.clone()));
        }
        let Some(old_number) = self.old_plan.by_id.get(&node.id) else { return Ok(()) };
        let input = step::input_of(self.old_plan, self.old, *old_number, "");
        if let Some(source) = input.cut_source() {
            return Err(Error::Cut(self.old_plan.nodes[source].id.clone()));
        }
        let mut done = Vec::new();
        for (unit, index) in before.units.iter().zip(0_u32..) {
            let Phase::Done { output } = &unit.phase else { continue };
            let Some((handle, item, _)) = input.get(index as usize) else { continue };
            let output = match before.status {
                NodeStatus::Success => sent_for(before, index),
                _ => output.clone(),
            };
            done.push(DoneItem { index, print: DoneItem::print(handle, item), output });
        }
        self.taken.items.insert(node.id.clone(), done.len());
        self.start.done_before.insert(node.key.clone(), done);
        Ok(())
    }
}

/// What a node sent for one of its items.
fn sent_for(node: &NodeState, index: u32) -> Handles {
    let mut handles = Handles::new();
    for (handle, sent) in &node.output.handles {
        let of_it = sent.items.iter().zip(&sent.from).filter(|(_, from)| **from == index);
        let items: Vec<Item> = of_it.map(|(item, _)| item.clone()).collect();
        if !items.is_empty() {
            handles.insert(handle.clone(), items);
        }
    }
    handles
}

/// Why a node's earlier result does not stand for it any more.
pub(super) fn misfit(plan: &Plan, old_plan: &Plan, number: usize) -> Option<&'static str> {
    let node = &plan.nodes[number];
    let Some(old_number) = old_plan.by_id.get(&node.id) else {
        return Some("it is new in this version");
    };
    let old = &old_plan.nodes[*old_number];
    let incoming = |plan: &Plan, number: usize| -> Vec<(String, String, String)> {
        let connections = plan.nodes[number].incoming.iter().map(|c| &plan.connections[*c]);
        connections
            .map(|c| {
                let source = plan.nodes[c.source].id.clone();
                (source, c.source_handle.clone(), c.target_handle.clone())
            })
            .collect()
    };
    if node.kind.name() != old.kind.name() {
        Some("its type changed")
    } else if node.config != old.config || node.each != old.each || node.disabled != old.disabled {
        Some("its configuration changed")
    } else if incoming(plan, number) != incoming(old_plan, *old_number) {
        Some("other connections lead into it")
    } else {
        None
    }
}
