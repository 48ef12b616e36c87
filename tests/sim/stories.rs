//! What the seeds found, each told once as a small story.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use a2n_daemon::engine::driving::handle::Tuning;
use a2n_daemon::engine::input::Input;
use a2n_daemon::engine::job::Job;
use a2n_proto::ExecutionId;
use a2n_proto::execution::{ExecutionStatus, WaitingKind};
use a2n_proto::nodes::RateLimit;

use crate::daemon::{Daemon, Told, told};
use crate::ends;
use crate::executor::{Act, Director, Script, running_of};
use crate::machine::{Crash, Machine};

fn slow() -> Director {
    Arc::new(|_: &Job, _: u32| Script {
        acts: vec![Act::Sleep(Duration::from_secs(60))],
        result: Ok(()),
    })
}

/// Starts executions of the workflow with one step that may run once, and commits each.
fn run_all(daemon: &Daemon, history: &Told, n: usize) -> Vec<ExecutionId> {
    run_of(daemon, history, "scenario-2", n)
}

fn run_of(daemon: &Daemon, history: &Told, name: &str, n: usize) -> Vec<ExecutionId> {
    let workflow = daemon.workflows.iter().find(|one| one.name == name).expect("saved");
    let before = told(history).accepted.len();
    for key in 0..n {
        daemon.run(workflow, format!("{name}-{key}"), 0, history);
        daemon.commit();
    }
    told(history).accepted[before..].iter().map(|(_, id)| *id).collect()
}

/// Lets all happen that does within this time.
fn pass(machine: &Machine, daemon: &Daemon, by: Duration) {
    machine.clock.advance(by);
    daemon.settle();
    while daemon.commit() > 0 {}
}

/// Free slots went by age alone: who came after a flood waited for all of it.
#[test]
fn a_flood_in_one_workflow_does_not_keep_another_waiting() {
    let mut machine = Machine::new(1);
    let history = Told::default();
    let tuning = Tuning { parallel_jobs: 2, ..Tuning::default() };
    let daemon = Daemon::start(&mut machine, slow(), tuning).expect("a disk that is well");
    run_all(&daemon, &history, 20);
    let other = run_of(&daemon, &history, "scenario-3", 1)[0];
    assert_eq!(running_of(&machine.witness.seen(), other), 0);
    pass(&machine, &daemon, Duration::from_secs(60));
    assert_eq!(running_of(&machine.witness.seen(), other), 1, "it has the next free slot");
    assert_eq!(machine.witness.seen().running.len(), 2);
}

#[test]
fn a_definition_with_a_rate_is_used_no_more_often_and_holds_no_slot_meanwhile() {
    let mut machine = Machine::new(1);
    let history = Told::default();
    let rate = RateLimit { requests: 1, window: 1_000, burst: 2 };
    let rates = Arc::new(BTreeMap::from([("shell".to_owned(), rate)]));
    let tuning = Tuning { parallel_jobs: 3, rates, ..Tuning::default() };
    let daemon = Daemon::start(&mut machine, slow(), tuning).expect("a disk that is well");
    let ids = run_all(&daemon, &history, 4);
    let begun = || machine.witness.seen().begun.len();
    assert_eq!(begun(), 2);
    let load = daemon.engine.last_load();
    assert_eq!((load.jobs, load.limited, load.hungry), (2, 2, 0), "{load:?}");
    // Another definition is not in its way: one slot is free.
    run_of(&daemon, &history, "scenario-3", 1);
    assert_eq!(begun(), 3);
    let last = ends::executions(&daemon).into_iter().find(|one| one.id == ids[3]).expect("there");
    let waiting = ends::nodes(&daemon, &last)[0].waiting.clone().expect("it says so");
    assert_eq!(waiting.kind, WaitingKind::Limit);
    // One that waits can be cancelled, and takes no token with it.
    daemon.tell(ids[2], Input::Cancel { by: None, reason: None }, &history);
    daemon.commit();
    pass(&machine, &daemon, Duration::from_secs(60));
    pass(&machine, &daemon, Duration::from_secs(60));
    let load = daemon.engine.last_load();
    assert_eq!((begun(), load.limited), (4, 0), "{load:?}");
}

