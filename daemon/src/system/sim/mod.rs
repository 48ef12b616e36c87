//! A made-up machine: the twin of each port, made of a seed. The same seed gives the same world.

use std::sync::Arc;

use a2n_proto::Timestamp;

use super::System;

mod clock;
mod dial;
mod entropy;
mod files;
mod http;
mod process;

pub use clock::SimClock;
pub use dial::SimDial;
pub use entropy::SimEntropy;
pub use files::SimFiles;
pub use http::SimHttp;
pub use process::{Act, SimProcess};

/// A made-up machine with handles to what happens on it.
#[derive(Debug, Clone)]
pub struct Sim {
    /// As the daemon sees it.
    pub system: System,
    /// Moves time.
    pub clock: SimClock,
    /// Its files.
    pub files: SimFiles,
    /// Its programs.
    pub process: SimProcess,
    /// Its network.
    pub http: SimHttp,
    /// The ports that answer.
    pub dial: SimDial,
}

impl Sim {
    /// A machine of this seed whose clock stands at `start`.
    pub fn new(seed: u64, start: Timestamp) -> Self {
        let clock = SimClock::new(start);
        let entropy = SimEntropy::new(seed);
        let files = SimFiles::new(clock.clone());
        let process = SimProcess::new(clock.clone(), entropy.number());
        let http = SimHttp::new(clock.clone(), entropy.number());
        let dial = SimDial::default();
        let system = System::of(
            Arc::new(clock.clone()),
            Arc::new(entropy),
            Arc::new(files.clone()),
            Arc::new(process.clone()),
            Arc::new(http.clone()),
            Arc::new(dial.clone()),
        );
        Self { system, clock, files, process, http, dial }
    }
}
