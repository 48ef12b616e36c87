//! Takes executions of deleted workflows out of history, some at a time. Reads don't show them any
//! more by then; this gives back their room and what their data may tell.

use std::ops::ControlFlow;

use a2n_proto::ExecutionId;
use redb::Durability;

use super::FileName;
use crate::store::execution::{Kept, marks};
use crate::store::keys::{Key, KeyRange, KeyReader, last_id};
use crate::store::read::Source;
use crate::store::schema::{
    EXECUTION, EXECUTION_BY_WORKFLOW, EXECUTION_DATA, EXECUTION_METRICS, EXECUTION_STATE, Table,
    WORKFLOW,
};
use crate::store::{Error, Read, Store, rows};

/// Removes at most `slice` executions from history. Answers how many went; fewer than `slice` means
/// that none is left. Waits for the disk.
pub fn purge_some(store: &Store, slice: usize) -> Result<usize, Error> {
    let mut gone = 0;
    for name in store.history().files() {
        let Some(source) = store.history().source(name)? else { continue };
        for workflow in workflows(&source)? {
            if gone >= slice {
                return Ok(gone);
            }
            // Looked up after the file, so that a workflow that is just made is not taken for gone.
            if rows::has(&store.read()?, WORKFLOW, &workflow)? {
                continue;
            }
            let range = Key::of_id(&workflow).under();
            let keys = rows::some_keys(&source, EXECUTION_BY_WORKFLOW, &range, slice - gone)?;
            let ids = keys.iter().filter_map(|key| last_id(key)).map(ExecutionId::from_bytes);
            gone += remove(store, name, &source, &ids.collect::<Vec<_>>())?;
        }
    }
    Ok(gone)
}

/// The workflows that have executions in a file.
fn workflows(source: &Source) -> Result<Vec<[u8; 16]>, Error> {
    let mut found: Vec<[u8; 16]> = Vec::new();
    let mut range = KeyRange::all();
    loop {
        let mut next = None;
        source.scan(EXECUTION_BY_WORKFLOW, &range, false, &mut |key, _| {
            next = KeyReader::new(key).id();
            Ok(ControlFlow::Break(()))
        })?;
        let Some(workflow) = next else { return Ok(found) };
        found.push(workflow);
        range = KeyRange::all().after(&Key::of_id(&workflow).id(&[0xFF; 16]));
    }
}

fn remove(
    store: &Store,
    name: FileName,
    source: &Source,
    ids: &[ExecutionId],
) -> Result<usize, Error> {
    let Some(database) = store.history().open(name, false)? else { return Ok(0) };
    let failed = |e: redb::Error| Error::storage("removing from history", e);
    let mut transaction = database.begin_write().map_err(|e| failed(e.into()))?;
    transaction.set_durability(Durability::Immediate).map_err(|e| failed(e.into()))?;
    transaction.set_quick_repair(true);
    let take = |table: Table, key: &Key| -> Result<(), Error> {
        let mut open = transaction.open_table(table.definition()).map_err(|e| failed(e.into()))?;
        open.remove(key.as_bytes()).map(|_| ()).map_err(|e| failed(e.into()))
    };
    let mut gone = 0;
    for id in ids {
        let key = Key::of_id(id.as_bytes());
        // A damaged row is left to whoever looks after the damage.
        let Ok(Some(kept)) = rows::get::<Kept>(source, id.as_bytes()) else { continue };
        for (table, key) in marks(&kept.execution) {
            take(table, &key)?;
        }
        for table in [EXECUTION_DATA, EXECUTION_STATE, EXECUTION_METRICS, EXECUTION] {
            take(table, &key)?;
        }
        gone += 1;
    }
    let done = transaction.commit().map_err(|e| failed(e.into()));
    if done.is_err() {
        store.history().forget(name);
    }
    done.map(|()| gone)
}

#[cfg(test)]
mod tests {
    use a2n_proto::execution::ExecutionStatus;

    use super::*;
    use crate::store::history::mover;
    use crate::store::testing::{World, a_workflow, an_execution, at, execution_id, workflow_id};
    use crate::store::{Origin, Paging, execution, verify, workflow};

    #[test]
    fn a_deleted_workflows_executions_leave_history_too() {
        let world = World::new();
        world.write(1, |tx| {
            workflow::put(tx, &a_workflow(2, "other"))?;
            for n in 0..10 {
                let mut one = an_execution(n, ExecutionStatus::Success);
                one.workflow_id = workflow_id(if n < 7 { 1 } else { 2 });
                execution::insert(tx, &one, vec![])?;
            }
            Ok(())
        });
        let limits = mover::Limits { keep: 0, batch: 100 };
        let origin = Origin::daemon(at(9), "MOVER");
        assert_eq!(mover::move_some(&world.store, origin, &limits).unwrap().moved, 10);
        assert_eq!(purge_some(&world.store, 5).unwrap(), 0);
        world.write(10, |tx| workflow::remove(tx, workflow_id(1), false));
        // Hidden at once, whatever is still in the file.
        assert!(execution::get(&world.read(), execution_id(0)).unwrap().is_none());
        let listed = |world: &World| {
            let query = execution::Query::default();
            execution::list(&world.read(), &query, &Paging::default()).unwrap().items.len()
        };
        assert_eq!(listed(&world), 3);
        assert_eq!(purge_some(&world.store, 5).unwrap(), 5);
        assert_eq!(purge_some(&world.store, 5).unwrap(), 2);
        assert_eq!(purge_some(&world.store, 5).unwrap(), 0);
        assert_eq!(listed(&world), 3);
        assert_eq!(verify::verify(&world.store).unwrap().problems, []);
    }
}
