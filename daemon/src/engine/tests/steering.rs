//! What a person may ask, by where an execution stands: every state with every call.

use a2n_proto::Json;
use a2n_proto::execution::Decision;

use crate::engine::approval::Ballot;
use crate::engine::input::{Answer, Input};
use crate::engine::scenario::{Run, plan, voter};
use crate::engine::steering;

const BESIDE: &str = r#"
    a: job {} {"inDoubt": "ASK"}
    b: job
    c: wait {"ms": 60000}
"#;

/// A state's name and how an execution gets there.
const STATES: [(&str, &str, &str); 16] = [
    ("PENDING", BESIDE, ""),
    ("PENDING, to be paused", BESIDE, "pause"),
    ("RUNNING", BESIDE, "begin"),
    ("RUNNING, to be paused", BESIDE, "begin\npause"),
    ("PAUSED by a person", BESIDE, "begin\npause\nok a#0\nok b#0"),
    ("PAUSED, waits", BESIDE, "begin\nok a#0\nok b#0"),
    ("PAUSED, in doubt", BESIDE, "begin\nok b#0\ntick 60000\ndoubt a#0"),
    ("RUNNING, in doubt", BESIDE, "begin\ndoubt a#0"),
    ("RUNNING, has another workflow run", "a: call", "begin"),
    ("the same, to be paused", "a: call\nb: job\na -> b", "begin\npause"),
    ("PAUSED, asks people", "a: sure", "begin"),
    ("PAUSED by a person, asks people", "a: sure", "begin\npause"),
    ("being cancelled", BESIDE, "begin\ncancel"),
    ("SUCCESS", "a: job", "begin\nok a#0"),
    ("FAILED", "a: job", "begin\nfail a#0 EXIT 1"),
    ("CANCELLED", "a: job", "cancel"),
];

fn calls() -> Vec<(&'static str, Input)> {
    let answer = |node: &str, item| Input::Answer {
        node: node.into(),
        iteration: String::new(),
        item,
        answer: Answer::Done(Json::null()),
    };
    let approve = |node: &str| Input::Vote {
        node: node.into(),
        iteration: String::new(),
        item: None,
        voter: Box::new(voter("anna")),
        ballot: Ballot { decision: Decision::Approve, comment: None, form: Json::null() },
    };
    vec![
        ("cancel", Input::Cancel { by: Some("anna".into()), reason: None }),
        ("pause", Input::Pause { by: None }),
        ("resume", Input::Resume),
        ("answer a", answer("a", None)),
        ("answer a item 3", answer("a", Some(3))),
        ("answer x", answer("x", None)),
        ("approve a", approve("a")),
        ("approve x", approve("x")),
    ]
}

