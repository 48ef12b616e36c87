//! The workflows that the sweep and the simulation run: those of the engine's own sweep, with the
//! real node definitions in place of the stand-ins.

use std::collections::BTreeMap;

use a2n_daemon::engine::kind::Role;
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
    COUNTING_ROUND,
    "L\nb: state {\"action\": \"COMPARE_AND_SET\", \"key\": \"k\", \"expected\": null, \"value\": 1}\nc: G\nd: J\na -> b\nb -> c\nb.differs -> d",
    "a: semaphore {\"name\": \"s\", \"limit\": 2}\npair: J\npair2: G\na -> pair\npair -> pair2",
    "a: emit {\"type\": \"x\"}\nb: wait {\"event\": {\"type\": \"x\"}, \"from\": \"START_OF_EXECUTION\", \"timeout\": \"60s\"}\nc: J\na -> b\nb -> c",
    "a: approval {\"message\": \"go on?\", \"expiry\": \"30s\", \"onExpiry\": \"APPROVE\"}\nb: J\na.approved -> b",
    "a: throttle {\"limit\": 2, \"window\": 30000}\nb: debounce {\"window\": 2000}\nc: J\na -> b\nb -> c\nb.superseded -> c",
    // Loops both ways, one within another, and what ends one early.
    "s: noop\na: J\nb: if {\"where\": \"{{ loop.index < 2 }}\"}\nw: wait {\"duration\": 500}\nc: noop\nd: G\ns -> a\na -> b\nb.true -> w\nw -> a\nb.false -> c\na -> d",
    "L\nl: loop {} {\"concurrency\": 2}\nb: J\nc: G\nd: noop\na -> l\nl.loop -> b\nb -> c\nc -> l\nl.done -> d",
    "s: noop\ns -> l\nl: loop {\"forEach\": [1, 2]}\nm: loop {\"forEach\": [1, 2, 3]} {\"concurrency\": 2}\nb: G\nc: J\nl.loop -> m\nm.loop -> b\nb -> m\nm.done -> c\nc -> l",
    "s: noop\ns -> l\nl: loop {\"while\": \"{{ loop.index < 3 }}\"}\nb: G {\"retry\": {\"maxRetries\": 1, \"retryDelay\": 100}}\nc: J\nl.loop -> b\nb -> l\nl.done -> c",
    "L\nl: loop\nb: J\ni: if {\"where\": \"{{ loop.index == 1 }}\"}\nx: break\nc: G\na -> l\nl.loop -> b\nb -> i\ni.true -> x\ni.false -> l\nl.done -> c",
    "s: noop\ns -> l\nl: loop {\"forEach\": [1, 2]}\na: mutex {\"name\": \"m\"}\nalone: J\nb: mutex {\"name\": \"m\", \"action\": \"RELEASE\"}\nl.loop -> a\na -> alone\nalone -> b\nb -> l",
    "s: noop\ns -> l\nl: loop {\"forEach\": [1, 2, 3]} {\"concurrency\": 2}\nb: workflow {\"workflow\": \"scenario-2\"}\nl.loop -> b\nb -> l",
    "s: noop\ns -> l\nl: loop {\"forEach\": [1, 2, 3, 4]} {\"concurrency\": 3}\nb: J\nc: J\nl.loop -> b\nb -> l\nsettings {\"onFailure\": \"FINISH_BRANCHES\"}",
    // What watches over others, what runs at the end, and what takes whoever comes first.
    "t: try\na: J\nb: G\nc: J {\"onError\": \"CONTINUE\"}\nt.try -> a\na -> b\nt.catch -> c",
    "L\nl: loop {} {\"concurrency\": 2}\nt: try\nb: J\nc: G\na -> l\nl.loop -> t\nt.try -> b\nt.catch -> c\nb -> l\nc -> l\nf: G {\"finally\": true}",
    "s: noop\nt: try {} {\"maxIterations\": 3}\na: G\nw: wait {\"duration\": 200}\ns -> t\nt.try -> a\nt.catch -> w\nw -> t",
    "a: J\nb: J\nf: J {\"finally\": true}\ng: noop {} {\"finally\": true}\na -> b\nf -> g\nsettings {\"timeout\": 30000}",
    "a: mutex {\"name\": \"m\"}\nalone: J\nf: G {\"finally\": true, \"retry\": {\"maxRetries\": 1, \"retryDelay\": 100}}\na -> alone\nalone -> f",
    "a: J\nb: wait {\"duration\": 700}\nc: G {\"join\": \"ANY\"}\na -> c\nb -> c",
];

/// The same in the iterations of a loop.
const COUNTING_ROUND: &str = "s: noop\ns -> l\nl: loop {\"forEach\": [1, 2, 3]} {\"concurrency\": 2}\n\
    b: state {\"action\": \"ADD\", \"key\": \"n\"}\nc: G\nl.loop -> b\nb -> c\nc -> l";

/// How many executions may be within nodes whose ids begin so, which stand behind a lock.
pub(crate) const LOCKED: &[(&str, usize)] = &[("alone", 1), ("pair", 2)];

/// Adds one to a value that outlives it, for each of its items.
const COUNTING: &str =
    "L\nb: state {\"action\": \"ADD\", \"key\": \"n\"} {\"concurrency\": 2}\nc: G\na -> b\nb -> c";

/// The name of the workflow that counts, and by how much one execution of it does.
pub(crate) fn counting() -> (String, i64) {
    let place = TEXTS.iter().position(|text| *text == COUNTING).expect("it is one of them");
    (format!("scenario-{}", place + 1), 3)
}

/// Whether a workflow of this name adds one to the value `n` with each unit of its `state` node.
pub(crate) fn counts(name: &str) -> bool {
    let number = name.strip_prefix("scenario-").and_then(|number| number.parse::<usize>().ok());
    let text = number.and_then(|number| TEXTS.get(number.checked_sub(1)?));
    text.is_some_and(|text| [COUNTING, COUNTING_ROUND].contains(text))
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
    /// Iterations at once of the innermost loop around it; 1 outside loops.
    pub(crate) iterations: u32,
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
            let around = plan.loops_around(&node.id);
            let around = around.last().and_then(|id| plan.node(id));
            // A natural loop, whose entry is a step like another, goes round one by one.
            let around = around.filter(|around| around.role == Role::Loop);
            let iterations = around.map_or(1, |around| around.concurrency);
            let rule = Rule { concurrency: node.concurrency, iterations, once };
            rules.insert((name.clone(), node.id.clone()), rule);
        }
    }
    rules
}
