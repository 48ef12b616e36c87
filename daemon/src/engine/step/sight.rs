//! What one unit of work sees: its items, other nodes in the iteration that counts for it, the loop
//! around it, and what is the same for all.

use std::collections::BTreeMap;
use std::sync::Arc;

use a2n_proto::Json;
use a2n_proto::execution::{ExecutionStatus, NodeStatus};
use serde_json::json;

use super::arrive;
use super::turn::{Site, Turn};
use crate::engine::execution::{NodeKey, below, index, prefix};
use crate::engine::expression::Template;
use crate::engine::items::NodeInput;
use crate::engine::kind::{Item, Over};
use crate::engine::scope::{NodeSeen, NodesSeen, Scope, Shared};
use crate::engine::view;

impl Turn<'_> {
    /// What a node works on. Only asked once all its sources are settled.
    pub(super) fn input(&mut self, site: &Site) -> Arc<NodeInput> {
        self.input_taking(site, None)
    }

    /// The same for one that begins on what came over one connection (`join: ANY`).
    pub(super) fn input_taking(&mut self, site: &Site, takes: Option<u32>) -> Arc<NodeInput> {
        if let Some(input) = self.inputs.get(&site.key) {
            return Arc::clone(input);
        }
        let (number, path) = (site.number, site.path());
        let input = Arc::new(arrive::input_taking(self.plan, self.state, number, path, takes));
        self.inputs.insert(site.key.clone(), Arc::clone(&input));
        input
    }

    /// Lets a node work on this instead of what the nodes before it sent.
    pub(super) fn put_input(&mut self, key: &NodeKey, input: NodeInput) {
        self.inputs.insert(key.clone(), Arc::new(input));
    }

    /// What one unit of work sees; `item` is the item's number for a node that works on EACH.
    pub(super) fn scope(&mut self, site: &Site, item: Option<u32>) -> Arc<Scope> {
        let input = self.input(site);
        let template = &self.plan.nodes[site.number].template;
        let looping = self.looping(self.node(site.number).scope, site.path());
        self.scope_of(site, item, input, template, looping)
    }

    /// The same over other items, for another template of the node.
    pub(super) fn scope_of(
        &mut self,
        site: &Site,
        index: Option<u32>,
        input: Arc<NodeInput>,
        template: &Template,
        looping: Option<Json>,
    ) -> Arc<Scope> {
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
        let uses = template.uses();
        let mut nodes = BTreeMap::new();
        // Only what the configuration names: a workflow may have ten thousand nodes.
        let named = uses.nodes.iter().filter_map(|id| plan.by_id.get_key_value(id));
        let every = plan.by_id.iter().filter(|_| uses.any_node);
        for (id, other) in named.chain(every) {
            if !nodes.contains_key(id) {
                nodes.insert(id.clone(), Arc::new(self.seen(site, place, *other)));
            }
        }
        let shared = self.shared();
        Arc::new(Scope { item, index, input, nodes: Arc::new(NodesSeen(nodes)), looping, shared })
    }

    fn seen(&mut self, site: &Site, place: Option<usize>, other: usize) -> NodeSeen {
        let item = self.lineage(site, place, other);
        let state = self.node_state(&self.key_seen(site, other));
        NodeSeen {
            status: state.map_or(NodeStatus::Pending, |state| state.status),
            error: state.and_then(|state| state.error.clone()),
            handles: self.plan.nodes[other].outputs.clone(),
            output: state.map(|state| Arc::clone(&state.output)).unwrap_or_default(),
            item,
        }
    }

    /// Another node in the iteration that counts from here: the same one where the loop is around
    /// both, the last one where the loop is around the other only.
    fn key_seen(&self, site: &Site, other: usize) -> NodeKey {
        let plan = self.plan;
        let node = self.node(other);
        let own = self.node(site.number).scope;
        let (mut inner, mut loops) = (node.scope, Vec::new());
        while inner != 0 && !self.is_around(inner, own) {
            loops.push(inner);
            inner = plan.regions[plan.regions[inner].parent].scope;
        }
        let mut path = prefix(site.path(), plan.regions[inner].depth).to_owned();
        for region in loops.into_iter().rev() {
            let entry = plan.regions[region].entry;
            let frame = NodeKey { node: self.node(entry).id.clone(), iteration: path.clone() };
            let last = self.state.frames.get(&frame).and_then(|f| f.rounds.last_key_value());
            // A loop that was passed by has its nodes where it stands itself.
            let Some((last, _)) = last else { break };
            path = below(&path, *last);
        }
        NodeKey { node: node.id.clone(), iteration: path }
    }

    fn is_around(&self, outer: usize, mut inner: usize) -> bool {
        while inner != outer && inner != 0 {
            inner = self.plan.regions[self.plan.regions[inner].parent].scope;
        }
        inner == outer
    }

    /// The item of `other` that a unit's item came from.
    fn lineage(&mut self, site: &Site, place: Option<usize>, other: usize) -> Result<Item, String> {
        let name = &self.plan.nodes[other].id;
        let Some(mut place) = place else {
            return Err(format!(
                "nodes['{name}'].item: this node works on all items at once; use .items, .first \
                 or .last"
            ));
        };
        let mut at = site.clone();
        loop {
            let input = self.input(&at);
            let Some((_, item, origin)) = input.get(place) else { break };
            let Some(source) = origin.source else { break };
            if source == other {
                return Ok(item.clone());
            }
            let lost = &self.plan.nodes[source].id;
            let Some(path) = origin.path else {
                return Err(format!(
                    "nodes['{name}'].item: which item this one came from is lost in the loop that \
                     node `{lost}` is in; use .items, .first or .last"
                ));
            };
            let next = self.site(source, path);
            let Some(before) = input.from(place) else {
                return Err(format!(
                    "nodes['{name}'].item: which item this one came from is lost in node \
                     `{lost}`, which works on all items at once; use .items, .first or .last"
                ));
            };
            place = before as usize;
            at = next;
        }
        Err(format!("nodes['{name}'].item: this item did not come through node `{name}`"))
    }

    /// `loop`, as seen from this iteration of a loop.
    pub(super) fn looping(&self, scope: usize, path: &str) -> Option<Json> {
        if scope == 0 {
            return None;
        }
        let part = self.region(scope);
        let key = self.key_of_region(scope, path);
        let at = index(prefix(path, part.depth));
        let outer = self.looping(self.region(part.parent).scope, &key.iteration);
        let mut seen = json!({
            "index": at, "iteration": prefix(path, part.depth), "first": at == 0,
            "parent": outer,
        });
        let frame = self.state.frames.get(&key);
        if let Some(count) = frame.and_then(|frame| self.count_of(&key, frame)) {
            seen["count"] = count.into();
            seen["last"] = (at + 1 == count).into();
        }
        Some(Json::of(&seen))
    }

    /// How many iterations a loop over a list has.
    pub(super) fn count_of(
        &self,
        key: &NodeKey,
        frame: &crate::engine::execution::Frame,
    ) -> Option<u32> {
        let how = frame.iterations.as_ref()?;
        let items = match &how.over {
            Over::Rounds => return None,
            Over::List(list) => list.len(),
            Over::Input => match self.inputs.get(key) {
                Some(input) => input.len(),
                None => {
                    arrive::input(self.plan, self.state, self.number(&key.node)?, &key.iteration)
                        .len()
                }
            },
        };
        u32::try_from(items.div_ceil(how.batch.max(1) as usize)).ok()
    }

    fn shared(&mut self) -> Arc<Shared> {
        if let Some(shared) = &self.shared {
            return Arc::clone(shared);
        }
        let start = &self.state.start;
        let (status, error) = match &self.state.finally {
            None => (ExecutionStatus::Running, Json::null()),
            Some(finally) => (finally.status, view::error_seen(self.plan, self.state)),
        };
        let shared = Arc::new(Shared {
            trigger: start.trigger.clone(),
            inputs: start.inputs.clone(),
            vars: self.plan.vars.clone(),
            workflow: Json::of(&json!({
                "id": start.workflow, "name": self.plan.name, "version": start.version,
            })),
            execution: Json::of(&json!({
                "id": start.execution,
                "createdAt": start.created_at,
                "startTime": self.state.started_at,
                "retryOf": start.retry_of,
                "status": status,
                "error": error,
            })),
            now: self.env.now,
            env: Arc::clone(&self.env.allowed),
        });
        self.shared = Some(Arc::clone(&shared));
        shared
    }
}
