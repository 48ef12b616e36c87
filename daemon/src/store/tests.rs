//! The store as a whole: group commit, undo, the writer's thread; entities and what is told below.

use std::sync::{Arc, Mutex};

use a2n_proto::execution::ExecutionStatus;
use a2n_proto::{ChangeKind, Json};

use super::testing::{World, a_workflow, an_execution, at, execution_id, workflow_id};
use super::{Error, Origin, Paging, Write, audit, execution, workflow};

mod rows;
mod told;

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
