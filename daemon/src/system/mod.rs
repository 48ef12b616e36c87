//! The one door to the world: clock, entropy, files, processes, network.
//!
//! Each port is a small trait with a real implementation in its own file and a simulated twin in
//! [`sim`], made of a seed. [`System`] bundles the ports; everything else of the daemon reaches the
//! world through it, so that a whole daemon can run on a made-up machine.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use a2n_proto::Timestamp;

pub mod attachments;
mod clock;
pub mod descriptors;
pub mod dial;
pub mod disk;
mod entropy;
pub mod files;
pub mod host;
pub mod http;
pub mod listen;
mod mark;
pub mod peer;
mod pieces;
pub mod process;
mod ready;
pub mod sim;
pub mod systemd;
mod usage;
pub mod watch;

pub use clock::{Clock, RealClock};
pub use dial::{Dial, RealDial};
pub use entropy::{Entropy, Ids, RealEntropy};
pub use files::{Files, RealFiles};
pub use http::{Http, RealHttp};
pub use mark::{FileMark, Mark, NoMark};
pub use pieces::{Pieces, begun, whole};
pub use process::{Process, RealProcess};
pub use usage::{Space, Usage, space, usage};

/// What an asynchronous method of a port answers.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// All ports together; cheap to clone.
#[derive(Debug, Clone)]
pub struct System {
    /// What time it is, and waking up.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Files and folders.
    pub files: Arc<dyn Files>,
    /// Starting processes.
    pub process: Arc<dyn Process>,
    /// Outgoing HTTP.
    pub http: Arc<dyn Http>,
    /// Dialling TCP ports.
    pub dial: Arc<dyn Dial>,
    ids: Arc<Ids>,
}

impl System {
    /// The machine that the daemon runs on.
    pub fn real() -> Self {
        Self::of(
            Arc::new(RealClock::new()),
            Arc::new(RealEntropy::new()),
            Arc::new(RealFiles),
            Arc::new(RealProcess::new()),
            Arc::new(RealHttp::default()),
            Arc::new(RealDial),
        )
    }
    /// These ports.
    pub fn of(
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        files: Arc<dyn Files>,
        process: Arc<dyn Process>,
        http: Arc<dyn Http>,
        dial: Arc<dyn Dial>,
    ) -> Self {
        Self { clock, entropy, files, process, http, dial, ids: Arc::new(Ids::default()) }
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
