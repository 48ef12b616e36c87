//! For whom the code that runs now works: the records that it writes say so.
//!
//! Not a span of tracing's: every call would make one, enter it three times and close it, which was a
//! quarter of the work of a small call, and hardly any call writes a record.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;

thread_local! {
    static NOW: Cell<Option<Subject>> = const { Cell::new(None) };
}

/// A call that is being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// Which method.
    pub method: &'static str,
    /// The uid that asked.
    pub caller: u32,
}

impl Subject {
    /// Runs `work` for this call.
    pub fn during<T>(self, work: impl FnOnce() -> T) -> T {
        let _before = Restore(NOW.replace(Some(self)));
        work()
    }
    /// The same for what is done bit by bit.
    pub async fn throughout<F: Future>(self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|cx| self.during(|| work.as_mut().poll(cx))).await
    }
    /// The call that this thread works for, if it does for one.
    pub(super) fn now() -> Option<Self> {
        NOW.get()
    }
}

/// Puts back what was there before, also when the work panics.
struct Restore(Option<Subject>);

impl Drop for Restore {
    fn drop(&mut self) {
        NOW.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTER: Subject = Subject { method: "workflow.run", caller: 1000 };
    const INNER: Subject = Subject { method: "system.ping", caller: 0 };

    #[test]
    fn it_holds_for_the_work_alone() {
        OUTER.during(|| {
            assert_eq!(INNER.during(Subject::now), Some(INNER));
            let panicked = std::panic::catch_unwind(|| INNER.during(|| panic!("on purpose")));
            assert!(panicked.is_err());
            assert_eq!(Subject::now(), Some(OUTER));
        });
        assert_eq!(Subject::now(), None);
    }

    #[tokio::test]
    async fn two_that_take_turns_do_not_mix() {
        let steps = |subject: Subject| {
            subject.throughout(async move {
                for _ in 0..3 {
                    assert_eq!(Subject::now(), Some(subject));
                    tokio::task::yield_now().await;
                }
            })
        };
        tokio::join!(steps(OUTER), steps(INNER));
        assert_eq!(Subject::now(), None);
    }
}
