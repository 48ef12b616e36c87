//! Entities, their indexes and what belongs to them.

use a2n_proto::Json;
use a2n_proto::execution::ExecutionStatus;

use crate::store::testing::{
    World, a_trigger, a_workflow, an_execution, at, execution_id, trigger_id, user, workflow_id,
};
use crate::store::{
    Error, Key, Paging, execution, execution_metrics, schema, tombstone, user as users, workflow,
    workflow_trigger,
};

#[test]
fn names_are_unique_per_owner_also_within_one_commit() {
    let world = World::new();
    let taken = world.try_write(1, |tx| workflow::put(tx, &a_workflow(2, "report")));
    assert!(matches!(taken, Err(Error::Taken { field: "name", .. })), "{taken:?}");
    world.write(2, |tx| workflow::put(tx, &a_workflow(1, "renamed")));
    world.write(3, |tx| workflow::put(tx, &a_workflow(2, "report")));
    let read = world.read();
    assert_eq!(workflow::find_by_name(&read, user(1), "report").unwrap(), Some(workflow_id(2)));
    assert_eq!(workflow::find_by_name(&read, user(1), "renamed").unwrap(), Some(workflow_id(1)));
}

#[test]
fn a_dangling_reference_is_refused() {
    let world = World::new();
    let orphan = a2n_proto::workflow::Workflow { user_id: user(99), ..a_workflow(2, "x") };
    let refused = world.try_write(1, move |tx| workflow::put(tx, &orphan));
    assert!(matches!(refused, Err(Error::Dangling { field: "userId", .. })), "{refused:?}");
    let mut lost = an_execution(1, ExecutionStatus::Pending);
    lost.retry_of = Some(execution_id(77));
    let refused = world.try_write(1, move |tx| execution::insert(tx, &lost, vec![]));
    assert!(matches!(refused, Err(Error::Dangling { field: "retryOf", .. })), "{refused:?}");
}

#[test]
fn an_idempotency_key_is_taken_for_its_window() {
    let world = World::new();
    let with_key = |n| {
        let mut execution = an_execution(n, ExecutionStatus::Pending);
        execution.metadata.idempotency_key = Some("k".into());
        execution.metadata.source = Some("API".into());
        execution
    };
    world.write(1, move |tx| execution::insert(tx, &with_key(1), vec![]));
    let taken = world.try_write(2, move |tx| execution::insert(tx, &with_key(2), vec![]));
    match taken {
        Err(Error::Taken { by, .. }) => assert_eq!(by, execution_id(1).to_string()),
        other => panic!("{other:?}"),
    }
    let later = 8 * 24 * 3_600_000;
    world.write(later, move |tx| execution::insert(tx, &with_key(later), vec![]));
}

#[test]
fn the_commit_that_ends_an_execution_counts_it() {
    let world = World::new();
    for n in 0..4 {
        world.write(n, move |tx| {
            execution::insert(tx, &an_execution(n, ExecutionStatus::Running), vec![])
        });
        let status = if n == 3 { ExecutionStatus::Failed } else { ExecutionStatus::Success };
        let ended = an_execution(n, status);
        world.write(n + 5, move |tx| execution::save(tx, &ended, vec![]));
        // Saving an ended one again does not count it twice.
        let ended = an_execution(n, status);
        world.write(n + 6, move |tx| execution::save(tx, &ended, vec![]));
    }
    let read = world.read();
    let workflow = workflow::require(&read, workflow_id(1)).unwrap();
    assert_eq!(
        (workflow.execution_count, workflow.success_count, workflow.failure_count),
        (4, 3, 1)
    );
    assert_eq!(workflow.avg_execution_time, Some(5.0));
    assert_eq!(workflow.revision, 1);
    let query = |name: &str, scope| {
        let found =
            execution_metrics::query(&read, name, scope, at(-60_000), at(60_000), 1).unwrap();
        found.iter().map(|(_, rollup)| rollup.count).sum::<u64>()
    };
    assert_eq!(query("execution.success", None), 3);
    assert_eq!(query("execution.duration", Some(workflow_id(1))), 4);
}

