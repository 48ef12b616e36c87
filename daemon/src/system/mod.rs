//! The one door to the world: clock, entropy, files, processes, network.
//!
//! Each port is a small trait with a real implementation in its own file and a simulated twin in
//! [`sim`], made of a seed. [`System`] bundles the ports; everything else of the daemon reaches the
//! world through it, so that a whole daemon can run on a made-up machine.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use a2n_proto::Timestamp;

mod clock;
mod entropy;
pub mod process;
mod ready;
pub mod sim;

pub use clock::{Clock, RealClock};
pub use entropy::{Entropy, Ids, RealEntropy};
pub use process::{Process, RealProcess};

/// What an asynchronous method of a port answers.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// All ports together; cheap to clone.
#[derive(Debug, Clone)]
pub struct System {
    /// What time it is, and waking up.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    ids: Arc<Ids>,
}

impl System {
    /// The machine that the daemon runs on.
    pub fn real() -> Self {
        Self::of(Arc::new(RealClock::new()), Arc::new(RealEntropy::new()))
    }
    /// These ports.
    pub fn of(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy, ids: Arc::new(Ids::default()) }
    }
    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
    /// The bytes of a new UUIDv7, greater than all that this process made before:
    /// `ExecutionId::from_bytes(system.new_id())`.
    pub fn new_id(&self) -> [u8; 16] {
        self.ids.next(self.clock.now(), self.entropy.as_ref())
    }
}
