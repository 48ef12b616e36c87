//! A unit of work: its attempts, from the start to what comes of them.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use a2n_proto::document::{InDoubt, Repeat, RetryOn};
use a2n_proto::workflow::RetryPolicy;
use sha2::{Digest, Sha256};

use super::bounded::bounded;
use super::conclude::begin_ending;
use super::failing::{close_loop, drive_try};
use super::looping::begin_body;
use super::replied::has_timer;
use super::turn::{Site, Turn};
use crate::engine::effect::{Due, Effect, TimerKey};
use crate::engine::execution::{Ending, Output, Phase, Sent, State, UnitKey};
use crate::engine::expression::Fault;
use crate::engine::fact::Fact;
use crate::engine::items::NodeInput;
use crate::engine::job::Job;
use crate::engine::kind::{Handles, InboxAt, NodeError, Outcome, TRY, Work};
use crate::engine::request::Request;
use crate::engine::retry;

/// Starts the next attempt of a unit: computes it at once, or has it started after the commit.
pub(super) fn start_unit(turn: &mut Turn<'_>, site: &Site, unit: &UnitKey) {
    let node = turn.node(site.number);
    #[cfg(debug_assertions)]
    crate::engine::fail_point::pass(&node.id);
    let n = turn.state.unit(unit).map_or(1, |state| state.next_attempt());
    let config = match node.template.constant() {
        Some(config) => Ok(config.clone()),
        None => node.template.resolve(&turn.scope(site, unit.item)),
    };
    let config = match config {
        Ok(config) => config,
        Err(fault) => {
            let error = wrong_expression(&node.id, &fault);
            return record_failure(turn, site, unit, n, error);
        }
    };
    let items = given(&turn.input(site), unit);
    if !node.is_inline() {
        let execution = turn.state.start.execution;
        let job = Job {
            key: unit.job(execution, n),
            kind: node.reference.clone(),
            node_name: node.name.clone(),
            workflow: turn.plan.name.clone(),
            config,
            items,
            timeout: node.timeout,
            idempotency_key: idempotency_key(turn.state, unit),
            run_as: node.run_as.clone(),
        };
        let at = turn.env.now;
        turn.spend(site.number);
        turn.fact(Fact::AttemptStarted { unit: unit.clone(), n, at });
        turn.effects.push(Effect::Start(Box::new(job)));
        return;
    }
    let inbox = InboxAt { start: turn.state.start.inbox, now: turn.env.inbox };
    let work = Work { config, items, now: turn.env.now, inbox };
    let computed = catch_unwind(AssertUnwindSafe(|| node.kind.compute(&work)));
    let panicked = || Err(NodeError::new("PANIC", "the node definition panicked"));
    let computed = computed.unwrap_or_else(|_| panicked());
    match computed.and_then(|outcome| bounded(turn, &node.id, outcome)) {
        Ok(Outcome::Request(request)) => ask(turn, site.number, unit, n, request),
        Ok(outcome) => {
            if n > 1 {
                record_attempt(turn, unit, n, None);
            }
            settle(turn, site, unit, n, outcome);
        }
        Err(error) => record_failure(turn, site, unit, n, error),
    }
}

/// What a successful attempt leads to.
pub(super) fn settle(turn: &mut Turn<'_>, site: &Site, unit: &UnitKey, n: u32, outcome: Outcome) {
    let unit = unit.clone();
    match outcome {
        Outcome::Items(output) => turn.fact(Fact::UnitDone { unit, output }),
        Outcome::WaitUntil(until, then) if until <= turn.env.now => {
            turn.fact(Fact::UnitDone { unit, output: then });
        }
        Outcome::WaitUntil(until, then) => {
            let key = TimerKey::Wait(unit.clone());
            turn.fact(Fact::UnitWaiting { unit, until, then });
            turn.effects.push(Effect::SetTimer { key, due: Due::At(until) });
        }
        Outcome::Stop(status, message) => {
            let node = unit.node.clone();
            turn.fact(Fact::UnitDone { unit, output: Handles::new() });
            begin_ending(turn, Ending::Stopped { node, status, message });
        }
        Outcome::Loop(iterations) => begin_body(turn, &unit, iterations),
        Outcome::Try(items) => {
            let from = (0..u32::try_from(items.len()).unwrap_or(u32::MAX)).collect();
            let handles = BTreeMap::from([(TRY.to_owned(), Sent { items, from })]);
            let output = Arc::new(Output { handles, cut: false });
            turn.fact(Fact::UnitInside { unit, output });
            drive_try(turn, site);
        }
        Outcome::Break(items) => {
            turn.fact(Fact::UnitDone { unit, output: Handles::new() });
            let scope = turn.node(site.number).scope;
            let key = turn.key_of_region(scope, site.path());
            close_loop(turn, &key, Some(items));
        }
        Outcome::Release(name, output) => {
            if turn.state.held.iter().any(|held| held.name == name) {
                turn.fact(Fact::LockReleased { name: name.clone() });
                turn.effects.push(Effect::Release(name));
            }
            turn.fact(Fact::UnitDone { unit, output });
        }
        Outcome::Request(_) => {
            let message = "the node definition asked for something where it may not";
            let error = NodeError::new("INTERNAL", message);
            turn.fact(Fact::UnitFailed { unit, n, error });
        }
    }
}

/// Records a request as an attempt, and has it asked after the commit.
fn ask(turn: &mut Turn<'_>, number: usize, unit: &UnitKey, n: u32, request: Box<Request>) {
    let at = turn.env.now;
    let due = request.due(at, turn.node(number).timeout);
    turn.fact(Fact::AttemptStarted { unit: unit.clone(), n, at });
    turn.fact(Fact::UnitRequested { unit: unit.clone(), n, request: request.clone() });
    turn.effects.push(Effect::Request { unit: unit.clone(), n, at, request });
    let key = TimerKey::Request(unit.clone());
    turn.effects.extend(due.map(|due| Effect::SetTimer { key, due: Due::At(due) }));
}

