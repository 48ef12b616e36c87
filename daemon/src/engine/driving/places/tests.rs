//! Places by hand and by chance: no limit is exceeded, nothing leaks, everybody's turn comes.

use a2n_proto::{ExecutionId, Timestamp, WorkflowId};
use proptest::prelude::*;

use super::*;

fn workflow() -> WorkflowId {
    WorkflowId::from_bytes([7; 16])
}

fn id(n: u8) -> ExecutionId {
    ExecutionId::from_bytes([n; 16])
}

fn rank(n: u8, priority: i32) -> Rank {
    (Reverse(priority), Timestamp::from_unix_ms(i64::from(n)), id(n))
}

fn places(policy: ConcurrencyPolicy, most: u32, max_queued: Option<u32>) -> Places {
    let mut places = Places::default();
    places.learn(workflow(), &rule(1, policy, most, max_queued));
    places
}

fn rule(revision: u64, policy: ConcurrencyPolicy, most: u32, max_queued: Option<u32>) -> Rule {
    Rule { revision, concurrency: Concurrency { max_instances: Some(most), policy, max_queued } }
}

/// Accepts and stores one.
fn accept(places: &mut Places, n: u8, priority: i32) -> Result<bool, Refused> {
    let begins = places.admit(workflow(), rank(n, priority), id(n), false)?;
    if !begins {
        places.queue(workflow(), rank(n, priority), true);
    }
    Ok(begins)
}

#[test]
fn places_go_by_priority_and_then_by_age() {
    let mut places = places(ConcurrencyPolicy::Queue, 1, None);
    let began: Vec<_> =
        [(1, 0), (2, 0), (3, 5), (4, 0)].map(|(n, p)| accept(&mut places, n, p)).into();
    assert_eq!(began, [Ok(true), Ok(false), Ok(false), Ok(false)]);
    assert_eq!(places.queued(), 3);
    assert_eq!(places.before(workflow(), &rank(4, 0), 100), 2);
    assert_eq!(places.next(workflow()), None);
    let mut turns = Vec::new();
    let mut running = rank(1, 0);
    for _ in 0..3 {
        places.release(workflow(), &running);
        let next = places.next(workflow()).unwrap();
        let priority = if next == id(3) { 5 } else { 0 };
        running = rank(next.as_bytes()[0], priority);
        turns.push(next);
    }
    assert_eq!(turns, [id(3), id(2), id(4)]);
}

#[test]
fn who_is_not_stored_yet_or_paused_is_passed_over() {
    let mut places = places(ConcurrencyPolicy::Queue, 1, None);
    accept(&mut places, 1, 0).unwrap();
    assert_eq!(places.admit(workflow(), rank(2, 0), id(2), false), Ok(false));
    accept(&mut places, 3, 0).unwrap();
    places.release(workflow(), &rank(1, 0));
    assert_eq!(places.next(workflow()), Some(id(3)));
    places.release(workflow(), &rank(3, 0));
    assert_eq!(places.next(workflow()), None);
    places.queue(workflow(), rank(2, 0), true);
    assert_eq!(places.next(workflow()), Some(id(2)));
}

#[test]
fn a_full_queue_and_policy_reject_say_what_stands_in_the_way() {
    let mut queue = places(ConcurrencyPolicy::Queue, 1, Some(1));
    accept(&mut queue, 1, 0).unwrap();
    accept(&mut queue, 2, 0).unwrap();
    assert_eq!(accept(&mut queue, 3, 9), Err(Refused::Queued { limit: 1 }));
    let mut reject = places(ConcurrencyPolicy::Reject, 2, None);
    accept(&mut reject, 1, 0).unwrap();
    accept(&mut reject, 2, 0).unwrap();
    assert_eq!(accept(&mut reject, 3, 0), Err(Refused::Running { by: id(1), limit: 2 }));
    reject.release(workflow(), &rank(1, 0));
    assert_eq!(accept(&mut reject, 4, 0), Ok(true));
}

#[test]
fn under_replace_the_oldest_makes_room_and_only_the_newest_wait() {
    let mut places = places(ConcurrencyPolicy::Replace, 2, None);
    for n in 1..=3 {
        accept(&mut places, n, 0).unwrap();
    }
    let none_ends = |_| false;
    assert_eq!(places.to_replace(workflow(), none_ends), [id(1)]);
    assert!(places.to_replace(workflow(), |one| one == id(1)).is_empty());
    accept(&mut places, 4, 0).unwrap();
    assert_eq!(places.to_replace(workflow(), |one| one == id(1)), [id(2)]);
    // Two find a place; a third that waits was overtaken.
    accept(&mut places, 5, 0).unwrap();
    assert_eq!(places.to_replace(workflow(), |one| one < id(3)), [id(3)]);
}

