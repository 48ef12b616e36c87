//! What a person may ask of an execution, by where it stands: allowed, or one sentence that says why
//! not and a hint. Whatever is refused here changes nothing.
//!
//! The step would ignore the same inputs; it does not say why.

use a2n_proto::execution::{ExecutionStatus, NodeStatus, PausedReason};
use a2n_proto::{ExecutionId, Json};

use super::approval::{Ballot, Voter};
use super::execution::{Ending, NodeKey, NodeState, Phase, State};
use super::input::Input;
use super::plan::Plan;
use super::request::Request;

/// Why something is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// One sentence.
    pub message: String,
    /// What to do instead.
    pub hint: String,
    /// Whether what it names is not there at all.
    pub is_missing: bool,
}

impl Refusal {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into(), is_missing: false }
    }
    /// Of an execution that has ended.
    pub fn ended(id: ExecutionId, status: ExecutionStatus, asked: &str) -> Self {
        Self::new(
            format!("execution {id} is {} already", word(status)),
            format!(
                "only an execution that has not ended can be {asked}; `a2n retry {id}` runs it again"
            ),
        )
    }
}

/// What an input is called when it is refused: "can be …".
pub fn asked(input: &Input) -> &'static str {
    match input {
        Input::Cancel { .. } => "cancelled",
        Input::Pause { .. } => "paused",
        Input::Resume => "resumed",
        Input::Answer { .. } => "answered for",
        Input::Vote { .. } => "decided on",
        _ => "told this",
    }
}

/// Why an execution can't be told this now; none where it can.
pub fn refusal(plan: &Plan, state: &State, input: &Input) -> Option<Refusal> {
    let (id, status) = (state.start().execution, state.status());
    if status.is_ended() {
        return Some(Refusal::ended(id, status, asked(input)));
    }
    // What runs at the end whatever happened can be steered like all else, until it is to end too.
    let why = match &state.finally {
        Some(finally) => &finally.stopped,
        None => &state.ending,
    };
    if let Some(ending) = why {
        return Some(Refusal::new(
            format!("execution {id} is ending already: {}", told(ending)),
            format!("its running steps get time to stop; `a2n show {id}` tells which"),
        ));
    }
    match input {
        Input::Pause { .. } if state.pause_asked => Some(being_paused(state)),
        Input::Resume if !state.pause_asked => Some(not_paused(state)),
        Input::Answer { node, iteration, item, .. } => {
            let key = NodeKey { node: node.clone(), iteration: iteration.clone() };
            not_in_doubt(plan, state, &key, *item)
        }
        Input::Vote { node, iteration, item, voter, ballot } => {
            let key = NodeKey { node: node.clone(), iteration: iteration.clone() };
            not_asked(plan, state, &key, *item, (voter, ballot))
        }
        _ => None,
    }
}

fn being_paused(state: &State) -> Refusal {
    let id = state.start().execution;
    let running = state.running().len();
    let asks = state.requests().any(|(.., request)| request.waits().is_none());
    let message = match (state.status(), running) {
        (ExecutionStatus::Running, 0) if asks => {
            format!("execution {id} is being paused already: what it asked for has no answer yet")
        }
        (ExecutionStatus::Paused, _) | (_, 0) => format!("execution {id} is paused already"),
        (_, 1) => format!("execution {id} is being paused already: one step still runs"),
        (_, n) => format!("execution {id} is being paused already: {n} steps still run"),
    };
    Refusal::new(message, format!("`a2n resume {id}` lets it go on"))
}

fn not_paused(state: &State) -> Refusal {
    let id = state.start().execution;
    match state.paused_reason() {
        Some(PausedReason::Waiting) => Refusal::new(
            format!("execution {id} only waits; it goes on by itself"),
            format!("`a2n show {id}` tells for what"),
        ),
        Some(PausedReason::InDoubt) => {
            let node = first(state, |phase| matches!(phase, Phase::InDoubt { .. }));
            Refusal::new(
                format!("execution {id} can't go on before somebody says how node `{node}` ended"),
                format!("`a2n answer {id} {node} done`, `failed` or `again`"),
            )
        }
        _ => Refusal::new(
            format!("execution {id} is {} and not paused", word(state.status())),
            format!("`a2n pause {id}` pauses it"),
        ),
    }
}

