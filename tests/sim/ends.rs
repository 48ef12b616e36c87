//! What has to hold when a story on the made-up machine is over.

use std::collections::{BTreeMap, BTreeSet};

use a2n_daemon::engine::driving::packed;
use a2n_daemon::engine::view;
use a2n_daemon::store::logs::{Of, Query};
use a2n_daemon::store::shared_value::{self, Scope};
use a2n_daemon::store::{FeedRead, Paging, execution, verify, workflow, workflow_version};
use a2n_proto::execution::{Execution, ExecutionNodeState, NodeStatus};
use a2n_proto::{Change, ExecutionId};
use a2n_tests::history::Found;

use crate::daemon::{Daemon, Told, told};
use crate::machine::Machine;
use crate::scenarios;

/// Every execution that the store has.
pub(crate) fn executions(daemon: &Daemon) -> Vec<Execution> {
    let read = daemon.store.read().expect("an open store");
    let query = execution::Query::default();
    let all = execution::list(&read, &query, &Paging::first(100_000)).expect("a list");
    all.items
}

/// The rows of an execution's nodes, as `executionNodeState` answers them, each iteration of a loop with
/// its own.
pub(crate) fn nodes(daemon: &Daemon, one: &Execution) -> Vec<ExecutionNodeState> {
    let read = daemon.store.read().expect("an open store");
    let state = execution::state(&read, one.id).expect("a state").expect("a state is kept");
    let mut state = packed::unpack(&state).expect("a state of this version");
    // Iterations that are over stand beside the state, the outer ones first.
    let kept = execution::iterations(&read, one.id, None, false, usize::MAX).expect("iterations");
    for (_, bytes) in kept {
        state.unfold(packed::unpack_folded(&bytes).expect("an iteration of this version"));
    }
    let definition = workflow_version::definition(&read, one.workflow_id, one.workflow_version)
        .expect("a version")
        .expect("a version is kept");
    let plan = daemon
        .starter
        .plans
        .make(one.workflow_id, one.workflow_version, &definition)
        .expect("a plan");
    view::node_states(&plan, &state, true)
}

/// The whole feed.
pub(crate) fn feed(daemon: &Daemon) -> Vec<Change> {
    match daemon.store.feed().read_from(1, usize::MAX).expect("the feed") {
        FeedRead::Items(items) => items.iter().map(|change| Change::clone(change)).collect(),
        FeedRead::Gap { from, to } => panic!("the feed lacks {from} to {to}"),
    }
}

/// Everything that does not hold.
pub(crate) fn problems(machine: &Machine, daemon: &Daemon, history: &Told) -> Vec<String> {
    let mut history = told(history);
    history.feed = feed(daemon);
    let seen = machine.witness.seen();
    history.begun.clone_from(&seen.begun);
    let mut wrong = seen.wrong.clone();
    let executions = executions(daemon);
    let found = Found {
        nodes: executions.iter().flat_map(|one| nodes(daemon, one)).collect(),
        workflows: workflows(daemon),
        executions,
    };
    wrong.extend(history.problems(&found));
    wrong.extend(counters(daemon, &found));
    wrong.extend(store_problems(daemon));
    if daemon.has_ended() {
        wrong.push("the driver has ended by itself".into());
    }
    wrong
}

/// A value that executions share has the share of each unit that added to it, once. One that was
/// cancelled while it was answered may have added to it.
fn counters(daemon: &Daemon, found: &Found) -> Vec<String> {
    let (read, at) = (daemon.store.read().expect("an open store"), daemon.system.now());
    let mut wrong = Vec::new();
    for workflow in &found.workflows {
        if !scenarios::counts(&workflow.name) {
            continue;
        }
        let own: BTreeSet<ExecutionId> = found
            .executions
            .iter()
            .filter(|one| one.workflow_id == workflow.id)
            .map(|one| one.id)
            .collect();
        let nodes = found.nodes.iter().filter(|node| own.contains(&node.execution_id));
        let units = nodes.filter(|node| node.node_type == "state").flat_map(|node| &node.units);
        let (mut least, mut most) = (0, 0);
        for unit in units {
            least += u64::from(unit.status == NodeStatus::Success);
            most += unit.attempts.len() as u64;
        }
        let scope = Scope::Workflow(workflow.id);
        let value = shared_value::get(&read, scope, "n", at).expect("a value");
        let value = value.and_then(|found| found.value.to::<u64>().ok()).unwrap_or(0);
        if !(least..=most).contains(&value) {
            let name = &workflow.name;
            wrong.push(format!("{name} counted to {value}, not to {least}, at most {most}"));
        }
    }
    wrong
}

