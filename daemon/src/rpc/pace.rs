//! Whether a message that has begun gets on: it may come slowly, but it may not stand still.
//!
//! Polled by the connection while it waits for the rest of a message, and only then: for an idle
//! client no timer runs. Each time the timer ends, it is asked how much came since it began.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

/// What a message has to bring a second, in the mean of each timer's length: slower than any line
/// that people still use, so that only who stopped is cut off.
const LEAST_BYTES_A_SECOND: u128 = 1024;

/// The timer of a message that has begun.
#[derive(Default)]
pub(crate) struct Pace {
    timer: Option<Pin<Box<Sleep>>>,
    /// What had been received when the timer began.
    before: u64,
}

impl Pace {
    /// Ready when too little came `within` this time; `received` counts all bytes of the connection.
    pub(crate) fn poll_late(
        &mut self,
        cx: &mut Context<'_>,
        received: u64,
        within: Duration,
    ) -> Poll<()> {
        let least = (within.as_millis() * LEAST_BYTES_A_SECOND / 1000).max(1);
        loop {
            let timer = self.timer.get_or_insert_with(|| {
                self.before = received;
                Box::pin(tokio::time::sleep(within))
            });
            ready!(timer.as_mut().poll(cx));
            self.timer = None;
            if u128::from(received.saturating_sub(self.before)) < least {
                return Poll::Ready(());
            }
        }
    }

    /// Nothing is waited for any more, or it is not the client who makes it wait.
    pub(crate) fn rest(&mut self) {
        self.timer = None;
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pace({})", if self.timer.is_some() { "waiting" } else { "resting" })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn what_gets_on_is_waited_for_and_what_stands_still_is_not() {
        let mut pace = Pace::default();
        let mut received = [0, 500, 1000].into_iter();
        let mut n_polls = 0;
        poll_fn(|cx| {
            n_polls += 1;
            pace.poll_late(cx, received.next().unwrap_or(1000), Duration::from_millis(20))
        })
        .await;
        assert_eq!(n_polls, 4, "0 to 500 and 500 to 1000 were enough, 1000 to 1000 was not");
        assert!(pace.timer.is_none());
    }
}
