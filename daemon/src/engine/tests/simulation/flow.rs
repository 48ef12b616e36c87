//! What went over which connection, told anew from the facts alone: what a node works on is what those
//! before it sent, in the document's order and in that of the iterations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::check::Wrong;
use crate::engine::effect::Effect;
use crate::engine::execution::{
    Frame, NodeKey, Output, Sent, State, UnitKey, depth, index, prefix,
};
use crate::engine::fact::Fact;
use crate::engine::kind::{Item, Iterations, LOOP};
use crate::engine::plan::{Plan, PlanConnection};
use crate::engine::view::numbers;

mod loops;

/// What a loop went over and what came of it.
#[derive(Debug, Clone, Default)]
struct Gone {
    took: Option<u32>,
    iterations: Option<Iterations>,
    /// What each iteration began with, by the place of the connection.
    entries: Vec<BTreeMap<u32, Arc<Output>>>,
    results: BTreeMap<u32, Vec<Item>>,
    open: BTreeSet<u32>,
    /// Iterations that came to their own end.
    whole: BTreeSet<u32>,
    /// What a `break` brought; nothing where something else closed it.
    broken: Option<Vec<Item>>,
    closing: bool,
    ended: bool,
    /// What left it, where it was taken over from an earlier execution.
    taken_over: Option<BTreeMap<(String, String), Vec<Item>>>,
}

