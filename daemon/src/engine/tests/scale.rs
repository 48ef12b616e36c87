//! How much a loop and a document may hold. The measurements are run by hand, in release:
//! `cargo test --release -p a2n-daemon --lib scale -- --ignored --nocapture`.

use std::fmt::Write as _;

use crate::engine::driving::packed;
use crate::engine::input::Input;
use crate::engine::scenario::{Run, plan};
use crate::store::execution::Written;

fn over(items: usize) -> String {
    let list: Vec<usize> = (0..items).collect();
    format!(
        "s: list {{\"of\": {}}}
        each: loop
        a: set {{\"v\": \"{{{{ item }}}}\"}}
        b: all
        s -> each
        each.loop -> a
        a -> each
        each.done -> b",
        serde_json::to_string(&list).unwrap()
    )
}

/// Plays to the end without writing anything down; gives the steps that it took, and what a store
/// would have been given to write, in bytes.
fn to_the_end(run: &mut Run<'_>) -> (usize, usize) {
    run.silent = true;
    let (mut steps, mut bytes, mut size) = (0, 0, packed::Size::default());
    let mut input = Input::Begin;
    while !run.state.status().is_ended() {
        let done = run.tell(input);
        let (Written::Whole(some) | Written::Added(some)) = size.written(&run.state, &done.facts);
        bytes += some.size();
        steps += 1;
        input = Input::Continue;
    }
    (steps, bytes)
}

/// Every finished iteration once stayed in the state, which is written at each commit.
#[test]
fn what_is_over_does_not_stay_in_the_state() {
    let plan = plan(&over(3_000));
    let mut run = Run::new(&plan);
    to_the_end(&mut run);
    assert!(run.outcome().starts_with("Success"), "{}", run.outcome());
    let rounds: usize = run.state.frames.values().map(|frame| frame.rounds.len()).sum();
    assert_eq!((run.state.nodes.len(), rounds), (4, 1));
    assert_eq!(run.folded, 2_999);
}

/// The machine's own clock: these are measurements.
fn now() -> (std::sync::Arc<dyn crate::system::Clock>, std::time::Duration) {
    let clock = crate::system::System::real().clock;
    let begun = clock.monotonic();
    (clock, begun)
}

fn chain(nodes: usize) -> String {
    let mut text = String::from("n0: set {\"v\": 0}\n");
    for number in 1..nodes {
        let before = number - 1;
        writeln!(text, "n{number}: set {{\"v\": {number}}}\nn{before} -> n{number}").unwrap();
    }
    text
}

#[test]
#[ignore = "a measurement"]
fn a_hundred_thousand_items_through_a_loop() {
    let plan = plan(&over(100_000));
    let mut run = Run::new(&plan);
    let (clock, begun) = now();
    let (steps, bytes) = to_the_end(&mut run);
    println!(
        "100,000 items: {:?}, {steps} steps, {bytes} bytes to write",
        clock.monotonic() - begun
    );
}

#[test]
#[ignore = "a measurement"]
fn ten_thousand_nodes() {
    let document = crate::engine::scenario::document(&chain(10_000));
    let (clock, begun) = now();
    let plan = crate::engine::plan::Plan::new(&document, &crate::engine::scenario::Stands).unwrap();
    println!("10,000 nodes planned: {:?}", clock.monotonic() - begun);
    let mut run = Run::new(&plan);
    let (clock, begun) = now();
    let (steps, bytes) = to_the_end(&mut run);
    println!(
        "10,000 nodes run: {:?}, {steps} steps, {bytes} bytes to write",
        clock.monotonic() - begun
    );
}
