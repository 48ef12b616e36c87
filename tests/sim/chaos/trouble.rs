//! What befalls the machine: disks fail, the daemon dies or is stopped, and starts again.

use std::sync::Arc;

use a2n_daemon::system::disk::Disk;

use super::{Life, tuning};
use crate::daemon::Daemon;
use crate::ends;
use crate::machine::{Crash, DATA};

impl Life {
    pub(super) fn break_disk(&mut self) {
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
    pub(super) fn crash(&mut self) {
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
    pub(super) fn stop(&mut self) {
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
}
