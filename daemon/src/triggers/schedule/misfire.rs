//! What happens to instants that came due: started, coalesced, skipped or missed.
//!
//! Pure: who calls says which instant was decided last and what time it is. Invariant: every
//! instant in between gets exactly one decision; however long the pause was, at most
//! `misfireMax` + 1 of them are named one by one, the rest stand behind the oldest of these.

use a2n_proto::Timestamp;

use super::parse::{Misfire, Schedule};

/// What becomes of one due instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is started.
    Fire,
    /// A newer instant stands for it (RUN_ONCE).
    Coalesced,
    /// The schedule says not to catch up (SKIP).
    Skipped,
    /// Beyond `misfireMax`.
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
/// Started in time, or within the grace, is what SKIP accepts: of several such instants the newest.
/// RUN_ONCE starts the newest whatever its age, RUN_ALL the newest `misfireMax`.
pub fn decide(schedule: &Schedule, last: Timestamp, now: Timestamp) -> Vec<Decided> {
    let most = usize::try_from(schedule.misfire_max).unwrap_or(usize::MAX).max(1);
    let (due, older) = newest_up_to(schedule, last, now, most.saturating_add(1));
    let newest = due.len().saturating_sub(1);
    due.iter()
        .enumerate()
        .map(|(i, at)| {
            let in_grace = now.since(*at) <= schedule.misfire_grace;
            let decision = match schedule.misfire {
                Misfire::RunAll if i + most > newest => Decision::Fire,
                Misfire::RunAll => Decision::Missed,
                Misfire::Skip if i == newest && in_grace => Decision::Fire,
                Misfire::Skip if in_grace && now.since(due[newest]) <= schedule.misfire_grace => {
                    Decision::Coalesced
                }
                Misfire::Skip => Decision::Skipped,
                Misfire::RunOnce if i == newest => Decision::Fire,
                Misfire::RunOnce => Decision::Coalesced,
            };
            Decided { at: *at, decision, and_older: i == 0 && older }
        })
        .collect()
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
