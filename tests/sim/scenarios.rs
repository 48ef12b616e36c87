//! The workflows that the sweep and the simulation run: those of the engine's own sweep, with the
//! real node definitions in place of the stand-ins.

use std::collections::BTreeMap;

use a2n_daemon::engine::plan::Plan;
use a2n_daemon::nodes::Registry;
use a2n_proto::document::{InDoubt, Repeat};

use crate::text;

/// `J`, `G` and `N` stand for a step that may run once, one that may be repeated, and one that does
/// nothing; `L` for three items.
const TEXTS: &[&str] = &[
    "a: N",
    "a: J",
    "a: G\nb: set {\"values\": {\"y\": 1}}\na -> b",
    "a: J\nb: J\nc: J\na -> b\nb -> c",
    "a: J\nb: G\nc: merge\na -> c.input1\nb -> c.input2",
    "a: if {\"where\": \"{{ item.x == 1 }}\"}\nb: J\nc: J\nd: N\na.true -> b\na.false -> c\nb -> d\nc -> d",
    "L\nb: J {\"concurrency\": 2}\nc: N\na -> b\nb -> c",
    "L\nb: G {\"onError\": \"CONTINUE\", \"concurrency\": 3}\nc: set {\"values\": {\"n\": \"{{ index }}\"}}\na -> b\nb -> c",
    "L\nb: G {\"onError\": \"BRANCH\"}\nc: J\nd: J\na -> b\nb -> c\nb.error -> d",
    "a: wait {\"duration\": 1000}\nb: J\na -> b",
    "a: wait {\"duration\": 1000}\nb: G\nc: N\na -> c\nb -> c\nsettings {\"timeout\": 100000}",
    "a: G {\"retry\": {\"maxRetries\": 2, \"retryDelay\": 100}}\nb: J\na -> b",
    "a: J {\"inDoubt\": \"FAIL\", \"onError\": \"CONTINUE\"}\nb: N\na -> b",
    "a: J {\"inDoubt\": \"RETRY\"}\nb: N\na -> b",
    "a: J\nb: J\nc: N\na -> c\nsettings {\"onFailure\": \"FINISH_BRANCHES\"}",
    "a: J {\"runOnce\": true, \"runOnEmpty\": true}\nb: stop {\"status\": \"FAILED\", \"message\": \"x\"}\na -> b",
    "a: filter {\"where\": \"{{ false }}\"}\nb: J\nc: J {\"runOnEmpty\": true}\na -> b\nb -> c",
    // More than the engine's own sweep has: retries of a step that may run once, time-outs.
    "a: J {\"retry\": {\"maxRetries\": 3, \"retryDelay\": 500}}\nb: J\na -> b",
    "a: J {\"timeout\": 5000}\nb: G {\"timeout\": 3000, \"retry\": {\"maxRetries\": 1, \"retryDelay\": 10}}\nsettings {\"timeout\": 60000}",
    "L\nb: J {\"concurrency\": 3, \"retry\": {\"maxRetries\": 1, \"retryDelay\": 50}, \"onError\": \"CONTINUE\"}\na -> b",
    "a: wait {\"duration\": 600000}\nb: wait {\"duration\": 5}\nc: N\na -> c\nb -> c",
    // Few at once.
    "a: J\nb: wait {\"duration\": 2000}\na -> b\nsettings {\"concurrency\": {\"maxInstances\": 1, \"policy\": \"QUEUE\"}}",
    "a: G\nsettings {\"concurrency\": {\"maxInstances\": 2, \"policy\": \"QUEUE\", \"maxQueued\": 1}}",
    "a: J\nsettings {\"concurrency\": {\"maxInstances\": 1, \"policy\": \"REJECT\"}}",
    "a: J\nb: wait {\"duration\": 5000}\nsettings {\"concurrency\": {\"maxInstances\": 1, \"policy\": \"REPLACE\"}}",
    "a: set {\"values\": {\"n\": 1}}\nb: set {\"values\": {\"n\": 2}}\nc: set {\"values\": {\"n\": 3}}\na -> b\nb -> c",
    // What is asked of the rest of the daemon. Steps called `alone` run behind one mutex.
    COUNTING,
    "a: mutex {\"name\": \"m\"}\nalone: J\nalone2: G\na -> alone\nalone -> alone2",
    "a: mutex {\"name\": \"m\"}\nalone: G\nb: mutex {\"name\": \"m\", \"action\": \"RELEASE\"}\nc: J\na -> alone\nalone -> b\nb -> c",
    "a: workflow {\"workflow\": \"scenario-3\"}\nb: J\na -> b",
    "L\nb: workflow {\"workflow\": \"scenario-2\"} {\"concurrency\": 2, \"onError\": \"CONTINUE\"}\nc: N\na -> b\nb -> c",
    // What is looked for in the world: there, never there, there or not by the seed.
    "a: wait {\"file\": {\"path\": \"/in/ready\"}}\nb: J\na -> b",
    "a: wait {\"file\": {\"path\": \"/in/never\", \"is\": \"CHANGED\"}, \"timeout\": 20000} {\"onError\": \"CONTINUE\"}\nb: G\na -> b",
    "a: wait {\"port\": {\"host\": \"db\", \"port\": 5432}, \"every\": 5000, \"timeout\": 20000} {\"onError\": \"CONTINUE\"}\nb: J\na -> b",
    "L\nb: J {\"priority\": -2}\nc: G {\"priority\": 3}\nd: N\na -> b\na -> c\nb -> d\nc -> d",
    "a: throttle {\"limit\": 2, \"window\": 30000}\nb: debounce {\"window\": 2000}\nc: J\na -> b\nb -> c\nb.superseded -> c",
];

