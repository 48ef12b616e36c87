//! Slots by hand and by chance: none is lost, none is given twice, nobody starves.

use proptest::prelude::*;

use super::*;

fn workflow(n: u8) -> WorkflowId {
    WorkflowId::from_bytes([n; 16])
}

fn rank(n: u8, priority: i32) -> Rank {
    (Reverse(priority), Timestamp::from_unix_ms(i64::from(n)), ExecutionId::from_bytes([n; 16]))
}

const TWO: Limits = Limits { all: 2, per_workflow: 2 };

/// Gives free slots to who waits, one each, until none is free; says to whom.
fn feed(slots: &mut Slots, limits: Limits, owners: &BTreeMap<ExecutionId, WorkflowId>) -> Vec<u8> {
    let mut got = Vec::new();
    while let Some(id) = slots.next(limits, &BTreeSet::new()) {
        slots.take(owners[&id]);
        got.push(id.as_bytes()[0]);
    }
    got
}

#[test]
fn a_flood_in_one_workflow_leaves_the_next_slot_to_another() {
    let mut slots = Slots::default();
    let mut owners = BTreeMap::new();
    for n in 10..40 {
        slots.wait(workflow(1), &rank(n, 0));
        owners.insert(rank(n, 0).2, workflow(1));
    }
    slots.take(workflow(1));
    slots.take(workflow(1));
    // It came last, and has the next one.
    slots.wait(workflow(2), &rank(90, 0));
    owners.insert(rank(90, 0).2, workflow(2));
    slots.give(workflow(1), 1);
    assert_eq!(feed(&mut slots, TWO, &owners), [90]);
    // Priority comes before fairness.
    slots.wait(workflow(1), &rank(95, 1));
    owners.insert(rank(95, 1).2, workflow(1));
    slots.give(workflow(1), 1);
    assert_eq!(feed(&mut slots, TWO, &owners), [95]);
}

#[test]
fn with_one_slot_workflows_take_turns() {
    let one = Limits { all: 1, per_workflow: 1 };
    let mut slots = Slots::default();
    let mut owners = BTreeMap::new();
    for n in 1..=9 {
        let own = workflow(n % 3);
        slots.wait(own, &rank(n, 0));
        owners.insert(rank(n, 0).2, own);
    }
    let mut turns = Vec::new();
    while let Some(id) = slots.next(one, &BTreeSet::new()) {
        let own = owners[&id];
        slots.stop_waiting(id);
        slots.take(own);
        slots.give(own, 1);
        turns.push(id.as_bytes()[0] % 3);
    }
    assert_eq!(turns, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[test]
fn who_comes_while_others_wait_takes_no_more_than_its_turn() {
    let mut slots = Slots::default();
    let limits = Limits { all: 4, per_workflow: 3 };
    assert_eq!(slots.room(limits, workflow(1), &rank(1, 0)), 3);
    slots.take(workflow(1));
    slots.wait(workflow(1), &rank(2, 0));
    // Another workflow has none yet; the one that waits has the free ones otherwise.
    assert_eq!(slots.room(limits, workflow(2), &rank(9, 0)), 1);
    assert_eq!(slots.room(limits, workflow(1), &rank(3, 0)), 1);
    slots.take(workflow(1));
    assert_eq!(slots.room(limits, workflow(1), &rank(3, 0)), 0);
    // At the limit of its workflow nobody is in the way of others.
    slots.take(workflow(1));
    assert_eq!(slots.next(limits, &BTreeSet::new()), None);
    assert_eq!(slots.room(limits, workflow(2), &rank(9, 0)), 1);
}

#[test]
fn who_waits_with_a_higher_priority_than_before_is_found_there() {
    let one = Limits { all: 1, per_workflow: 1 };
    let mut slots = Slots::default();
    slots.wait(workflow(1), &rank(1, 0));
    slots.wait(workflow(2), &rank(2, 0));
    slots.wait(workflow(2), &rank(2, 5));
    assert_eq!((slots.waiting(), slots.levels.len()), (2, 2));
    assert_eq!(slots.next(one, &BTreeSet::new()), Some(rank(2, 5).2));
    // Its foremost work is done; the rest has the turn that it had.
    slots.wait(workflow(2), &rank(2, 0));
    assert_eq!(slots.next(one, &BTreeSet::new()), Some(rank(1, 0).2));
}

#[test]
fn a_high_priority_takes_no_more_than_its_foremost_work_while_others_wait() {
    let limits = Limits { all: 4, per_workflow: 4 };
    let mut slots = Slots::default();
    slots.wait(workflow(1), &rank(1, 0));
    assert_eq!(slots.room(limits, workflow(2), &rank(2, 5)), 1);
    slots.stop_waiting(rank(1, 0).2);
    assert_eq!(slots.room(limits, workflow(2), &rank(2, 5)), 4);
}

proptest! {
    #[test]
    fn no_slot_is_lost_or_given_twice(
        acts in proptest::collection::vec((0..5_u8, 0..4_u8, 0..12_u8, 0..3_i32), 1..120),
        all in 1..6_usize,
        per_workflow in 1..6_usize,
    ) {
        let limits = Limits { all, per_workflow };
        let mut slots = Slots::default();
        let mut taken: Vec<WorkflowId> = Vec::new();
        let mut waiting: BTreeSet<(WorkflowId, Rank)> = BTreeSet::new();
        for (act, own, n, priority) in acts {
            let own = workflow(own);
            let mut rank = rank(n, priority);
            // An execution is of one workflow.
            rank.2 = ExecutionId::from_bytes([n * 4 + own.as_bytes()[0]; 16]);
            match act {
                0 => {
                    slots.wait(own, &rank);
                    // One that waits already waits in its new turn.
                    waiting.retain(|(_, other)| other.2 != rank.2);
                    waiting.insert((own, rank));
                }
                1 => {
                    slots.stop_waiting(rank.2);
                    waiting.retain(|(_, other)| other.2 != rank.2);
                }
                2 if !taken.is_empty() => {
                    let ended = taken.remove(usize::from(n) % taken.len());
                    slots.give(ended, 1);
                }
                _ => {
                    for _ in 0..slots.room(limits, own, &rank) {
                        slots.take(own);
                        taken.push(own);
                    }
                }
            }
            prop_assert_eq!(slots.taken(), taken.len());
            prop_assert!(taken.len() <= limits.all);
            let of = |own: WorkflowId| taken.iter().filter(|one| **one == own).count();
            for own in 0..4 {
                prop_assert!(of(workflow(own)) <= limits.per_workflow);
                prop_assert_eq!(slots.share(workflow(own)).taken, of(workflow(own)));
            }
            prop_assert_eq!(slots.waiting(), waiting.len());
            // Whoever waits and is not held back by its workflow is found.
            let mut eligible =
                waiting.iter().filter(|(own, _)| of(*own) < limits.per_workflow);
            let next = slots.next(limits, &BTreeSet::new());
            prop_assert_eq!(next.is_some(), taken.len() < limits.all && eligible.next().is_some());
        }
        for own in taken {
            slots.give(own, 1);
        }
        for (_, rank) in waiting {
            slots.stop_waiting(rank.2);
        }
        prop_assert!(slots.workflows.is_empty() && slots.levels.is_empty());
    }
}
