//! The engine's packed state of an execution, opaque here: whole in its row or in one of its own, and
//! behind that what was added since. A state may be megabytes and a step changes little of it, so a
//! commit adds what it changed and only now and then writes the whole.
//!
//! Read, the whole and what was added to it are one text of bytes, in the order of their writes. An
//! execution that is over has its state in one piece; only such are moved to history.

use std::ops::ControlFlow;

use a2n_proto::ExecutionId;
use a2n_proto::execution::Execution;

use super::pieces::{self, Pieces};
use super::{Kept, key};
use crate::store::keys::{Key, KeyReader};
use crate::store::rows;
use crate::store::schema::{EXECUTION_STATE, EXECUTION_STATE_ADDED};
use crate::store::{Error, Read, Tx};

/// How a commit writes an execution's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// All of it, in place of what was there.
    Whole(Pieces),
    /// Behind what is there.
    Added(Pieces),
}

impl Written {
    /// The state stays as it is.
    pub fn unchanged() -> Self {
        Self::Added(Pieces::default())
    }
    pub(super) fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let (Self::Whole(pieces) | Self::Added(pieces)) = self;
        pieces.slices()
    }
}

impl From<Vec<u8>> for Written {
    fn from(whole: Vec<u8>) -> Self {
        Self::Whole(whole.into())
    }
}

/// The state of an execution with this row, where it stands in one file.
pub(super) fn of_row(read: &impl Read, id: ExecutionId, kept: &Kept) -> Result<Vec<u8>, Error> {
    if let Some(state) = &kept.state {
        return Ok(state.0.clone());
    }
    let whole = pieces::get(read, EXECUTION_STATE, id.as_bytes(), id)?;
    let mut all = whole.ok_or_else(|| read.damaged(EXECUTION_STATE, id.as_bytes()))?;
    for (expected, key) in (0..).zip(added_keys(read, id)?) {
        let added = pieces::get(read, EXECUTION_STATE_ADDED, &key, id)?;
        let Some(added) = added.filter(|_| number_of(&key) == Some(expected)) else {
            // Without one of them those behind it say nothing.
            return Err(read.damaged(EXECUTION_STATE_ADDED, &key));
        };
        all.extend_from_slice(&added);
    }
    Ok(all)
}

/// The write that is made: where the state stands in the execution's row, or is to be in one piece
/// because the execution is over, what is added makes a new whole.
pub(super) fn joined(
    read: &impl Read,
    execution: &Execution,
    old: Option<&Kept>,
    written: Written,
) -> Result<Written, Error> {
    let is_over = execution.status.is_ended();
    let more = match written {
        Written::Whole(whole) if is_over => return Ok(Written::from(whole.joined())),
        Written::Added(more) => more,
        whole => return Ok(whole),
    };
    let Some(old) = old.filter(|old| is_over || old.state.is_some()) else {
        return Ok(Written::Added(more));
    };
    let whole = more.after(of_row(read, execution.id, old)?);
    Ok(if is_over { whole.joined().into() } else { Written::Whole(whole) })
}

/// Adds to a state that has a row of its own.
pub(super) fn add(tx: &mut Tx<'_>, id: ExecutionId, more: Pieces) -> Result<(), Error> {
    if more.is_empty() {
        return Ok(());
    }
    let mut next = 0;
    tx.scan(EXECUTION_STATE_ADDED, &key(id).under(), true, &mut |key, _| {
        next = number_of(key).map_or(0, |number| number + 1);
        Ok(ControlFlow::Break(()))
    })?;
    pieces::put(tx, EXECUTION_STATE_ADDED, &key(id).u32(next), id, more)
}

/// Removes what was added to a state.
pub(super) fn forget_added(tx: &mut Tx<'_>, id: ExecutionId) -> Result<(), Error> {
    for key in added_keys(tx, id)? {
        rows::remove(tx, EXECUTION_STATE_ADDED, &Key::of_bytes(&key))?;
    }
    Ok(())
}

/// The rows of what was added to a state, in the order of their writes.
fn added_keys(read: &impl Read, id: ExecutionId) -> Result<Vec<Vec<u8>>, Error> {
    rows::some_keys(read, EXECUTION_STATE_ADDED, &key(id).under(), usize::MAX)
}