/// Adds one to a value that outlives it, for each of its items.
const COUNTING: &str =
    "L\nb: state {\"action\": \"ADD\", \"key\": \"n\"} {\"concurrency\": 2}\nc: G\na -> b\nb -> c";

/// The name of the workflow that counts, and by how much one execution of it does.
pub(crate) fn counting() -> (String, i64) {
    let place = TEXTS.iter().position(|text| *text == COUNTING).expect("it is one of them");
    (format!("scenario-{}", place + 1), 3)
}

/// One workflow.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// All of them.
pub(crate) fn all() -> Vec<Scenario> {
    let numbered = TEXTS.iter().zip(1..);
    numbered
        .map(|(text, n)| Scenario {
            name: format!("scenario-{n}"),
            text: text
                .replace("L\n", LIST)
                .replace(": J", ": shell {\"command\": [\"job\"]}")
                .replace(": G", ": http {\"url\": \"http://sim/\"}")
                .replace(": N", ": noop"),
        })
        .collect()
}

const LIST: &str = "a1: set {\"values\": {\"n\": 1}}\na2: set {\"values\": {\"n\": 2}}\n\
    a3: set {\"values\": {\"n\": 3}}\na: merge\na1 -> a.input1\na2 -> a.input2\na3 -> a.input3\n";

/// What the executor has to know of a node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// Items at once.
    pub(crate) concurrency: u32,
    /// Whether it may not be repeated without a known failure.
    pub(crate) once: bool,
}

/// The rules of all nodes, by workflow and node.
pub(crate) fn rules(kinds: &Registry) -> BTreeMap<(String, String), Rule> {
    let mut rules = BTreeMap::new();
    for Scenario { name, text } in all() {
        let plan = Plan::new(&text::document(&text), kinds).expect("a scenario has a plan");
        for node in plan.nodes() {
            let once = node.repeat == Repeat::Once && node.in_doubt != InDoubt::Retry;
            let rule = Rule { concurrency: node.concurrency, once };
            rules.insert((name.clone(), node.id.clone()), rule);
        }
    }
    rules
}