#[test]
fn large_data_and_state_have_rows_of_their_own_and_come_back() {
    let world = World::new();
    let mut large = an_execution(1, ExecutionStatus::Running);
    large.input_data = Json::of(&"x".repeat(100_000));
    let sent = large.clone();
    world.write(1, move |tx| execution::insert(tx, &sent, vec![7; 50_000]));
    let read = world.read();
    assert_eq!(execution::require(&read, large.id).unwrap(), large);
    assert_eq!(execution::state(&read, large.id).unwrap(), Some(vec![7; 50_000]));
    let listed = execution::list(&read, &execution::Query::default(), &Paging::default()).unwrap();
    assert!(listed.items[0].input_data.is_null());
    large.input_data = Json::of(&1);
    let sent = large.clone();
    world.write(2, move |tx| execution::save(tx, &sent, vec![8]));
    let read = world.read();
    assert_eq!(execution::require(&read, large.id).unwrap(), large);
    assert_eq!(execution::state(&read, large.id).unwrap(), Some(vec![8]));
    world.write(3, |tx| {
        assert!(tx.rows_of(schema::EXECUTION_DATA).is_empty());
        assert!(tx.rows_of(schema::EXECUTION_STATE).is_empty());
        Ok(())
    });
}

#[test]
fn executions_are_listed_by_every_index_in_pages() {
    let world = World::new();
    for n in 0..50 {
        let status = if n % 5 == 0 { ExecutionStatus::Failed } else { ExecutionStatus::Success };
        world.write(n, move |tx| execution::insert(tx, &an_execution(n, status), vec![]));
    }
    let read = world.read();
    let walk = |query: &execution::Query, newest_first: bool| {
        let mut paging = Paging { limit: 7, cursor: None, newest_first };
        let mut ids = Vec::new();
        loop {
            let page = execution::list(&read, query, &paging).unwrap();
            ids.extend(page.items.iter().map(|execution| execution.id));
            match page.next_cursor {
                Some(cursor) => paging.cursor = Some(cursor),
                None => return ids,
            }
        }
    };
    let expect = |keep: &dyn Fn(i64) -> bool| -> Vec<_> {
        (0..50).filter(|n| keep(*n)).map(execution_id).collect()
    };
    let all = execution::Query::default();
    let failed = execution::Query { status: Some(vec![ExecutionStatus::Failed]), ..all.clone() };
    let both = execution::Query {
        status: Some(vec![ExecutionStatus::Failed, ExecutionStatus::Success]),
        workflow: Some(vec![workflow_id(1)]),
        ..all.clone()
    };
    let some = execution::Query {
        user: Some(vec![user(1)]),
        from: Some(at(10)),
        to: Some(at(20)),
        ..all.clone()
    };
    for (query, expected) in [
        (&all, expect(&|_| true)),
        (&failed, expect(&|n| n % 5 == 0)),
        (&both, expect(&|_| true)),
        (&some, expect(&|n| (10..20).contains(&n))),
    ] {
        assert_eq!(walk(query, false), expected);
        let mut newest_first = walk(query, true);
        newest_first.reverse();
        assert_eq!(newest_first, expected);
    }
    let bad = Paging { cursor: Some("nonsense".into()), ..Paging::default() };
    assert!(matches!(execution::list(&read, &all, &bad), Err(Error::BadCursor)));
}