fn number_of(key: &[u8]) -> Option<u32> {
    let mut reader = KeyReader::new(key);
    reader.id()?;
    reader.u32()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use a2n_proto::execution::ExecutionStatus;

    use super::*;
    use crate::store::execution::{self, Wait, save_waiting};
    use crate::store::schema::EXECUTION_VALUE;
    use crate::store::testing::{World, an_execution, execution_id};
    use crate::store::verify;

    fn save(world: &World, at: i64, status: ExecutionStatus, written: Written) {
        world.write(at, move |tx| {
            save_waiting(tx, &an_execution(1, status), written.clone(), Wait::default())
        });
    }

    fn added_bytes(bytes: Vec<u8>) -> Written {
        Written::Added(bytes.into())
    }

    fn state(world: &World) -> Vec<u8> {
        execution::state(&world.read(), execution_id(1)).unwrap().unwrap()
    }

    fn added(world: &World) -> usize {
        added_keys(&world.read(), execution_id(1)).unwrap().len()
    }

    #[test]
    fn what_is_added_stands_behind_the_whole_until_that_is_written_again() {
        let world = World::new();
        let running = ExecutionStatus::Running;
        world.write(1, move |tx| execution::insert(tx, &an_execution(1, running), vec![1; 10]));
        save(&world, 2, running, added_bytes(vec![2; 5]));
        assert_eq!((state(&world), added(&world)), ([vec![1; 10], vec![2; 5]].concat(), 0));
        save(&world, 3, running, vec![3; 9_000].into());
        for n in 4..=15 {
            save(&world, n, running, added_bytes(vec![u8::try_from(n).unwrap(); 3]));
        }
        save(&world, 16, running, Written::unchanged());
        let mut whole = vec![3; 9_000];
        (4..=15).for_each(|n| whole.extend([n; 3]));
        assert_eq!((state(&world), added(&world)), (whole.clone(), 12));
        let world = world.reopened();
        assert_eq!(state(&world), whole);
        assert_eq!(verify::verify(&world.store).unwrap().problems, []);
        save(&world, 17, running, vec![5; 9_000].into());
        assert_eq!((state(&world), added(&world)), (vec![5; 9_000], 0));
        save(&world, 18, running, added_bytes(vec![6]));
        assert_eq!(added(&world), 1);
        save(&world, 19, ExecutionStatus::Success, added_bytes(vec![7]));
        assert_eq!((state(&world), added(&world)), ([vec![5; 9_000], vec![6, 7]].concat(), 0));
        assert_eq!(verify::verify(&world.store).unwrap().problems, []);
    }

    /// Each commit once wrote every value of the state anew, however large.
    #[test]
    fn a_large_value_is_kept_once_while_anything_has_it_and_goes_with_the_end() {
        let world = World::new();
        let running = ExecutionStatus::Running;
        let large = |byte: u8| vec![byte; 100_000];
        let pieces = |parts: &[Vec<u8>]| {
            let mut pieces = Pieces::default();
            parts.iter().for_each(|part| pieces.write_all(part).unwrap());
            pieces
        };
        let values = |world: &World| {
            let range = key(execution_id(1)).under();
            rows::some_keys(&world.read(), EXECUTION_VALUE, &range, 99).unwrap().len()
        };
        world.write(1, move |tx| execution::insert(tx, &an_execution(1, running), vec![1; 10]));
        let parts = [vec![1; 9], large(2), vec![3; 5], large(2), large(4)];
        save(&world, 2, running, Written::Whole(pieces(&parts)));
        assert_eq!((state(&world), values(&world)), (parts.concat(), 2));
        save(&world, 3, running, Written::Added(pieces(&[large(2), vec![5], large(6)])));
        let whole = [parts.concat(), large(2), vec![5], large(6)].concat();
        assert_eq!((state(&world), values(&world)), (whole, 3));
        assert_eq!(verify::verify(&world.store).unwrap().problems, []);
        save(&world, 4, running, Written::Whole(pieces(&[vec![1], large(6)])));
        assert_eq!((state(&world), values(&world)), ([vec![1], large(6)].concat(), 1));
        save(&world, 5, running, Written::Added(pieces(&[large(7)])));
        save(&world, 6, ExecutionStatus::Success, Written::Added(pieces(&[large(8)])));
        let whole = [vec![1], large(6), large(7), large(8)].concat();
        assert_eq!((state(&world), values(&world)), (whole, 0));
        assert_eq!(verify::verify(&world.store).unwrap().problems, []);
    }

    #[test]
    fn a_gap_in_what_was_added_is_damage() {
        let world = World::new();
        let running = ExecutionStatus::Running;
        world.write(1, move |tx| execution::insert(tx, &an_execution(1, running), vec![1; 9_000]));
        (2..5).for_each(|n| save(&world, n, running, added_bytes(vec![2])));
        world.write(6, |tx| rows::remove(tx, EXECUTION_STATE_ADDED, &key(execution_id(1)).u32(1)));
        let read = execution::state(&world.read(), execution_id(1));
        assert!(matches!(read, Err(Error::Damaged { .. })), "{read:?}");
    }

    #[test]
    fn what_was_added_goes_with_its_execution() {
        let world = World::new();
        let running = ExecutionStatus::Running;
        world.write(1, move |tx| execution::insert(tx, &an_execution(1, running), vec![1; 9_000]));
        save(&world, 2, running, added_bytes(vec![2]));
        world.write(3, |tx| execution::remove(tx, execution_id(1)));
        assert_eq!(added(&world), 0);
    }
}
