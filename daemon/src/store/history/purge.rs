//! Takes executions of deleted workflows out of history, some at a time. Reads don't show them any
//! more by then; this gives back their room and what their data may tell.

use a2n_proto::ExecutionId;

use super::{FileName, Kind, Rows, in_slices};
use crate::store::execution::{Kept, attachment_marks, iteration_keys, marks};
use crate::store::execution_metrics::more_keys;
use crate::store::keys::{Key, last_id};
use crate::store::read::Source;
use crate::store::schema::{
    EXECUTION, EXECUTION_BY_WORKFLOW, EXECUTION_DATA, EXECUTION_ITERATION, EXECUTION_METRICS,
    EXECUTION_METRICS_MORE, EXECUTION_STATE,
};
use crate::store::{Error, Origin, Store, rows, tombstone};

/// Removes at most `slice` executions from history. Answers how many went; fewer than `slice` means
/// that none is left. Where no workflow was deleted it opens no file. Waits for the disk.
pub fn purge_some(store: &Store, origin: &Origin, slice: usize) -> Result<usize, Error> {
    let workflows = tombstone::past_workflows(&store.read()?)?;
    if workflows.is_empty() {
        return Ok(0);
    }
    let mut gone = 0;
    for name in store.history().files() {
        if !Kind::EXECUTIONS.contains(&name.kind) {
            continue;
        }
        let Some(source) = store.history().source(name)? else { continue };
        for workflow in &workflows {
            if gone >= slice {
                return Ok(gone);
            }
            let range = Key::of_id(workflow).under();
            let keys = rows::some_keys(&source, EXECUTION_BY_WORKFLOW, &range, slice - gone)?;
            let ids = keys.iter().filter_map(|key| last_id(key)).map(ExecutionId::from_bytes);
            gone += remove(store, name, &source, &ids.collect::<Vec<_>>())?;
        }
    }
    if gone < slice {
        in_slices(store, origin, workflows, tombstone::forget_past)?;
    }
    Ok(gone)
}

fn remove(
    store: &Store,
    name: FileName,
    source: &Source,
    ids: &[ExecutionId],
) -> Result<usize, Error> {
    let mut gone = Rows::default();
    let mut n = 0;
    for id in ids {
        let key = id.as_bytes();
        // A damaged row is left to whoever looks after the damage.
        let Ok(Some(kept)) = rows::get::<Kept>(source, key) else { continue };
        let attached = attachment_marks(source, *id)?;
        for (table, key) in marks(&kept.execution).into_iter().chain(attached) {
            gone.remove(table, key.as_bytes());
        }
        for table in [EXECUTION_DATA, EXECUTION_STATE, EXECUTION_METRICS, EXECUTION] {
            gone.remove(table, key);
        }
        for key in iteration_keys(source, *id)? {
            gone.remove(EXECUTION_ITERATION, &key);
        }
        for key in more_keys(source, *id)? {
            gone.remove(EXECUTION_METRICS_MORE, &key);
        }
        n += 1;
    }
    if n > 0 {
        store.history().write(name, &gone)?;
    }
    Ok(n)
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
        assert_eq!(mover::move_some(&world.store, &origin, &limits).unwrap().moved, 10);
        assert_eq!(purge_some(&world.store, &origin, 5).unwrap(), 0);
        world.write(10, |tx| workflow::remove(tx, workflow_id(1), false));
        assert_eq!(world.write(11, |tx| tombstone::carry_out(tx, 100)), 0);
        // Hidden at once, whatever is still in the file.
        assert!(execution::get(&world.read(), execution_id(0)).unwrap().is_none());
        let listed = |world: &World| {
            let query = execution::Query::default();
            execution::list(&world.read(), &query, &Paging::default()).unwrap().items.len()
        };
        assert_eq!(listed(&world), 3);
        assert_eq!(purge_some(&world.store, &origin, 5).unwrap(), 5);
        assert_eq!(purge_some(&world.store, &origin, 5).unwrap(), 2);
        assert_eq!(purge_some(&world.store, &origin, 5).unwrap(), 0);
        assert_eq!(listed(&world), 3);
        assert_eq!(verify::verify(&world.store).unwrap().problems, []);
    }
}
