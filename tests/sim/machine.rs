//! A made-up machine: its clock, its disks, its chance. It outlives the daemons that run on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use a2n_daemon::engine::driving::plans::Plans;
use a2n_daemon::nodes::Registry;
use a2n_daemon::store::{self, Drive, Options, Origin, Store, account};
use a2n_daemon::system::disk::{Disk, SimDisk};
use a2n_daemon::system::sim::{SimClock, SimDial, SimEntropy, SimFiles, SimHttp, SimProcess};
use a2n_daemon::system::{Clock, System};
use a2n_daemon::triggers::schedule::Zone;
use a2n_daemon::workflows::{Limits, NewWorkflow, Workflows};
use a2n_proto::{AccountId, InstallId, Json, Timestamp, UserId};
use a2n_segment::sim::SimDisk as LogDisk;

use crate::daemon::Daemon;
use crate::executor::Witness;
use crate::scenarios::{self, Rule, Scenario};
use crate::text;

/// Where the made-up time begins.
const START: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);
/// Ids count from before the start, so that those of the machine's life come after them.
const BEFORE: u64 = 1_700_000_000_000;
pub(crate) const DATA: &str = "/data";

/// The machine.
pub(crate) struct Machine {
    pub(crate) dice: Arc<SimEntropy>,
    pub(crate) clock: SimClock,
    pub(crate) disk: SimDisk,
    pub(crate) log_disk: LogDisk,
    /// Files and ports that workflows wait for.
    pub(crate) files: SimFiles,
    pub(crate) ports: SimDial,
    pub(crate) witness: Arc<Witness>,
    pub(crate) boot: u32,
    /// Whether the power was cut since the store was last open.
    pub(crate) was_cut: bool,
    entropy: Arc<SimEntropy>,
}

/// How a daemon ends that nobody asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// `kill -9`: what it wrote stays.
    Kill,
    /// The power goes: of what was not synced each sector is kept or lost.
    PowerCut,
}

impl Machine {
    pub(crate) fn new(seed: u64) -> Self {
        let mut keep_all = || true;
        let (clock, ports) = (SimClock::new(START), SimDial::default());
        let files = SimFiles::new(clock.clone());
        files.put(Path::new("/in/ready"), b"ready".to_vec());
        if seed.is_multiple_of(2) {
            ports.open("db", 5432);
        }
        Self {
            dice: Arc::new(SimEntropy::new(seed)),
            files,
            ports,
            clock,
            disk: made().disk.after_power_cut(&mut keep_all),
            log_disk: LogDisk::new(),
            witness: Arc::default(),
            boot: 1,
            was_cut: false,
            entropy: Arc::new(SimEntropy::new(seed ^ 0x5eed)),
        }
    }

    /// A number below `end`.
    pub(crate) fn below(&self, end: u64) -> u64 {
        self.dice.below(end)
    }
    /// True so many times of a hundred.
    pub(crate) fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// The ports, as a daemon that starts now sees them.
    pub(crate) fn system(&self) -> System {
        System::of(
            Arc::new(self.clock.clone()),
            self.entropy.clone(),
            Arc::new(self.files.with_clock(self.clock.clone())),
            Arc::new(SimProcess::new(self.clock.clone(), 1)),
            Arc::new(SimHttp::new(self.clock.clone(), 1)),
            Arc::new(self.ports.clone()),
        )
    }

    pub(crate) fn store_options(&self) -> Options {
        options(&self.disk, self.clock.now(), self.was_cut)
    }

    /// Ends a daemon in the middle of what it does: the disks are what that left, and after a cut
    /// the machine has started again.
    pub(crate) fn crash(&mut self, daemon: Daemon, how: Crash) {
        let dice = Arc::clone(&self.dice);
        let mut coin = || how == Crash::Kill || dice.below(2) == 1;
        self.disk = self.disk.after_power_cut(&mut coin);
        self.log_disk = self.log_disk.after_power_cut(&mut coin);
        self.witness.seen().running.clear();
        let down = Duration::from_millis(self.below(20_000));
        if how == Crash::PowerCut {
            self.boot += 1;
            self.was_cut = true;
            self.clock = SimClock::new(self.clock.now().plus(down));
        } else {
            self.clock.advance(down);
        }
        // Only now: what it does when it goes must not reach the disks that are left.
        drop(daemon);
    }

    /// The disks are well again.
    pub(crate) fn heal(&self) {
        self.disk.fail_after(None);
        self.disk.fail_one_sync_after(u64::MAX);
        self.disk.set_capacity(None);
        self.log_disk.fail_after(0, None);
    }
}

fn options(disk: &SimDisk, at: Timestamp, check_all: bool) -> Options {
    Options {
        disk: Arc::new(disk.clone()),
        drive: Drive::ByHand,
        cache_bytes: 4 << 20,
        ballast_bytes: 64 << 10,
        limits: store::Limits { least_free_bytes: 0, least_free_percent: 0, ..Default::default() },
        check_all,
        ..Options::new(PathBuf::from(DATA), InstallId::from_parts(BEFORE, [7; 10]), at)
    }
}

/// A disk with a store that has an owner and the workflows: what every seed begins with.
pub(crate) struct Made {
    disk: SimDisk,
    pub(crate) kinds: Arc<Registry>,
    pub(crate) owner: UserId,
    pub(crate) rules: Arc<BTreeMap<(String, String), Rule>>,
}

pub(crate) fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(make)
}

fn make() -> Made {
    let disk = SimDisk::new();
    let clock = SimClock::new(Timestamp::from_unix_ms(i64::try_from(BEFORE).expect("a time")));
    let at = clock.now();
    let store = Store::open(options(&disk, at, false)).expect("an empty disk takes a store");
    let owner = UserId::from_parts(BEFORE, [1; 10]);
    let ids = (owner, AccountId::from_parts(BEFORE, [2; 10]));
    store
        .write_blocking(Origin::daemon(at, "START"), move |tx| {
            account::first_start(tx, 1000, "alice", ids)
        })
        .expect("the first write");
    let kinds = Arc::new(Registry::built_in());
    let system = System::of(
        Arc::new(clock.clone()),
        Arc::new(SimEntropy::new(3)),
        Arc::new(SimFiles::new(clock.clone())),
        Arc::new(SimProcess::new(clock.clone(), 1)),
        Arc::new(SimHttp::new(clock.clone(), 1)),
        Arc::new(SimDial::default()),
    );
    let workflows = Workflows {
        store: store.clone(),
        plans: Arc::new(Plans::new(kinds.clone())),
        system,
        zone: Zone::utc(),
        limits: Limits { nodes: 100, bytes: 1 << 20 },
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for Scenario { name, text } in scenarios::all() {
        let new = NewWorkflow {
            definition: Json::from(text::definition(&name, &text)),
            user: owner,
            publish: true,
            is_active: true,
            is_template: false,
            change_log: None,
        };
        let saved = workflows.create(new, Origin::daemon(at, "TEST"), |_, _| Ok(()));
        runtime.block_on(saved).unwrap_or_else(|e| panic!("{name}: {e:?}\n{text}"));
    }
    store.close();
    assert!(disk.look(std::path::Path::new("/data/store/state.redb")).is_ok());
    Made { disk, rules: Arc::new(scenarios::rules(&kinds)), kinds, owner }
}
