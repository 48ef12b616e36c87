//! What a run would do, without doing it: what the engine computes itself is computed for real, what
//! works outside is shown with its configuration. Nothing is started, and no state outlives it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use a2n_proto::Json;
use a2n_proto::execution::NodeStatus;
use serde_json::Value;

use super::node::end_node_if_over;
use super::turn::Turn;
use super::unit::{given, wrong_expression};
use crate::engine::execution::{NodeState, Output, Start, State, UnitKey};
use crate::engine::fact::Fact;
use crate::engine::input::Env;
use crate::engine::items::NodeInput;
use crate::engine::kind::{Handles, InboxAt, NodeError, Outcome, TRY, Work};
use crate::engine::plan::Plan;
use crate::engine::scope::Scope;

/// Units that are computed; with more items a node's output is not known.
const COMPUTED: usize = 1_000;
/// Units whose configuration is shown.
const SHOWN: usize = 20;

/// What a run would do, node by node in the order in which they stand.
#[derive(Debug)]
pub struct Rehearsal {
    /// The nodes, by number.
    pub nodes: Vec<(usize, Rehearsed)>,
    /// What is known of the run's state.
    state: State,
}

/// What would become of one node.
#[derive(Debug, Clone, PartialEq)]
pub struct Rehearsed {
    /// Nodes of one wave may run at the same time; from 1.
    pub wave: usize,
    /// Whether it would run.
    pub runs: WouldRun,
    /// Why not, or why that is not known.
    pub why: Option<String>,
    /// How many items would come in; none where that is not known.
    pub items: Option<usize>,
    /// Its configuration for each unit of work, as far as these are shown; none where it is not known.
    pub configuration: Option<Vec<Value>>,
    /// What it would send; none where that is not known.
    pub output: Option<Arc<Output>>,
    /// What is not known, in sentences.
    pub unknown: Vec<String>,
    /// What else is to be said, in sentences.
    pub notes: Vec<String>,
    /// Why it would fail.
    pub error: Option<NodeError>,
}

/// Whether a node would run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WouldRun {
    /// It would.
    Yes,
    /// It would not.
    No,
    /// That depends on what is not known.
    Unknown,
}

/// One unit of work that is ready to be carried out.
#[derive(Debug)]
pub struct TrialUnit {
    /// Which.
    pub key: UnitKey,
    /// Its resolved configuration and its items; why there is none.
    pub work: Result<Work, NodeError>,
}

/// Goes over a plan.
pub fn rehearse(plan: &Plan, start: Start, env: &Env) -> Rehearsal {
    let mut state = State::new(start);
    let mut all: BTreeMap<usize, Rehearsed> = BTreeMap::new();
    let mut ended_by: Option<String> = None;
    for number in plan.order.iter().copied() {
        let mut turn = Turn::new(plan, &mut state, env);
        let mut one = look(&mut turn, number, &all, ended_by.as_deref());
        one.wave = wave(plan, number, &all);
        if one.notes.iter().any(|note| note.starts_with(ENDS)) {
            ended_by = Some(plan.nodes[number].id.clone());
        }
        all.insert(number, one);
    }
    let nodes = plan.order.iter().filter_map(|n| Some((*n, all.remove(n)?))).collect();
    Rehearsal { nodes, state }
}

const ENDS: &str = "ends the execution";

fn wave(plan: &Plan, number: usize, all: &BTreeMap<usize, Rehearsed>) -> usize {
    let before = plan.nodes[number].incoming.iter().map(|c| plan.connections[*c].source);
    1 + before.filter_map(|source| all.get(&source)).map(|one| one.wave).max().unwrap_or(0)
}

