//! Locks: wishes are granted in order, in memory. What is held is recorded with the answer.

use std::cmp::Reverse;

use a2n_proto::UserId;

use super::asking::{Asked, Desk};
use super::locks::{LockId, Place, Wish};
use crate::engine::driving::driver::Back;
use crate::engine::execution::{State, UnitKey};
use crate::engine::job::JobKey;
use crate::engine::request::lock::LockRequest;

/// Puts a wish into the queue of its lock.
pub(super) fn ask(desk: &mut Desk, asked: &Asked, request: &LockRequest) {
    let LockRequest { name, limit, permits, .. } = request;
    let id = LockId { owner: asked.owner, name: name.clone() };
    let (priority, since) = (Reverse(asked.priority), asked.at);
    let place = Place { priority, since, key: asked.key.clone() };
    let granted = desk.locks.ask(id, place, Wish { limit: *limit, permits: *permits });
    tell(desk, granted);
}

/// An attempt stopped waiting, or was granted too late to know.
pub(super) fn withdraw(desk: &mut Desk, owner: UserId, key: &JobKey, name: &str) {
    let granted = desk.locks.withdraw(&LockId { owner, name: name.to_owned() }, key);
    tell(desk, granted);
}

/// Notes what an execution holds, as its state says.
pub(super) fn take_up(desk: &mut Desk, state: &State) {
    let start = state.start();
    for held in state.held() {
        let id = LockId { owner: start.owner, name: held.name.clone() };
        desk.locks.restore(id, held.unit.job(start.execution, held.n), held.permits);
    }
}

/// Tells the driver whose wishes are granted; those that do not ask any more withdraw.
pub(super) fn tell(desk: &Desk, granted: Vec<JobKey>) {
    for key in granted {
        let (id, unit, n) = (key.execution, UnitKey::of(&key), key.attempt);
        // The driver is gone only when the daemon has stopped; the next start asks again.
        let _ = desk.back.send(Back::Granted { id, unit, n });
    }
}
