//! The store as a whole: group commit, undo, feed, audit chain, entities and their indexes.

use std::sync::{Arc, Mutex};

use a2n_proto::execution::ExecutionStatus;
use a2n_proto::{ChangeKind, Json};

use super::testing::{
    World, a_trigger, a_workflow, an_execution, at, execution_id, user, workflow_id,
};
use super::{
    Error, FeedRead, Origin, Paging, Write, audit, execution, feed, schema, user as users,
    workflow, workflow_trigger,
};

fn note(tx: &mut super::Tx<'_>, id: &str) {
    tx.change("thing", id, 1, ChangeKind::Created, Json::object(), None, None);
    tx.audit("thing.create", "thing", id, Json::null(), Json::object());
}

#[test]
fn what_was_written_is_there_after_reopening() {
    let world = World::new();
    world.write(1, |tx| {
        execution::insert(tx, &an_execution(1, ExecutionStatus::Pending), vec![1, 2, 3])
    });
    let world = world.reopened();
    let read = world.read();
    let found = execution::require(&read, execution_id(1)).unwrap();
    assert_eq!(found, an_execution(1, ExecutionStatus::Pending));
    assert_eq!(execution::state(&read, found.id).unwrap(), Some(vec![1, 2, 3]));
    assert_eq!(workflow::require(&read, workflow_id(1)).unwrap(), a_workflow(1, "report"));
}

#[test]
fn writes_that_wait_share_one_commit_and_are_told_after_it() {
    let world = World::new();
    let before = world.store.health().commit;
    let told = Arc::new(Mutex::new(Vec::new()));
    for n in 0..10 {
        let told = Arc::clone(&told);
        let body = move |tx: &mut super::Tx<'_>| {
            note(tx, &n.to_string());
            true
        };
        let feed = world.store.feed();
        let done = move |result: Result<(), Error>| {
            result.unwrap();
            told.lock().unwrap().push((n, feed.last()));
        };
        world.store.submit(Write::new(Origin::daemon(at(1), "TEST"), body, done));
    }
    assert!(told.lock().unwrap().is_empty());
    let first = world.store.feed().last();
    assert_eq!(world.store.commit_waiting(), 10);
    assert_eq!(world.store.health().commit, before + 1);
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 10);
    assert!(told.iter().all(|(_, last)| *last == first + 10), "told before the commit");
}

#[test]
fn a_write_that_fails_or_panics_leaves_no_trace_and_does_not_disturb_others() {
    let world = World::new();
    let seen = |world: &World| {
        let read = world.read();
        let page = workflow::list(&read, &workflow::Query::default(), &Paging::default()).unwrap();
        (page.items, world.store.feed().last(), audit::verify(&read).unwrap().to)
    };
    let before = seen(&world);
    for panics in [false, true] {
        let body = move |tx: &mut super::Tx<'_>| {
            workflow::put(tx, &a_workflow(9, "gone")).unwrap();
            let renamed = a_workflow(1, "renamed");
            workflow::put(tx, &renamed).unwrap();
            note(tx, "gone");
            assert!(!panics, "as planned");
            false
        };
        let origin = Origin::daemon(at(1), "TEST");
        let result = Arc::new(Mutex::new(None));
        let put = Arc::clone(&result);
        world.store.submit(Write::new(
            origin.clone(),
            |tx| {
                note(tx, "one");
                true
            },
            |_| {},
        ));
        world
            .store
            .submit(Write::new(origin.clone(), body, move |r| *put.lock().unwrap() = Some(r)));
        world.store.submit(Write::new(
            origin,
            |tx| {
                note(tx, "two");
                true
            },
            |_| {},
        ));
        world.store.commit_waiting();
        let result = result.lock().unwrap().take().unwrap();
        match panics {
            true => assert!(matches!(result, Err(Error::Panicked { .. }))),
            false => assert!(result.is_ok()),
        }
    }
    let after = seen(&world);
    assert_eq!(after.0, before.0);
    assert_eq!((after.1, after.2), (before.1 + 4, before.2 + 4));
    assert_eq!(audit::verify(&world.read()).unwrap().problems, []);
}

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
        let found = super::execution_metrics::query(&read, name, scope, at(-60_000), at(60_000), 1)
            .unwrap();
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
            execution.trigger_id = Some(super::testing::trigger_id(1));
            execution::insert(tx, &execution, vec![])?;
        }
        execution::insert(tx, &an_execution(30, ExecutionStatus::Running), vec![])
    });
    let refused = world.try_write(2, |tx| workflow::remove(tx, workflow_id(1), false));
    assert!(matches!(refused, Err(Error::Precondition { .. })), "{refused:?}");
    world.write(3, |tx| workflow::remove(tx, workflow_id(1), true));
    assert!(workflow::get(&world.read(), workflow_id(1)).unwrap().is_none());
    let mut slices = 0;
    while world.write(4, |tx| super::tombstone::carry_out(tx, 10)) == 10 {
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
        execution.trigger_id = Some(super::testing::trigger_id(1));
        execution::insert(tx, &execution, vec![])
    });
    world.write(2, |tx| {
        workflow_trigger::remove(tx, super::testing::trigger_id(1))?;
        super::tombstone::carry_out(tx, 100)
    });
    let found = execution::require(&world.read(), execution_id(1)).unwrap();
    assert_eq!(found.trigger_id, None);
}

