//! The sweep through the real store: each scenario is crashed after each of its commits, in both
//! ways, and each of its steps is failed. Recovery is the daemon's own. The end is the same.

use std::sync::Arc;
use std::time::Duration;

use a2n_daemon::engine::driving::handle::Tuning;
use a2n_daemon::engine::input::{Answer, Input};
use a2n_daemon::engine::job::Job;
use a2n_daemon::engine::kind::NodeError;
use a2n_daemon::store::shared_value::{self, Scope};
use a2n_proto::Json;
use a2n_proto::execution::{Execution, ExecutionStatus, NodeStatus, WaitingKind};

use crate::daemon::{Daemon, Told, told};
use crate::ends;
use crate::executor::{Act, Director, Script};
use crate::machine::{Crash, Machine};

/// What is done to a run.
#[derive(Debug, Clone, Default)]
struct Disturb {
    /// After this commit, counted from 1.
    crash: Option<(u64, Crash)>,
    /// Every attempt of this node fails until one failure is recorded.
    fail: Option<String>,
}

/// How a run ended.
#[derive(Debug, PartialEq)]
struct End {
    status: ExecutionStatus,
    /// Executions that it had started: one for each attempt, whatever crashed.
    children: usize,
    /// Each node in each of its iterations.
    nodes: Vec<(String, String, NodeStatus)>,
}

struct Ran {
    end: End,
    commits: u64,
    /// Nodes that ran outside.
    outside: Vec<String>,
}

fn director(fail: Option<String>) -> Director {
    Arc::new(move |job: &Job, failures: u32| {
        let fails = failures == 0 && fail.as_ref().is_some_and(|node| *node == job.key.node);
        let error = NodeError { code: Some(1), ..NodeError::new("EXIT", "exit code 1") };
        Script {
            acts: vec![
                Act::Say("begins".into()),
                Act::Sleep(Duration::from_millis(300)),
                Act::Say("ends".into()),
            ],
            result: if fails { Err(error) } else { Ok(()) },
        }
    })
}

fn play(scenario: usize, disturb: &Disturb) -> Ran {
    let mut machine = Machine::new(scenario as u64);
    let history = Told::default();
    let start = |machine: &mut Machine| {
        Daemon::start(machine, director(disturb.fail.clone()), Tuning::default())
            .expect("a daemon starts on a disk that is well")
    };
    let mut daemon = start(&mut machine);
    let name = format!("scenario-{}", scenario + 1);
    let ask = |daemon: &Daemon| {
        let workflow = daemon.workflows.iter().find(|one| one.name == name).expect("it is saved");
        daemon.run(workflow, "key".into(), 0, &history);
    };
    ask(&daemon);
    let mut commits = 0;
    for _ in 0..10_000 {
        if daemon.store.commit_waiting() > 0 {
            commits += 1;
            match disturb.crash {
                Some((after, how)) if after == commits => {
                    machine.crash(daemon, how);
                    daemon = start(&mut machine);
                    // The client was told nothing: it asks again, with its key.
                    ask(&daemon);
                }
                _ => daemon.settle(),
            }
            continue;
        }
        let all = ends::executions(&daemon);
        if !all.is_empty() && all.iter().all(|one| one.status.is_ended()) {
            break;
        }
        if machine.clock.advance_to_next().is_some() {
            daemon.settle();
        } else {
            answer(&daemon, &history, disturb);
        }
    }
    let mut wrong = ends::problems(&machine, &daemon, &history);
    wrong.extend(ends::log_problems(&machine, &daemon));
    assert!(wrong.is_empty(), "{name} {disturb:?}\n{}", wrong.join("\n"));
    let all = ends::executions(&daemon);
    let mut roots = all.iter().filter(|one| one.parent_execution_id.is_none());
    let root = roots.next().expect("it was accepted");
    assert_eq!(roots.count(), 0, "{name} {disturb:?}: it was accepted twice");
    assert!(all.iter().all(|one| one.status.is_ended()), "{name} {disturb:?}: it never ends");
    let nodes = ends::nodes(&daemon, root);
    counted(&daemon, root, disturb);
    let begun = &told(&history).begun;
    let outside = nodes
        .iter()
        .map(|node| node.node_id.clone())
        .filter(|node| begun.iter().any(|one| one.node == *node));
    Ran {
        outside: outside.collect(),
        end: End {
            status: root.status,
            children: all.len() - 1,
            nodes: nodes.into_iter().map(|it| (it.node_id, it.iteration, it.status)).collect(),
        },
        commits,
    }
}

/// A value that is added to has each attempt's share once.
fn counted(daemon: &Daemon, root: &Execution, disturb: &Disturb) {
    let (name, by) = crate::scenarios::counting();
    if root.workflow_name == name {
        let (scope, at) = (Scope::Workflow(root.workflow_id), daemon.system.now());
        let read = daemon.store.read().expect("an open store");
        let value = shared_value::get(&read, scope, "n", at).expect("a value");
        assert_eq!(value.map(|found| found.value), Some(Json::of(&by)), "{disturb:?}");
    }
}

/// Says of every step in doubt how it ended: as it would have.
fn answer(daemon: &Daemon, history: &Told, disturb: &Disturb) {
    for one in ends::executions(daemon) {
        for node in ends::nodes(daemon, &one) {
            if node.waiting.is_none_or(|waiting| waiting.kind != WaitingKind::InDoubt) {
                continue;
            }
            let fails = disturb.fail.as_ref() == Some(&node.node_id);
            let answer = if fails { Answer::RunAgain } else { Answer::Done(Json::null()) };
            let (node, iteration) = (node.node_id, node.iteration);
            let input = Input::Answer { node, iteration, item: None, answer };
            daemon.tell(one.id, input, history);
        }
    }
}

#[test]
fn a_crash_after_any_commit_leads_to_the_same_end() {
    for scenario in 0..crate::scenarios::all().len() {
        let calm = play(scenario, &Disturb::default());
        for after in 1..=calm.commits {
            for how in [Crash::Kill, Crash::PowerCut] {
                let disturb = Disturb { crash: Some((after, how)), ..Disturb::default() };
                let crashed = play(scenario, &disturb);
                assert_eq!(crashed.end, calm.end, "scenario {} {disturb:?}", scenario + 1);
            }
        }
    }
}

#[test]
fn a_failure_of_any_step_and_a_crash_after_any_commit_lead_to_the_same_end() {
    for scenario in 0..crate::scenarios::all().len() {
        for node in play(scenario, &Disturb::default()).outside {
            let mut disturb = Disturb { crash: None, fail: Some(node) };
            let failed = play(scenario, &disturb);
            for after in 1..=failed.commits {
                disturb.crash = Some((after, Crash::Kill));
                let crashed = play(scenario, &disturb);
                // What else ran when it failed depends on when the person answers.
                let fate = |end: &End| {
                    let own =
                        end.nodes.iter().find(|(node, ..)| Some(node) == disturb.fail.as_ref());
                    (end.status, own.map(|(.., status)| *status))
                };
                assert_eq!(
                    fate(&crashed.end),
                    fate(&failed.end),
                    "scenario {} {disturb:?}",
                    scenario + 1
                );
            }
        }
    }
}