fn look(
    turn: &mut Turn<'_>,
    number: usize,
    all: &BTreeMap<usize, Rehearsed>,
    ended_by: Option<&str>,
) -> Rehearsed {
    let node = turn.node(number);
    let mut one = Rehearsed {
        wave: 1,
        runs: WouldRun::Yes,
        why: None,
        items: None,
        configuration: node.template.constant().map(|config| vec![config.clone()]),
        output: None,
        unknown: Vec::new(),
        notes: Vec::new(),
        error: None,
    };
    if let Some(output) =
        turn.node_state(&turn.node(number).key).map(|state| Arc::clone(&state.output))
    {
        one.notes.push("its pinned output is used".to_owned());
        one.output = Some(output);
        return one;
    }
    if let Some(by) = ended_by {
        one.runs = WouldRun::Unknown;
        one.why = Some(format!("node `{by}` ends the execution; this may run before"));
    }
    if node.heads.is_some() {
        one.unknown.push("how often the loop that begins here goes round".to_owned());
    }
    if node.scope != 0 && node.heads.is_none() {
        one.runs = WouldRun::Unknown;
        one.why = Some("it is in a loop, whose iterations are not gone through".to_owned());
        return one;
    }
    if !readiness(turn, number, all, &mut one) || one.runs == WouldRun::No {
        return one;
    }
    one.items = Some(input_of(turn, number).len());
    for id in unknown_nodes(turn, number) {
        one.unknown.push(format!("`nodes['{id}']`: what node `{id}` sends is not known"));
    }
    if one.unknown.is_empty() {
        carry_on(turn, number, &mut one);
    }
    one
}

/// Whether all that comes in is known. Says whether the node would run.
fn readiness(
    turn: &mut Turn<'_>,
    number: usize,
    all: &BTreeMap<usize, Rehearsed>,
    one: &mut Rehearsed,
) -> bool {
    let plan = turn.plan;
    let node = turn.node(number);
    let (mut open, mut taken, mut unlucky) = (Vec::new(), node.incoming.is_empty(), None);
    for connection in
        node.incoming.iter().map(|c| &plan.connections[*c]).filter(|c| !c.back && !c.collects)
    {
        let id = &plan.nodes[connection.source].id;
        match turn.node_state(&turn.node(connection.source).key).filter(|state| state.is_settled())
        {
            Some(source) => {
                taken |= !source.output.items(&connection.source_handle).is_empty();
                if source.status == NodeStatus::Failed {
                    unlucky.get_or_insert(id.clone());
                }
            }
            None if all.get(&connection.source).is_some_and(|it| it.runs == WouldRun::No) => {}
            None if !open.contains(id) => open.push(id.clone()),
            None => {}
        }
    }
    if !open.is_empty() {
        let named = open.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
        one.unknown.push(format!("what comes in from {named}"));
        if !taken && !node.run_on_empty && one.runs == WouldRun::Yes {
            one.runs = WouldRun::Unknown;
            one.why = Some(format!("it runs if {named} sends something to it"));
        }
        return false;
    }
    if taken || (node.run_on_empty && unlucky.is_none()) {
        return true;
    }
    one.runs = WouldRun::No;
    one.why = Some(match unlucky {
        Some(id) => format!("node `{id}` fails before it"),
        None => "nothing comes in".to_owned(),
    });
    let (key, at) = (node.key.clone(), turn.env.now);
    turn.fact(Fact::NodeSkipped { node: key, at });
    true
}

/// The nodes that the configuration looks at and of which nothing is known.
fn unknown_nodes(turn: &Turn<'_>, number: usize) -> Vec<String> {
    let plan = turn.plan;
    let uses = plan.nodes[number].template.uses();
    let is_known = |id: &str| {
        let other = plan.by_id.get(id);
        other.is_none_or(|n| turn.node_state(&turn.node(*n).key).is_some_and(NodeState::is_settled))
    };
    let named = uses.nodes.iter().map(String::as_str);
    let every = plan.nodes.iter().map(|node| node.id.as_str()).filter(|_| uses.any_node);
    let mut unknown: Vec<String> =
        named.chain(every).filter(|id| !is_known(id)).map(str::to_owned).collect();
    unknown.dedup();
    unknown
}