fn forget_old_changes(world: &World, before: a2n_proto::Timestamp, keep: u64) {
    let old = feed::old(&world.read(), before, keep, 10_000).unwrap();
    world.write(400, move |tx| {
        old.iter().try_for_each(|first| feed::forget(tx, *first).map(|_| ()))
    });
}

#[test]
fn the_feed_is_read_from_memory_from_the_table_and_tells_of_gaps() {
    let world = World::new();
    for n in 0..300 {
        world.write(n, move |tx| {
            note(tx, &n.to_string());
            Ok(())
        });
    }
    let check = |world: &World| {
        let feed = world.store.feed();
        let last = feed.last();
        let FeedRead::Items(items) = feed.read_from(last - 299, 1000).unwrap() else {
            panic!("a gap")
        };
        assert_eq!(items.len(), 300);
        assert!(items.windows(2).all(|two| two[0].seq + 1 == two[1].seq));
        assert_eq!(feed.read_from(last + 1, 10).unwrap(), FeedRead::Items(vec![]));
        last
    };
    check(&world);
    let world = world.reopened();
    let last = check(&world);
    forget_old_changes(&world, at(-1), 100);
    let world = world.reopened();
    let feed = world.store.feed();
    match feed.read_from(1, 10).unwrap() {
        FeedRead::Gap { from: 1, to } => {
            assert!(to >= last - 110 && to < last, "{to} of {last}");
            assert!(
                matches!(feed.read_from(to + 1, 1).unwrap(), FeedRead::Items(i) if i.len() == 1)
            );
        }
        other => panic!("{other:?}"),
    }
    forget_old_changes(&world, at(1_000_000), 0);
    let world = world.reopened();
    assert_eq!(world.store.feed().last(), last, "numbering goes on");
}

