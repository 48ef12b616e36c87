//! A daemon that is there but does not answer: said once, and given up after a while.
//!
//! A call may rightly take long, such as checking a big store. So it counts as unanswered only while
//! a ping beside it is not answered either.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{sleep, timeout};

/// How long each part of the waiting takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Most calls are answered long before it is asked whether anyone is there.
    look: Duration,
    /// Between two pings beside a call that takes long.
    look_again: Duration,
    /// How long a ping may take before something is said.
    say: Duration,
    /// How much longer it is waited for.
    give_up: Duration,
}

/// Told after two seconds, given up after thirty.
pub(crate) const PATIENCE: Patience = Patience {
    look: Duration::from_secs(1),
    look_again: Duration::from_secs(10),
    say: Duration::from_secs(1),
    give_up: Duration::from_secs(28),
};

/// How a person is told that the daemon does not answer.
pub type Tell = fn(&str);

/// What `work` comes to; nothing where neither it nor `ping` is answered.
pub(crate) async fn answered<T, F: Future>(
    patience: Patience,
    work: impl Future<Output = T>,
    ping: impl Fn() -> F,
    tell: impl Fn(),
) -> Option<T> {
    let mut work = pin!(work);
    let (mut look, mut told) = (patience.look, false);
    loop {
        if let Ok(done) = timeout(look, &mut work).await {
            return Some(done);
        }
        let mut sign = pin!(ping());
        tokio::select! {
            done = &mut work => return Some(done),
            _ = &mut sign => {
                look = patience.look_again;
                continue;
            }
            () = sleep(patience.say) => {}
        }
        if !told {
            tell();
            told = true;
        }
        tokio::select! {
            done = &mut work => return Some(done),
            _ = &mut sign => look = patience.look_again,
            () = sleep(patience.give_up) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, ready};

    use tokio::sync::Notify;

    use super::*;

    const SHORT: Duration = Duration::from_millis(1);
    const IMPATIENT: Patience =
        Patience { look: SHORT, look_again: SHORT, say: SHORT, give_up: SHORT };
    const NEVER: Duration = Duration::from_secs(3_600);

    /// A daemon that was stopped with SIGSTOP made every command hang for ever without a word.
    #[tokio::test(flavor = "current_thread")]
    async fn silence_is_told_once_and_given_up() {
        let told = Cell::new(0);
        let tell = || told.set(told.get() + 1);
        assert_eq!(answered(IMPATIENT, pending::<()>(), pending::<()>, tell).await, None);
        assert_eq!(told.get(), 1);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_long_call_is_waited_for_while_pings_are_answered() {
        let (pings, enough) = (Cell::new(0), Notify::new());
        let ping = || {
            pings.set(pings.get() + 1);
            if pings.get() == 3 {
                enough.notify_one();
            }
            ready(())
        };
        let work = async {
            enough.notified().await;
            7
        };
        let patience = Patience { say: NEVER, give_up: NEVER, ..IMPATIENT };
        assert_eq!(answered(patience, work, ping, || panic!("it answers")).await, Some(7));
        assert_eq!(pings.get(), 3);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_answer_that_comes_late_still_counts() {
        let (told, late) = (Cell::new(false), Notify::new());
        let tell = || {
            told.set(true);
            late.notify_one();
        };
        let patience = Patience { give_up: NEVER, ..IMPATIENT };
        let came = answered(patience, late.notified(), pending::<()>, tell).await;
        assert!(came.is_some() && told.get());
    }
}