#[test]
fn one_that_its_own_ancestor_waits_for_shares_its_place() {
    let mut places = places(ConcurrencyPolicy::Queue, 1, None);
    accept(&mut places, 1, 0).unwrap();
    assert_eq!(places.admit(workflow(), rank(2, 0), id(1), false), Ok(true));
    // The place is free when all who share it have ended.
    places.release(workflow(), &rank(1, 0));
    assert_eq!(accept(&mut places, 3, 0), Ok(false));
    places.release(workflow(), &rank(2, 0));
    assert_eq!(places.next(workflow()), Some(id(3)));
}

#[test]
fn an_older_rule_does_not_replace_a_newer_one() {
    let mut places = places(ConcurrencyPolicy::Queue, 1, None);
    accept(&mut places, 1, 0).unwrap();
    accept(&mut places, 2, 0).unwrap();
    places.learn(workflow(), &rule(0, ConcurrencyPolicy::Queue, 9, None));
    assert_eq!(places.next(workflow()), None);
    places.learn(workflow(), &rule(2, ConcurrencyPolicy::Queue, 2, None));
    assert_eq!(places.next(workflow()), Some(id(2)));
}

#[derive(Debug, Clone)]
enum Act {
    Accept(i32),
    End(usize),
    Pause(usize),
    Rule(u8, u32),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0..3_i32).prop_map(Act::Accept),
        4 => (0..40_usize).prop_map(Act::End),
        1 => (0..40_usize).prop_map(Act::Pause),
        1 => (0..4_u8, 1..4_u32).prop_map(|(policy, most)| Act::Rule(policy, most)),
    ];
    proptest::collection::vec(act, 1..80)
}

proptest! {
    #[test]
    fn no_limit_is_exceeded_and_nothing_leaks(acts in acts()) {
        let mut places = Places::default();
        let (mut running, mut waiting) = (Vec::<Rank>::new(), Vec::<(Rank, bool)>::new());
        let (mut n, mut revision, mut limit, mut current) = (0, 0, None, Rule::default());
        for act in acts {
            match act {
                Act::Accept(priority) => {
                    n += 1;
                    let rank = rank(n, priority);
                    places.learn(workflow(), &current);
                    match places.admit(workflow(), rank, rank.2, false) {
                        Ok(true) => {
                            running.push(rank);
                            prop_assert!(limit.is_none_or(|limit| running.len() <= limit));
                        }
                        Ok(false) => {
                            places.queue(workflow(), rank, true);
                            waiting.push((rank, true));
                        }
                        Err(_) => {}
                    }
                }
                Act::End(which) if !running.is_empty() => {
                    let ended = running.remove(which % running.len());
                    places.release(workflow(), &ended);
                }
                Act::Pause(which) if !waiting.is_empty() => {
                    let which = which % waiting.len();
                    waiting[which].1 = !waiting[which].1;
                    places.queue(workflow(), waiting[which].0, waiting[which].1);
                }
                Act::Rule(policy, most) => {
                    revision += 1;
                    let policy = [
                        ConcurrencyPolicy::Allow,
                        ConcurrencyPolicy::Queue,
                        ConcurrencyPolicy::Reject,
                        ConcurrencyPolicy::Replace,
                    ][usize::from(policy)];
                    let allows = policy == ConcurrencyPolicy::Allow;
                    limit = (!allows).then_some(most as usize);
                    current = rule(revision, policy, most, None);
                    places.change(workflow(), &current);
                }
                _ => {}
            }
            while let Some(next) = places.next(workflow()) {
                let at = waiting.iter().position(|(rank, _)| rank.2 == next).unwrap();
                let (rank, ready) = waiting.remove(at);
                prop_assert!(ready);
                prop_assert!(waiting.iter().all(|(other, ready)| !ready || *other > rank));
                running.push(rank);
                prop_assert!(limit.is_none_or(|limit| running.len() <= limit));
            }
            prop_assert_eq!(places.queued(), waiting.len());
            // Whoever may begin and finds room has begun.
            let has_room = limit.is_none_or(|limit| running.len() < limit);
            prop_assert!(!has_room || waiting.iter().all(|(_, ready)| !ready));
            for rank in &running {
                prop_assert!(places.holds(workflow(), rank.2));
            }
        }
        for rank in running.iter().chain(waiting.iter().map(|(rank, _)| rank)) {
            places.release(workflow(), rank);
        }
        prop_assert!(places.of.is_empty());
        prop_assert_eq!(places.queued(), 0);
    }
}
