//! One step at work: the state it changes by facts, the effects it collects, and what it looked up.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::Step;
use super::frontier::Frontier;
use crate::engine::effect::Effect;
use crate::engine::execution::{Folded, Moment, NodeKey, NodeState, State, prefix};
use crate::engine::fact::Fact;
use crate::engine::input::Env;
use crate::engine::items::NodeInput;
use crate::engine::plan::{Piece, Plan, PlanNode, PlanRegion};
use crate::engine::scope::Shared;

/// One step at work.
pub(super) struct Turn<'a> {
    pub(super) plan: &'a Plan,
    pub(super) state: &'a mut State,
    pub(super) env: &'a Env,
    pub(super) effects: Vec<Effect>,
    /// Units that this step may still start or compute.
    pub(super) budget: u32,
    /// Attempts that may still be started beside those that run. Below zero where more run than may:
    /// ends then make no room until it is positive.
    pub(super) parallel: i64,
    /// What is to be looked at in this step.
    pub(super) frontier: Frontier,
    /// Pieces that have not settled, by part and iteration, as far as they were counted.
    pub(super) unsettled: HashMap<(usize, String), usize>,
    /// Iterations of which the last piece has settled in this step.
    pub(super) over: BTreeMap<NodeKey, BTreeSet<u32>>,
    /// Loops of which every iteration was looked at in this step.
    pub(super) scanned: BTreeSet<NodeKey>,
    pub(super) inputs: HashMap<NodeKey, Arc<NodeInput>>,
    pub(super) shared: Option<Arc<Shared>>,
    /// Nodes whose units wait until all is looked at, so that those of the highest priority begin
    /// first: by priority, place and iteration.
    held_back: BTreeSet<(Reverse<i32>, usize, String)>,
    /// Whether it is the turn of those.
    in_turn: bool,
    /// Attempts that may still begin, by node definition, of those whose use is limited.
    tokens: BTreeMap<String, u32>,
    facts: Vec<Fact>,
    folded: Vec<Folded>,
}

/// One node in one iteration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Site {
    pub(super) number: usize,
    pub(super) key: NodeKey,
}

impl Site {
    /// The iterations it is in.
    pub(super) fn path(&self) -> &str {
        &self.key.iteration
    }
}

impl<'a> Turn<'a> {
    pub(super) fn new(plan: &'a Plan, state: &'a mut State, env: &'a Env) -> Self {
        let running = state.nodes.working().map(|(_, node)| node.running().count()).sum::<usize>();
        let running = i64::try_from(running).unwrap_or(i64::MAX);
        Self {
            plan,
            state,
            env,
            effects: Vec::new(),
            budget: env.limits.units_per_step.max(1),
            parallel: i64::from(env.limits.parallel) - running,
            tokens: env.limits.tokens.clone(),
            frontier: Frontier::default(),
            unsettled: HashMap::new(),
            over: BTreeMap::new(),
            scanned: BTreeSet::new(),
            inputs: HashMap::new(),
            shared: None,
            held_back: BTreeSet::new(),
            in_turn: false,
            facts: Vec::new(),
            folded: Vec::new(),
        }
    }
    pub(super) fn finish(self) -> Step {
        Step { facts: self.facts, effects: self.effects, folded: self.folded }
    }
    /// Makes something so.
    pub(super) fn fact(&mut self, fact: Fact) {
        self.folded.extend(self.state.apply(&fact));
        self.settled_by(&fact);
        self.facts.push(fact);
    }
    /// Whether no attempt of a node may begin for now, because its definition is limited.
    pub(super) fn is_spent(&self, number: usize) -> bool {
        !self.tokens.is_empty() && self.tokens.get(self.plan.nodes[number].kind.name()) == Some(&0)
    }
    /// Whether the units of a node wait until all of this step is looked at. Only where priorities are
    /// given: the order of the document decides otherwise.
    pub(super) fn waits_its_turn(&mut self, site: &Site) -> bool {
        if self.in_turn || !self.plan.has_priorities() {
            return false;
        }
        let node = self.node(site.number);
        self.held_back.insert((Reverse(node.priority), node.place, site.key.iteration.clone()));
        true
    }
    /// The next node whose turn it is now that all was looked at.
    pub(super) fn next_held_back(&mut self) -> Option<Site> {
        let (_, place, path) = self.held_back.pop_first()?;
        Some(self.site_at(Piece::Node(place), &path))
    }
    /// Does something in the turn of the nodes that were held back.
    pub(super) fn in_turn(&mut self, act: impl FnOnce(&mut Self)) {
        self.in_turn = true;
        act(self);
        self.in_turn = false;
    }
    /// An attempt of a node begins outside.
    pub(super) fn spend(&mut self, number: usize) {
        self.parallel -= 1;
        if let Some(left) = self.tokens.get_mut(self.plan.nodes[number].kind.name()) {
            *left = left.saturating_sub(1);
        }
    }
    pub(super) fn node(&self, number: usize) -> &'a PlanNode {
        &self.plan.nodes[number]
    }
    pub(super) fn region(&self, number: usize) -> &'a PlanRegion {
        &self.plan.regions[number]
    }
    /// A node in an iteration of the loops around it; `path` may be longer.
    pub(super) fn site(&self, number: usize, path: &str) -> Site {
        let node = self.node(number);
        let path = prefix(path, self.region(node.scope).depth);
        Site { number, key: NodeKey { node: node.id.clone(), iteration: path.to_owned() } }
    }
    /// The node of a piece, where the piece stands.
    pub(super) fn site_at(&self, piece: Piece, path: &str) -> Site {
        let number = self.plan.order[piece.place()];
        let node = self.node(number).id.clone();
        Site { number, key: NodeKey { node, iteration: path.to_owned() } }
    }
    /// The node in its iteration that a key means; none where the document has no such node.
    pub(super) fn site_of(&self, key: &NodeKey) -> Option<Site> {
        Some(Site { number: self.number(&key.node)?, key: key.clone() })
    }
    pub(super) fn node_state(&self, key: &NodeKey) -> Option<&NodeState> {
        self.state.nodes.get(key)
    }
    /// The node that a key means; none where the document has no such node.
    pub(super) fn number(&self, id: &str) -> Option<usize> {
        self.plan.by_id.get(id).copied()
    }
    /// The key of the loop or `try` that a part belongs to, seen from an iteration in it.
    pub(super) fn key_of_region(&self, region: usize, path: &str) -> NodeKey {
        let part = self.region(region);
        let depth = self.region(self.region(part.parent).scope).depth;
        NodeKey {
            node: self.node(part.entry).id.clone(),
            iteration: prefix(path, depth).to_owned(),
        }
    }
    pub(super) fn moment(&self) -> Moment {
        let ms = u64::try_from(self.env.monotonic.as_millis()).unwrap_or(u64::MAX);
        Moment { boot: self.env.boot.clone(), ms }
    }
    pub(super) fn ran_ms(&self) -> u64 {
        u64::try_from(self.state.ran(&self.moment()).as_millis()).unwrap_or(u64::MAX)
    }
}