#[test]
fn every_call_in_every_state_is_done_or_says_why_not() {
    let mut told = String::new();
    for (name, text, script) in STATES {
        told += &format!("{name}\n");
        for (call, input) in calls() {
            let plan = plan(text);
            let mut run = Run::new(&plan);
            run.play(script);
            let refusal = steering::refusal(&plan, &run.state, &input);
            let before = run.state.clone();
            let done = run.tell(input);
            let line = match refusal {
                Some(why) => {
                    assert_eq!(
                        run.state, before,
                        "{name}, {call}: refused, and yet it did something"
                    );
                    format!("{} ({})", why.message, why.hint)
                }
                None => {
                    assert!(!done.facts.is_empty(), "{name}, {call}: allowed, and it did nothing");
                    let reason = run.state.paused_reason();
                    let reason = reason.map(|why| format!(" {why:?}")).unwrap_or_default();
                    format!("→ {:?}{reason}", run.state.status())
                }
            };
            told += &format!("  {call}: {line}\n");
        }
    }
    let id = "01010101-0101-0101-0101-010101010101";
    insta::assert_snapshot!(told.replace(id, "ID"), @r"
    PENDING
      cancel: → Cancelled
      pause: → Paused User
      resume: execution ID is PENDING and not paused (`a2n pause ID` pauses it)
      answer a: node `a` of execution ID has not started (`a2n show ID` tells which nodes wait for an answer)
      answer a item 3: node `a` of execution ID has not started (`a2n show ID` tells which nodes wait for an answer)
      answer x: execution ID has no node `x` (`a2n show ID` names its nodes)
      approve a: node `a` of execution ID waits for nobody's decision (`a2n approvals` shows what waits for a decision)
      approve x: execution ID has no node `x` (`a2n show ID` names its nodes)
    PENDING, to be paused
      cancel: → Cancelled
      pause: execution ID is paused already (`a2n resume ID` lets it go on)
      resume: → Pending
      answer a: node `a` of execution ID has not started (`a2n show ID` tells which nodes wait for an answer)
      answer a item 3: node `a` of execution ID has not started (`a2n show ID` tells which nodes wait for an answer)
      answer x: execution ID has no node `x` (`a2n show ID` names its nodes)
      approve a: node `a` of execution ID waits for nobody's decision (`a2n approvals` shows what waits for a decision)
      approve x: execution ID has no node `x` (`a2n show ID` names its nodes)
    RUNNING
      cancel: → Running
      pause: → Running
      resume: execution ID is RUNNING and not paused (`a2n pause ID` pauses it)
      answer a: node `a` of execution ID is RUNNING and not in doubt (`a2n show ID` tells which nodes wait for an answer)
      answer a item 3: node `a` of execution ID has no item 3 (`a2n show ID` tells which nodes wait for an answer)
      answer x: execution ID has no node `x` (`a2n show ID` names its nodes)
      approve a: node `a` of execution ID waits for nobody's decision (`a2n approvals` shows what waits for a decision)
      approve x: execution ID has no node `x` (`a2n show ID` names its nodes)
    RUNNING, to be paused
      cancel: → Running
      pause: execution ID is being paused already: 2 steps still run (`a2n resume ID` lets it go on)
      resume: → Running
      answer a: node `a` of execution ID is RUNNING and not in doubt (`a2n show ID` tells which nodes wait for an answer)
      answer a item 3: node `a` of execution ID has no item 3 (`a2n show ID` tells which nodes wait for an answer)
      answer x: execution ID has no node `x` (`a2n show ID` names its nodes)
      approve a: node `a` of execution ID waits for nobody's decision (`a2n approvals` shows what waits for a decision)
      approve x: execution ID has no node `x` (`a2n show ID` names its nodes)
    PAUSED by a person
      cancel: → Cancelled
      pause: execution ID is paused already (`a2n resume ID` lets it go on)
      resume: → Paused Waiting
      answer a: node `a` of execution ID is SUCCESS and not in doubt (`a2n show ID` tells which nodes wait for an answer)
      answer a item 3: node `a` of execution ID has no item 3 (`a2n show ID` tells which nodes wait for an answer)
      answer x: execution ID has no node `x` (`a2n show ID` names its nodes)
      approve a: node `a` of execution ID waits for nobody's decision (`a2n approvals` shows what waits for a decision)
      approve x: execution ID has no node `x` (`a2n show ID` names its nodes)
    PAUSED, waits
      cancel: → Cancelled
      pause: → Paused User
      resume: execution ID only waits; it goes on by itself (`a2n show ID` tells for what)
      answer a: node `a` of execution ID is SUCCESS and not in doubt (`a2n show ID` tells which nodes wait for an answer)
      answer a item 3: node `a` of execution ID has no item 3 (`a2n show ID` tells which nodes wait for an answer)
      answer x: execution ID has no node `x` (`a2n show ID` names its nodes)
      approve a: node `a` of execution ID waits for nobody's decision (`a2n approvals` shows what waits for a decision)
      approve x: execution ID has no node `x` (`a2n show ID` names its nodes)
    PAUSED, in doubt
      cancel: → Cancelled
      pause: → Paused User
      resume: execution ID can't go on before somebody says how node `a` ended (`a2n answer ID a done`, `failed` or `again`)
      answer a: → Success
      answer a item 3: node `a` of execution ID has no item 3 (`a2n show ID` tells which nodes wait for an answer)
      answer x: execution ID has no node `x` (`a2n show ID` names its nodes)
      approve a: node `a` of execution ID waits for nobody's decision (`a2n approvals` shows what waits for a decision)
      approve x: execution ID has no node `x` (`a2n show ID` names its nodes)
    RUNNING, in doubt
      cancel: → Running
      pause: → Running
      resume: execution ID is RUNNING and not paused (`a2n pause ID` pauses it)
      answer a: → Running
      answer a item 3: node `a` of execution ID has no item 3 (`a2n show ID` tells which nodes wait for an answer)
      answer x: execution ID has no node `x` (`a2n show ID` names its nodes)
      approve a: node `a` of execution ID waits for nobody's decision (`a2n approvals` shows what waits for a decision)
      approve x: execution ID has no node `x` (`a2n show ID` names its nodes)
    RUNNING, has another workflow run
      cancel: → Cancelled
      pause: → Running
      resume: execution ID is RUNNING and not paused (`a2n pause ID` pauses it)
      answer a: node `a` of execution ID is RUNNING and not in doubt (`a2n show ID` tells which nodes wait for an answer)
      answer a item 3: node `a` of execution ID has no item 3 (`a2n show ID` tells which nodes wait for an answer)
      answer x: execution ID has no node `x` (`a2n show ID` names its nodes)
      approve a: node `a` of execution ID waits for nobody's decision (`a2n approvals` shows what waits for a decision)
      approve x: execution ID has no node `x` (`a2n show ID` names its nodes)
    the same, to be paused
      cancel: → Cancelled
      pause: execution ID is being paused already: what it asked for has no answer yet (`a2n resume ID` lets it go on)
      resume: → Running
      answer a: node `a` of execution ID is RUNNING and not in doubt (`a2n show ID` tells which nodes wait for an answer)
      answer a item 3: node `a` of execution ID has no item 3 (`a2n show ID` tells which nodes wait for an answer)
      answer x: execution ID has no node `x` (`a2n show ID` names its nodes)
      approve a: node `a` of execution ID waits for nobody's decision (`a2n approvals` shows what waits for a decision)
      approve x: execution ID has no node `x` (`a2n show ID` names its nodes)
    PAUSED, asks people
      cancel: → Cancelled
      pause: → Paused User
      resume: execution ID only waits; it goes on by itself (`a2n show ID` tells for what)
      answer a: node `a` of execution ID is RUNNING and not in doubt (`a2n show ID` tells which nodes wait for an answer)
      answer a item 3: node `a` of execution ID has no item 3 (`a2n show ID` tells which nodes wait for an answer)
      answer x: execution ID has no node `x` (`a2n show ID` names its nodes)
      approve a: → Success
      approve x: execution ID has no node `x` (`a2n show ID` names its nodes)
    PAUSED by a person, asks people
      cancel: → Cancelled
      pause: execution ID is paused already (`a2n resume ID` lets it go on)
      resume: → Paused Waiting
      answer a: node `a` of execution ID is RUNNING and not in doubt (`a2n show ID` tells which nodes wait for an answer)
      answer a item 3: node `a` of execution ID has no item 3 (`a2n show ID` tells which nodes wait for an answer)
      answer x: execution ID has no node `x` (`a2n show ID` names its nodes)
      approve a: → Success
      approve x: execution ID has no node `x` (`a2n show ID` names its nodes)
    being cancelled
      cancel: execution ID is ending already: anna cancelled it (its running steps get time to stop; `a2n show ID` tells which)
      pause: execution ID is ending already: anna cancelled it (its running steps get time to stop; `a2n show ID` tells which)
      resume: execution ID is ending already: anna cancelled it (its running steps get time to stop; `a2n show ID` tells which)
      answer a: execution ID is ending already: anna cancelled it (its running steps get time to stop; `a2n show ID` tells which)
      answer a item 3: execution ID is ending already: anna cancelled it (its running steps get time to stop; `a2n show ID` tells which)
      answer x: execution ID is ending already: anna cancelled it (its running steps get time to stop; `a2n show ID` tells which)
      approve a: execution ID is ending already: anna cancelled it (its running steps get time to stop; `a2n show ID` tells which)
      approve x: execution ID is ending already: anna cancelled it (its running steps get time to stop; `a2n show ID` tells which)
    SUCCESS
      cancel: execution ID is SUCCESS already (only an execution that has not ended can be cancelled; `a2n retry ID` runs it again)
      pause: execution ID is SUCCESS already (only an execution that has not ended can be paused; `a2n retry ID` runs it again)
      resume: execution ID is SUCCESS already (only an execution that has not ended can be resumed; `a2n retry ID` runs it again)
      answer a: execution ID is SUCCESS already (only an execution that has not ended can be answered for; `a2n retry ID` runs it again)
      answer a item 3: execution ID is SUCCESS already (only an execution that has not ended can be answered for; `a2n retry ID` runs it again)
      answer x: execution ID is SUCCESS already (only an execution that has not ended can be answered for; `a2n retry ID` runs it again)
      approve a: execution ID is SUCCESS already (only an execution that has not ended can be decided on; `a2n retry ID` runs it again)
      approve x: execution ID is SUCCESS already (only an execution that has not ended can be decided on; `a2n retry ID` runs it again)
    FAILED
      cancel: execution ID is FAILED already (only an execution that has not ended can be cancelled; `a2n retry ID` runs it again)
      pause: execution ID is FAILED already (only an execution that has not ended can be paused; `a2n retry ID` runs it again)
      resume: execution ID is FAILED already (only an execution that has not ended can be resumed; `a2n retry ID` runs it again)
      answer a: execution ID is FAILED already (only an execution that has not ended can be answered for; `a2n retry ID` runs it again)
      answer a item 3: execution ID is FAILED already (only an execution that has not ended can be answered for; `a2n retry ID` runs it again)
      answer x: execution ID is FAILED already (only an execution that has not ended can be answered for; `a2n retry ID` runs it again)
      approve a: execution ID is FAILED already (only an execution that has not ended can be decided on; `a2n retry ID` runs it again)
      approve x: execution ID is FAILED already (only an execution that has not ended can be decided on; `a2n retry ID` runs it again)
    CANCELLED
      cancel: execution ID is CANCELLED already (only an execution that has not ended can be cancelled; `a2n retry ID` runs it again)
      pause: execution ID is CANCELLED already (only an execution that has not ended can be paused; `a2n retry ID` runs it again)
      resume: execution ID is CANCELLED already (only an execution that has not ended can be resumed; `a2n retry ID` runs it again)
      answer a: execution ID is CANCELLED already (only an execution that has not ended can be answered for; `a2n retry ID` runs it again)
      answer a item 3: execution ID is CANCELLED already (only an execution that has not ended can be answered for; `a2n retry ID` runs it again)
      answer x: execution ID is CANCELLED already (only an execution that has not ended can be answered for; `a2n retry ID` runs it again)
      approve a: execution ID is CANCELLED already (only an execution that has not ended can be decided on; `a2n retry ID` runs it again)
      approve x: execution ID is CANCELLED already (only an execution that has not ended can be decided on; `a2n retry ID` runs it again)
    ");
}

/// What happened: a step that runs at the end, after a failure, was in doubt after a crash. The answer was
/// refused ("is ending already"), and so was a cancel: the execution stayed PAUSED for ever.
#[test]
fn what_runs_at_the_end_can_be_answered_for_and_cancelled() {
    let plan = plan("a: job\nf: job {} {\"finally\": true}");
    let mut run = Run::new(&plan);
    run.play("begin\nfail a#0 EXIT 1\ndoubt f#0");
    let answer = Input::Answer {
        node: "f".into(),
        iteration: String::new(),
        item: None,
        answer: Answer::Done(Json::null()),
    };
    let cancel = Input::Cancel { by: None, reason: None };
    for input in [&answer, &cancel] {
        let refused = steering::refusal(&plan, &run.state, input);
        assert!(refused.is_none(), "{refused:?}");
    }
    run.tell(answer.clone());
    assert!(run.outcome().starts_with("Failed a=Failed f=Success"), "{}", run.outcome());
    // Once they are to end too, it says so.
    let mut stopped = Run::new(&plan);
    stopped.play("begin\nfail a#0 EXIT 1\ncancel");
    assert!(steering::refusal(&plan, &stopped.state, &cancel).is_some());
    assert!(steering::refusal(&plan, &stopped.state, &answer).is_some());
}
