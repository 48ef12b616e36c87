//! The clock: wall time, monotonic time, and sleeping until a moment.
//!
//! A wall-clock sleep ends when the wall clock says so: through suspend and through clock steps,
//! because it stands on a `timerfd` of CLOCK_REALTIME that is cancelled when the clock is set.
//! A running-time sleep stands on CLOCK_MONOTONIC, which sleeps with the machine.

use std::fmt;
use std::time::Duration;

use a2n_proto::Timestamp;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::{ClockId as Source, clock_gettime};

use super::{Later, ready};

/// What time it is, and waking up.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// Running time since some fixed moment; stands still while the machine sleeps.
    fn monotonic(&self) -> Duration;
    /// Ends when the wall clock has reached `at`, also where it jumped there.
    fn sleep_until(&self, at: Timestamp) -> Later<'static, ()>;
    /// Ends after this much running time.
    fn sleep(&self, after: Duration) -> Later<'static, ()>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealClock;

impl RealClock {
    /// The machine's clock.
    pub const fn new() -> Self {
        Self
    }
}

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        wall_now()
    }
    fn monotonic(&self) -> Duration {
        clock_gettime(Source::CLOCK_MONOTONIC)
            .map(Duration::from)
            .expect("Linux always has CLOCK_MONOTONIC")
    }
    fn sleep_until(&self, at: Timestamp) -> Later<'static, ()> {
        Box::pin(async move {
            while wall_now() < at {
                if wait_for_wall_clock(at).await.is_err() {
                    // Out of file descriptors, most likely. Short steps of running time are a
                    // poor substitute, but end at the right moment within a minute.
                    let left = at.since(wall_now()).min(Duration::from_secs(60));
                    tokio::time::sleep(left).await;
                }
            }
        })
    }
    fn sleep(&self, after: Duration) -> Later<'static, ()> {
        Box::pin(tokio::time::sleep(after))
    }
}

fn wall_now() -> Timestamp {
    let now = clock_gettime(Source::CLOCK_REALTIME).expect("Linux always has CLOCK_REALTIME");
    Timestamp::from_unix_ms(now.tv_sec() * 1000 + now.tv_nsec() / 1_000_000)
}

/// One wait on a timer; also ends, early, when the wall clock was set.
async fn wait_for_wall_clock(at: Timestamp) -> std::io::Result<()> {
    let timer =
        TimerFd::new(ClockId::CLOCK_REALTIME, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
    let ms = at.as_unix_ms();
    let due = TimeSpec::new(ms.div_euclid(1000), ms.rem_euclid(1000) * 1_000_000);
    let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
    timer.set(Expiration::OneShot(due), flags)?;
    let _ready = ready::watch(timer.into())?.readable().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleeping_until_a_moment_ends_at_it_and_not_before() {
        let clock = RealClock::new();
        let at = clock.now().plus(Duration::from_millis(30));
        clock.sleep_until(at).await;
        assert!(clock.now() >= at);
    }

    #[tokio::test]
    async fn a_moment_in_the_past_is_over_at_once() {
        let clock = RealClock::new();
        let began = clock.monotonic();
        clock.sleep_until(Timestamp::from_unix_ms(-5)).await;
        clock.sleep_until(Timestamp::from_unix_ms(1)).await;
        assert!(clock.monotonic() - began < Duration::from_secs(1));
    }
}
