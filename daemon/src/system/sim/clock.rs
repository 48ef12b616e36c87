//! A clock that moves only when told. Who sleeps is woken by the move that reaches the moment.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use a2n_proto::Timestamp;

use crate::system::{Clock, Later};

/// A clock that moves only when told; clones show the same time.
#[derive(Debug, Clone)]
pub struct SimClock {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    now: Timestamp,
    monotonic: Duration,
    next_sleeper: u64,
    sleepers: BTreeMap<u64, (Due, Waker)>,
}

#[derive(Debug, Clone, Copy)]
enum Due {
    Wall(Timestamp),
    Running(Duration),
}

impl SimClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        let state = State {
            now: start,
            monotonic: Duration::ZERO,
            next_sleeper: 0,
            sleepers: BTreeMap::new(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }
    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let mut state = self.lock();
        state.now = state.now.plus(by);
        state.monotonic += by;
        wake(state);
    }
    /// Sets the wall clock, as a person or NTP would; no running time passes.
    pub fn set(&self, now: Timestamp) {
        let mut state = self.lock();
        state.now = now;
        wake(state);
    }
    /// Lets time pass to the moment when the first sleeper wakes; how long that was, or none where
    /// nobody sleeps.
    pub fn advance_to_next(&self) -> Option<Duration> {
        let by = {
            let state = self.lock();
            state.sleepers.values().map(|(due, _)| due.left(&state)).min()?
        };
        self.advance(by);
        Some(by)
    }
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn sleep_to(&self, due: Due) -> Later<'static, ()> {
        Box::pin(Sleep { clock: self.clone(), due, id: None })
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.lock().now
    }
    fn monotonic(&self) -> Duration {
        self.lock().monotonic
    }
    fn sleep_until(&self, at: Timestamp) -> Later<'static, ()> {
        self.sleep_to(Due::Wall(at))
    }
    fn sleep(&self, after: Duration) -> Later<'static, ()> {
        let due = self.lock().monotonic + after;
        self.sleep_to(Due::Running(due))
    }
}

impl Due {
    fn left(self, state: &State) -> Duration {
        match self {
            Self::Wall(at) => at.since(state.now),
            Self::Running(at) => at.saturating_sub(state.monotonic),
        }
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let due: Vec<u64> = state
        .sleepers
        .iter()
        .filter(|(_, (due, _))| due.left(&state).is_zero())
        .map(|(id, _)| *id)
        .collect();
    let woken: Vec<Waker> =
        due.iter().filter_map(|id| state.sleepers.remove(id)).map(|(_, waker)| waker).collect();
    drop(state);
    // In the order in which they fell asleep, so that the same seed gives the same run.
    woken.into_iter().for_each(Waker::wake);
}

struct Sleep {
    clock: SimClock,
    due: Due,
    id: Option<u64>,
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut state = clock.lock();
        if self.due.left(&state).is_zero() {
            return Poll::Ready(());
        }
        let id = *self.id.get_or_insert_with(|| {
            state.next_sleeper += 1;
            state.next_sleeper
        });
        state.sleepers.insert(id, (self.due, cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.clock.lock().sleepers.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_by_time_and_by_a_clock_step_but_running_time_only_by_time() {
        let clock = SimClock::new(Timestamp::from_unix_ms(0));
        let wall = tokio::spawn(clock.sleep_until(Timestamp::from_unix_ms(60_000)));
        let running = tokio::spawn(clock.sleep(Duration::from_secs(60)));
        tokio::task::yield_now().await;
        clock.set(Timestamp::from_unix_ms(3_600_000));
        wall.await.unwrap();
        assert!(!running.is_finished());
        assert_eq!(clock.advance_to_next(), Some(Duration::from_secs(60)));
        running.await.unwrap();
        assert_eq!(clock.advance_to_next(), None);
    }
}