/// What is wrong within the store.
pub(crate) fn store_problems(daemon: &Daemon) -> Vec<String> {
    let report = verify::verify(&daemon.store).expect("a look through the store");
    let mut wrong: Vec<String> =
        report.problems.iter().map(|problem| format!("{problem:?}")).collect();
    if let Some(why) = daemon.store.health().refusing {
        wrong.push(format!("the store refuses writes: {why}"));
    }
    wrong
}

/// What in the log is not as it was written.
pub(crate) fn log_damage(daemon: &Daemon) -> Vec<String> {
    let report = daemon.logs.verify().expect("a look through the log");
    report.problems.iter().map(|problem| format!("{problem:?}")).collect()
}

/// Attempts with a recorded end that lack lines: those were to be durable before it.
pub(crate) fn log_problems(machine: &Machine, daemon: &Daemon) -> Vec<String> {
    let mut wrong = Vec::new();
    let seen = machine.witness.seen();
    let mut lines: BTreeMap<(String, String, u32, u32), u64> = BTreeMap::new();
    for one in executions(daemon) {
        let found = daemon.logs.query(Query::of(Of::Execution(one.id)), 100_000).expect("lines");
        lines.clear();
        for line in &found.items {
            let node = line.node_id.clone().unwrap_or_default();
            let attempt = line.attempt.unwrap_or(0);
            let iteration = line.iteration.clone();
            *lines.entry((node, iteration, line.item.unwrap_or(0), attempt)).or_default() += 1;
        }
        if found.items.windows(2).any(|pair| pair[0].seq >= pair[1].seq) {
            wrong.push(format!("the lines of {} are not in order", one.id));
        }
        let rows = nodes(daemon, &one);
        for (key, said) in seen.said.iter().filter(|(key, _)| key.execution == one.id) {
            let mut rows = rows.iter();
            let row = rows.find(|it| (&it.node_id, &it.iteration) == (&key.node, &key.iteration));
            let recorded = row.is_some_and(|node| {
                let unit = node.units.iter().find(|unit| unit.item == key.item.unwrap_or(0));
                let attempts = unit.map(|unit| unit.attempts.as_slice()).unwrap_or_default();
                let own = attempts.iter().find(|attempt| attempt.n == key.attempt);
                own.is_some_and(|own| {
                    let lost = own.error.as_ref().is_some_and(|e| e.contains("not known"));
                    own.ended_at.is_some() && !lost
                })
            });
            let (node, iteration) = (key.node.clone(), key.iteration.clone());
            let there = lines.get(&(node, iteration, key.item.unwrap_or(0), key.attempt));
            if recorded && there.copied().unwrap_or(0) != *said {
                wrong
                    .push(format!("{key:?} said {said} lines before its end; {there:?} are there"));
            }
        }
    }
    wrong
}

fn workflows(daemon: &Daemon) -> Vec<a2n_proto::workflow::Workflow> {
    let read = daemon.store.read().expect("an open store");
    let query = workflow::Query::default();
    workflow::list(&read, &query, &Paging::first(1000)).expect("a list").items
}

/// A number made of every change of the feed, in order.
pub(crate) fn feed_hash(feed: &[Change]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hash = DefaultHasher::new();
    for change in feed {
        format!("{change:?}").hash(&mut hash);
        change.fields.as_str().hash(&mut hash);
    }
    hash.finish()
}