/// Everything it needs is known.
fn carry_on(turn: &mut Turn<'_>, number: usize, one: &mut Rehearsed) {
    let node = turn.node(number);
    let input = input_of(turn, number);
    if node.disabled {
        one.notes.push("it is disabled and passes its items on".to_owned());
        let site = turn.site(number, "");
        super::node::start_node(turn, &site, None);
        one.output = turn.node_state(&turn.node(number).key).map(|state| Arc::clone(&state.output));
        return;
    }
    let (units, each) = units(turn, number, &input);
    let most = if node.is_inline() { COMPUTED } else { SHOWN };
    let mut shown = Vec::new();
    let mut computed = Vec::new();
    let keys: Vec<_> = (0..units.min(most)).map(|n| key(turn, number, each, n)).collect();
    for unit in keys {
        let work = resolve(turn, number, &unit);
        if let Ok(work) = &work
            && shown.len() < SHOWN
        {
            shown.push(work.config.clone());
        }
        match (work, node.is_inline()) {
            (Err(error), _) => {
                one.error.get_or_insert(error.clone());
                computed.push((unit, Err(error)));
            }
            (Ok(work), true) => computed.push((unit, compute(turn, number, &work, one))),
            (Ok(_), false) => {}
        }
    }
    one.configuration = Some(shown);
    if !node.is_inline() {
        one.unknown.push("what it sends: it works outside".to_owned());
    } else if units > most {
        one.unknown.push(format!("what it sends: only {COMPUTED} of {units} items are computed"));
    } else if computed.iter().any(|(_, result)| matches!(result, Ok(None))) {
        one.unknown.push("what it sends: that comes from outside".to_owned());
    } else {
        let at = turn.env.now;
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        turn.fact(Fact::NodeStarted { node: node.key.clone(), at, units, each, took: None });
        for (unit, result) in computed {
            let fact = match result {
                Ok(output) => Fact::UnitDone { unit, output: output.unwrap_or_default() },
                Err(error) => Fact::UnitFailed { unit, n: 1, error },
            };
            turn.fact(fact);
        }
        let site = turn.site(number, "");
        end_node_if_over(turn, &site);
        if let Some(state) = turn.node_state(&turn.node(number).key) {
            one.output = (state.status == NodeStatus::Success).then(|| Arc::clone(&state.output));
            one.error.clone_from(&state.error);
        }
    }
}

/// What a unit comes to; none where that is not known.
fn compute(
    turn: &Turn<'_>,
    number: usize,
    work: &Work,
    one: &mut Rehearsed,
) -> Result<Option<Handles>, NodeError> {
    let kind = &turn.node(number).kind;
    let computed = catch_unwind(AssertUnwindSafe(|| kind.compute(work)));
    let panicked = || Err(NodeError::new("PANIC", "the node definition panicked"));
    let mut note = |text: String| {
        if !one.notes.contains(&text) {
            one.notes.push(text);
        }
    };
    match computed.unwrap_or_else(|_| panicked())? {
        Outcome::Items(output) | Outcome::Release(_, output) => Ok(Some(output)),
        Outcome::Request(_) | Outcome::Loop(_) => Ok(None),
        Outcome::Try(items) => Ok(Some(Handles::from([(TRY.to_owned(), items)]))),
        Outcome::Break(_) => Ok(Some(Handles::new())),
        Outcome::WaitUntil(until, then) => {
            note(format!("waits until {until}"));
            Ok(Some(then))
        }
        Outcome::Stop(status, message) => {
            let status = Json::of(&status);
            let status = status.as_str().trim_matches('"');
            let message = message.map(|message| format!(": {message}")).unwrap_or_default();
            note(format!("{ENDS} as {status}{message}"));
            Ok(Some(Handles::new()))
        }
    }
}

fn input_of(turn: &mut Turn<'_>, number: usize) -> Arc<NodeInput> {
    let site = turn.site(number, "");
    turn.input(&site)
}

fn scope_of(turn: &mut Turn<'_>, number: usize, item: Option<u32>) -> Arc<Scope> {
    let site = turn.site(number, "");
    turn.scope(&site, item)
}

