//! One seeded life of a machine: clients start and steer executions while steps dawdle, fail and
//! hang, the disks fail and fill up, the clock jumps, and daemons are killed, cut off and stopped.
//! Then the world is mended, everything comes to its end, and the history is checked.

use std::sync::Arc;
use std::time::Duration;

use a2n_daemon::engine::driving::handle::Tuning;
use a2n_daemon::engine::job::Job;
use a2n_daemon::engine::kind::NodeError;
use a2n_daemon::nodes::Registry;
use a2n_daemon::store::FeedRead;
use a2n_daemon::system::Clock;
use a2n_daemon::system::sim::SimEntropy;
use a2n_proto::execution::{Execution, ExecutionNodeState};
use a2n_proto::{Change, ExecutionId};

use crate::daemon::{Daemon, Told, told};
use crate::ends;
use crate::executor::{Act, Director, Script, running_of};
use crate::machine::Machine;
use crate::scenarios;

mod people;
mod trouble;

/// What came of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Of every change of the feed, in order.
    pub(crate) hash: u64,
    pub(crate) executions: usize,
    pub(crate) attempts: usize,
    pub(crate) crashes: u32,
    pub(crate) faults: u32,
    /// What does not hold.
    pub(crate) wrong: Vec<String>,
}

/// Plays one seed.
pub(crate) fn play(seed: u64) -> Outcome {
    let mut machine = Machine::new(seed);
    let director = director(Arc::clone(&machine.dice));
    let tuning = tuning(&machine);
    let daemon = Daemon::start(&mut machine, Arc::clone(&director), tuning)
        .expect("a daemon starts on a disk that is well");
    let mut life = Life {
        machine,
        daemon: Some(daemon),
        director,
        history: Told::default(),
        watched: Vec::new(),
        keys: 0,
        faulty: None,
        log_failed: false,
        log_torn: false,
        crashes: 0,
        stops: 0,
        faults: 0,
        wrong: Vec::new(),
    };
    let steps = 40 + life.machine.below(120);
    for _ in 0..steps {
        life.step();
        if !life.wrong.is_empty() {
            break;
        }
    }
    life.finish()
}

fn tuning(machine: &Machine) -> Tuning {
    let parallel = |most| u32::try_from(1 + machine.below(most)).expect("small");
    Tuning {
        parallel_jobs: parallel(8),
        parallel_jobs_per_execution: parallel(4),
        max_live: 3 + usize::try_from(machine.below(30)).expect("small"),
        ..Tuning::default()
    }
}

/// Steps that are quick, slow, talkative, failing, doubtful, and such as never end by themselves.
fn director(dice: Arc<SimEntropy>) -> Director {
    Arc::new(move |job: &Job, _| {
        let ms = |most| Duration::from_millis(dice.below(most));
        let (mut acts, mut result) = (vec![Act::Say(format!("{:?}", job.key))], Ok(()));
        match dice.below(100) {
            0..=14 => acts.clear(),
            15..=44 => acts.push(Act::Sleep(ms(50))),
            45..=59 => acts.extend([
                Act::Progress(10),
                Act::Sleep(ms(60_000)),
                Act::Progress(90),
                Act::Sleep(ms(100)),
            ]),
            60..=69 => {
                for n in 0..20 {
                    acts.extend([Act::Say(format!("line {n}")), Act::Sleep(ms(3))]);
                }
            }
            70..=87 => {
                acts.push(Act::Sleep(ms(2_000)));
                let error = NodeError::new("EXIT", "exit code 1");
                result = Err(NodeError { code: Some(1), ..error });
            }
            88..=93 => {
                acts.push(Act::Sleep(ms(2_000)));
                let message = "no answer; whether it was carried out is not known";
                let error = NodeError::new("TIMEOUT", message);
                result = Err(NodeError { in_doubt: true, ..error });
            }
            _ => acts.push(Act::Hang(ms(3_000))),
        }
        Script { acts, result }
    })
}

struct Life {
    machine: Machine,
    daemon: Option<Daemon>,
    director: Director,
    history: Told,
    /// The feed as a subscriber got it.
    watched: Vec<Change>,
    keys: u64,
    /// Steps until the disks are well again.
    faulty: Option<u64>,
    /// Whether the log's disk ever failed: then lines may be missing.
    log_failed: bool,
    /// Whether the power was ever cut: then there may be a torn block with others behind it.
    log_torn: bool,
    crashes: u32,
    stops: u32,
    faults: u32,
    wrong: Vec<String>,
}