/// Every execution that had not ended was in memory, and more than 10,000 were refused.
#[test]
fn executions_that_only_wait_are_not_in_memory_and_go_on_when_their_time_comes() {
    let mut machine = Machine::new(1);
    let history = Told::default();
    let tuning = Tuning { max_live: 3, ..Tuning::default() };
    let start = |machine: &mut Machine| {
        Daemon::start(machine, slow(), tuning.clone()).expect("a disk that is well")
    };
    let daemon = start(&mut machine);
    let ids = run_of(&daemon, &history, "scenario-21", 30);
    assert_eq!(ids.len(), 30);
    for _ in 0..30 {
        pass(&machine, &daemon, Duration::from_millis(5));
    }
    assert_eq!(daemon.engine.last_load().live, 0);
    let paused = ends::executions(&daemon);
    assert!(paused.iter().all(|one| one.status == ExecutionStatus::Paused), "{paused:?}");
    // A person speaks to one, and it leaves memory again.
    daemon.tell(ids[7], Input::Pause { by: None }, &history);
    while daemon.commit() > 0 {}
    assert_eq!(daemon.engine.last_load().live, 0);

    machine.crash(daemon, Crash::Kill);
    let daemon = start(&mut machine);
    assert_eq!(daemon.engine.last_load().live, 0, "a start reads no more than their timers");
    daemon.tell(ids[7], Input::Resume, &history);
    for _ in 0..100 {
        pass(&machine, &daemon, Duration::from_secs(10));
    }
    let open: Vec<_> =
        ends::executions(&daemon).into_iter().filter(|one| !one.status.is_ended()).collect();
    assert!(open.is_empty(), "{open:?} {:?}", daemon.engine.last_load());
    assert_eq!(daemon.engine.last_load().live, 0);
    assert!(ends::store_problems(&daemon).is_empty());
}

/// A burst of starts finds room for few in memory: the others are accepted, wait in the store, and
/// begin as there is room, also after a kill.
#[test]
fn more_than_fit_in_memory_are_accepted_and_begin_later() {
    let mut machine = Machine::new(1);
    let history = Told::default();
    let tuning = Tuning { max_live: 4, max_unfinished: 12, ..Tuning::default() };
    let daemon = Daemon::start(&mut machine, slow(), tuning.clone()).expect("a disk that is well");
    let ids = run_all(&daemon, &history, 20);
    assert_eq!(ids.len(), 12, "one more than may be unfinished is refused");
    let load = daemon.engine.last_load();
    assert_eq!((load.live, load.queued), (4, 8), "{load:?}");
    machine.crash(daemon, Crash::PowerCut);
    let quick: Director = Arc::new(|_: &Job, _: u32| Script { acts: Vec::new(), result: Ok(()) });
    let daemon = Daemon::start(&mut machine, quick, tuning).expect("a disk that is well");
    for _ in 0..30 {
        pass(&machine, &daemon, Duration::from_secs(1));
    }
    // Those whose step was killed wait for a person's word, and leave their room to the others.
    let ended = ends::executions(&daemon).iter().filter(|one| one.status.is_ended()).count();
    assert_eq!(ended, 8, "{:?}", daemon.engine.last_load());
    assert_eq!(run_of(&daemon, &history, "scenario-1", 8).len(), 8);
}

/// Seeds 49 and 109: slots were free, executions waited for one, and nobody gave it to them. Only
/// the end of an attempt did; but a start that could not be stored gives its slot back too.
#[test]
fn a_slot_that_a_failed_write_gave_back_is_given_on_at_once() {
    let mut machine = Machine::new(1);
    let history = Told::default();
    let tuning = Tuning { parallel_jobs: 1, ..Tuning::default() };
    let daemon = Daemon::start(&mut machine, slow(), tuning).expect("a disk that is well");
    let ids = run_all(&daemon, &history, 3);
    let runs = |id: ExecutionId| running_of(&machine.witness.seen(), id);
    assert_eq!(ids.iter().map(|id| runs(*id)).collect::<Vec<_>>(), [1, 0, 0]);
    // The first one ends, the second is to begin, and the disk takes neither.
    machine.clock.advance(Duration::from_secs(60));
    daemon.settle();
    machine.disk.fail_after(Some(0));
    daemon.commit();
    machine.disk.fail_after(None);
    daemon.commit();
    daemon.commit();
    assert_eq!(ids.iter().map(|id| runs(*id)).collect::<Vec<_>>(), [0, 0, 1]);
}
