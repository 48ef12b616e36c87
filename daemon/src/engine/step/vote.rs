//! Somebody decides what an `approval` asks.

use super::replied::replied;
use super::turn::Turn;
use crate::engine::approval::{Ballot, Standing, Voter};
use crate::engine::effect::Effect;
use crate::engine::execution::{NodeKey, UnitKey};
use crate::engine::fact::Fact;
use crate::engine::request::Request;

/// Takes a vote on every open question of a node that it counts for; one that does not count gives
/// no facts. Who votes is told why before.
pub(super) fn vote(
    turn: &mut Turn<'_>,
    node: String,
    iteration: String,
    item: Option<u32>,
    (voter, ballot): (&Voter, &Ballot),
) {
    let key = NodeKey { node, iteration };
    let open: Vec<(UnitKey, u32)> = turn
        .state
        .requests()
        .filter(|(unit, ..)| unit.node == key && item.is_none_or(|item| unit.item == Some(item)))
        .filter(|(.., request)| counts(request, voter, ballot))
        .map(|(unit, n, ..)| (unit, n))
        .collect();
    for (unit, n) in open {
        // An earlier one may have ended the execution.
        let asked = turn.state.unit(&unit).and_then(|state| state.requested());
        let Some((_, at, Request::Approval(request))) = asked else { continue };
        match request.vote(voter, ballot, turn.env.now) {
            Standing::Open(next) => {
                let request = Box::new(Request::Approval(Box::new(next)));
                turn.fact(Fact::UnitRequested { unit, n, request });
            }
            Standing::Decided(outcome) => {
                let request = Box::new(Request::Approval(request.clone()));
                turn.effects.push(Effect::Withdraw { unit: unit.clone(), n, at, request });
                replied(turn, &unit, n, Ok(outcome));
            }
        }
    }
}

fn counts(request: &Request, voter: &Voter, ballot: &Ballot) -> bool {
    matches!(request, Request::Approval(request) if request.check(voter, ballot).is_ok())
}
