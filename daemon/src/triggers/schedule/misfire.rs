//! What happens to instants that came due: started, coalesced, skipped or missed.
//!
//! Pure: who calls says which instant was decided last and what time it is. Invariant: every
//! instant in between gets exactly one decision; however long the pause was, at most
//! `misfireMax` + 1 of them are named one by one, the rest stand behind the oldest of these.

use a2n_proto::Timestamp;

use super::rule::{Misfire, Schedule};

/// What becomes of one due instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is started.
    Fire,
    /// A newer instant stands for it (RUN_ONCE).
    Coalesced,
    /// It is not caught up: the schedule says SKIP, or RUN_ALL has `misfireMax` newer ones.
    Missed,
}

/// One due instant and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    /// The nominal instant.
    pub at: Timestamp,
    /// What becomes of it.
    pub decision: Decision,
    /// Older instants share this decision, though they are not named: the pause was too long.
    pub and_older: bool,
}

/// Decides the instants after `last` up to `now`, oldest first.
///
/// Those from `in_time_from` on are started, each. Older ones were missed: RUN_ONCE starts the
/// newest whatever its age and RUN_ALL the newest `misfireMax`; SKIP starts the newest only where
/// it is not older than the grace. A newer instant that is started stands for those coalesced.
pub fn decide(
    schedule: &Schedule,
    last: Timestamp,
    now: Timestamp,
    in_time_from: Timestamp,
) -> Vec<Decided> {
    let most = usize::try_from(schedule.misfire_max).unwrap_or(usize::MAX).max(1);
    // In time is a matter of seconds, so these few come on top of what is named one by one.
    let before = Timestamp::from_unix_ms(in_time_from.as_unix_ms().saturating_sub(1));
    let (missed, older) = newest_up_to(schedule, last, before.min(now), most.saturating_add(1));
    let in_time = schedule.upcoming_until(before.max(last), now);
    let newest = missed.len().saturating_sub(1);
    let late_ok = |at: Timestamp| now.since(at) <= schedule.misfire_grace;
    let stands_for_all = !in_time.is_empty();
    let late_newest = missed.last().is_some_and(|at| late_ok(*at));
    let decision = |i: usize, at: Timestamp| match schedule.misfire {
        Misfire::RunAll if i + most > newest => Decision::Fire,
        Misfire::RunAll => Decision::Missed,
        Misfire::RunOnce if i == newest && !stands_for_all => Decision::Fire,
        Misfire::RunOnce => Decision::Coalesced,
        Misfire::Skip if !late_ok(at) => Decision::Missed,
        Misfire::Skip if i == newest && !stands_for_all => Decision::Fire,
        Misfire::Skip if late_newest || stands_for_all => Decision::Coalesced,
        Misfire::Skip => Decision::Missed,
    };
    let mut decided: Vec<Decided> = missed
        .iter()
        .enumerate()
        .map(|(i, at)| Decided { at: *at, decision: decision(i, *at), and_older: i == 0 && older })
        .collect();
    decided.extend(in_time.into_iter().map(|at| Decided {
        at,
        decision: Decision::Fire,
        and_older: false,
    }));
    decided
}

/// The newest `most` instants in (after, to], and whether there are older ones in it.
///
/// After a month without power a schedule of every second has millions of them, so the search
/// begins at the end and widens until it has enough.
fn newest_up_to(
    schedule: &Schedule,
    after: Timestamp,
    to: Timestamp,
    most: usize,
) -> (Vec<Timestamp>, bool) {
    let mut back_ms: i64 = 1_000;
    loop {
        let from = to.as_unix_ms().saturating_sub(back_ms).max(after.as_unix_ms());
        let whole = from == after.as_unix_ms();
        let mut found = std::collections::VecDeque::new();
        let mut seen = 0usize;
        let mut cursor = Timestamp::from_unix_ms(from);
        while let Some(next) = schedule.next_after(cursor).filter(|next| *next <= to) {
            found.push_back(next);
            seen += 1;
            if found.len() > most {
                found.pop_front();
            }
            cursor = next;
        }
        if whole || seen >= most {
            let first_after = schedule.next_after(after);
            let older =
                found.front().zip(first_after).is_some_and(|(oldest, first)| first < *oldest);
            return (found.into(), older);
        }
        back_ms = back_ms.saturating_mul(4);
    }
}
