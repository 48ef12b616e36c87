//! One step at work: the state it changes by facts, the effects it collects, and what it looked up.

use std::collections::BTreeMap;
use std::sync::Arc;

use a2n_proto::Json;
use a2n_proto::execution::NodeStatus;

use super::Step;
use crate::engine::effect::Effect;
use crate::engine::execution::{Moment, NodeState, Output, Sent, State};
use crate::engine::fact::Fact;
use crate::engine::input::Env;
use crate::engine::items::NodeInput;
use crate::engine::kind::Item;
use crate::engine::plan::{Plan, PlanNode};
use crate::engine::scope::{NodeSeen, NodesSeen, Scope, Shared};

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
    /// Attempts that may still begin, by node definition, of those whose use is limited.
    tokens: BTreeMap<String, u32>,
    facts: Vec<Fact>,
    inputs: BTreeMap<usize, Arc<NodeInput>>,
    shared: Option<Arc<Shared>>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(plan: &'a Plan, state: &'a mut State, env: &'a Env) -> Self {
        let running = state.nodes.values().map(|node| node.running().count()).sum::<usize>();
        let running = i64::try_from(running).unwrap_or(i64::MAX);
        Self {
            plan,
            state,
            env,
            effects: Vec::new(),
            budget: env.limits.units_per_step.max(1),
            parallel: i64::from(env.limits.parallel) - running,
            tokens: env.limits.tokens.clone(),
            facts: Vec::new(),
            inputs: BTreeMap::new(),
            shared: None,
        }
    }
    pub(super) fn finish(self) -> Step {
        Step { facts: self.facts, effects: self.effects }
    }
    /// Makes something so.
    pub(super) fn fact(&mut self, fact: Fact) {
        self.state.apply(&fact);
        self.facts.push(fact);
    }
    /// Whether no attempt of a node may begin for now, because its definition is limited.
    pub(super) fn is_spent(&self, number: usize) -> bool {
        !self.tokens.is_empty() && self.tokens.get(self.plan.nodes[number].kind.name()) == Some(&0)
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
    pub(super) fn node_state(&self, number: usize) -> Option<&NodeState> {
        self.state.nodes.get(&self.plan.nodes[number].key)
    }
    /// The node that a key means; none where the document has no such node.
    pub(super) fn number(&self, id: &str) -> Option<usize> {
        self.plan.by_id.get(id).copied()
    }
    pub(super) fn moment(&self) -> Moment {
        let ms = u64::try_from(self.env.monotonic.as_millis()).unwrap_or(u64::MAX);
        Moment { boot: self.env.boot.clone(), ms }
    }
    pub(super) fn ran_ms(&self) -> u64 {
        u64::try_from(self.state.ran(&self.moment()).as_millis()).unwrap_or(u64::MAX)
    }

    /// What a node works on. Only asked once all its sources are settled.
    pub(super) fn input(&mut self, number: usize) -> Arc<NodeInput> {
        if let Some(input) = self.inputs.get(&number) {
            return Arc::clone(input);
        }
        let input = Arc::new(input(self.plan, self.state, number));
        self.inputs.insert(number, Arc::clone(&input));
        input
    }

    /// Lets a node work on this instead of what the nodes before it sent.
    pub(super) fn put_input(&mut self, number: usize, input: NodeInput) {
        self.inputs.insert(number, Arc::new(input));
    }

    /// What one unit of work sees; `index` is the item's number for a node that works on EACH.
    pub(super) fn scope(&mut self, number: usize, index: Option<u32>) -> Arc<Scope> {
        let input = self.input(number);
        let place = match index {
            Some(index) => Some(index as usize),
            None if input.len() == 1 => Some(0),
            None => None,
        };
        let item = match place.and_then(|place| input.get(place)) {
            Some((_, item, _)) => Ok(item.clone()),
            None if input.is_empty() => Err("there is no `item`: nothing came in"),
            None => Err("there is no `item` where a node works on all items at once and several \
                         came; use `items`, for example `items[0]`"),
        };
        let plan = self.plan;
        let uses = plan.nodes[number].template.uses();
        let mut nodes = BTreeMap::new();
        // Only what the configuration names: a workflow may have ten thousand nodes.
        let named = uses.nodes.iter().filter_map(|id| plan.by_id.get_key_value(id));
        let every = plan.by_id.iter().filter(|_| uses.any_node);
        for (id, other) in named.chain(every) {
            if !nodes.contains_key(id) {
                nodes.insert(id.clone(), Arc::new(self.seen(number, place, *other)));
            }
        }
        let shared = self.shared();
        Arc::new(Scope { item, index, input, nodes: Arc::new(NodesSeen(nodes)), shared })
    }

    fn seen(&mut self, number: usize, place: Option<usize>, other: usize) -> NodeSeen {
        let item = self.lineage(number, place, other);
        let state = self.node_state(other);
        NodeSeen {
            status: state.map_or(NodeStatus::Pending, |state| state.status),
            error: state.and_then(|state| state.error.clone()),
            handles: self.plan.nodes[other].outputs.clone(),
            output: state.map(|state| Arc::clone(&state.output)).unwrap_or_default(),
            item,
        }
    }

    /// The item of `other` that a unit's item came from.
    fn lineage(
        &mut self,
        number: usize,
        place: Option<usize>,
        other: usize,
    ) -> Result<Item, String> {
        let name = &self.plan.nodes[other].id;
        let Some(mut place) = place else {
            return Err(format!(
                "nodes['{name}'].item: this node works on all items at once; use .items, .first \
                 or .last"
            ));
        };
        let mut at = number;
        loop {
            let input = self.input(at);
            let Some((_, item, origin)) = input.get(place) else { break };
            let Some(source) = origin.source else { break };
            if source == other {
                return Ok(item.clone());
            }
            let state = self.node_state(source);
            let from = state.and_then(|state| state.output.handles.get(origin.handle));
            match from.and_then(|sent| sent.from.get(origin.index)) {
                Some(before) => place = *before as usize,
                None => {
                    return Err(format!(
                        "nodes['{name}'].item: which item this one came from is lost in node \
                         `{}`, which works on all items at once; use .items, .first or .last",
                        self.plan.nodes[source].id
                    ));
                }
            }
            at = source;
        }
        Err(format!("nodes['{name}'].item: this item did not come through node `{name}`"))
    }

    fn shared(&mut self) -> Arc<Shared> {
        if let Some(shared) = &self.shared {
            return Arc::clone(shared);
        }
        let start = &self.state.start;
        let shared = Arc::new(Shared {
            trigger: start.trigger.clone(),
            inputs: start.inputs.clone(),
            vars: self.plan.vars.clone(),
            workflow: Json::of(&serde_json::json!({
                "id": start.workflow, "name": self.plan.name, "version": start.version,
            })),
            execution: Json::of(&serde_json::json!({
                "id": start.execution,
                "createdAt": start.created_at,
                "startTime": self.state.started_at,
                "retryOf": start.retry_of,
            })),
            now: self.env.now,
            env: Arc::clone(&self.env.allowed),
        });
        self.shared = Some(Arc::clone(&shared));
        shared
    }
}

/// The items of a node's connections, in the document's order; the payload where it has none.
pub(in crate::engine) fn input(plan: &Plan, state: &State, number: usize) -> NodeInput {
    let mut input = NodeInput::default();
    let forward = plan.nodes[number].incoming.iter().map(|c| &plan.connections[*c]);
    for connection in forward.filter(|c| !c.back) {
        let source = &plan.nodes[connection.source];
        if let Some(state) = state.nodes.get(&source.key) {
            input.push(
                &connection.target_handle,
                Some(connection.source),
                Arc::clone(&state.output),
                &connection.source_handle,
            );
        }
    }
    if plan.nodes[number].incoming.is_empty() {
        let sent = Sent { items: vec![state.start.payload.clone()], from: Vec::new() };
        let output = Output { handles: BTreeMap::from([("output".to_owned(), sent)]), cut: false };
        let handle = match plan.nodes[number].kind.inputs() {
            crate::engine::kind::Inputs::Named(names) => {
                names.into_iter().next().unwrap_or_else(|| "input".to_owned())
            }
            crate::engine::kind::Inputs::Numbered => "input1".to_owned(),
        };
        input.push(&handle, None, Arc::new(output), "output");
    }
    input
}
