//! Answers to the requests of executions, from the write that did what was asked to the write that
//! records the answer in the execution's state: asked again in between, a request has its answer here.

use a2n_proto::ExecutionId;

use super::keys::Key;
use super::rows;
use super::schema::EXECUTION_REPLY;
use super::{Error, Read, Tx};

/// Which attempt of which unit of work asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker<'a> {
    /// The execution.
    pub execution: ExecutionId,
    /// The node's id in the document.
    pub node: &'a str,
    /// Path of loop iterations as text, empty outside loops.
    pub iteration: &'a str,
    /// The item's index; none where the node works on ALL.
    pub item: Option<u32>,
    /// The attempt's number.
    pub attempt: u32,
}

impl Asker<'_> {
    pub(super) fn key(&self) -> Key {
        let Self { execution, node, iteration, item, attempt } = *self;
        let key = Key::of_id(execution.as_bytes()).text(node).text(iteration);
        key.flag(item.is_some()).u32(item.unwrap_or(0)).u32(attempt)
    }
}

/// What this attempt was answered.
pub fn get(read: &impl Read, asker: Asker<'_>) -> Result<Option<Vec<u8>>, Error> {
    rows::get_as(read, EXECUTION_REPLY, asker.key().as_bytes())
}

/// Keeps an answer, in the write that does what was asked.
pub fn put(tx: &mut Tx<'_>, asker: Asker<'_>, reply: &[u8]) -> Result<(), Error> {
    rows::put_as(tx, EXECUTION_REPLY, &asker.key(), reply)
}

/// The answer is in the execution's state now. Answers whether there was one.
pub fn remove(tx: &mut Tx<'_>, asker: Asker<'_>) -> Result<bool, Error> {
    rows::remove(tx, EXECUTION_REPLY, &asker.key())
}

/// The execution is over: nobody asks any more.
pub fn remove_all(tx: &mut Tx<'_>, execution: ExecutionId) -> Result<(), Error> {
    let range = Key::of_id(execution.as_bytes()).under();
    for key in rows::some_keys(tx, EXECUTION_REPLY, &range, usize::MAX)? {
        rows::remove(tx, EXECUTION_REPLY, &Key::of_bytes(&key))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::World;

    #[test]
    fn an_answer_is_found_until_it_is_removed() {
        let world = World::new();
        let execution = ExecutionId::from_bytes([1; 16]);
        let asker =
            move |item, attempt| Asker { execution, node: "a", iteration: "", item, attempt };
        world.write(1, move |tx| {
            put(tx, asker(None, 1), b"all")?;
            put(tx, asker(Some(0), 1), b"first")?;
            put(tx, asker(Some(0), 2), b"second")
        });
        let read = world.store.read().unwrap();
        assert_eq!(get(&read, asker(None, 1)).unwrap().as_deref(), Some(&b"all"[..]));
        assert_eq!(get(&read, asker(Some(0), 2)).unwrap().as_deref(), Some(&b"second"[..]));
        assert_eq!(get(&read, asker(Some(1), 1)).unwrap(), None);
        world.write(2, move |tx| {
            assert!(remove(tx, asker(Some(0), 1))?);
            assert!(!remove(tx, asker(Some(0), 1))?);
            remove_all(tx, execution)
        });
        let read = world.store.read().unwrap();
        assert_eq!(get(&read, asker(None, 1)).unwrap(), None);
        assert_eq!(get(&read, asker(Some(0), 2)).unwrap(), None);
    }
}