#[test]
fn a_deleted_workflow_is_hidden_at_once_and_its_children_go_in_slices() {
    let world = World::new();
    world.write(1, |tx| {
        workflow_trigger::put(tx, &a_trigger(1, "hourly"))?;
        for n in 0..25 {
            let mut execution = an_execution(n, ExecutionStatus::Success);
            execution.trigger_id = Some(trigger_id(1));
            execution::insert(tx, &execution, vec![])?;
        }
        execution::insert(tx, &an_execution(30, ExecutionStatus::Running), vec![])
    });
    let refused = world.try_write(2, |tx| workflow::remove(tx, workflow_id(1), false));
    assert!(matches!(refused, Err(Error::Precondition { .. })), "{refused:?}");
    world.write(3, |tx| workflow::remove(tx, workflow_id(1), true));
    assert!(workflow::get(&world.read(), workflow_id(1)).unwrap().is_none());
    let mut slices = 0;
    while world.write(4, |tx| tombstone::carry_out(tx, 10)) == 10 {
        slices += 1;
    }
    assert!(slices >= 2);
    world.write(5, |tx| {
        for table in schema::TABLES {
            let kept = ["meta", "schema_migration", "feed", "user", "account", "metric_rollup"];
            let is_kept = kept.iter().any(|name| table.name.starts_with(name))
                || table.name.starts_with("audit_log");
            assert!(is_kept || tx.rows_of(*table).is_empty(), "{} has rows left", table.name);
        }
        Ok(())
    });
}

#[test]
fn a_removed_trigger_is_forgotten_by_its_executions() {
    let world = World::new();
    world.write(1, |tx| {
        workflow_trigger::put(tx, &a_trigger(1, "hourly"))?;
        let mut execution = an_execution(1, ExecutionStatus::Success);
        execution.trigger_id = Some(trigger_id(1));
        execution::insert(tx, &execution, vec![])
    });
    world.write(2, |tx| {
        workflow_trigger::remove(tx, trigger_id(1))?;
        tombstone::carry_out(tx, 100)
    });
    let found = execution::require(&world.read(), execution_id(1)).unwrap();
    assert_eq!(found.trigger_id, None);
}

/// What a user made and ran is counted once, in the commits that do it: not where a write fails,
/// not when a row is written again, and whoever writes the user's row later does not undo it.
#[test]
fn users_have_their_lifetime_counts() {
    let world = World::new();
    let counts = |world: &World| {
        let alice = users::require(&world.read(), user(1)).unwrap();
        (alice.workflows_created, alice.workflows_executed, alice.revision)
    };
    let (created, executed, revision) = counts(&world);
    let before = users::require(&world.read(), user(1)).unwrap();
    world.write(1, |tx| {
        workflow::put(tx, &a_workflow(2, "second"))?;
        (0..5).try_for_each(|n| {
            execution::insert(tx, &an_execution(n, ExecutionStatus::Running), vec![])
        })
    });
    assert_eq!(counts(&world), (created + 1, executed, revision));
    world.write(2, |tx| {
        workflow::put(tx, &a_workflow(2, "renamed"))?;
        (0..3).try_for_each(|n| {
            execution::save(tx, &an_execution(n, ExecutionStatus::Success), vec![])
        })
    });
    let failed = world.try_write(3, |tx| {
        execution::save(tx, &an_execution(3, ExecutionStatus::Failed), vec![])?;
        workflow::put(tx, &a_workflow(3, "renamed"))
    });
    assert!(matches!(failed, Err(Error::Taken { .. })), "{failed:?}");
    world.write(4, move |tx| users::put(tx, &before));
    assert_eq!(counts(&world), (created + 1, executed + 3, revision));
    let world = world.reopened();
    assert_eq!(counts(&world), (created + 1, executed + 3, revision));
}

#[test]
fn a_damaged_row_is_an_error_by_name_and_lists_go_on() {
    let world = World::new();
    world.write(1, |tx| workflow::put(tx, &a_workflow(2, "other")));
    world.flip(schema::WORKFLOW, Key::of_id(workflow_id(1).as_bytes()));
    let read = world.read();
    let found = workflow::get(&read, workflow_id(1));
    assert!(matches!(found, Err(Error::Damaged { table: "workflow", .. })), "{found:?}");
    let page = workflow::list(&read, &workflow::Query::default(), &Paging::default()).unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(world.store.health().damaged.len(), 1);
}
