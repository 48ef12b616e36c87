//! A request is over: answered, or its moment passed without an answer.

use a2n_proto::Timestamp;

use super::advance::advance_working;
use super::bounded::bounded;
use super::conclude::conclude;
use super::node::end_node_if_over;
use super::turn::Turn;
use super::unit::{fail, settle};
use crate::engine::effect::{Effect, TimerKey};
use crate::engine::execution::{Held, UnitKey};
use crate::engine::fact::Fact;
use crate::engine::kind::Outcome;
use crate::engine::request::{Reply, Request};

pub(super) fn replied(turn: &mut Turn<'_>, unit: &UnitKey, n: u32, reply: Reply) {
    let asked = turn.state.unit(unit).and_then(|state| state.requested());
    let Some((asked, at, request)) = asked else { return };
    if asked != n {
        return;
    }
    let is_look = matches!(request, Request::Look(_));
    // A lock hands on what its node was given, which counts when it leaves.
    let reply = match request {
        Request::Lock(_) => reply,
        _ => reply.and_then(|outcome| bounded(turn, &unit.node.node, outcome)),
    };
    if let Ok(Outcome::Request(other)) = &reply
        && is_look
        && matches!(**other, Request::Look(_))
    {
        return reworded(turn, unit, (n, at), other.clone());
    }
    if has_timer(turn, unit) {
        turn.effects.push(Effect::ClearTimer(TimerKey::Request(unit.clone())));
    }
    end_request(turn, unit, n, reply);
}

/// The wait goes on, and what is kept of it is something else from now on: what was seen first, or last.
/// Its attempt and its moments stay.
fn reworded(turn: &mut Turn<'_>, unit: &UnitKey, (n, at): (u32, Timestamp), request: Box<Request>) {
    turn.fact(Fact::UnitRequested { unit: unit.clone(), n, request: request.clone() });
    turn.effects.push(Effect::Request { unit: unit.clone(), n, at, request });
    conclude(turn);
}

/// Nobody answered in time.
pub(super) fn due(turn: &mut Turn<'_>, unit: &UnitKey) {
    let Some(number) = turn.number(&unit.node.node) else { return };
    let timeout = turn.node(number).timeout;
    let Some((n, at, request)) = turn.state.unit(unit).and_then(|state| state.requested()) else {
        return;
    };
    let (reply, request) = (request.when_due(at, timeout), Box::new(request.clone()));
    turn.effects.push(Effect::Withdraw { unit: unit.clone(), n, at, request });
    end_request(turn, unit, n, reply);
}

/// Whether the unit's request is over by itself at some moment.
pub(super) fn has_timer(turn: &Turn<'_>, unit: &UnitKey) -> bool {
    let timeout = turn.number(&unit.node.node).and_then(|number| turn.node(number).timeout);
    let asked = turn.state.unit(unit).and_then(|state| state.requested());
    asked.is_some_and(|(_, at, request)| request.due(at, timeout).is_some())
}

/// What the unit holds once its request is answered well.
fn locks(turn: &Turn<'_>, unit: &UnitKey) -> Option<Held> {
    let (n, _, request) = turn.state.unit(unit)?.requested()?;
    let Request::Lock(lock) = request else { return None };
    Some(Held { name: lock.name.clone(), unit: unit.clone(), n, permits: lock.permits })
}

fn end_request(turn: &mut Turn<'_>, unit: &UnitKey, n: u32, reply: Reply) {
    let Some(site) = turn.site_of(&unit.node) else { return };
    let (at, error) = (turn.env.now, reply.as_ref().err().cloned());
    let held = locks(turn, unit);
    let exit = error.as_ref().and_then(|error| error.code);
    turn.fact(Fact::AttemptEnded { unit: unit.clone(), n, at, exit, error, lost: false });
    if let (Ok(_), Some(held)) = (&reply, held) {
        turn.fact(Fact::LockTaken { held });
    }
    match reply {
        Ok(outcome) => settle(turn, &site, unit, n, outcome),
        Err(error) => fail(turn, &site, unit, n, error),
    }
    end_node_if_over(turn, &site);
    if turn.state.is_ending() { conclude(turn) } else { advance_working(turn) }
}
