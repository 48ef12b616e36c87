//! Which attachments an execution names, so that the cleaner knows which nobody names any longer.
//!
//! A reference may stand anywhere in what came in, went out and is kept of the steps, so the bytes
//! that are stored are searched for hashes; what is found is marked in the same transaction. A mark
//! stays as long as its execution: what is cut from the state at the end was named all the same.

use std::collections::BTreeSet;

use a2n_proto::{ContentHash, ExecutionId};
use memchr::memmem;

use crate::store::history::Kind;
use crate::store::keys::{Key, KeyRange};
use crate::store::read::Source;
use crate::store::rows;
use crate::store::schema::{EXECUTION_ATTACHMENT, EXECUTION_BY_ATTACHMENT, Table};
use crate::store::{Error, Read, Snapshot, Store, Tx};
use crate::system::attachments::Attachments;

/// Marks what these bytes name.
pub(super) fn note<'b>(
    tx: &mut Tx<'_>,
    id: ExecutionId,
    bytes: impl IntoIterator<Item = &'b [u8]>,
) -> Result<(), Error> {
    for hash in bytes.into_iter().flat_map(named) {
        let [forward, backward] = marks(id, hash);
        if !rows::has(tx, forward.0, forward.1.as_bytes())? {
            rows::mark(tx, forward.0, &forward.1)?;
            rows::mark(tx, backward.0, &backward.1)?;
        }
    }
    Ok(())
}

/// Removes all marks of an execution.
pub(super) fn forget(tx: &mut Tx<'_>, id: ExecutionId) -> Result<(), Error> {
    for (table, key) in attachment_marks(tx, id)? {
        rows::remove(tx, table, &key)?;
    }
    Ok(())
}

/// All marks of an execution, in both tables.
pub(crate) fn attachment_marks(
    read: &impl Read,
    id: ExecutionId,
) -> Result<Vec<(Table, Key)>, Error> {
    let range = Key::of_id(id.as_bytes()).under();
    let keys = rows::some_keys(read, EXECUTION_ATTACHMENT, &range, usize::MAX)?;
    Ok(keys.iter().filter_map(|key| hash_at(key, 16)).flat_map(|hash| marks(id, hash)).collect())
}

/// The two marks of an execution that names an attachment.
pub(crate) fn marks(id: ExecutionId, hash: ContentHash) -> [(Table, Key); 2] {
    let id = id.as_bytes();
    [
        (EXECUTION_ATTACHMENT, Key::of_id(id).raw(hash.as_bytes())),
        (EXECUTION_BY_ATTACHMENT, Key::of_bytes(hash.as_bytes()).id(id)),
    ]
}

/// The hash that begins at a place of a key.
pub(crate) fn hash_at(key: &[u8], place: usize) -> Option<ContentHash> {
    let bytes = key.get(place..place + 32)?.try_into().ok()?;
    Some(ContentHash::from_bytes(bytes))
}

/// The hashes that stand in some bytes. Text is stored as it is, and a hash holds nothing that JSON
/// would write otherwise.
pub(crate) fn named(bytes: &[u8]) -> BTreeSet<ContentHash> {
    let begin = ContentHash::PREFIX.len();
    let places = memmem::find_iter(bytes, ContentHash::PREFIX);
    places
        .filter_map(|at| bytes.get(at + begin..at + ContentHash::TEXT_LENGTH))
        .filter_map(ContentHash::from_hex)
        .collect()
}

/// Removes at most `slice` attachments that no execution names, neither live nor in history.
/// Answers how many went. Waits for the disk.
pub fn drop_unnamed(
    store: &Store,
    attachments: &Attachments,
    slice: usize,
) -> Result<usize, Error> {
    let failed = |e| Error::storage("the folder of attachments", redb::Error::Io(e));
    // Listed first: what is put in from now on is not looked at.
    let kept = attachments.list().map_err(failed)?;
    let named = Naming::of(store.read()?)?;
    let mut gone = 0;
    for hash in kept {
        if gone < slice && !named.has(hash)? && attachments.remove(hash).map_err(failed)? {
            gone += 1;
        }
    }
    Ok(gone)
}

