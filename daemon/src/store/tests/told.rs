//! What is told of what was done: the feed and the audit chain.

use super::note;
use crate::store::testing::{World, at};
use crate::store::{FeedRead, Key, audit, feed, rows, schema};

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
        rows::put(tx, &Key::of_u64(5), &row)
    });
    assert_eq!(problems(&changed).len(), 1);

    let removed = fresh();
    removed.write(20, |tx| rows::remove(tx, schema::AUDIT, &Key::of_u64(5)));
    assert_eq!(problems(&removed).len(), 1);

    let reordered = fresh();
    reordered.write(20, |tx| {
        let (five, six) = (audit::get(tx, 5)?.unwrap(), audit::get(tx, 6)?.unwrap());
        rows::put(tx, &Key::of_u64(5), &six)?;
        rows::put(tx, &Key::of_u64(6), &five)
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
    damaged.flip(schema::AUDIT, Key::of_u64(5));
    assert!(!problems(&damaged).is_empty());
}
