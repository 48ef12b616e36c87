//! Rule 4: the ways out and in, and loops.

use super::{at_work, stands};
use crate::engine::scenario::{Run, check_end, plan};

#[test]
fn rule_4_if_sends_each_item_its_way_and_merge_brings_them_together() {
    let text = "
        a: list {\"of\": [1, 2, 3]}
        b: if {\"where\": \"{{ item == 2 }}\"}
        c: all
        d: all
        e: merge
        a -> b
        b.true -> c
        b.false -> d
        c -> e.input2
        d -> e.input1
    ";
    stands(
        text,
        "begin",
        "Success a=Success b=Success c=Success d=Success e=Success\n{\"e\":{\"output\":[1,3,2]}}",
    );
}

/// "Ask, wait, ask again until done", as it is thought.
const ASK: &str = "
    s: all
    ask: job {} {\"maxIterations\": 3}
    done: if {\"where\": \"{{ item.done }}\"}
    pause: wait {\"ms\": 100}
    log: all
    out: all
    s -> ask
    ask -> log
    ask -> done
    done.true -> out
    done.false -> pause
    pause -> ask
";

#[test]
fn rule_4_a_connection_back_starts_the_next_iteration() {
    let no = |n: u32| format!("ok ask[{n}]#0 [{{\"done\": false}}]\ntick 100\n");
    stands(ASK, &format!("begin\n{}", no(0)), "Running s=Success ask[0]=Success ask[1]=Running");
    // What is sent back is for the next iteration alone; what leaves the loop waits for its end, and has
    // the items of all iterations in their order.
    let script = format!("begin\n{}ok ask[1]#0 [{{\"done\": true}}]", no(0));
    stands(
        ASK,
        &script,
        "Success s=Success ask[1]=Success done[1]=Success pause[1]=Skipped log=Success out=Success\n\
         {\"log\":{\"output\":[{\"done\":false},{\"done\":true}]},\"out\":{\"output\":[{\"done\":true}]}}",
    );
    // Only so often: reaching it fails the execution, and says by whose limit.
    let told = check_end(ASK, &format!("begin\n{}{}{}", no(0), no(1), no(2)));
    assert!(told.starts_with("Failed"), "{told}");
    assert!(told.contains("the loop of node `ask` would go beyond 3 iterations"), "{told}");
}

const EACH: &str = "
    s: list {\"of\": [1, 2, 3]}
    each: loop {} {\"concurrency\": 2}
    a: job
    b: all
    s -> each
    each.loop -> a
    a -> each
    each.done -> b
";

#[test]
fn rule_4_loop_is_the_comfortable_entry() {
    let plan = plan(EACH);
    let mut run = Run::new(&plan);
    run.play("begin");
    assert_eq!(at_work(&run), "a[0]#0 a[1]#0", "iterations beside each other");
    run.play("ok a[1]#0 [\"two\"]");
    assert_eq!(at_work(&run), "a[0]#0 a[2]#0", "the next one where there is room");
    run.play("ok a[2]#0 [\"three\"]\nok a[0]#0 [\"one\"]");
    let told = run.outcome();
    assert!(told.starts_with("Success"), "{told}");
    assert!(told.ends_with("{\"b\":{\"output\":[\"one\",\"two\",\"three\"]}}"), "in order: {told}");
}

#[test]
fn rule_4_the_first_failure_ends_the_other_iterations() {
    stands(
        EACH,
        "begin\nfail a[1]#0 EXIT 1\nfail a[0]#0 CANCELLED",
        "Failed s=Success each=Cancelled a[0]=Cancelled a[1]=Failed b=Skipped",
    );
}

#[test]
fn rule_4_an_iteration_is_a_path_where_loops_stand_within_loops() {
    let text = "
        s: list {\"of\": [[1, 2], [3]]}
        outer: loop
        inner: loop {\"forEach\": \"{{ item }}\"}
        a: set {\"at\": \"{{ loop.iteration }}\"}
        b: all
        s -> outer
        outer.loop -> inner
        inner.loop -> a
        a -> inner
        inner.done -> outer
        outer.done -> b
    ";
    let told = check_end(text, "begin");
    assert!(told.starts_with("Success"), "{told}");
    let paths = ["\"at\":\"0.0\"", "\"at\":\"0.1\"", "\"at\":\"1.0\""];
    assert!(paths.iter().all(|path| told.contains(path)), "{told}");
}

#[test]
fn rule_4_what_has_two_ways_in_or_no_way_out_is_refused() {
    let refused = |text: &str| {
        let document = crate::engine::scenario::document(text);
        let problems = crate::engine::plan::Plan::new(&document, &crate::engine::scenario::Stands);
        let problems = problems.err().unwrap_or_default();
        problems.into_iter().map(|problem| problem.code).collect::<Vec<_>>()
    };
    let two_ways = "s: if {\"where\": true}\na: job\nb: if {\"where\": true}\ns.true -> a\n\
                    s.false -> b\na -> b\nb.true -> a";
    assert_eq!(refused(two_ways), ["CYCLE_TWO_ENTRIES"]);
    let no_exit = "s: job\na: job\nb: job\ns -> a\na -> b\nb -> a";
    assert_eq!(refused(no_exit), ["CYCLE_NO_EXIT"]);
}
