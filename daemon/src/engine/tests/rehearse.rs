//! What a run would do, without doing it: what is known, what is not, and why.

use std::sync::Arc;
use std::time::Duration;

use a2n_proto::{Json, Timestamp};

use crate::engine::execution::Start;
use crate::engine::input::{Env, Limits};
use crate::engine::scenario::{plan, start};
use crate::engine::step::rehearse::rehearse;

fn check(workflow: &str) -> String {
    let plan = plan(workflow);
    let env = Env {
        inbox: 0,
        now: Timestamp::from_unix_ms(0),
        boot: String::new(),
        monotonic: Duration::ZERO,
        allowed: Arc::default(),
        limits: Limits::default(),
    };
    let start = Start { carried: plan.pinned(env.now), ..start() };
    let rehearsal = rehearse(&plan, start, &env);
    let mut told = String::new();
    for (number, one) in &rehearsal.nodes {
        let node = &plan.nodes()[*number];
        told += &format!("{} {}: {:?}", one.wave, node.id, one.runs);
        if let Some(config) = &one.configuration {
            told += &format!(" {}", Json::of(config));
        }
        if let Some(output) = &one.output {
            let sent = output.handles.iter().map(|(handle, sent)| (handle, &sent.items));
            told +=
                &format!(" → {}", Json::of(&sent.collect::<std::collections::BTreeMap<_, _>>()));
        }
        let why = one.why.iter().map(|why| format!("\n  {why}"));
        let unknown = one.unknown.iter().map(|what| format!("\n  not known: {what}"));
        let notes = one.notes.iter().map(|note| format!("\n  {note}"));
        let error = one.error.iter().map(|error| format!("\n  fails: {error}"));
        told += &why.chain(unknown).chain(notes).chain(error).collect::<String>();
        told += "\n";
    }
    told
}

#[test]
fn what_the_engine_computes_is_computed_and_the_rest_is_shown() {
    insta::assert_snapshot!(check(
        r#"
        a: set {"n": "{{ inputs.x + 1 }}"}
        b: if {"where": "{{ item.n > 1 }}"}
        c: job {"n": "{{ item.n }}"}
        d: set {"from": "{{ item.ran }}"}
        e: all
        f: set {"seen": "{{ nodes['c'].first.ran }}"}
        a -> b
        b.true -> c
        b.false -> e
        c -> d
        a -> f
        "#,
    ), @r#"
    1 a: Yes [{"n":2}] → {"output":[{"x":1,"n":2}]}
    2 b: Yes [{"where":true}] → {"true":[{"x":1,"n":2}]}
    3 c: Yes [{"n":2}]
      not known: what it sends: it works outside
    4 d: Unknown
      it runs if `c` sends something to it
      not known: what comes in from `c`
    3 e: No [{}]
      nothing comes in
    2 f: Yes
      not known: `nodes['c']`: what node `c` sends is not known
    "#);
}

#[test]
fn waits_are_not_waited_for_pinned_output_stands_and_failures_are_told() {
    insta::assert_snapshot!(check(
        r#"
        a: job {} {"pinned": {"output": [{"ran": 1}, {"ran": 2}]}}
        b: wait {"ms": 60000}
        c: set {"twice": "{{ item.ran * 2 }}"}
        d: bad {"kind": "IO"}
        e: all
        a -> b
        b -> c
        c -> d
        d -> e
        "#,
    ), @r#"
    1 a: Yes [{}] → {"output":[{"ran":1},{"ran":2}]}
      its pinned output is used
    2 b: Yes [{"ms":60000}] → {"output":[{"ran":1},{"ran":2}]}
      waits until 1970-01-01T00:01:00.000Z
    3 c: Yes [{"twice":2},{"twice":4}] → {"output":[{"ran":1,"twice":2},{"ran":2,"twice":4}]}
    4 d: Yes [{"kind":"IO"},{"kind":"IO"}]
      fails: it went wrong
    5 e: No [{}]
      node `d` fails before it
    "#);
}
