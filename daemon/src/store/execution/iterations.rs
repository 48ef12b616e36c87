//! Iterations of loops that are over: packed by the engine and opaque here. A loop may have a hundred
//! thousand of them, so each has a row of its own, beside the state that is written at each commit.

use std::ops::ControlFlow;

use a2n_proto::ExecutionId;

use super::attachments;
use super::kept::Bytes;
use crate::store::keys::Key;
use crate::store::schema::EXECUTION_ITERATION;
use crate::store::{Error, Read, Tx, rows};

/// One iteration of one loop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its path: the iterations of the loops around it, and its own.
    pub path: Vec<u32>,
    /// The node that the loop belongs to.
    pub node: String,
}

/// Rows of iterations, with their places.
pub(super) type Rows = Vec<(Place, Vec<u8>)>;

/// Keeps an iteration.
pub fn put_iteration(
    tx: &mut Tx<'_>,
    id: ExecutionId,
    place: &Place,
    packed: Vec<u8>,
) -> Result<(), Error> {
    attachments::note(tx, id, [packed.as_slice()])?;
    rows::put_as(tx, EXECUTION_ITERATION, &key(id, place), &Bytes(packed))
}

/// One iteration, from state or from history.
pub fn iteration(
    read: &impl Read,
    id: ExecutionId,
    place: &Place,
) -> Result<Option<Vec<u8>>, Error> {
    let key = key(id, place);
    if let Some(found) = rows::get_as::<Bytes>(read, EXECUTION_ITERATION, key.as_bytes())? {
        return Ok(Some(found.0));
    }
    let Some(history) = read.history() else { return Ok(None) };
    for source in history.executions_of(id.unix_ms())? {
        if let Some(found) = rows::get_as::<Bytes>(&source, EXECUTION_ITERATION, key.as_bytes())? {
            return Ok(Some(found.0));
        }
    }
    Ok(None)
}

/// At most `limit` iterations after a place (`descending`: before it), by path and node.
pub fn iterations(
    read: &impl Read,
    id: ExecutionId,
    after: Option<&Place>,
    descending: bool,
    limit: usize,
) -> Result<Vec<(Place, Vec<u8>)>, Error> {
    let found = iterations_in(read, id, after, descending, limit)?;
    if !found.is_empty() {
        return Ok(found);
    }
    let Some(history) = read.history() else { return Ok(found) };
    for source in history.executions_of(id.unix_ms())? {
        let found = iterations_in(&source, id, after, descending, limit)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Rows::new())
}

fn iterations_in(
    read: &impl Read,
    id: ExecutionId,
    after: Option<&Place>,
    descending: bool,
    limit: usize,
) -> Result<Rows, Error> {
    let mut range = Key::of_id(id.as_bytes()).under();
    if let Some(after) = after {
        let key = key(id, after);
        range = if descending { range.before(&key) } else { range.after(&key) };
    }
    let mut found = Rows::new();
    read.scan(EXECUTION_ITERATION, &range, descending, &mut |key, _| {
        if found.len() >= limit {
            return Ok(ControlFlow::Break(()));
        }
        // A damaged one is noted; the others are still worth showing.
        let body = rows::get_as::<Bytes>(read, EXECUTION_ITERATION, key);
        if let (Ok(Some(bytes)), Some(place)) = (body, place_of(key)) {
            found.push((place, bytes.0));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// The keys of all iterations of an execution.
pub(crate) fn iteration_keys(read: &impl Read, id: ExecutionId) -> Result<Vec<Vec<u8>>, Error> {
    rows::some_keys(read, EXECUTION_ITERATION, &Key::of_id(id.as_bytes()).under(), usize::MAX)
}

fn key(id: ExecutionId, place: &Place) -> Key {
    let start = Key::of_id(id.as_bytes());
    let path = place.path.iter().fold(start, |key, number| key.u8(1).u32(*number));
    path.u8(0).text(&place.node)
}

fn place_of(key: &[u8]) -> Option<Place> {
    let (mut path, mut rest) = (Vec::new(), key.get(16..)?);
    while let [1, a, b, c, d, more @ ..] = rest {
        path.push(u32::from_be_bytes([*a, *b, *c, *d]));
        rest = more;
    }
    let node = rest.strip_prefix(&[0])?.strip_suffix(&[0, 0])?;
    Some(Place { path, node: String::from_utf8(node.to_vec()).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{World, execution_id};

    #[test]
    fn iterations_come_in_the_order_of_their_numbers_and_can_be_resumed() {
        let world = World::new();
        let (one, other) = (execution_id(1), execution_id(2));
        let place = |path: &[u32], node: &str| Place { path: path.to_vec(), node: node.into() };
        let order = [
            place(&[2], "a"),
            place(&[2], "b"),
            place(&[2, 0], "a"),
            place(&[2, 10], "a"),
            place(&[10], "a"),
        ];
        let wanted = order.clone();
        world.write(1, move |tx| {
            for place in wanted.iter().rev() {
                put_iteration(tx, one, place, place.node.clone().into_bytes())?;
            }
            put_iteration(tx, other, &wanted[0], b"other".to_vec())
        });
        let read = world.store.read().unwrap();
        let places = |after: Option<&Place>, descending, limit| -> Vec<Place> {
            let found = iterations(&read, one, after, descending, limit).unwrap();
            found.into_iter().map(|(place, _)| place).collect()
        };
        assert_eq!(places(None, false, 10), order);
        assert_eq!(places(Some(&order[1]), false, 2), order[2..4]);
        assert_eq!(places(Some(&order[1]), true, 9), [order[0].clone()]);
        assert_eq!(iteration(&read, one, &order[1]).unwrap().unwrap(), b"b");
        assert_eq!(iteration(&read, other, &order[1]).unwrap(), None);
    }
}
