//! What a loop counts for towards the most that the results of an execution may come to.

use crate::engine::input::Limits;
use crate::engine::scenario::{Run, plan};

/// Plays a loop of small items under a small limit.
fn outcome(text: &str) -> String {
    let plan = plan(text);
    let mut run = Run::new(&plan);
    run.limits = Limits { result_bytes: 2_000, ..Limits::default() };
    run.play("begin");
    while std::mem::take(&mut run.to_continue) {
        run.play("continue");
    }
    run.outcome()
}

/// What was sent back in a round and replaced in the next one stayed counted: a loop that passed one
/// item on again and again failed with "the results would come to …", with one item to its name.
#[test]
fn what_a_round_replaces_does_not_count_any_more() {
    let told = outcome(
        "
        s: set {\"text\": \"a few dozen bytes that are passed on from round to round\"}
        l: loop {\"while\": \"{{ loop.index < 200 }}\"}
        a: set
        s -> l
        l.loop -> a
        a -> l
        ",
    );
    assert!(told.starts_with("Success"), "{told}");
}

/// So did what came of an inner loop, once for each iteration of the outer one.
#[test]
fn what_is_put_away_with_an_iteration_does_not_count_any_more() {
    let told = outcome(
        "
        s: all
        s -> l
        l: loop {\"while\": \"{{ loop.index < 100 }}\"}
        m: loop {\"forEach\": [1, 2, 3]}
        a: set {\"text\": \"a few dozen bytes\"}
        z: filter {\"where\": \"{{ item.text == 'a few dozen bytes' and index == 0 }}\"}
        l.loop -> m
        m.loop -> a
        a -> m
        m.done -> z
        z -> l
        ",
    );
    assert!(told.starts_with("Success"), "{told}");
}

/// What goes into a `try` was not counted at all.
#[test]
fn what_is_watched_over_counts() {
    let text = "a: list {\"of\": [1, 2, 3, 4]}\nt: try\nb: job\na -> t\nt.try -> b";
    let plan = plan(text);
    let mut run = Run::new(&plan);
    run.play("begin");
    // As the node before sent it, and as it was sent in.
    assert_eq!(run.state.result_bytes, 8);
}