/// What a failed attempt, whose end is recorded, leads to.
pub(super) fn fail(turn: &mut Turn<'_>, site: &Site, unit: &UnitKey, n: u32, error: NodeError) {
    let node = turn.node(site.number);
    if turn.state.is_ending() || turn.is_closed(site, false) {
        return turn.fact(Fact::UnitCancelled { unit: unit.clone() });
    }
    if error.in_doubt && node.repeat == Repeat::Once {
        return doubt(turn, site, unit, n, error);
    }
    let failures = turn.state.unit(unit).map_or(0, |state| state.failures());
    try_again(turn, unit, n, error, node.retry.as_ref(), &node.retry_on, failures);
}

/// What becomes of a ONCE attempt whose outcome can't be known.
pub(super) fn doubt(turn: &mut Turn<'_>, site: &Site, unit: &UnitKey, n: u32, error: NodeError) {
    let node = turn.node(site.number);
    match node.in_doubt {
        InDoubt::Ask => turn.fact(Fact::UnitInDoubt { unit: unit.clone(), n }),
        InDoubt::Fail => turn.fact(Fact::UnitFailed { unit: unit.clone(), n, error }),
        InDoubt::Retry => {
            // An answer that never comes must not be asked for without end.
            let policy = node.retry.clone().unwrap_or_default();
            let tries = turn.state.unit(unit).map_or(0, |state| state.attempts.len());
            let tries = u32::try_from(tries).unwrap_or(u32::MAX);
            try_again(turn, unit, n, error, Some(&policy), &RetryOn::default(), tries);
        }
    }
}

fn try_again(
    turn: &mut Turn<'_>,
    unit: &UnitKey,
    n: u32,
    error: NodeError,
    policy: Option<&RetryPolicy>,
    on: &RetryOn,
    failures: u32,
) {
    let jitter = retry::jitter(turn.state.start.execution, unit, n);
    match policy.and_then(|policy| retry::delay(policy, on, failures, &error, jitter)) {
        Some(delay) => {
            let until = turn.env.now.plus(delay);
            turn.fact(Fact::UnitBackoff { unit: unit.clone(), until });
            let key = TimerKey::Retry(unit.clone());
            turn.effects.push(Effect::SetTimer { key, due: Due::At(until) });
        }
        None => turn.fact(Fact::UnitFailed { unit: unit.clone(), n, error }),
    }
}

/// Stops a unit that no attempt of runs outside.
pub(super) fn cancel_unit(turn: &mut Turn<'_>, unit: &UnitKey) {
    take_back(turn, unit);
    let timer = match turn.state.unit(unit).map(|state| &state.phase) {
        Some(Phase::Waiting { .. }) => Some(TimerKey::Wait(unit.clone())),
        Some(Phase::Backoff { .. }) => Some(TimerKey::Retry(unit.clone())),
        _ => None,
    };
    turn.effects.extend(timer.map(Effect::ClearTimer));
    turn.fact(Fact::UnitCancelled { unit: unit.clone() });
}

/// Ends a unit's request that nobody needs the answer of any more.
fn take_back(turn: &mut Turn<'_>, unit: &UnitKey) {
    let Some((n, asked, request)) = turn.state.unit(unit).and_then(|state| state.requested())
    else {
        return;
    };
    let request = Box::new(request.clone());
    if has_timer(turn, unit) {
        turn.effects.push(Effect::ClearTimer(TimerKey::Request(unit.clone())));
    }
    let effects = turn.effects.len();
    turn.effects.retain(|effect| !matches!(effect, Effect::Request { unit: of, .. } if of == unit));
    if turn.effects.len() == effects {
        turn.effects.push(Effect::Withdraw { unit: unit.clone(), n, at: asked, request });
    }
    let error = Some(NodeError::new("CANCELLED", "cancelled while it waited for an answer"));
    let at = turn.env.now;
    turn.fact(Fact::AttemptEnded { unit: unit.clone(), n, at, exit: None, error, lost: false });
}

/// The same for every attempt of a unit, and for no other unit.
fn idempotency_key(state: &State, unit: &UnitKey) -> String {
    let item = unit.item.map_or_else(|| "all".to_owned(), |item| item.to_string());
    let execution = state.start.execution;
    let text = format!("{execution}/{}/{}/{item}", unit.node.node, unit.node.iteration);
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn given(input: &NodeInput, unit: &UnitKey) -> Handles {
    match unit.item.and_then(|index| input.get(index as usize)) {
        Some((handle, item, _)) => Handles::from([(handle.to_owned(), vec![item.clone()])]),
        None => input.by_handle(),
    }
}

pub(super) fn wrong_expression(node: &str, fault: &Fault) -> NodeError {
    NodeError::new("EXPRESSION", format!("node `{node}`, {fault}"))
}

fn record_failure(turn: &mut Turn<'_>, site: &Site, unit: &UnitKey, n: u32, error: NodeError) {
    record_attempt(turn, unit, n, Some(error.clone()));
    fail(turn, site, unit, n, error);
}

/// Records an attempt that began and ended within this step.
fn record_attempt(turn: &mut Turn<'_>, unit: &UnitKey, n: u32, error: Option<NodeError>) {
    let at = turn.env.now;
    let exit = error.as_ref().and_then(|error| error.code);
    turn.fact(Fact::AttemptStarted { unit: unit.clone(), n, at });
    turn.fact(Fact::AttemptEnded { unit: unit.clone(), n, at, exit, error, lost: false });
}
