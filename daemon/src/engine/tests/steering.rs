//! What a person may ask, by where an execution stands: every state with every call.

use a2n_proto::Json;

use crate::engine::input::{Answer, Input};
use crate::engine::scenario::{Run, plan};
use crate::engine::steering;

const BESIDE: &str = r#"
    a: job {} {"inDoubt": "ASK"}
    b: job
    c: wait {"ms": 60000}
"#;

/// A state's name and how an execution gets there.
const STATES: [(&str, &str, &str); 12] = [
    ("PENDING", BESIDE, ""),
    ("PENDING, to be paused", BESIDE, "pause"),
    ("RUNNING", BESIDE, "begin"),
    ("RUNNING, to be paused", BESIDE, "begin\npause"),
    ("PAUSED by a person", BESIDE, "begin\npause\nok a#0\nok b#0"),
    ("PAUSED, waits", BESIDE, "begin\nok a#0\nok b#0"),
    ("PAUSED, in doubt", BESIDE, "begin\nok b#0\ntick 60000\ndoubt a#0"),
    ("RUNNING, in doubt", BESIDE, "begin\ndoubt a#0"),
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
    vec![
        ("cancel", Input::Cancel { by: Some("anna".into()), reason: None }),
        ("pause", Input::Pause { by: None }),
        ("resume", Input::Resume),
        ("answer a", answer("a", None)),
        ("answer a item 3", answer("a", Some(3))),
        ("answer x", answer("x", None)),
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
    insta::assert_snapshot!(told.replace(id, "ID"), @"");
}
