//! One seeded life of a machine: clients start and steer executions while steps dawdle, fail and
//! hang, the disks fail and fill up, the clock jumps, and daemons are killed, cut off and stopped.
//! Then the world is mended, everything comes to its end, and the history is checked.

use std::sync::Arc;
use std::time::Duration;

use a2n_daemon::engine::driving::handle::Tuning;
use a2n_daemon::engine::input::{Answer, Input};
use a2n_daemon::engine::job::Job;
use a2n_daemon::engine::kind::NodeError;
use a2n_daemon::nodes::Registry;
use a2n_daemon::store::FeedRead;
use a2n_daemon::system::Clock;
use a2n_daemon::system::disk::Disk;
use a2n_daemon::system::sim::SimEntropy;
use a2n_proto::execution::{Execution, ExecutionNodeState, PausedReason, WaitingKind};
use a2n_proto::{Change, ExecutionId, Json};

use crate::daemon::{Daemon, Told, told};
use crate::ends;
use crate::executor::{Act, Director, Script, running_of};
use crate::machine::{Crash, DATA, Machine};
use crate::scenarios;

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

    /// A client starts something new, or asks again with a key that it used before.
    fn start_one(&mut self) {
        let again = self.keys > 0 && self.machine.chance(15);
        let (key, which) = if again {
            let key = self.machine.below(self.keys);
            (key, key.wrapping_mul(7))
        } else {
            self.keys += 1;
            (self.keys - 1, (self.keys - 1).wrapping_mul(7))
        };
        let daemon = self.daemon();
        let which = usize::try_from(which).expect("small") % daemon.workflows.len();
        let priority = i32::try_from(key % 3).expect("small");
        daemon.run(&daemon.workflows[which], format!("key-{key}"), priority, &self.history);
    }

    /// A person steers an execution, one of those that are known.
    fn tell_one(&mut self) {
        let known: Vec<ExecutionId> =
            told(&self.history).accepted.iter().map(|(_, id)| *id).collect();
        let Some(last) = known.len().checked_sub(1) else { return };
        let back = usize::try_from(self.machine.below(6)).expect("small").min(last);
        let id = known[last - back];
        let by = Some("alice".to_owned());
        let input = match self.machine.below(10) {
            0..=2 => Input::Cancel { by, reason: None },
            3..=4 => Input::Pause { by },
            5..=6 => Input::Resume,
            _ => {
                let Some(input) = self.doubtful(id) else { return };
                input
            }
        };
        self.daemon().tell(id, input, &self.history);
    }

    /// An answer for a step of the execution that is in doubt.
    fn doubtful(&self, id: ExecutionId) -> Option<Input> {
        let one = self.stored(id)?;
        self.daemon().store.read().ok()?;
        let nodes = ends::nodes(self.daemon(), &one);
        let in_doubt = nodes.into_iter().find(|node| {
            node.waiting.as_ref().is_some_and(|waiting| waiting.kind == WaitingKind::InDoubt)
        })?;
        let answer = match self.machine.below(3) {
            0 => Answer::Done(Json::null()),
            1 => Answer::Failed,
            _ => Answer::RunAgain,
        };
        let (node, iteration) = (in_doubt.node_id, in_doubt.iteration);
        Some(Input::Answer { node, iteration, item: None, answer })
    }

    fn stored(&self, id: ExecutionId) -> Option<Execution> {
        let read = self.daemon().store.read().ok()?;
        a2n_daemon::store::execution::get(&read, id).ok()?
    }

    fn break_disk(&mut self) {
        self.faults += 1;
        self.faulty = Some(1 + self.machine.below(12));
        let after = self.machine.below(30);
        let disk = &self.machine.disk;
        match self.machine.below(5) {
            0 | 1 => disk.fail_after(Some(after)),
            2 => disk.fail_one_sync_after(after % 6),
            3 => {
                let space = disk.space(std::path::Path::new(DATA)).expect("a disk");
                let room = self.machine.below(100_000);
                disk.set_capacity(Some(space.total - space.free + room));
            }
            _ => {
                self.log_failed = true;
                self.machine.log_disk.fail_after(after, Some(std::io::ErrorKind::StorageFull));
            }
        }
    }

    /// The daemon dies: between two things that it does, or in the middle of a commit.
    fn crash(&mut self) {
        self.crashes += 1;
        let how = if self.machine.chance(50) { Crash::Kill } else { Crash::PowerCut };
        self.log_torn |= how == Crash::PowerCut;
        let daemon = self.daemon.take().expect("one runs between two steps");
        if self.machine.chance(60) {
            // The disk stands still at some point of it. Nobody hears what comes of it.
            self.machine.disk.fail_after(Some(self.machine.below(25)));
            daemon.store.commit_waiting();
        }
        self.machine.crash(daemon, how);
        if self.machine.chance(20) {
            self.die_at_start(how);
        }
        self.start();
    }

    /// And again while it comes up.
    fn die_at_start(&mut self, how: Crash) {
        self.crashes += 1;
        self.machine.disk.fail_after(Some(self.machine.below(12)));
        let tuning = tuning(&self.machine);
        if let Ok(daemon) = Daemon::start(&mut self.machine, Arc::clone(&self.director), tuning) {
            self.machine.crash(daemon, how);
        } else {
            let disk = self.machine.disk.after_power_cut(&mut || true);
            self.machine.disk = disk;
        }
    }

    /// As systemd stops it: steps get their grace, some a shorter one.
    fn stop(&mut self) {
        self.stops += 1;
        self.machine.heal();
        self.faulty = None;
        let daemon = self.daemon.take().expect("one runs between two steps");
        daemon.ask_to_stop();
        let hurry = self.machine.chance(30);
        for _ in 0..2_000 {
            if daemon.has_ended() {
                break;
            }
            if daemon.commit() == 0 {
                if hurry {
                    daemon.ask_to_hurry();
                }
                let _ = self.machine.clock.advance_to_next();
                daemon.settle();
            }
        }
        if !daemon.has_ended() {
            self.wrong.push(format!("it does not stop: {:?}", daemon.engine.last_load()));
        }
        let left = self.machine.witness.seen().running.len();
        if left > 0 {
            self.wrong.push(format!("{left} attempts run on after the stop"));
        }
        daemon.close();
        self.start();
    }

    fn start(&mut self) {
        self.machine.heal();
        self.faulty = None;
        let tuning = tuning(&self.machine);
        match Daemon::start(&mut self.machine, Arc::clone(&self.director), tuning) {
            Ok(daemon) => {
                let stored = ends::feed(&daemon);
                if !stored.starts_with(&self.watched) {
                    let n = self.watched.len();
                    self.wrong.push(format!(
                        "the first {n} changes of the feed were told and are not the same now"
                    ));
                }
                self.daemon = Some(daemon);
            }
            Err(why) => panic!("the daemon does not start: {why}"),
        }
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
        wrong.extend(open.map(|one| format!("{} is {:?} for ever", one.id, one.status)));
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

    /// Nothing goes on by itself: each execution has to say why, and gets what it waits for.
    fn help(&mut self, open: &[Execution]) {
        if open.is_empty() {
            let load = self.daemon().engine.last_load();
            self.wrong.push(format!("all have ended, and the driver holds on: {load:?}"));
        }
        // One that only waits may wait for another one: its lock, its place, its end.
        let moves = |one: &&Execution| {
            let runs = running_of(&self.machine.witness.seen(), one.id) > 0;
            runs || matches!(one.paused_reason, Some(PausedReason::User | PausedReason::InDoubt))
        };
        let others_move = open.iter().any(|one| moves(&one));
        for one in open {
            let runs = running_of(&self.machine.witness.seen(), one.id) > 0;
            let input = match one.paused_reason {
                Some(PausedReason::User) => Some(Input::Resume),
                Some(PausedReason::InDoubt) => self.doubtful(one.id),
                // A step that never ends, and somebody who has seen enough of it.
                None if runs => Some(Input::Cancel { by: None, reason: None }),
                // Another one of its workflow has the place.
                None if one.start_time.is_none()
                    && open.iter().any(|other| {
                        other.workflow_id == one.workflow_id && other.start_time.is_some()
                    }) =>
                {
                    continue;
                }
                Some(PausedReason::Waiting) if others_move => continue,
                // It waits for the slot that such a step has.
                None if self.daemon().engine.last_load().jobs > 0 => continue,
                _ => None,
            };
            match input {
                Some(input) => self.daemon().tell(one.id, input, &self.history),
                None => self.wrong.push(format!(
                    "{} is {:?} ({:?}) for no known reason: {:?}",
                    one.id,
                    one.status,
                    one.paused_reason,
                    self.daemon().engine.last_load()
                )),
            }
        }
    }
}
