//! What the seeds found, each told once as a small story.

use std::sync::Arc;
use std::time::Duration;

use a2n_daemon::engine::driving::handle::Tuning;
use a2n_daemon::engine::job::Job;
use a2n_proto::ExecutionId;

use crate::daemon::{Daemon, Told, told};
use crate::executor::{Act, Director, Script, running_of};
use crate::machine::Machine;

fn slow() -> Director {
    Arc::new(|_: &Job, _: u32| Script {
        acts: vec![Act::Sleep(Duration::from_secs(60))],
        result: Ok(()),
    })
}

/// Starts executions of the workflow with one step that may run once, and commits each.
fn run_all(daemon: &Daemon, history: &Told, n: usize) -> Vec<ExecutionId> {
    let workflow = daemon.workflows.iter().find(|one| one.name == "scenario-2").expect("saved");
    for key in 0..n {
        daemon.run(workflow, key.to_string(), 0, history);
        daemon.commit();
    }
    told(history).accepted.iter().map(|(_, id)| *id).collect()
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