#[test]
fn the_audit_chain_shows_what_was_changed_removed_or_reordered() {
    let fresh = || {
        let world = World::new();
        for n in 0..10 {
            world.write(n, move |tx| {
                note(tx, &n.to_string());
                Ok(())
            });
        }
        world
    };
    let problems = |world: &World| audit::verify(&world.read()).unwrap().problems;
    assert_eq!(problems(&fresh()), []);

    let changed = fresh();
    changed.write(20, |tx| {
        let mut row = audit::get(tx, 5)?.unwrap();
        row.action = "nothing.happened".into();
        super::rows::put(tx, &super::Key::of_u64(5), &row)
    });
    assert_eq!(problems(&changed).len(), 1);

    let removed = fresh();
    removed.write(20, |tx| super::rows::remove(tx, schema::AUDIT, &super::Key::of_u64(5)));
    assert_eq!(problems(&removed).len(), 1);

    let reordered = fresh();
    reordered.write(20, |tx| {
        let (five, six) = (audit::get(tx, 5)?.unwrap(), audit::get(tx, 6)?.unwrap());
        super::rows::put(tx, &super::Key::of_u64(5), &six)?;
        super::rows::put(tx, &super::Key::of_u64(6), &five)
    });
    assert!(problems(&reordered).len() >= 2);

    // The story: a part of the chain was asked for, all of it was read, and what was wrong outside
    // was left out of an answer that named all of it as whole.
    let part = |from, to| {
        let found = audit::verify_between(&removed.read(), from, to).unwrap();
        (found.rows, found.from, found.to, found.problems.len())
    };
    assert_eq!(part(1, 4), (4, 1, 4, 0));
    assert_eq!(part(6, 8), (3, 6, 8, 0));
    assert_eq!(part(3, 5), (2, 3, 4, 1), "a row that is missing at the end");
    assert_eq!(part(5, 7), (2, 6, 7, 1), "and at the beginning");
    assert_eq!(part(3, 6), (3, 3, 6, 1));
    let parted = audit::verify_between(&reordered.read(), 6, 7).unwrap();
    assert!(!parted.problems.is_empty() && parted.from == 6);

    let damaged = fresh();
    damaged.flip(schema::AUDIT, super::Key::of_u64(5));
    assert!(!problems(&damaged).is_empty());
}

#[test]
fn a_damaged_row_is_an_error_by_name_and_lists_go_on() {
    let world = World::new();
    world.write(1, |tx| workflow::put(tx, &a_workflow(2, "other")));
    world.flip(schema::WORKFLOW, super::Key::of_id(workflow_id(1).as_bytes()));
    let read = world.read();
    let found = workflow::get(&read, workflow_id(1));
    assert!(matches!(found, Err(Error::Damaged { table: "workflow", .. })), "{found:?}");
    let page = workflow::list(&read, &workflow::Query::default(), &Paging::default()).unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(world.store.health().damaged.len(), 1);
}

#[tokio::test]
async fn the_writers_thread_answers_many_at_once_and_ends_with_the_store() {
    let disk = crate::system::disk::SimDisk::new();
    let options = super::Options { drive: super::Drive::Thread, ..super::testing::options(&disk) };
    let store = super::Store::open(options).unwrap();
    let mut feed = store.feed().watch();
    let writes = (0..200).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let origin = Origin::daemon(at(n), "TEST");
            store
                .write(origin, move |tx| {
                    note(tx, &n.to_string());
                    Ok(n)
                })
                .await
        })
    });
    for (n, write) in writes.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(write.await.unwrap().unwrap(), i64::try_from(n).unwrap());
    }
    assert_eq!(*feed.borrow_and_update(), 200);
    store.close();
    let closed = store.write(Origin::daemon(at(1), "TEST"), |_| Ok(())).await;
    assert!(matches!(closed, Err(Error::Closed)), "{closed:?}");
    assert_eq!(World::on(disk).store.feed().last(), 200);
}

#[test]
fn beyond_the_queue_writers_are_told_at_once() {
    let world = World::new();
    let refused = Arc::new(Mutex::new(0));
    for _ in 0..super::writer::QUEUE + 3 {
        let refused = Arc::clone(&refused);
        let done = move |result| {
            if matches!(result, Err(Error::Overloaded)) {
                *refused.lock().unwrap() += 1;
            }
        };
        world.store.submit(Write::new(Origin::daemon(at(1), "TEST"), |_| true, done));
    }
    assert_eq!(*refused.lock().unwrap(), 3);
    let before = world.store.health().commit;
    assert_eq!(world.store.commit_waiting(), super::writer::QUEUE);
    assert_eq!(world.store.health().commit, before + 5);
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