/// Why nobody can decide what a node asks, or these not.
fn not_asked(
    plan: &Plan,
    state: &State,
    key: &NodeKey,
    item: Option<u32>,
    (voter, ballot): (&Voter, &Ballot),
) -> Option<Refusal> {
    const HINT: &str = "`a2n approvals` shows what waits for a decision";
    if let Some(missing) = no_such_node(plan, state, key) {
        return Some(missing);
    }
    let of_node = state
        .requests()
        .filter(|(unit, ..)| unit.node == *key && item.is_none_or(|item| unit.item == Some(item)));
    let verdicts: Vec<_> = of_node
        .filter_map(|(.., request)| match request {
            Request::Approval(request) => Some(request.check(voter, ballot)),
            _ => None,
        })
        .collect();
    if verdicts.iter().any(Result::is_ok) {
        return None;
    }
    let message = match verdicts.into_iter().find_map(Result::err) {
        Some(why) => why.to_string(),
        None => {
            let (id, shown) = (state.start().execution, shown(key));
            format!("node {shown} of execution {id} waits for nobody's decision")
        }
    };
    Some(Refusal::new(message, HINT))
}

fn no_such_node(plan: &Plan, state: &State, key: &NodeKey) -> Option<Refusal> {
    if plan.node(&key.node).is_some() {
        return None;
    }
    let id = state.start().execution;
    let message = format!("execution {id} has no node `{}`", key.node);
    let hint = format!("`a2n show {id}` names its nodes");
    Some(Refusal { is_missing: true, ..Refusal::new(message, hint) })
}

fn not_in_doubt(plan: &Plan, state: &State, key: &NodeKey, item: Option<u32>) -> Option<Refusal> {
    let id = state.start().execution;
    let shown = shown(key);
    if let Some(missing) = no_such_node(plan, state, key) {
        return Some(missing);
    }
    let doubtful = |node: &NodeState| {
        node.units.iter().zip(0_u32..).any(|(unit, index)| {
            matches!(unit.phase, Phase::InDoubt { .. }) && item.is_none_or(|item| item == index)
        })
    };
    let found = state.nodes.get(key);
    if found.is_some_and(doubtful) {
        return None;
    }
    let message = match (found, item) {
        (Some(node), Some(item)) if item as usize >= node.units.len() => {
            format!("node {shown} of execution {id} has no item {item}")
        }
        (Some(node), Some(item)) if node.status == NodeStatus::Running => {
            format!("item {item} of node {shown} of execution {id} is not in doubt")
        }
        (Some(node), _) => {
            format!("node {shown} of execution {id} is {} and not in doubt", word(node.status))
        }
        (None, _) => format!("node {shown} of execution {id} has not started"),
    };
    Some(Refusal::new(message, format!("`a2n show {id}` tells which nodes wait for an answer")))
}

fn shown(key: &NodeKey) -> String {
    match key.iteration.as_str() {
        "" => format!("`{}`", key.node),
        path => format!("`{}` (iteration {path})", key.node),
    }
}

fn first(state: &State, wanted: impl Fn(&Phase) -> bool) -> &str {
    let of = |node: &NodeState| node.units.iter().any(|unit| wanted(&unit.phase));
    state.nodes.iter().find(|(_, node)| of(node)).map_or("NODE", |(key, _)| &key.node)
}

fn told(ending: &Ending) -> String {
    match ending {
        Ending::Cancelled { by: Some(by), .. } => format!("{by} cancelled it"),
        Ending::Cancelled { by: None, .. } => "it was cancelled".to_owned(),
        Ending::Failed(failure) => format!("node `{}` failed", failure.node.node),
        Ending::TimedOut { .. } => "it ran longer than settings.timeout".to_owned(),
        Ending::Stopped { node, .. } => format!("node `{}` stopped it", node.node),
    }
}

fn word(status: impl serde::Serialize) -> String {
    Json::of(&status).as_str().trim_matches('"').to_owned()
}