impl Gone {
    /// One that was over before this execution began.
    fn before(frame: &Frame) -> Self {
        let items = |sent: &BTreeMap<u32, Sent>| {
            sent.values().flat_map(|sent| sent.items.iter().cloned()).collect::<Vec<_>>()
        };
        let left = frame.left.iter().map(|(from, sent)| (from.clone(), items(sent)));
        Self { closing: true, ended: true, taken_over: Some(left.collect()), ..Self::default() }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Flow {
    payload: Item,
    /// What each node sent, in each of its iterations; nothing where it was skipped.
    sent: BTreeMap<NodeKey, Arc<Output>>,
    /// What each `try` that goes on sends in.
    inside: BTreeMap<NodeKey, Arc<Output>>,
    /// Nodes that began.
    began: BTreeSet<NodeKey>,
    took: BTreeMap<NodeKey, u32>,
    loops: BTreeMap<NodeKey, Gone>,
    at_end: bool,
}

impl Flow {
    /// Before anything of it happened; what is taken over was sent.
    pub(super) fn of(state: &State) -> Self {
        let sent = state.nodes.iter().map(|(key, node)| (key.clone(), Arc::clone(&node.output)));
        Self {
            payload: state.start().payload.clone(),
            sent: sent.collect(),
            inside: BTreeMap::new(),
            began: BTreeSet::new(),
            took: BTreeMap::new(),
            loops: state.frames.iter().map(|(key, it)| (key.clone(), Gone::before(it))).collect(),
            at_end: false,
        }
    }

    /// Goes on by one fact.
    pub(super) fn follow(&mut self, plan: &Plan, fact: &Fact) -> Result<(), Wrong> {
        match fact {
            Fact::NodeStarted { node, units, each, took, .. } => {
                self.took.extend(took.map(|took| (node.clone(), took)));
                self.starts(plan, node, each.then_some(*units))?;
            }
            Fact::NodeSkipped { node, .. } => self.ends(node, Arc::default())?,
            Fact::NodeEnded { node, output, error, .. } => {
                self.ends(node, Arc::clone(output))?;
                if error.is_none() {
                    self.done(plan, node, output)?;
                }
            }
            Fact::UnitInside { unit, output } => {
                self.inside.insert(unit.node.clone(), Arc::clone(output));
            }
            Fact::FinallyBegan { .. } => self.at_end = true,
            _ => self.follow_loop(plan, fact)?,
        }
        Ok(())
    }

    /// A node starts once, in its turn, when all that leads to it has come; with as many units of work
    /// as items came.
    fn starts(&mut self, plan: &Plan, key: &NodeKey, units: Option<u32>) -> Result<(), Wrong> {
        let node = plan.node(&key.node).expect("a node of the plan");
        if !self.began.insert(key.clone()) {
            return Err(Wrong::new("a node starts once in an iteration", key.node.clone()));
        }
        if node.finally != self.at_end {
            return Err(Wrong::new("what runs at the end runs at the end", key.node.clone()));
        }
        let is_entry =
            node.heads.is_some_and(|own| plan.regions[own].depth == depth(&key.iteration));
        let forward = node.incoming.iter().map(|number| &plan.connections[*number]);
        let forward = forward.filter(|c| !c.back && !c.collects && !c.enters && !is_entry);
        for connection in forward {
            if !node.join_any && self.came(plan, connection, &key.iteration).is_none() {
                let what = format!("{} before {}", key.node, plan.nodes[connection.source].id);
                return Err(Wrong::new("a node waits for all that leads to it", what));
            }
        }
        let Some(items) = self.input(plan, key) else { return Ok(()) };
        if node.join_any && !is_entry && self.took.contains_key(key) && items.is_empty() {
            return Err(Wrong::new("a join takes what brings items", key.node.clone()));
        }
        if units.is_some_and(|units| units as usize != items.len()) {
            let what = format!("{}: {units:?} of {}", key.node, items.len());
            return Err(Wrong::new("each item is a unit of work", what));
        }
        Ok(())
    }

    /// A node ends once.
    fn ends(&mut self, key: &NodeKey, output: Arc<Output>) -> Result<(), Wrong> {
        self.inside.remove(key);
        match self.sent.insert(key.clone(), output) {
            None => Ok(()),
            Some(_) => Err(Wrong::new("a node ends once in an iteration", format!("{key:?}"))),
        }
    }

    /// Attempts that are about to begin work on the items that came.
    pub(super) fn begun(&self, plan: &Plan, effects: &[Effect]) -> Result<(), Wrong> {
        for effect in effects {
            let Effect::Start(job) = effect else { continue };
            let unit = UnitKey::of(&job.key);
            let Some(items) = self.input(plan, &unit.node) else { continue };
            let given: Vec<Item> = job.items.values().flatten().cloned().collect();
            let is_right = match unit.item {
                Some(item) => items.get(item as usize).is_some_and(|item| given == [item.clone()]),
                None => given == items,
            };
            if !is_right {
                let what = format!("{unit:?} got {given:?} of {items:?}");
                return Err(Wrong::new("a unit works on its own item", what));
            }
        }
        Ok(())
    }

    /// What a node works on; none where that can't be told.
    fn input(&self, plan: &Plan, key: &NodeKey) -> Option<Vec<Item>> {
        let (number, path) = (plan.number(&key.node)?, key.iteration.as_str());
        let node = &plan.nodes[number];
        let own = node.heads.filter(|own| plan.regions[*own].depth == depth(path));
        let mut took = self.took.get(key).copied();
        if own.is_some() {
            let outer = prefix(path, depth(path) - 1).to_owned();
            let gone = self.loops.get(&NodeKey { node: key.node.clone(), iteration: outer })?;
            let iteration = index(path);
            if iteration > 0 {
                return Some(at_entry(plan, key, gone.entries.get(iteration as usize)?));
            }
            took = gone.took;
        }
        let mut items = Vec::new();
        for (place, number) in (0_u32..).zip(&node.incoming) {
            let connection = &plan.connections[*number];
            let is_other = connection.back || connection.collects;
            if is_other || took.is_some_and(|took| took != place) {
                continue;
            }
            items.extend(self.came(plan, connection, path).unwrap_or_default());
        }
        if node.incoming.is_empty() {
            items.push(self.payload.clone());
        }
        Some(items)
    }

    /// What came over a connection; none where it has not settled.
    fn came(&self, plan: &Plan, connection: &PlanConnection, path: &str) -> Option<Vec<Item>> {
        let (source, handle) = (&plan.nodes[connection.source], &connection.source_handle);
        let (outer, inner) = {
            let depth = plan.regions[connection.common].depth;
            (prefix(path, depth), prefix(path, depth + 1))
        };
        let at = |id: &str| NodeKey { node: id.to_owned(), iteration: outer.to_owned() };
        if connection.enters {
            let entry = self.loops.get(&at(&source.id))?.entries.get(index(inner) as usize)?;
            return Some(entry.get(&0)?.items(LOOP).to_vec());
        }
        let Some(left) = connection.leaves else {
            let key = at(&source.id);
            let is_gate = source.role.gate() == Some(handle.as_str());
            let sent = self.sent.get(&key).or_else(|| self.inside.get(&key).filter(|_| is_gate));
            return sent.map(|sent| sent.items(handle).to_vec());
        };
        let gone = self.loops.get(&at(&plan.nodes[plan.regions[left].entry].id))?;
        gone.ended.then(|| match &gone.taken_over {
            Some(left) => {
                left.get(&(source.id.clone(), handle.clone())).cloned().unwrap_or_default()
            }
            None => self.sent_below(plan, connection, outer),
        })
    }

    /// What a connection brought from all iterations below a path, in their order.
    fn sent_below(&self, plan: &Plan, connection: &PlanConnection, path: &str) -> Vec<Item> {
        let source = &plan.nodes[connection.source].id;
        let sent = self.sent.iter().filter(|(key, _)| {
            key.node == *source && is_below(&key.iteration, path) && !self.is_lost(plan, key, path)
        });
        let mut sent: Vec<_> =
            sent.map(|(key, output)| (numbers(&key.iteration), output)).collect();
        sent.sort_by(|(one, _), (other, _)| one.cmp(other));
        let items = sent.iter().flat_map(|(_, output)| output.items(&connection.source_handle));
        items.cloned().collect()
    }

    /// Whether what a node sent does not leave the loops around it, up to this path: a loop that did
    /// not come to an end of its own, or an iteration that a `break` cut short.
    fn is_lost(&self, plan: &Plan, key: &NodeKey, above: &str) -> bool {
        let around = plan.loops_around(&key.node);
        let mut depths = depth(above) + 1..=depth(&key.iteration);
        depths.any(|depth| {
            let outer = prefix(&key.iteration, depth - 1).to_owned();
            let gone =
                self.loops.get(&NodeKey { node: around[depth - 1].clone(), iteration: outer });
            let own = index(prefix(&key.iteration, depth));
            gone.is_none_or(|gone| {
                let is_broken = gone.closing && gone.broken.is_none();
                is_broken || !gone.whole.contains(&own)
            })
        })
    }
}

/// The items that an iteration of a natural loop begins with.
fn at_entry(plan: &Plan, key: &NodeKey, entry: &BTreeMap<u32, Arc<Output>>) -> Vec<Item> {
    let node = plan.node(&key.node).expect("a node of the plan");
    let all = entry.iter().flat_map(|(place, output)| {
        let handle = &plan.connections[node.incoming[*place as usize]].source_handle;
        output.items(handle).to_vec()
    });
    all.collect()
}

/// Whether a path is this one or lies below it.
fn is_below(path: &str, above: &str) -> bool {
    let rest = path.strip_prefix(above);
    above.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
