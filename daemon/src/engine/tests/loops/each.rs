//! Loops by a `loop` node: over items, over a list, as long as a condition holds.

use crate::engine::scenario::{check, check_end};

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
