//! Throttles: the moments of those that passed are kept with the values that executions share, under
//! a scope of their own; one write finds a turn and keeps it as the answer.

use a2n_proto::{Json, Timestamp};

use super::asking::{Asked, Desk};
use super::once::once;
use crate::engine::kind::{NodeError, Outcome};
use crate::engine::request::Reply;
use crate::engine::request::pace::ThrottleRequest;
use crate::store::shared_value::{self, Scope, SharedValue};
use crate::store::{self, Tx};

pub(super) fn ask(desk: &Desk, asked: Asked, request: ThrottleRequest) {
    let most = desk.tuning.borrow().shared.keys;
    let (scope, name) =
        (Scope::Throttle(asked.workflow), format!("{}\0{}", asked.key.node, request.key));
    let tell = desk.teller(asked.key.clone());
    desk.store.hand_over(
        desk.origin(),
        move |tx| once(tx, &asked.key, |tx| act(tx, scope, &name, &request, most)),
        tell,
    );
}

fn act(
    tx: &mut Tx<'_>,
    scope: Scope,
    name: &str,
    request: &ThrottleRequest,
    most: u64,
) -> Result<Reply, store::Error> {
    let now = tx.at();
    let before = shared_value::get(tx, scope, name, now)?;
    let mut turns: Vec<i64> = before.and_then(|row| row.value.to().ok()).unwrap_or_default();
    let Some(turn) = turn(&mut turns, now, request) else {
        return Ok(Ok(Outcome::Items(request.leave("dropped"))));
    };
    let last = turns.last().copied().unwrap_or_default();
    let expires_at = Some(Timestamp::from_unix_ms(last).plus(request.window));
    let row = SharedValue { value: Json::of(&turns), updated_at: now, expires_at };
    if !shared_value::put(tx, scope, name, &row, most)? {
        let message = format!("{most} keys are counted in this workflow already");
        return Ok(Err(NodeError::new("LIMIT", message)));
    }
    let items = request.leave("output");
    Ok(Ok(if turn <= now { Outcome::Items(items) } else { Outcome::WaitUntil(turn, items) }))
}

/// When the next may pass; none where it is dropped. `turns` has the last that passed or will.
fn turn(turns: &mut Vec<i64>, now: Timestamp, request: &ThrottleRequest) -> Option<Timestamp> {
    let (limit, at) = (request.limit.max(1) as usize, now.as_unix_ms());
    turns.drain(..turns.len().saturating_sub(limit));
    let free = match turns.first() {
        Some(first) if turns.len() >= limit => {
            Timestamp::from_unix_ms(*first).plus(request.window).as_unix_ms().max(at)
        }
        _ => at,
    };
    if free > at && request.drop {
        return None;
    }
    turns.push(free);
    turns.drain(..turns.len().saturating_sub(limit));
    Some(Timestamp::from_unix_ms(free))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn request(limit: u32, window_ms: u64, drop: bool) -> ThrottleRequest {
        let window = Duration::from_millis(window_ms);
        ThrottleRequest { key: "k".into(), limit, window, drop, items: Vec::new() }
    }

    fn turns(request: &ThrottleRequest, at: &[i64]) -> Vec<Option<i64>> {
        let mut kept = Vec::new();
        let mut one = |at: &i64| {
            turn(&mut kept, Timestamp::from_unix_ms(*at), request).map(|at| at.as_unix_ms())
        };
        at.iter().map(&mut one).collect()
    }

    #[test]
    fn so_many_pass_in_a_window_and_the_others_wait_in_order() {
        let told = turns(&request(2, 100, false), &[0, 10, 20, 30, 40, 500]);
        assert_eq!(told, [Some(0), Some(10), Some(100), Some(110), Some(200), Some(500)]);
        let told = turns(&request(1, 100, false), &[0, 0, 0, 250]);
        assert_eq!(told, [Some(0), Some(100), Some(200), Some(300)]);
    }

    #[test]
    fn one_too_many_is_dropped_where_that_is_asked_for() {
        let told = turns(&request(2, 100, true), &[0, 10, 20, 99, 100, 101, 110]);
        assert_eq!(told, [Some(0), Some(10), None, None, Some(100), None, Some(110)]);
    }

    /// However they come: never more than the limit in any stretch of the window.
    #[test]
    fn no_window_has_more_than_the_limit() {
        let mut at = 0;
        let comes: Vec<i64> = (0..500_i64)
            .map(|n| {
                at += (n * 7919) % 31;
                at
            })
            .collect();
        for (limit, drop) in [(1, false), (3, false), (3, true), (10, true)] {
            let request = request(limit, 100, drop);
            let passed: Vec<i64> = turns(&request, &comes).into_iter().flatten().collect();
            for (n, from) in passed.iter().enumerate() {
                let within = passed[n..].iter().filter(|at| **at < from + 100).count();
                assert!(within <= limit as usize, "{within} from {from} on");
            }
        }
    }
}
