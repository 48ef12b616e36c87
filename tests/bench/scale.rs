//! Large documents and long loops: a document of ten thousand nodes, loops of a hundred thousand
//! items, and whether an iteration costs more the more there were before it.

use std::time::{Duration, Instant};

use a2n_daemon::engine::plan::Plan;
use a2n_daemon::nodes::Registry;
use a2n_proto::document::Document;
use a2n_tests::daemon::World;
use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};

use crate::figures::{Figures, Target, Value};
use crate::machine;

const NODES: usize = 10_000;
const ITEMS: usize = 100_000;
/// Iterations with a step outside: each is two durable commits.
const STEPS: usize = 10_000;
const PLANS: usize = 9;
/// How much more an iteration of the longer loop may cost.
const LINEAR: f64 = 1.5;

pub(crate) fn measure(figures: &mut Figures) -> Result<()> {
    plan(figures)?;
    let world = World::started()?;
    let chain = Timed::of(&world, &chain(NODES), json!(null))?;
    figures.add(
        "10,000 nodes that are computed, from `workflow.run` to SUCCESS",
        Value::Time(chain.took),
        None,
        &Target::AtMost(Value::Time(Duration::from_secs(1))),
    );
    let computed = json!({"id": "body", "type": "set",
        "config": {"values": {"v": "{{ item + 1 }}"}}});
    let less = Timed::of(&world, &around(&computed), numbers(ITEMS / 10))?;
    let more = Timed::of(&world, &around(&computed), numbers(ITEMS))?;
    compare(figures, "100,000 iterations that are computed", &less, &more, 10);
    std::fs::write(world.home().join("small.txt"), "a line\n")?;
    let outside = json!({"id": "body", "type": "file",
        "config": {"action": "READ", "path": "small.txt"}});
    let less = Timed::of(&world, &around(&outside), numbers(STEPS / 10))?;
    let more = Timed::of(&world, &around(&outside), numbers(STEPS))?;
    compare(figures, "10,000 iterations, each with a step outside", &less, &more, 10);
    let each = json!({"name": "each", "nodes": [
        {"id": "list", "type": "split", "config": {"field": "items"}},
        {"id": "step", "type": "file", "config": {"action": "READ", "path": "small.txt"},
         "concurrency": 8},
    ], "connections": [{"source": "list", "target": "step"}]});
    let less = Timed::of(&world, &each, numbers(STEPS / 10))?;
    let more = Timed::of(&world, &each, numbers(STEPS))?;
    compare(figures, "one node with 10,000 items, each a step outside", &less, &more, 10);
    let resident = Value::MiB(machine::resident(world.pid())?);
    figures.add("resident after the loops", resident, None, &Target::None);
    Ok(())
}

/// The median time of planning, beside that of parsing the same text.
fn plan(figures: &mut Figures) -> Result<()> {
    let text = chain(NODES).to_string();
    let kinds = Registry::built_in();
    let (mut parses, mut plans) = (Vec::new(), Vec::new());
    for _ in 0..PLANS {
        let begun = Instant::now();
        let value: Json = serde_json::from_str(&text)?;
        parses.push(begun.elapsed());
        let document: Document = serde_json::from_value(value)?;
        let begun = Instant::now();
        let plan = Plan::new(&document, &kinds);
        plans.push(begun.elapsed());
        ensure!(plan.is_ok_and(|plan| plan.nodes().len() == NODES), "the document has problems");
    }
    let middle = |mut all: Vec<Duration>| {
        all.sort_unstable();
        Value::Time(all[all.len() / 2])
    };
    figures.add(
        "10,000 nodes planned",
        middle(plans),
        Some(("parsing the document as JSON", middle(parses))),
        &Target::AtMost(Value::Time(Duration::from_millis(50))),
    );
    Ok(())
}

/// The daemon's processor time for so many iterations, beside what the shorter loop makes of it; what
/// else the machine does meanwhile does not count.
fn compare(figures: &mut Figures, what: &str, less: &Timed, more: &Timed, times: u32) {
    figures.add(what, Value::Time(more.took), None, &Target::None);
    let limit = less.cpu * times;
    figures.add(
        "the same, processor time",
        Value::Time(more.cpu),
        Some(("ten times a tenth of them", Value::Time(limit))),
        &Target::AtMost(Value::Time(limit.mul_f64(LINEAR))),
    );
}

/// How long an execution took.
struct Timed {
    took: Duration,
    /// Of the daemon's processor time.
    cpu: Duration,
}

impl Timed {
    fn of(world: &World, document: &Json, inputs: Json) -> Result<Self> {
        let mut lines = world.lines()?;
        let name = document["name"].as_str().context("a name")?;
        if lines.call("workflow.get", json!({"name": name})).is_err() {
            lines.call("workflow.create", json!({"definition": document, "publish": true}))?;
        }
        // Nothing may end the wait for a long one.
        lines.stream().set_read_timeout(None)?;
        let before = machine::cpu(world.pid())?;
        let begun = Instant::now();
        let inputs = if inputs.is_null() { json!({}) } else { json!({"items": inputs}) };
        let ended =
            lines.call("workflow.run", json!({"name": name, "inputs": inputs, "wait": true}))?;
        let took = begun.elapsed();
        ensure!(ended["status"] == "SUCCESS", "{name}: {}", ended["errorMessage"]);
        let cpu = machine::cpu(world.pid())?.saturating_sub(before);
        Ok(Self { took, cpu })
    }
}

fn numbers(n: usize) -> Json {
    (0..n).collect::<Vec<_>>().into()
}

fn chain(n: usize) -> Json {
    let nodes: Vec<Json> = (0..n)
        .map(|n| json!({"id": format!("n{n}"), "type": "set", "config": {"values": {"v": n}}}))
        .collect();
    let connections: Vec<Json> = (1..n)
        .map(|n| json!({"source": format!("n{}", n - 1), "target": format!("n{n}")}))
        .collect();
    json!({"name": "chain", "nodes": nodes, "connections": connections})
}

/// A loop over `inputs.items` with one node in it.
fn around(body: &Json) -> Json {
    let kind = body["type"].as_str().unwrap_or_default();
    json!({"name": format!("loop-{kind}"), "nodes": [
        {"id": "begin", "type": "noop"},
        {"id": "each", "type": "loop", "config": {"forEach": "{{ inputs.items }}"}},
        body,
    ], "connections": [
        {"source": "begin", "target": "each"},
        {"source": "each", "target": "body", "sourceHandle": "loop"},
        {"source": "body", "target": "each"},
    ]})
}
