//! The schedule service: waits for the earliest instant, decides what is due, has it started.
//!
//! A thin shell around `Keeper::tick`: the loop only waits for the stop, its inbox or the one
//! timer. There is no timer where nothing is armed. Everything that comes due at one instant is
//! handed over together, so that it shares a commit.

use std::sync::Arc;
use std::time::Duration;

use a2n_proto::execution::ExecutionSchedule;
use a2n_proto::{Timestamp, WorkflowTriggerId};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::keeper::Keeper;
use super::planner::{Armed, Due};
use super::schedule::{Decision, Overlap};
use super::starts::Starts;
use crate::system::Clock;

/// Room for every edit of a busy moment; who sends more waits, nothing is lost.
const INBOX: usize = 1024;

/// What the service is made of.
#[derive(Debug)]
pub struct Config {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who starts executions.
    pub starts: Arc<dyn Starts>,
    /// How many missed runs are started a second (setting `schedule.catchUpPerSecond`).
    pub catch_up_per_second: u64,
}

/// Talks to the running service; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    inbox: mpsc::Sender<Input>,
}

#[derive(Debug)]
pub(super) enum Input {
    Arm(Box<Armed>),
    Disarm(WorkflowTriggerId),
    Ended(WorkflowTriggerId),
    Waits(Due),
    NextOf(WorkflowTriggerId, oneshot::Sender<Option<Timestamp>>),
    Lag(oneshot::Sender<Lag>),
}

/// How far behind the service is, for the health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// How many schedules are armed.
    pub armed: usize,
    /// Missed runs that still wait to be made up for.
    pub backlog: usize,
    /// How long the earliest instant is overdue; zero where none is.
    pub overdue: Duration,
}

impl Handle {
    /// Arms a schedule, or replaces the one its trigger had. Call after the commit.
    pub async fn arm(&self, armed: Armed) {
        self.send(Input::Arm(Box::new(armed))).await;
    }
    /// Forgets a trigger's schedule. Call after the commit.
    pub async fn disarm(&self, trigger: WorkflowTriggerId) {
        self.send(Input::Disarm(trigger)).await;
    }
    /// An execution of this trigger has ended: one that waited may start.
    pub async fn ended(&self, trigger: WorkflowTriggerId) {
        self.send(Input::Ended(trigger)).await;
    }
    /// The same from where nothing may wait (the store's writer). False where the inbox is full:
    /// the caller then hands it over from a task.
    pub fn try_ended(&self, trigger: WorkflowTriggerId) -> bool {
        !matches!(
            self.inbox.try_send(Input::Ended(trigger)),
            Err(mpsc::error::TrySendError::Full(_))
        )
    }
    /// Takes over a ledger row that waited (PENDING, with a trigger) when the daemon stopped.
    pub async fn waits(&self, row: &ExecutionSchedule) {
        let Some(trigger) = row.trigger_id else { return };
        let due = Due {
            trigger,
            workflow: row.workflow_id,
            user: row.user_id,
            at: row.scheduled_time,
            decision: Decision::Fire,
            and_older: false,
            catch_up: false,
            overlap: Overlap::Queue,
            may_wait: 1,
        };
        self.send(Input::Waits(due)).await;
    }
    /// When a trigger starts next, its jitter included.
    pub async fn next_of(&self, trigger: WorkflowTriggerId) -> Option<Timestamp> {
        let (answer, asked) = oneshot::channel();
        self.send(Input::NextOf(trigger, answer)).await;
        asked.await.ok().flatten()
    }
    /// How far behind the service is; none where it has stopped.
    pub async fn lag(&self) -> Option<Lag> {
        let (answer, asked) = oneshot::channel();
        self.send(Input::Lag(answer)).await;
        asked.await.ok()
    }
    async fn send(&self, input: Input) {
        // A service that has stopped needs no news: the next start reads the store.
        let _ = self.inbox.send(input).await;
    }
}

/// The service before it runs.
#[derive(Debug)]
pub struct Service {
    config: Config,
    inbox: mpsc::Receiver<Input>,
}

impl Service {
    /// A service and its handle. What is armed through the handle before [`Service::run`] waits in
    /// the inbox; hand many over from a task beside it.
    pub fn new(config: Config) -> (Self, Handle) {
        let (sender, inbox) = mpsc::channel(INBOX);
        (Self { config, inbox }, Handle { inbox: sender })
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let clock = Arc::clone(&self.config.clock);
        let mut keeper = Keeper::new(self.config.starts, self.config.catch_up_per_second);
        loop {
            let wake = keeper.next();
            let timer = async {
                match wake {
                    Some(at) => clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                input = self.inbox.recv() => {
                    let Some(input) = input else { return };
                    keeper.take(input, clock.now());
                    // Many arrive together at the start; each is cheap, a tick may not be.
                    while let Ok(input) = self.inbox.try_recv() {
                        keeper.take(input, clock.now());
                    }
                }
                () = timer => {}
            }
            keeper.tick(clock.now()).await;
        }
    }
}