impl Life {
    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("one runs between two steps")
    }

    fn step(&mut self) {
        if let Some(left) = &mut self.faulty {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.machine.heal();
                self.faulty = None;
            }
        }
        match self.machine.below(100) {
            0..=29 => drop(self.daemon().commit()),
            30..=52 => self.pass_to_next(),
            53..=55 => self.pass(Duration::from_millis(self.machine.below(5_000))),
            56..=57 => self.set_clock(),
            58..=79 => self.start_one(),
            80..=91 => self.tell_one(),
            92..=95 => self.break_disk(),
            96..=98 => self.crash(),
            _ => self.stop(),
        }
        self.watch();
    }

    fn pass(&self, by: Duration) {
        self.machine.clock.advance(by);
        self.daemon().settle();
    }
    fn pass_to_next(&self) {
        let _ = self.machine.clock.advance_to_next();
        self.daemon().settle();
    }
    /// As a person or NTP would, by up to three hours either way.
    fn set_clock(&self) {
        let by = Duration::from_millis(self.machine.below(3 * 3_600_000));
        let now = self.machine.clock.now();
        let to = if self.machine.chance(50) { now.plus(by) } else { now.minus(by) };
        self.machine.clock.set(to);
        self.daemon().settle();
    }

    fn stored(&self, id: ExecutionId) -> Option<Execution> {
        let read = self.daemon().store.read().ok()?;
        a2n_daemon::store::execution::get(&read, id).ok()?
    }

    /// A subscriber looks: what is told is written down, and held against the world.
    fn watch(&mut self) {
        let Some(daemon) = &self.daemon else { return };
        let feed = daemon.store.feed();
        let from = self.watched.len() as u64 + 1;
        let items = match feed.read_from(from, usize::MAX) {
            Ok(FeedRead::Items(items)) => items,
            Ok(FeedRead::Gap { from, to }) => {
                self.wrong.push(format!("the feed lacks {from} to {to}"));
                return;
            }
            // The store is being opened again.
            Err(_) => return,
        };
        for change in items {
            let ended = change.entity == "execution"
                && ["SUCCESS", "FAILED", "CANCELLED"].iter().any(|status| {
                    change.fields.as_str().contains(&format!("\"status\":\"{status}\""))
                });
            if ended
                && let Some(id) = change.execution_id
                && running_of(&self.machine.witness.seen(), id) > 0
            {
                self.wrong.push(format!("{id} has ended and attempts of it run"));
            }
            self.watched.push(Change::clone(&change));
        }
    }

    /// The world is mended; everything comes to its end; what has to hold is looked at.
    fn finish(mut self) -> Outcome {
        self.machine.heal();
        for _ in 0..20_000 {
            if !self.wrong.is_empty() {
                break;
            }
            // What was done already may make more to commit.
            self.daemon().settle();
            if self.daemon().commit() > 0 {
                self.watch();
                continue;
            }
            let Ok(read) = self.daemon().store.read() else {
                // Whoever reads has the writer open the store again.
                continue;
            };
            let open = a2n_daemon::store::execution::unfinished(&read).expect("a list");
            drop(read);
            let load = self.daemon().engine.last_load();
            if open.is_empty() && load.live == 0 {
                break;
            }
            if self.machine.clock.advance_to_next().is_some() {
                self.daemon().settle();
                continue;
            }
            self.help(&open);
        }
        let daemon = self.daemon();
        let mut wrong = self.wrong.clone();
        wrong.extend(ends::problems(&self.machine, daemon, &self.history));
        if !self.log_failed {
            wrong.extend(ends::log_problems(&self.machine, daemon));
            if !self.log_torn {
                wrong.extend(ends::log_damage(daemon));
            }
        }
        let executions = ends::executions(daemon);
        if self.crashes == 0 {
            let rows = executions.iter().flat_map(|one| {
                let name = one.workflow_name.clone();
                ends::nodes(daemon, one).into_iter().map(move |node| (name.clone(), node))
            });
            let rules = scenarios::rules(&Registry::built_in());
            // An orderly stop leaves what may be repeated to the next start.
            let may_be_lost = |name: &String, node: &ExecutionNodeState| {
                let rule = rules.get(&(name.clone(), node.node_id.clone()));
                self.stops > 0 && rule.is_some_and(|rule| !rule.once)
            };
            let rows = rows.filter(|(name, node)| !may_be_lost(name, node)).map(|(_, node)| node);
            let lost = rows.filter(|node| {
                let mut tries = node.units.iter().flat_map(|unit| &unit.attempts);
                tries
                    .any(|one| one.error.as_ref().is_some_and(|e| e.contains("daemon ended while")))
            });
            wrong.extend(lost.map(|node| format!("{} lost an attempt, and nothing died", node.id)));
        }
        let open = executions.iter().filter(|one| !one.status.is_ended());
        wrong.extend(open.map(|one| {
            let (name, why) = (&one.workflow_name, one.paused_reason);
            format!("{} of {name} is {:?} ({why:?}) for ever", one.id, one.status)
        }));
        let history = told(&self.history);
        Outcome {
            hash: ends::feed_hash(&history.feed),
            executions: executions.len(),
            attempts: history.begun.len(),
            crashes: self.crashes,
            faults: self.faults,
            wrong,
        }
    }
}
