//! Which units of work wait for people. An entry may outlive its wait: what is open is said by the
//! execution's state, this only says where to look.

use a2n_proto::ExecutionId;

use super::execution_reply::Asker;
use super::keys::{Key, KeyRange, KeyReader};
use super::rows::{self, Page, Paging};
use super::schema::EXECUTION_APPROVAL;
use super::{Error, Read, Tx};

/// Where somebody is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The execution.
    pub execution: ExecutionId,
    /// The node's id in the document.
    pub node: String,
    /// Path of loop iterations as text, empty outside loops.
    pub iteration: String,
    /// The item's index; none where the node asks once for all.
    pub item: Option<u32>,
    /// The attempt's number.
    pub attempt: u32,
}

/// Notes that somebody is asked. It may be noted already.
pub fn put(tx: &mut Tx<'_>, asker: Asker<'_>) -> Result<(), Error> {
    let key = asker.key();
    if rows::has(tx, EXECUTION_APPROVAL, key.as_bytes())? {
        return Ok(());
    }
    rows::mark(tx, EXECUTION_APPROVAL, &key)
}

/// Nobody is asked any more. Answers whether it was noted.
pub fn remove(tx: &mut Tx<'_>, asker: Asker<'_>) -> Result<bool, Error> {
    rows::remove(tx, EXECUTION_APPROVAL, &asker.key())
}

/// The execution is over.
pub fn remove_all(tx: &mut Tx<'_>, execution: ExecutionId) -> Result<(), Error> {
    let range = Key::of_id(execution.as_bytes()).under();
    for key in rows::some_keys(tx, EXECUTION_APPROVAL, &range, usize::MAX)? {
        rows::remove(tx, EXECUTION_APPROVAL, &Key::of_bytes(&key))?;
    }
    Ok(())
}

/// Where people are asked, of one execution or of all; `turn` makes something of a place, or leaves
/// it out.
pub fn list<T>(
    read: &impl Read,
    execution: Option<ExecutionId>,
    paging: &Paging,
    turn: &mut dyn FnMut(Place) -> Result<Option<T>, Error>,
) -> Result<Page<T>, Error> {
    let range = match execution {
        Some(id) => Key::of_id(id.as_bytes()).under(),
        None => KeyRange::all(),
    };
    rows::page(read, EXECUTION_APPROVAL, range, paging, &mut |key, _| {
        turn(place(key).ok_or_else(|| read.damaged(EXECUTION_APPROVAL, key))?)
    })
}

fn place(key: &[u8]) -> Option<Place> {
    let mut reader = KeyReader::new(key);
    let execution = ExecutionId::from_bytes(reader.id()?);
    let (node, iteration) = (reader.text()?, reader.text()?);
    let (has_item, item, attempt) = (reader.u8()? == 1, reader.u32()?, reader.u32()?);
    Some(Place { execution, node, iteration, item: has_item.then_some(item), attempt })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{World, execution_id};

    #[test]
    fn places_are_listed_until_they_are_removed() {
        let world = World::new();
        let asker = |n, item| Asker {
            execution: execution_id(n),
            node: "sure",
            iteration: "2.5",
            item,
            attempt: 3,
        };
        world.write(1, move |tx| {
            put(tx, asker(1, None))?;
            put(tx, asker(1, None))?;
            put(tx, asker(1, Some(7)))?;
            put(tx, asker(2, None))
        });
        let items = |execution| {
            let paging = Paging { newest_first: false, ..Paging::first(10) };
            let page = list(&world.read(), execution, &paging, &mut |place| Ok(Some(place)));
            page.unwrap().items
        };
        assert_eq!(items(None).len(), 3);
        let first = items(Some(execution_id(1)));
        let told: Vec<_> = first.iter().map(|p| (p.node.as_str(), p.item, p.attempt)).collect();
        assert_eq!(told, [("sure", None, 3), ("sure", Some(7), 3)]);
        assert_eq!(first[0].iteration, "2.5");
        world.write(2, move |tx| {
            assert!(remove(tx, asker(1, Some(7)))?);
            remove_all(tx, execution_id(2))
        });
        assert_eq!(items(None).len(), 1);
    }
}