fn units(turn: &Turn<'_>, number: usize, input: &NodeInput) -> (usize, bool) {
    let each = turn.node(number).each && !input.is_empty();
    (if each { input.len() } else { 1 }, each)
}

fn key(turn: &Turn<'_>, number: usize, each: bool, index: usize) -> UnitKey {
    let item = each.then_some(u32::try_from(index).unwrap_or(u32::MAX));
    UnitKey { node: turn.node(number).key.clone(), item }
}

fn resolve(turn: &mut Turn<'_>, number: usize, unit: &UnitKey) -> Result<Work, NodeError> {
    let node = turn.node(number);
    let config = match node.template.constant() {
        Some(config) => Ok(config.clone()),
        None => node.template.resolve(&scope_of(turn, number, unit.item)),
    };
    let config = config.map_err(|fault| wrong_expression(&node.id, &fault))?;
    let inbox = InboxAt { start: turn.state.start.inbox, now: turn.env.inbox };
    Ok(Work { config, items: given(&input_of(turn, number), unit), now: turn.env.now, inbox })
}

impl Rehearsal {
    /// The units of work of one node, ready to be carried out. `items` come in instead of what the
    /// nodes before it would send. The error names what is not known.
    pub fn trial(
        &mut self,
        plan: &Plan,
        number: usize,
        items: Option<&Handles>,
        env: &Env,
    ) -> Result<Vec<TrialUnit>, Vec<String>> {
        let Some((_, seen)) = self.nodes.iter().find(|(n, _)| *n == number) else {
            return Err(Vec::new());
        };
        let mut turn = Turn::new(plan, &mut self.state, env);
        match items {
            Some(items) => turn.put_input(&plan.nodes[number].key, brought(items)),
            None if seen.items.is_none() => {
                let why = seen.why.iter().chain(&seen.unknown);
                return Err(why.cloned().collect());
            }
            None => {}
        }
        let unknown = unknown_nodes(&turn, number);
        if !unknown.is_empty() {
            return Err(unknown.iter().map(|id| format!("what node `{id}` sends")).collect());
        }
        let input = input_of(&mut turn, number);
        let (units, each) = units(&turn, number, &input);
        let keys: Vec<UnitKey> = (0..units).map(|n| key(&turn, number, each, n)).collect();
        Ok(keys
            .into_iter()
            .map(|key| TrialUnit { work: resolve(&mut turn, number, &key), key })
            .collect())
    }

    /// What the node comes to with these results of its units, as in a real run.
    pub fn joined(
        &mut self,
        plan: &Plan,
        number: usize,
        items: Option<&Handles>,
        results: Vec<(UnitKey, Result<Handles, NodeError>)>,
        env: &Env,
    ) -> NodeState {
        let mut turn = Turn::new(plan, &mut self.state, env);
        if let Some(items) = items {
            turn.put_input(&plan.nodes[number].key, brought(items));
        }
        let key = plan.nodes[number].key.clone();
        let each = results.iter().any(|(unit, _)| unit.item.is_some());
        let units = u32::try_from(results.len()).unwrap_or(u32::MAX);
        turn.fact(Fact::NodeStarted { node: key.clone(), at: env.now, units, each, took: None });
        for (unit, result) in results {
            turn.fact(match result {
                Ok(output) => Fact::UnitDone { unit, output },
                Err(error) => Fact::UnitFailed { unit, n: 1, error },
            });
        }
        let site = turn.site(number, "");
        end_node_if_over(&mut turn, &site);
        turn.node_state(&turn.node(number).key).cloned().unwrap_or_else(NodeState::unstarted)
    }
}

/// Items as they come in by a node's handles.
fn brought(items: &Handles) -> NodeInput {
    let mut input = NodeInput::default();
    for (handle, items) in items {
        let sent = crate::engine::execution::Sent { items: items.clone(), from: Vec::new() };
        let handles = BTreeMap::from([("output".to_owned(), sent)]);
        input.push(handle, None, None, Arc::new(Output { handles, cut: false }), "output");
    }
    input
}
