//! Loops: by a connection back, and by a `loop` node.

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

#[test]
fn a_loop_node_goes_over_its_items_one_by_one() {
    let text = "
        s: list {\"of\": [10, 20, 30]}
        each: loop
        a: set {\"v\": \"{{ item }}\", \"at\": \"{{ loop.index }} of {{ loop.count }}\", \"of\": \"{{ nodes['s'].item }}\"}
        b: all
        s -> each
        each.loop -> a
        a -> each
        each.done -> b
        ";
    insta::assert_snapshot!(check(text, "begin"), @r#"
    > begin
      began
      s started 1 items
      s#0 done {"output":[10,20,30]}
      s Success output:3
      each started
      each goes in
      loop each began
      loop each iteration 0
      a[0] started 1 items
      a[0]#0 done {"output":[{"v":10,"at":"0 of 3","of":10}]}
      a[0] Success output:1
      loop each iteration 0 over back:1
      loop each iteration 1
      a[1] started 1 items
      a[1]#0 done {"output":[{"v":20,"at":"1 of 3","of":20}]}
      a[1] Success output:1
      loop each iteration 1 over back:1
      loop each iteration 0 put away
      loop each iteration 2
      a[2] started 1 items
      a[2]#0 done {"output":[{"v":30,"at":"2 of 3","of":30}]}
      a[2] Success output:1
      loop each iteration 2 over back:1
      loop each iteration 1 put away
      loop each over
      each done {}
      each Success done:3
      b started
      b done {"output":[{"v":10,"at":"0 of 3","of":10},{"v":20,"at":"1 of 3","of":20},{"v":30,"at":"2 of 3","of":30}]}
      b Success output:3
      ended Success
    ! ended Success
    Success s=Success each=Success a[2]=Success b=Success
    {"b":{"output":[{"v":10,"at":"0 of 3","of":10},{"v":20,"at":"1 of 3","of":20},{"v":30,"at":"2 of 3","of":30}]}}
    "#);
}

#[test]
fn nothing_needs_to_lead_back_to_a_loop_node() {
    let text = "
        s: list {\"of\": [1, 2]}
        each: loop
        a: set {\"v\": \"{{ item }}\"}
        b: set {\"w\": \"{{ item.v * 10 }}\"}
        c: set {\"z\": \"{{ item.v }}\"}
        s -> each
        each.loop -> a
        a -> b
        a -> c
        ";
    insta::assert_snapshot!(check_end(text, "begin"), @r#"
    Success s=Success each=Success a[1]=Success b[1]=Success c[1]=Success
    {"each":{"done":[{"v":1,"w":10},{"v":1,"z":1},{"v":2,"w":20},{"v":2,"z":2}]}}
    "#);
}

#[test]
fn a_list_a_batch_and_nothing_at_all() {
    let text = |config: &str, of: &str| {
        format!(
            "
            s: list {{\"of\": {of}}}
            each: loop {config}
            a: all
            b: all {{}} {{\"runOnEmpty\": true}}
            s -> each
            each.loop -> a
            a -> each
            each.done -> b
            "
        )
    };
    insta::assert_snapshot!(check_end(&text("{\"batch\": 2}", "[1, 2, 3]"), "begin"), @r#"
    Success s=Success each=Success a[1]=Success b=Success
    {"b":{"output":[1,2,3]}}
    "#);
    insta::assert_snapshot!(check_end(&text("{\"forEach\": \"{{ [7, item] }}\"}", "[1]"), "begin"), @r#"
    Success s=Success each=Success a[1]=Success b=Success
    {"b":{"output":[7,1]}}
    "#);
    insta::assert_snapshot!(check_end(&text("{\"forEach\": []}", "[1]"), "begin"), @r#"
    Success s=Success each=Success a=Skipped b=Success
    {"b":{},"each":{}}
    "#);
    insta::assert_snapshot!(check_end(&text("{}", "[]"), "begin"), @r#"
    Success s=Success each=Skipped a=Skipped b=Success
    {"b":{},"s":{}}
    "#);
}

#[test]
fn a_condition_is_asked_before_each_iteration() {
    let text = "
        s: set {\"n\": 0}
        until: loop {\"while\": \"{{ item.n < 3 }}\"}
        a: set {\"n\": \"{{ item.n + 1 }}\", \"round\": \"{{ loop.iteration }}\"}
        b: all
        s -> until
        until.loop -> a
        a -> until
        until.done -> b
        ";
    insta::assert_snapshot!(check_end(text, "begin"), @r#"
    Success s=Success until=Success a[2]=Success b=Success
    {"b":{"output":[{"x":1,"n":3,"round":"2"}]}}
    "#);
    let never = text.replace("< 3", "< 0");
    insta::assert_snapshot!(check_end(&never, "begin"), @r#"
    Success s=Success until=Success a=Skipped b=Success
    {"b":{"output":[{"x":1,"n":0}]}}
    "#);
    let wrong = text.replace("item.n < 3", "item.nope < 3");
    insta::assert_snapshot!(check_end(&wrong, "begin"), @"
    Failed s=Success until=Failed a=Skipped b=Skipped
    node `until`, config.while, column 3: `item.nope < 3` is undefined (in scope: item {x, n}, index, items, nodes {}, trigger, inputs {x}, vars {}, workflow, execution, loop {index, iteration, first, parent}, now, env)
    {}
    ");
    let forever = text.replace("item.n < 3", "true");
    let told = check_end(&forever, "begin\ncontinue\ncontinue\ncontinue\ncontinue");
    assert!(
        told.contains("node `until` failed: the loop of node `until` would go beyond 1000"),
        "{told}"
    );
}

const PARALLEL: &str = "
    s: list {\"of\": [1, 2, 3, 4]}
    each: loop {} {\"concurrency\": 2}
    a: job {\"v\": \"{{ item }}\"}
    b: all
    s -> each
    each.loop -> a
    a -> each
    each.done -> b
    ";

#[test]
fn iterations_run_beside_each_other_and_what_came_of_them_stands_in_their_order() {
    let script = "
        begin
        ok a[1]#0 [\"two\"]
        ok a[2]#0 [\"three\"]
        recover
        answer a[0] done
        answer a[3] done
        ";
    insta::assert_snapshot!(check(PARALLEL, script), @r#"
    > begin
      began
      s started 1 items
      s#0 done {"output":[1,2,3,4]}
      s Success output:4
      each started
      each goes in
      loop each began
      loop each iteration 0
      loop each iteration 1
      a[0] started 1 items
      a[0]#0 attempt 1
      a[1] started 1 items
      a[1]#0 attempt 1
    ! start a[0]#0 {"v":1} {"input":[1]}
    ! start a[1]#0 {"v":2} {"input":[2]}
    > ok a[1]#0 ["two"]
      a[1]#0 attempt 1 ended ok
      a[1]#0 done {"output":["two"]}
      a[1] Success output:1
      loop each iteration 1 over back:1
      loop each iteration 2
      a[2] started 1 items
      a[2]#0 attempt 1
    ! start a[2]#0 {"v":3} {"input":[3]}
    > ok a[2]#0 ["three"]
      a[2]#0 attempt 1 ended ok
      a[2]#0 done {"output":["three"]}
      a[2] Success output:1
      loop each iteration 2 over back:1
      loop each iteration 1 put away
      loop each iteration 3
      a[3] started 1 items
      a[3]#0 attempt 1
    ! start a[3]#0 {"v":4} {"input":[4]}
    > recover
      running, 0 so far
      a[0]#0 attempt 1 ended IN_DOUBT lost
      a[0]#0 in doubt
      a[3]#0 attempt 1 ended IN_DOUBT lost
      a[3]#0 in doubt
      paused InDoubt after 0
    > answer a[0] done
      a[0]#0 done {"output":[{"said":true}]}
      a[0] Success output:1
      loop each iteration 0 over back:1
      loop each iteration 0 put away
    > answer a[3] done
      a[3]#0 done {"output":[{"said":true}]}
      a[3] Success output:1
      loop each iteration 3 over back:1
      loop each iteration 2 put away
      loop each over
      each done {}
      each Success done:4
      b started
      b done {"output":[{"said":true},"two","three",{"said":true}]}
      b Success output:4
      ended Success
    ! ended Success
    Success s=Success each=Success a[3]=Success b=Success
    {"b":{"output":[{"said":true},"two","three",{"said":true}]}}
    "#);
}

#[test]
fn the_first_failure_ends_the_other_iterations() {
    insta::assert_snapshot!(check(PARALLEL, "begin\nfail a[1]#0 EXIT\nfail a[0]#0 CANCELLED"), @r#"
    > begin
      began
      s started 1 items
      s#0 done {"output":[1,2,3,4]}
      s Success output:4
      each started
      each goes in
      loop each began
      loop each iteration 0
      loop each iteration 1
      a[0] started 1 items
      a[0]#0 attempt 1
      a[1] started 1 items
      a[1]#0 attempt 1
    ! start a[0]#0 {"v":1} {"input":[1]}
    ! start a[1]#0 {"v":2} {"input":[2]}
    > fail a[1]#0 EXIT
      a[1]#0 attempt 1 ended EXIT
      a[1]#0 failed: failed with EXIT
      a[1] Failed
      ending: a failed
      each cancelled
      each Cancelled
    ! stop a[0]#0
    > fail a[0]#0 CANCELLED
      a[0]#0 attempt 1 ended CANCELLED
      a[0]#0 cancelled
      a[0] Cancelled
      loop each closing
      loop each over
      b skipped
      ended Failed
    ! ended Failed
    Failed s=Success each=Cancelled a[0]=Cancelled a[1]=Failed b=Skipped
    node `a` failed in iteration 1: failed with EXIT
    {}
    "#);
    let branches = format!("{PARALLEL}z: job\nsettings {{\"onFailure\": \"FINISH_BRANCHES\"}}");
    let script = "begin\nfail a[1]#0 EXIT\nfail a[0]#0 CANCELLED\nok z#0";
    insta::assert_snapshot!(check_end(&branches, script), @r#"
    Failed s=Success each=Cancelled a[1]=Failed b=Skipped z=Success
    node `a` failed in iteration 1: failed with EXIT
    {"z":{"output":[{"ran":"z#0"}]}}
    "#);
}

#[test]
fn a_break_ends_its_loop_and_its_items_are_part_of_what_came_of_it() {
    let text = "
        s: list {\"of\": [1, 2, 3, 4]}
        each: loop
        a: if {\"where\": \"{{ item == 3 }}\"}
        stop: break
        keep: all
        b: all
        s -> each
        each.loop -> a
        a.true -> stop
        a.false -> keep
        keep -> each
        each.done -> b
        ";
    insta::assert_snapshot!(check_end(text, "begin"), @r#"
    Success s=Success each=Success a[2]=Success stop[2]=Success keep[2]=Skipped b=Success
    {"b":{"output":[1,2,3]}}
    "#);
}

#[test]
fn loops_stand_within_loops() {
    let text = "
        s: list {\"of\": [[1, 2], [3]]}
        outer: loop
        inner: loop {\"forEach\": \"{{ item }}\"}
        a: set {\"v\": \"{{ item }}\", \"at\": \"{{ loop.iteration }} in {{ loop.parent.index }}\"}
        b: all
        c: all
        s -> outer
        outer.loop -> inner
        inner.loop -> a
        a -> inner
        inner.done -> b
        b -> outer
        outer.done -> c
        ";
    insta::assert_snapshot!(check_end(text, "begin"), @r#"
    Success s=Success outer=Success inner[1]=Success a[1.0]=Success b[1]=Success c=Success
    {"c":{"output":[{"v":1,"at":"0.0 in 0"},{"v":2,"at":"0.1 in 0"},{"v":3,"at":"1.0 in 1"}]}}
    "#);
}

#[test]
fn from_outside_a_node_in_a_loop_is_seen_as_it_was_in_the_last_iteration() {
    let text = "
        s: list {\"of\": [1, 2, 3]}
        each: loop
        a: set {\"v\": \"{{ item }}\"}
        b: set {\"last\": \"{{ nodes['a'].first.v }}\", \"from\": \"{{ nodes['s'].item }}\"}
        s -> each
        each.loop -> a
        a -> each
        each.done -> b
        ";
    insta::assert_snapshot!(check_end(text, "begin"), @r#"
    Success s=Success each=Success a[2]=Success b=Success
    {"b":{"output":[{"v":1,"last":3,"from":1},{"v":2,"last":3,"from":2},{"v":3,"last":3,"from":3}]}}
    "#);
}

#[test]
fn a_cancel_and_a_pause_reach_into_loops() {
    insta::assert_snapshot!(check_end(PARALLEL, "begin\ncancel\nfail a[0]#0 CANCELLED\nfail a[1]#0 CANCELLED"), @"
    Cancelled s=Success each=Cancelled a[0]=Cancelled a[1]=Cancelled b=Skipped
    cancelled by anna
    {}
    ");
    let script = "begin\npause\nok a[0]#0\nok a[1]#0\nresume\nok a[2]#0\nok a[3]#0";
    insta::assert_snapshot!(check_end(PARALLEL, script), @r#"
    Success s=Success each=Success a[3]=Success b=Success
    {"b":{"output":[{"ran":"a[0]#0"},{"ran":"a[1]#0"},{"ran":"a[2]#0"},{"ran":"a[3]#0"}]}}
    "#);
}
