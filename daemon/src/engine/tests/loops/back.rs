//! Loops by a connection back.

use crate::engine::scenario::{check, check_end};

/// "Ask, wait, ask again until done", as it is thought.
const ASK: &str = "
    s: all
    ask: job {\"try\": \"{{ loop.index }}\"}
    done: if {\"where\": \"{{ item.done }}\"}
    pause: wait {\"ms\": 100}
    out: all
    s -> ask
    ask -> done
    done.true -> out
    done.false -> pause
    pause -> ask
    ";

#[test]
fn a_connection_back_starts_the_next_iteration() {
    let script = "
        begin
        ok ask[0]#0 [{\"done\": false}]
        tick 100
        ok ask[1]#0 [{\"done\": false}]
        tick 100
        ok ask[2]#0 [{\"done\": true, \"n\": 2}]
        ";
    insta::assert_snapshot!(check(ASK, script), @r#"
    > begin
      began
      s started
      s done {"output":[{"x":1}]}
      s Success output:1
      loop ask began
      loop ask iteration 0
      ask[0] started 1 items
      ask[0]#0 attempt 1
    ! start ask[0]#0 {"try":0} {"input":[{"x":1}]}
    > ok ask[0]#0 [{"done": false}]
      ask[0]#0 attempt 1 ended ok
      ask[0]#0 done {"output":[{"done":false}]}
      ask[0] Success output:1
      done[0] started 1 items
      done[0]#0 done {"false":[{"done":false}]}
      done[0] Success false:1
      pause[0] started
      pause[0] waits until 100
      paused Waiting after 0
    ! timer wait pause[0] 100
    > tick 100
      pause[0] done {"output":[{"done":false}]}
      pause[0] Success output:1
      loop ask iteration 0 over
      loop ask iteration 1
      ask[1] started 1 items
      ask[1]#0 attempt 1
      running, 0 so far
    ! start ask[1]#0 {"try":1} {"input":[{"done":false}]}
    > ok ask[1]#0 [{"done": false}]
      ask[1]#0 attempt 1 ended ok
      ask[1]#0 done {"output":[{"done":false}]}
      ask[1] Success output:1
      done[1] started 1 items
      done[1]#0 done {"false":[{"done":false}]}
      done[1] Success false:1
      pause[1] started
      pause[1] waits until 200
      paused Waiting after 0
    ! timer wait pause[1] 200
    > tick 100
      pause[1] done {"output":[{"done":false}]}
      pause[1] Success output:1
      loop ask iteration 1 over
      loop ask iteration 0 put away
      loop ask iteration 2
      ask[2] started 1 items
      ask[2]#0 attempt 1
      running, 0 so far
    ! start ask[2]#0 {"try":2} {"input":[{"done":false}]}
    > ok ask[2]#0 [{"done": true, "n": 2}]
      ask[2]#0 attempt 1 ended ok
      ask[2]#0 done {"output":[{"done":true,"n":2}]}
      ask[2] Success output:1
      done[2] started 1 items
      done[2]#0 done {"true":[{"done":true,"n":2}]}
      done[2] Success true:1
      pause[2] skipped
      loop ask iteration 2 over done.true:1
      loop ask iteration 1 put away
      loop ask over
      out started
      out done {"output":[{"done":true,"n":2}]}
      out Success output:1
      ended Success
    ! ended Success
    Success s=Success ask[2]=Success done[2]=Success pause[2]=Skipped out=Success
    {"out":{"output":[{"done":true,"n":2}]}}
    "#);
}

#[test]
fn as_many_iterations_as_may_be_and_no_more() {
    let bounded = ASK.replace(
        "ask: job {\"try\": \"{{ loop.index }}\"}",
        "ask: set {\"done\": false} {\"maxIterations\": 3}",
    );
    let script = "begin\ntick 100\ntick 100\ntick 100";
    insta::assert_snapshot!(check_end(&bounded, script), @"
    Failed s=Success ask[2]=Success done[2]=Success pause[2]=Success out=Skipped
    node `ask` failed in iteration 2: the loop of node `ask` would go beyond 3 iterations; let something leave it earlier, or set maxIterations on the node
    {}
    ");
    // 1,000 where nothing else is said.
    let unbounded = "
        s: all
        a: set
        b: if {\"where\": false}
        c: all
        s -> a
        a -> b
        b.false -> a
        b.true -> c
        ";
    let told = check_end(unbounded, "begin\ncontinue\ncontinue\ncontinue\ncontinue");
    assert!(told.starts_with("Failed s=Success a[999]=Success b[999]=Success c="), "{told}");
    assert!(told.contains("would go beyond 1000 iterations"), "{told}");
}

#[test]
fn what_leaves_a_loop_leaves_it_at_its_end_with_the_items_of_all_iterations() {
    let text = "
        s: set {\"n\": 0}
        a: set {\"n\": \"{{ item.n + 1 }}\"}
        log: all
        b: if {\"where\": \"{{ item.n < 3 }}\"}
        c: all
        s -> a
        a -> log
        a -> b
        b.true -> a
        b.false -> c
        ";
    insta::assert_snapshot!(check(text, "begin"), @r#"
    > begin
      began
      s started 1 items
      s#0 done {"output":[{"x":1,"n":0}]}
      s Success output:1
      loop a began
      loop a iteration 0
      a[0] started 1 items
      a[0]#0 done {"output":[{"x":1,"n":1}]}
      a[0] Success output:1
      b[0] started 1 items
      b[0]#0 done {"true":[{"x":1,"n":1}]}
      b[0] Success true:1
      loop a iteration 0 over a.output:1
      loop a iteration 1
      a[1] started 1 items
      a[1]#0 done {"output":[{"x":1,"n":2}]}
      a[1] Success output:1
      b[1] started 1 items
      b[1]#0 done {"true":[{"x":1,"n":2}]}
      b[1] Success true:1
      loop a iteration 1 over a.output:1
      loop a iteration 0 put away
      loop a iteration 2
      a[2] started 1 items
      a[2]#0 done {"output":[{"x":1,"n":3}]}
      a[2] Success output:1
      b[2] started 1 items
      b[2]#0 done {"false":[{"x":1,"n":3}]}
      b[2] Success false:1
      loop a iteration 2 over a.output:1 b.false:1
      loop a iteration 1 put away
      loop a over
      log started
      log done {"output":[{"x":1,"n":1},{"x":1,"n":2},{"x":1,"n":3}]}
      log Success output:3
      c started
      c done {"output":[{"x":1,"n":3}]}
      c Success output:1
      ended Success
    ! ended Success
    Success s=Success a[2]=Success log=Success b[2]=Success c=Success
    {"c":{"output":[{"x":1,"n":3}]},"log":{"output":[{"x":1,"n":1},{"x":1,"n":2},{"x":1,"n":3}]}}
    "#);
}

#[test]
fn a_loop_that_nothing_comes_to_is_skipped_and_so_is_what_comes_after() {
    let text = "
        s: filter {\"where\": false}
        a: set
        b: if {\"where\": false}
        c: all
        s -> a
        a -> b
        b.true -> a
        b.false -> c
        ";
    insta::assert_snapshot!(check(text, "begin"), @r#"
    > begin
      began
      s started 1 items
      s#0 done {"output":[]}
      s Success
      a skipped
      b skipped
      loop a passed by
      c skipped
      ended Success
    ! ended Success
    Success s=Success a=Skipped b=Skipped c=Skipped
    {"s":{}}
    "#);
}
