//! Bad documents and everything that is said about them.

use a2n_proto::Json;

use super::*;
use crate::engine::scenario::Stands;

fn check(definition: Value) -> String {
    let no_zone = |trigger: &DocumentTrigger| match trigger.configuration["schedule"].as_object() {
        Some(_) => {
            vec![error("configuration.schedule.cron", "BAD_CRON", "not a cron".into(), None)]
        }
        None => Vec::new(),
    };
    let problems =
        validate(&Json::from(definition), &Stands, Limits { nodes: 8, bytes: 10_000 }, &no_zone);
    let lines = problems.iter().map(|p| {
        let hint = p.hint.as_ref().map(|hint| format!(" [{hint}]")).unwrap_or_default();
        let sign = if p.severity == Severity::Error { "✗" } else { "!" };
        format!("{sign} {} {}: {}{hint}", p.path, p.code, p.message)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn with_nodes(nodes: Value, connections: Value) -> Value {
    json!({"name": "test", "nodes": nodes, "connections": connections})
}

#[test]
fn a_good_document_has_no_problems() {
    insta::assert_snapshot!(check(with_nodes(
        json!([
            {"id": "a", "type": "list", "config": {"of": [1]}},
            {"id": "b", "type": "filter@1.0.0", "config": {"where": "{{ item > nodes['a'].first }}"}},
        ]),
        json!([{"source": "a", "target": "b"}]),
    )), @"");
}

#[test]
fn everything_is_found_at_once() {
    insta::assert_snapshot!(check(json!({
        "name": "",
        "colour": "red",
        "nodes": [
            {"id": "a b", "type": "al"},
            {"id": "b", "type": "filter@2.0.0", "config": {"were": true}, "joyn": "ANY"},
            {"id": "c", "type": "filter", "config": {"were": "{{ itme.x }}"}, "onError": "EXPLODE"},
            {"id": "c", "type": "job", "name": "b", "retry": {"maxRetries": -1}},
            {"type": "job"},
            {"id": "d", "type": "job", "config": {
                "script": "rm {{ item.path }}", "count": "three", "mode": "QUICK",
                "also": "{{ nodes['e'].item | lowr }} {{ nodes.nope.x is odder }} {{",
                "late": "{{ nodes['e'].first }} {{ loop.index }}",
            }},
            {"id": "e", "type": "all", "timeout": "soon"},
        ],
        "connections": [
            {"source": "c", "target": "z"},
            {"source": "c", "target": "d"},
            {"source": "c", "target": "d"},
            {"source": "c", "target": "e", "sourceHandle": "nope", "targetHandle": "left"},
            {"target": "e"},
        ],
        "triggers": [
            {"type": "SCHEDULE", "name": "t", "configuration": {"schedule": {"cron": "x"}}},
            {"type": "WEBHOOK", "name": "t", "configuration": {"webhook": {"path": "p"}}},
            {"type": "SOMETIMES", "name": "u"},
        ],
        "settings": {"retryPolicy": {"maxRetries": 2}, "concurrency": {"policy": "PERHAPS"}},
    })), @"
    ✗ name BAD_NAME: this is not a name for a workflow [use 1 to 200 characters in one line]
    ✗ nodes[0].id BAD_ID: `a b` is not a node id [use 1 to 64 of the characters a-z A-Z 0-9 _ -]
    ✗ nodes[0].type UNKNOWN_TYPE: there is no node definition `al` [did you mean `all`?]
    ✗ nodes[1].joyn UNKNOWN_MEMBER: there is no member `joyn` here [did you mean `join`?]
    ✗ nodes[1].type UNKNOWN_VERSION: definition `filter` has no version 2.0.0 [version 1.0.0 is there]
    ✗ nodes[2].onError WRONG_VALUE: `EXPLODE` is not allowed here [use one of: `STOP`, `CONTINUE`, `BRANCH`]
    ✗ nodes[2].config.were UNKNOWN_MEMBER: there is no member `were` here [did you mean `where`?]
    ✗ nodes[2].config.where MISSING_MEMBER: `where` is missing [add `where`]
    ✗ nodes[2].config.were UNKNOWN_NAME: column 4: `itme` is not in scope [did you mean `item`?]
    ✗ nodes[3].retry.maxRetries WRONG_VALUE: -1 is less than the minimum of 0 [write 0 or more; what is meant: Retries after the first attempt.]
    ✗ nodes[3].id DUPLICATE_ID: node id `c` is taken by nodes[2] [give it another id]
    ✗ nodes[4].id MISSING_MEMBER: `id` is missing [add `id`]
    ✗ nodes[5].config.count WRONG_TYPE: `three` is not of type integer [write a whole number without quotes]
    ✗ nodes[5].config.mode WRONG_VALUE: `QUICK` is not allowed here [use one of: `FAST`, `SLOW`]
    ✗ nodes[5].config.also EXPRESSION_SYNTAX: column 58: syntax error: unexpected end of input, expected expression [to write two braces as they are, use {{ '{{' }}]
    ✗ nodes[5].config.also NODE_NOT_BEFORE: column 4: node `e` can't have run before node `d` [connect `e` so that it leads to `d`]
    ✗ nodes[5].config.also UNKNOWN_FILTER: column 22: there is no filter `lowr` [did you mean `lower`?]
    ✗ nodes[5].config.also UNKNOWN_NODE: column 33: there is no node `nope` [there are: a b, b, c, c, d, e]
    ✗ nodes[5].config.also UNKNOWN_MEMBER: column 44: a node has no `x` [there are: item, items, first, last, status, error]
    ✗ nodes[5].config.also UNKNOWN_TEST: column 49: there is no test `odder` [did you mean `odd`?]
    ✗ nodes[5].config.late UNKNOWN_NAME: column 27: `loop` is not in scope [`loop` is only there inside a loop]
    ✗ nodes[5].config.late NODE_NOT_BEFORE: column 4: node `e` can't have run before node `d` [connect `e` so that it leads to `d`]
    ✗ nodes[5].config.script EXPRESSION_REFUSED: line 1, column 4: an expression is refused here, since its result would become code [pass the value by an environment variable, an argument or standard input]
    ✗ nodes[6].timeout WRONG_TYPE: `soon` is not of type null or integer [write a whole number without quotes]
    ✗ connections[0].target DANGLING_CONNECTION: there is no node `z` [there are: a b, b, c, d, e]
    ✗ connections[2] DOUBLED_CONNECTION: the same connection as connections[1] [remove one of the two]
    ✗ connections[3].sourceHandle UNKNOWN_HANDLE: node `c` (job) has no output handle `nope` [set sourceHandle to one of: output]
    ✗ connections[3].targetHandle UNKNOWN_HANDLE: node `e` (all) has no input handle `left` [set targetHandle to one of: input]
    ✗ connections[4].source MISSING_MEMBER: `source` is missing [add `source`]
    ✗ triggers[0].configuration.schedule.cron BAD_CRON: not a cron [try it first: `a2n schedule preview`]
    ✗ triggers[1].name DUPLICATE_NAME: trigger name `t` is taken by triggers[0] [give one of them another name]
    ✗ triggers[2].type WRONG_VALUE: `SOMETIMES` is not allowed here [use one of: `MANUAL`, `WEBHOOK`, `SCHEDULE`, `EVENT`]
    ✗ settings.concurrency.policy WRONG_VALUE: `PERHAPS` is not allowed here [use one of: `ALLOW`, `QUEUE`, `REJECT`, `REPLACE`]
    ✗ colour UNKNOWN_MEMBER: there is no member `colour` here [there are: name, description, nodes, connections, triggers, variables, settings, tags, category, visibility]
    ! nodes[3].onError NO_ERROR_HANDLING: node `c` is never repeated, and nothing says what happens if it fails [set onError (STOP fails the execution) or retry]
    ! nodes[3].retry RETRY_POLICY_ONCE: settings.retryPolicy does not apply to node `c`, which is ONCE [give the node a retry of its own]
    ! nodes[5].onError NO_ERROR_HANDLING: node `d` is never repeated, and nothing says what happens if it fails [set onError (STOP fails the execution) or retry]
    ! nodes[5].retry RETRY_POLICY_ONCE: settings.retryPolicy does not apply to node `d`, which is ONCE [give the node a retry of its own]
    ! triggers[1].configuration.webhook.authentication WEBHOOK_OPEN: webhook `t` takes requests from anyone [set authentication to API_KEY, BASIC, BEARER or HMAC]
    ");
}

/// The story: `a/b` could be saved, and after that not be named: it is read as b of the owner a.
#[test]
fn names_that_can_not_be_said_are_refused() {
    let named = |name: &str| check(json!({"name": name, "nodes": [{"id": "a", "type": "all"}]}));
    assert_eq!(named("a b"), "");
    assert_eq!(
        named("a/b"),
        "✗ name BAD_NAME: a name with `/` would be taken for OWNER/NAME [a name behind `/` is that of another user's workflow; write `a-b`]"
    );
    assert_eq!(
        named(" a "),
        "✗ name BAD_NAME: a name that begins or ends with a blank can't be told apart [write `a`]"
    );
}

#[test]
fn cycles_are_natural_loops_or_refused_with_their_path() {
    let nodes = json!([
        {"id": "s", "type": "all"}, {"id": "a", "type": "all"},
        {"id": "b", "type": "if", "config": {"where": "{{ loop.index > 3 }}"}},
        {"id": "lone", "type": "all"}, {"id": "other", "type": "all"},
    ]);
    let natural = json!([
        {"source": "s", "target": "a"}, {"source": "a", "target": "b"},
        {"source": "b", "target": "a", "sourceHandle": "false"},
    ]);
    insta::assert_snapshot!(check(with_nodes(nodes.clone(), natural)), @"");
    insta::assert_snapshot!(check(with_nodes(nodes.clone(), json!([
        {"source": "s", "target": "a"}, {"source": "s", "target": "b"},
        {"source": "a", "target": "b"}, {"source": "b", "target": "a", "sourceHandle": "true"},
    ]))), @"✗ nodes[1] CYCLE_TWO_ENTRIES: this cycle can be entered at more than one node: a → b → a [let every way into the cycle lead to the same node]");
    insta::assert_snapshot!(check(with_nodes(nodes, json!([
        {"source": "s", "target": "a"}, {"source": "a", "target": "a"},
        {"source": "lone", "target": "other"}, {"source": "other", "target": "lone"},
        {"source": "a", "target": "b"},
    ]))), @"
    ✗ nodes[2].config.where UNKNOWN_NAME: column 4: `loop` is not in scope [`loop` is only there inside a loop]
    ✗ nodes[3] CYCLE_NO_EXIT: no node can leave this cycle: lone → other → lone [add an `if` whose other handle leads out of it]
    ✗ nodes[3] UNREACHABLE: no start leads to node `lone` [connect it to a node that has no incoming connection]
    ✗ nodes[4] UNREACHABLE: no start leads to node `other` [connect it to a node that has no incoming connection]
    ");
}

#[test]
fn limits_hold() {
    let nodes: Vec<Value> = (0..9).map(|i| json!({"id": format!("n{i}"), "type": "all"})).collect();
    insta::assert_snapshot!(check(with_nodes(nodes.into(), json!([]))), @"✗ nodes LIMIT: the document has 9 nodes, more than 8 [split it into several workflows]");
    let long = "x".repeat(20_000);
    insta::assert_snapshot!(check(json!({"name": long, "nodes": []})), @"✗  LIMIT: the document is 20022 bytes long, more than 10000 [split it into several workflows]");
    insta::assert_snapshot!(check(json!([])), @"✗  WRONG_TYPE: a list is not of type object [write members: {name: value}]");
    insta::assert_snapshot!(check(json!({"name": "empty", "nodes": []})), @"! nodes EMPTY: the workflow has no nodes; running it does nothing [add what is missing]");
}

#[test]
fn a_hostile_document_is_refused_without_a_panic() {
    for text in [
        r#"{"name":"x","nodes":[{"id":"a","type":"set","config":{"v":"{{ {{ }} {% for %}"}}]}"#,
        r#"{"name":"x","nodes":[{"id":"a","type":"set","config":{"v":"{{ '\\u00e9' }} é {{ é | x }}"}}]}"#,
        r#"{"name":"x","nodes":[{"id":"a","type":"set","config":{"v":"{{"}},7,null,[],{}]}"#,
        r#"{"name":7,"nodes":{},"connections":7,"triggers":{"a":1},"settings":[],"variables":1}"#,
    ] {
        let json = Json::parse(text).unwrap();
        let _ = validate(&json, &Stands, Limits::default(), &|_| Vec::new());
    }
}

/// The document of the contract, against the definitions that come with the daemon.
#[test]
fn the_contracts_own_example_is_good_and_its_slips_are_named() {
    let kinds = crate::nodes::Registry::built_in();
    let good = json!({
        "name": "disk-report",
        "nodes": [
            {"id": "df", "type": "shell", "name": "Disk usage", "position": {"x": 0, "y": 0},
             "config": {"command": ["df", "--output=source,size"], "output": "TABLE"},
             "onError": "STOP"},
            {"id": "full", "type": "filter",
             "config": {"where": "{{ item['Use%'] | replace('%','') | trim | int(0) > 90 }}"}},
            {"id": "warn", "type": "file", "onError": "CONTINUE", "config": {
                "action": "APPEND", "path": "/var/tmp/x", "content": "{{ now }} {{ item['Use%'] }}\n"}},
        ],
        "connections": [
            {"source": "df", "target": "full"},
            {"source": "full", "target": "warn", "sourceHandle": "output"},
        ],
        "variables": {"global": {}, "workflow": {"threshold": 90}},
        "settings": {"timeout": 300_000},
    });
    let told = |document: &Value| {
        let json = Json::from(document.clone());
        let problems = validate(&json, &kinds, Limits::default(), &|_| Vec::new());
        let lines =
            problems.iter().map(|p| format!("{} {}: {} {:?}", p.path, p.code, p.message, p.hint));
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(told(&good), "");
    let document = Document::read(&Json::from(good.clone())).unwrap();
    crate::engine::plan::Plan::new(&document, &kinds).unwrap();
    let mut bad = good;
    bad["nodes"][0]["config"] = json!({"script": "df {{ item.x }}", "output": "TABEL", "env": 7});
    bad["nodes"][1]["config"] = json!({});
    bad["nodes"][2]["config"]["action"] = json!("DELETE");
    insta::assert_snapshot!(told(&bad), @r#"
    nodes[0].config.output WRONG_VALUE: `TABEL` is not allowed here Some("use one of: `TEXT`, `LINES`, `JSON`, `JSONL`, `TABLE`, `NONE`")
    nodes[0].config.env WRONG_TYPE: 7 is not of type string or object Some("write a text, in quotes where it looks like something else, or members: {name: value}")
    nodes[0].config.script EXPRESSION_REFUSED: line 1, column 4: an expression is refused here, since its result would become code Some("pass the value by an environment variable, an argument or standard input")
    nodes[1].config.where MISSING_MEMBER: `where` is missing Some("add `where`")
    nodes[2].config.action WRONG_VALUE: `DELETE` is not allowed here Some("use one of: `READ`, `WRITE`, `APPEND`")
    "#);
}

#[test]
fn a_deprecated_definition_is_a_warning_and_a_missing_credential_an_error() {
    insta::assert_snapshot!(check(with_nodes(
        json!([
            {"id": "a", "type": "old"},
            {"id": "b", "type": "old@1.0.0", "credentials": {"key": "mine"}},
        ]),
        json!([]),
    )), @r"
    ✗ nodes[0].credentials MISSING_CREDENTIAL: node `a` (old) needs a credential [name one of type API_KEY]
    ! nodes[0].type DEPRECATED: node `a` uses old@1.0.0, which is deprecated [it goes on working; take a newer definition for new workflows]
    ! nodes[1].type DEPRECATED: node `b` uses old@1.0.0, which is deprecated [it goes on working; take a newer definition for new workflows]
    ");
}

/// What happened: a step whose failure a `try` catches was said to have no error handling.
#[test]
fn what_a_try_catches_is_handled() {
    let nodes = json!([
        {"id": "t", "type": "try"}, {"id": "a", "type": "job"},
        {"id": "after", "type": "set"}, {"id": "out", "type": "job"},
    ]);
    let within = json!([
        {"source": "t", "target": "a", "sourceHandle": "try"},
        {"source": "t", "target": "after", "sourceHandle": "catch"},
        {"source": "after", "target": "out"},
    ]);
    insta::assert_snapshot!(check(with_nodes(nodes.clone(), within)), @"! nodes[3].onError NO_ERROR_HANDLING: node `out` is never repeated, and nothing says what happens if it fails [set onError (STOP fails the execution) or retry]");
    // Without a way out of `catch` the execution just goes on: nobody is told.
    let silent = json!([{"source": "t", "target": "a", "sourceHandle": "try"}]);
    let told = check(with_nodes(nodes, silent));
    assert!(told.contains("nodes[1].onError NO_ERROR_HANDLING"), "{told}");
}

/// What happened: `{{` with one brace missing at the end was text, so a filter let everything pass;
/// and a number that the reader can't hold was no problem here and one when it was saved.
#[test]
fn a_broken_template_and_a_number_out_of_reach_are_found() {
    insta::assert_snapshot!(check(with_nodes(
        json!([
            {"id": "a", "type": "list", "config": {"of": "{{ inputs.x }"}},
            {"id": "b", "type": "job", "priority": 99_999_999_999_i64},
        ]),
        json!([]),
    )), @r"
    ✗ nodes[0].config.of EXPRESSION_SYNTAX: column 13: syntax error: unexpected `}`, expected end of variable block [to write two braces as they are, use {{ '{{' }}]
    ✗ nodes[1].priority WRONG_VALUE: 99999999999 is greater than the maximum of 1000000 [write 1000000 or less; what is meant: Higher first where attempts wait for room; on top of the execution's own.]
    ! nodes[1].onError NO_ERROR_HANDLING: node `b` is never repeated, and nothing says what happens if it fails [set onError (STOP fails the execution) or retry]
    ");
}

/// What happened: a wait that shrinks, and statuses and exit codes that nothing has, were taken.
#[test]
fn retries_that_mean_nothing_are_found() {
    insta::assert_snapshot!(check(json!({
        "name": "test",
        "nodes": [
            {"id": "a", "type": "list", "config": {"of": []}, "retry": {"multiplier": 0.5},
             "retryOn": {"status": [99, 503, 600], "exitCodes": [-1, 7, 256]}},
            {"id": "b", "type": "list", "config": {"of": []}, "retry": {"multiplier": -2},
             "retryOn": {"status": [100, 599, 65_535], "exitCodes": [0, 255]}},
            {"id": "c", "type": "list", "config": {"of": []}, "retry": {"multiplier": "x"}},
        ],
        "settings": {"retryPolicy": {"multiplier": 0}},
    })), @"
    ✗ nodes[0].retry.multiplier WRONG_VALUE: 0.5 is less than the minimum of 1.0 [write 1.0 or more; what is meant: For EXPONENTIAL: how many times as long each wait is as the one before, 1 or more.]
    ✗ nodes[0].retryOn.status[0] WRONG_VALUE: 99 is less than the minimum of 100 [write 100 or more; what is meant: HTTP status codes, 100 to 599.]
    ✗ nodes[0].retryOn.status[2] WRONG_VALUE: 600 is greater than the maximum of 599 [write 599 or less; what is meant: HTTP status codes, 100 to 599.]
    ✗ nodes[0].retryOn.exitCodes[0] WRONG_VALUE: -1 is less than the minimum of 0 [write 0 or more; what is meant: Exit codes of processes, 0 to 255.]
    ✗ nodes[0].retryOn.exitCodes[2] WRONG_VALUE: 256 is greater than the maximum of 255 [write 255 or less; what is meant: Exit codes of processes, 0 to 255.]
    ✗ nodes[1].retry.multiplier WRONG_VALUE: -2 is less than the minimum of 1.0 [write 1.0 or more; what is meant: For EXPONENTIAL: how many times as long each wait is as the one before, 1 or more.]
    ✗ nodes[1].retryOn.status[2] WRONG_VALUE: 65535 is greater than the maximum of 599 [write 599 or less; what is meant: HTTP status codes, 100 to 599.]
    ✗ nodes[2].retry.multiplier WRONG_TYPE: `x` is not of type number [write a number without quotes]
    ✗ settings.retryPolicy.multiplier WRONG_VALUE: 0 is less than the minimum of 1.0 [write 1.0 or more; what is meant: For EXPONENTIAL: how many times as long each wait is as the one before, 1 or more.]
    ");
    let fine = json!({"multiplier": 1, "maxRetries": 2});
    insta::assert_snapshot!(check(json!({
        "name": "test",
        "nodes": [{"id": "a", "type": "list", "config": {"of": []}, "retry": fine}],
        "settings": {"retryPolicy": {"multiplier": 1.5}},
    })), @"");
}

/// Every problem says what to do, and none shows a regular expression.
#[test]
fn every_problem_has_a_hint_and_speaks_to_people() {
    let definition = json!({
        "name": "",
        "nodes": [
            {"id": "a", "type": "list", "timeout": 0, "retry": {"maxRetries": -1}, "config": 7},
            {"id": "a b", "type": "nope", "position": "left", "onError": 3},
            {"id": "c", "type": "job", "concurrency": "many", "name": ""},
            {"id": "d", "type": "filter", "config": {}},
        ],
        "connections": [{"source": "a"}, 5],
        "triggers": [{"type": "SCHEDULE", "name": "t", "configuration": {"schedule": {}}}],
        "settings": {"timeout": "soon"},
    });
    let limits = Limits { nodes: 8, bytes: 10_000 };
    let problems = validate(&Json::from(definition), &Stands, limits, &|_| {
        vec![error("configuration", "BAD_SCHEDULE", "no".into(), None)]
    });
    assert!(problems.len() > 10, "{problems:#?}");
    for problem in problems {
        assert!(problem.hint.as_ref().is_some_and(|hint| !hint.is_empty()), "{problem:?}");
        assert!(!problem.message.contains("does not match"), "{problem:?}");
    }
}

#[test]
fn a_rule_of_concurrency_that_does_nothing_is_warned_of() {
    let with = |concurrency: Value| {
        let settings = json!({"concurrency": concurrency});
        let nodes = json!([{"id": "a", "type": "list", "config": {"of": [1]}}]);
        check(json!({"name": "test", "nodes": nodes, "settings": settings}))
    };
    assert_eq!(with(json!({"maxInstances": 1, "policy": "QUEUE", "maxQueued": 2})), "");
    insta::assert_snapshot!(with(json!({"maxInstances": 1})), @"! settings.concurrency.maxInstances CONCURRENCY_WITHOUT_EFFECT: settings.concurrency.maxInstances has no effect: policy ALLOW starts them all [for example {maxInstances: 1, policy: QUEUE}]");
    insta::assert_snapshot!(with(json!({"policy": "REJECT"})), @"! settings.concurrency.policy CONCURRENCY_WITHOUT_EFFECT: settings.concurrency.policy has no effect: without maxInstances nothing is limited [for example {maxInstances: 1, policy: QUEUE}]");
    insta::assert_snapshot!(with(json!({"maxInstances": 1, "policy": "REPLACE", "maxQueued": 2})), @"! settings.concurrency.maxQueued CONCURRENCY_WITHOUT_EFFECT: settings.concurrency.maxQueued has no effect: only policy QUEUE has a queue [for example {maxInstances: 1, policy: QUEUE}]");
}
