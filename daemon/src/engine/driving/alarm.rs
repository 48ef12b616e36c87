//! The driver's one sleep for the wall clock and one for running time, made anew only when their
//! moments change: an idle driver arms nothing.

use std::time::Duration;

use a2n_proto::Timestamp;

use crate::system::{Later, System};

/// One sleep for the wall clock and one for running time, made anew only when their moments change.
#[derive(Default)]
pub(super) struct Alarm {
    wall: Option<(Timestamp, Later<'static, ()>)>,
    running: Option<(Duration, Later<'static, ()>)>,
}

impl Alarm {
    pub(super) fn set(
        &mut self,
        wall: Option<Timestamp>,
        running: Option<Duration>,
        system: &System,
    ) {
        if self.wall.as_ref().map(|(at, _)| *at) != wall {
            self.wall = wall.map(|at| (at, system.clock.sleep_until(at)));
        }
        if self.running.as_ref().map(|(at, _)| *at) != running {
            self.running = running
                .map(|at| (at, system.clock.sleep(at.saturating_sub(system.clock.monotonic()))));
        }
    }
    /// Ends when the earlier of both is due; never where neither is set.
    pub(super) async fn ring(&mut self) {
        let wall = async {
            match &mut self.wall {
                Some((_, sleep)) => sleep.await,
                None => std::future::pending().await,
            }
        };
        let running = async {
            match &mut self.running {
                Some((_, sleep)) => sleep.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = wall => self.wall = None,
            () = running => self.running = None,
        }
    }
}