/// What live and past executions name, at one moment.
#[derive(Debug)]
pub struct Naming {
    live: Snapshot,
    past: Vec<Source>,
}

impl Naming {
    /// As of a snapshot. The past is opened after it: what moves there meanwhile is in both.
    pub fn of(live: Snapshot) -> Result<Self, Error> {
        let mut past = Vec::new();
        if let Some(history) = live.history() {
            for name in history.files() {
                if Kind::EXECUTIONS.contains(&name.kind) {
                    past.extend(history.source(name)?);
                }
            }
        }
        Ok(Self { live, past })
    }
    /// Whether any execution names it.
    pub fn has(&self, hash: ContentHash) -> Result<bool, Error> {
        let range = Key::of_bytes(hash.as_bytes()).under();
        let is_in = |read: &dyn Read| -> Result<bool, Error> {
            Ok(!rows::some_keys(read, EXECUTION_BY_ATTACHMENT, &range, 1)?.is_empty())
        };
        if is_in(&self.live)? {
            return Ok(true);
        }
        for source in &self.past {
            if is_in(source)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
    /// All that are named.
    pub fn all(&self) -> Result<BTreeSet<ContentHash>, Error> {
        let mut all = BTreeSet::new();
        collect(&self.live, &mut all)?;
        for source in &self.past {
            collect(source, &mut all)?;
        }
        Ok(all)
    }
}

fn collect(read: &dyn Read, all: &mut BTreeSet<ContentHash>) -> Result<(), Error> {
    let mut range = KeyRange::all();
    loop {
        let first = rows::some_keys(read, EXECUTION_BY_ATTACHMENT, &range, 1)?;
        let Some(hash) = first.first().and_then(|key| hash_at(key, 0)) else { return Ok(()) };
        all.insert(hash);
        range = KeyRange::all().after(&Key::of_bytes(hash.as_bytes()).id(&[0xFF; 16]));
    }
}

#[cfg(test)]
mod tests {
    use a2n_proto::Json;
    use a2n_proto::execution::ExecutionStatus;

    use super::*;
    use crate::store::history::mover;
    use crate::store::testing::{World, an_execution, at, execution_id};
    use crate::store::{Origin, execution, verify};
    use crate::system::attachments::Limits;
    use crate::system::sim::SimClock;
    use crate::system::whole;

    fn hash(n: u8) -> ContentHash {
        ContentHash::from_bytes([n; 32])
    }

    fn naming(world: &World) -> Vec<u8> {
        let naming = Naming::of(world.read()).unwrap();
        let all = naming.all().unwrap();
        assert!(all.iter().all(|hash| naming.has(*hash).unwrap()));
        assert!(!naming.has(hash(99)).unwrap());
        all.iter().map(|hash| hash.as_bytes()[0]).collect()
    }

    #[test]
    fn hashes_are_found_wherever_they_stand() {
        let text = format!("x{} sha256:00 {}sha256:", hash(1), hash(2));
        assert_eq!(named(text.as_bytes()), BTreeSet::from([hash(1), hash(2)]));
        assert!(named(hash(1).to_string().to_uppercase().as_bytes()).is_empty());
    }

    #[test]
    fn an_attachment_is_named_until_its_last_execution_is_gone() {
        let world = World::new();
        world.write(1, |tx| {
            let mut one = an_execution(1, ExecutionStatus::Running);
            one.input_data = Json::of(&serde_json::json!([hash(1)]));
            execution::insert(tx, &one, vec![])?;
            // State and data in rows of their own, and an attachment that both name.
            let mut two = an_execution(2, ExecutionStatus::Failed);
            two.output_data = Json::of(&serde_json::json!(["x".repeat(9000), hash(1), hash(2)]));
            let state = format!("{}{}", "y".repeat(9000), hash(3)).into_bytes();
            execution::insert(tx, &two, state)
        });
        assert_eq!(naming(&world), [1, 2, 3]);
        // The state is cut at the end; what it named stays.
        let mut ended = an_execution(1, ExecutionStatus::Success);
        ended.input_data = Json::of(&serde_json::json!([hash(1)]));
        let sent = ended.clone();
        world.write(2, move |tx| {
            execution::save(tx, &sent, format!("z{}", hash(4)).into_bytes())?;
            execution::save(tx, &sent, vec![])
        });
        assert_eq!(naming(&world), [1, 2, 3, 4]);
        assert_eq!(verify::verify(&world.store).unwrap().problems, []);
        let limits = mover::Limits { keep: 1, batch: 9 };
        mover::move_some(&world.store, &Origin::daemon(at(3), "MOVER"), &limits).unwrap();
        assert_eq!(naming(&world), [1, 2, 3, 4]);
        assert_eq!(verify::verify(&world.store).unwrap().problems, []);
        world.write(4, |tx| execution::remove(tx, execution_id(2)));
        assert_eq!(naming(&world), [1, 4]);
        for name in world.store.history().files() {
            world.store.history().drop_file(name).unwrap();
        }
        assert!(naming(&world).is_empty());
    }

    #[tokio::test]
    async fn what_no_execution_names_goes() {
        let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
        let clock = std::sync::Arc::new(SimClock::new(at(0)));
        let limits =
            Limits { each_bytes: 99, total_bytes: 99, least_free_bytes: 0, least_free_percent: 0 };
        let kept = Attachments::open(folder.path(), limits, clock.clone()).unwrap();
        let mut hashes = Vec::new();
        for bytes in ["live", "past", "unnamed"] {
            hashes.push(kept.take_in::<Error>(whole(bytes)).await.unwrap().hash);
        }
        let (live, past) = (hashes[0], hashes[1]);
        world.write(1, move |tx| {
            let mut one = an_execution(1, ExecutionStatus::Success);
            one.output_data = Json::of(&past);
            execution::insert(tx, &one, vec![])?;
            let mut two = an_execution(2, ExecutionStatus::Running);
            two.input_data = Json::of(&live);
            execution::insert(tx, &two, vec![])
        });
        let limits = mover::Limits { keep: 0, batch: 9 };
        mover::move_some(&world.store, &Origin::daemon(at(3), "MOVER"), &limits).unwrap();
        let drop = || drop_unnamed(&world.store, &kept, 9).unwrap();
        assert_eq!(drop(), 0, "all were put in just now");
        clock.advance(std::time::Duration::from_secs(7200));
        assert_eq!(drop(), 1);
        assert!(kept.has(live) && kept.has(past) && !kept.has(hashes[2]));
        for name in world.store.history().files() {
            world.store.history().drop_file(name).unwrap();
        }
        assert_eq!((drop(), kept.list().unwrap()), (1, vec![live]));
    }

    #[test]
    fn a_mark_that_is_missing_or_leads_nowhere_is_found() {
        let world = World::new();
        world.write(1, |tx| {
            let mut one = an_execution(1, ExecutionStatus::Running);
            one.input_data = Json::of(&serde_json::json!([hash(1)]));
            execution::insert(tx, &one, vec![])?;
            let [forward, _] = marks(execution_id(1), hash(1));
            rows::remove(tx, forward.0, &forward.1)?;
            let [_, backward] = marks(execution_id(7), hash(2));
            rows::mark(tx, backward.0, &backward.1)
        });
        let found = verify::verify(&world.store).unwrap().problems;
        let tables: Vec<_> = found.iter().map(|problem| problem.table).collect();
        assert_eq!(
            tables,
            [
                "execution",
                "execution_by_attachment",
                "execution_by_attachment",
                "execution_by_attachment"
            ],
            "{found:?}"
        );
    }
}
