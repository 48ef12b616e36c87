//! Programs that only pretend. A program is a function from what was ordered to a list of acts;
//! `echo`, `cat`, `true`, `false` and `sleep` are there from the start.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::{SimClock, SimEntropy};
use crate::system::process::{
    Account, Ended, Exit, Keeping, Order, Process, Running, Said, StartError, Stream,
};
use crate::system::{Clock, Later};

/// What a pretended program does, one after the other; without an end it ends with code 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Writes.
    Say(Stream, Vec<u8>),
    /// Writes to the progress pipe.
    Progress(String),
    /// Lets time pass.
    Sleep(Duration),
    /// From now on heeds no TERM.
    IgnoreTerm,
    /// Ends.
    End(Ended),
}

type Program = Arc<dyn Fn(&Order) -> Vec<Act> + Send + Sync>;

/// A machine's programs; clones are the same machine.
#[derive(Clone)]
pub struct SimProcess {
    clock: SimClock,
    entropy: Arc<SimEntropy>,
    account: Arc<Account>,
    programs: Arc<Mutex<BTreeMap<String, Program>>>,
}

impl SimProcess {
    /// A machine with the five programs.
    pub fn new(clock: SimClock, seed: u64) -> Self {
        let account = Account {
            uid: 1000,
            name: "sim".into(),
            home: "/home/sim".into(),
            shell: "/bin/sh".into(),
            lang: "C.UTF-8".into(),
            tz: Some("UTC".into()),
        };
        let sim = Self {
            clock,
            entropy: Arc::new(SimEntropy::new(seed)),
            account: Arc::new(account),
            programs: Arc::default(),
        };
        sim.install("true", |_| Vec::new());
        sim.install("false", |_| vec![Act::End(Ended::Code(1))]);
        sim.install("echo", |order| {
            let line = order.argv[1..].join(" ") + "\n";
            vec![Act::Say(Stream::Stdout, line.into_bytes())]
        });
        sim.install("cat", |order| {
            vec![Act::Say(Stream::Stdout, order.stdin.clone().unwrap_or_default())]
        });
        sim.install("sleep", |order| {
            let seconds = order.argv.get(1).and_then(|text| text.parse().ok()).unwrap_or(0.0);
            vec![Act::Sleep(Duration::try_from_secs_f64(seconds).unwrap_or_default())]
        });
        sim
    }
    /// Puts a program there.
    pub fn install(&self, name: &str, acts: impl Fn(&Order) -> Vec<Act> + Send + Sync + 'static) {
        self.lock().insert(name.to_owned(), Arc::new(acts));
    }
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Program>> {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process for SimProcess {
    fn account(&self) -> &Account {
        &self.account
    }
    fn start(&self, order: Order) -> Result<Running, StartError> {
        let Some(name) = order.argv.first() else { return Err(StartError::Empty) };
        let Some(program) = self.lock().get(name).cloned() else {
            let path = order.env.get("PATH").cloned().unwrap_or_default();
            return Err(StartError::NotFound { program: name.clone(), path });
        };
        let acts = program(&order);
        let starts_after = Duration::from_millis(self.entropy.below(10));
        let (running, keeping) = Running::pair();
        let clock = self.clock.clone();
        tokio::spawn(async move {
            clock.sleep(starts_after).await;
            play(&clock, acts, order.grace, keeping).await;
        });
        Ok(running)
    }
}

async fn play(clock: &SimClock, acts: Vec<Act>, grace: Duration, keeping: Keeping) {
    let Keeping { said, end, stop } = keeping;
    let began = clock.monotonic();
    let mut how = Ended::Code(0);
    let mut heeds = true;
    for act in acts {
        let done: Later<'_, ()> = match act {
            Act::End(ended) => {
                how = ended;
                break;
            }
            Act::IgnoreTerm => {
                heeds = false;
                continue;
            }
            Act::Sleep(after) => clock.sleep(after),
            Act::Say(stream, bytes) => {
                let said = said.clone();
                Box::pin(async move {
                    for piece in bytes.chunks(64 * 1024) {
                        let piece = Said::Piece(stream, Bytes::copy_from_slice(piece));
                        let _nobody_listens = said.send(piece).await;
                    }
                })
            }
            Act::Progress(line) => {
                let said = said.clone();
                Box::pin(async move {
                    let _nobody_listens = said.send(Said::Progress((line + "\n").into())).await;
                })
            }
        };
        let killed = async {
            stop.cancelled().await;
            if !heeds {
                clock.sleep(grace).await;
            }
        };
        tokio::select! {
            biased;
            () = done => {}
            () = killed => {
                how = Ended::Signal(if heeds { 15 } else { 9 });
                break;
            }
        }
    }
    drop(said);
    let cpu = clock.monotonic().saturating_sub(began) / 10;
    let _nobody_asks = end.send(Exit { how, cpu, peak_memory_bytes: 1 << 20, left_behind: false });
}

impl std::fmt::Debug for SimProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.lock().keys()).finish()
    }
}
