//! Which schedules are armed, what is due next, and what becomes of what came due: pure.
//!
//! `service` drives it: it waits for [`Planner::next`] and calls [`Planner::tick`]. Invariant:
//! each instant of an armed schedule is decided once; after a step back of the clock instants may
//! be decided again, and then the ledger's unique key refuses them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use a2n_proto::workflow::WorkflowTrigger;
use a2n_proto::{Timestamp, UserId, WorkflowId, WorkflowTriggerId};

use super::schedule::{Decision, Overlap, Schedule, Zone, decide};

/// How late a start may be while the daemon runs and still counts as in time: a busy moment is no
/// downtime. Beyond it the machine slept or the clock was set.
const IN_TIME: Duration = Duration::from_secs(5);

/// A schedule that starts executions.
#[derive(Debug, Clone)]
pub struct Armed {
    /// Its trigger.
    pub trigger: WorkflowTriggerId,
    /// What it starts.
    pub workflow: WorkflowId,
    /// Whose it is.
    pub user: UserId,
    /// When.
    pub schedule: Schedule,
    /// Instants up to this one are decided, or were never its business.
    pub since: Timestamp,
}

impl Armed {
    /// The schedule of an active SCHEDULE trigger, or why it can't be armed (for `armError`).
    ///
    /// `since` is the newest instant in its ledger, or when it was switched on where that is later.
    pub fn of(trigger: &WorkflowTrigger, since: Timestamp, host: &Zone) -> Result<Self, String> {
        let schedule =
            Schedule::parse(&trigger.configuration.to_value(), host).map_err(|problems| {
                let texts = problems.into_iter().map(|problem| problem.message);
                texts.collect::<Vec<_>>().join("; ")
            })?;
        if schedule.next_after(since).is_none() {
            return Err("it is not due any more: its time has passed".to_owned());
        }
        Ok(Self {
            trigger: trigger.id,
            workflow: trigger.workflow_id,
            user: trigger.user_id,
            schedule,
            since,
        })
    }
}

/// An instant that came due, and what becomes of it by its schedule alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The trigger.
    pub trigger: WorkflowTriggerId,
    /// What it starts.
    pub workflow: WorkflowId,
    /// Whose it is.
    pub user: UserId,
    /// The nominal instant.
    pub at: Timestamp,
    /// What becomes of it.
    pub decision: Decision,
    /// Older instants share the decision without being named.
    pub and_older: bool,
    /// It was missed and is made up for now; such starts are paced.
    pub catch_up: bool,
    /// What happens where the one before still runs.
    pub overlap: Overlap,
    /// How many may wait for the one before: one, or all that RUN_ALL makes up for.
    pub may_wait: usize,
}

/// The armed schedules.
#[derive(Debug, Default)]
pub struct Planner {
    armed: BTreeMap<WorkflowTriggerId, Kept>,
    by_next: BTreeSet<(Timestamp, WorkflowTriggerId)>,
    last_tick: Option<Timestamp>,
}

#[derive(Debug)]
struct Kept {
    armed: Armed,
    /// Puts every start off by the same part of the jitter, so that the pace stays.
    delay: Duration,
    /// Instants before this one were missed: the daemon was not there.
    began: Timestamp,
    next: Option<Timestamp>,
}

impl Planner {
    /// Arms a schedule, or replaces the one that its trigger had.
    pub fn arm(&mut self, armed: Armed, now: Timestamp) {
        self.disarm(armed.trigger);
        let delay = delay(&armed);
        let mut kept = Kept { armed, delay, began: now, next: None };
        kept.plan();
        if let Some(next) = kept.next {
            self.by_next.insert((next, kept.armed.trigger));
        }
        self.armed.insert(kept.armed.trigger, kept);
    }

    /// Forgets a trigger's schedule.
    pub fn disarm(&mut self, trigger: WorkflowTriggerId) {
        if let Some(kept) = self.armed.remove(&trigger)
            && let Some(next) = kept.next
        {
            self.by_next.remove(&(next, trigger));
        }
    }

    /// When to call [`Planner::tick`]; never where nothing is armed.
    pub fn next(&self) -> Option<Timestamp> {
        self.by_next.first().map(|(at, _)| *at)
    }

    /// How many schedules are armed.
    pub fn len(&self) -> usize {
        self.armed.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }

    /// When a trigger is due next.
    pub fn next_of(&self, trigger: WorkflowTriggerId) -> Option<Timestamp> {
        self.armed.get(&trigger).and_then(|kept| kept.next)
    }

    /// Decides everything that is due, oldest first.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Due> {
        if self.last_tick.is_some_and(|last| now < last) {
            self.stepped_back(now);
        }
        self.last_tick = Some(now);
        let mut due = Vec::new();
        while let Some((at, trigger)) = self.by_next.first().copied().filter(|(at, _)| *at <= now) {
            self.by_next.remove(&(at, trigger));
            let kept = self.armed.get_mut(&trigger).expect("what is planned is armed");
            kept.decide(now, &mut due);
            kept.plan();
            if let Some(next) = kept.next {
                self.by_next.insert((next, trigger));
            }
        }
        due.sort_by_key(|due| (due.at, due.trigger));
        due
    }

    /// The clock was set back: what lies ahead now is planned anew.
    fn stepped_back(&mut self, now: Timestamp) {
        self.by_next.clear();
        for kept in self.armed.values_mut() {
            kept.armed.since = kept.armed.since.min(now);
            kept.began = kept.began.min(now);
            kept.plan();
            if let Some(next) = kept.next {
                self.by_next.insert((next, kept.armed.trigger));
            }
        }
    }
}

impl Kept {
    fn plan(&mut self) {
        let nominal = self.armed.schedule.next_after(self.armed.since);
        self.next = nominal.map(|at| at.plus(self.delay));
    }

    fn decide(&mut self, now: Timestamp, due: &mut Vec<Due>) {
        let schedule = &self.armed.schedule;
        let up_to = now.minus(self.delay);
        let in_time_from = up_to.minus(IN_TIME).max(self.began.minus(self.delay));
        let decided = decide(schedule, self.armed.since, up_to, in_time_from);
        if let Some(last) = decided.last() {
            self.armed.since = last.at;
        }
        let run_all = schedule.misfire == super::schedule::Misfire::RunAll;
        let most = usize::try_from(schedule.misfire_max).unwrap_or(usize::MAX);
        due.extend(decided.into_iter().map(|one| {
            let catch_up = one.at < in_time_from;
            Due {
                trigger: self.armed.trigger,
                workflow: self.armed.workflow,
                user: self.armed.user,
                at: one.at,
                decision: one.decision,
                and_older: one.and_older,
                catch_up,
                overlap: schedule.overlap,
                may_wait: if catch_up && run_all { most } else { 1 },
            }
        }));
    }
}

/// The same part of the jitter for a trigger each time, also after a restart.
fn delay(armed: &Armed) -> Duration {
    let jitter = u64::try_from(armed.schedule.jitter.as_millis()).unwrap_or(u64::MAX);
    if jitter == 0 {
        return Duration::ZERO;
    }
    let hash = xxhash_rust::xxh3::xxh3_64(armed.trigger.as_bytes());
    Duration::from_millis(hash % jitter.saturating_add(1))
}

/// The due instants of many schedules in (from, to], merged, at most `most`.
pub fn upcoming<'a>(
    schedules: impl IntoIterator<Item = (WorkflowTriggerId, &'a Schedule)>,
    from: Timestamp,
    to: Timestamp,
    most: usize,
) -> Vec<(Timestamp, WorkflowTriggerId)> {
    let mut ahead: BTreeMap<(Timestamp, WorkflowTriggerId), &Schedule> = BTreeMap::new();
    for (trigger, schedule) in schedules {
        if let Some(next) = schedule.next_after(from).filter(|next| *next <= to) {
            ahead.insert((next, trigger), schedule);
        }
    }
    let mut found = Vec::new();
    while found.len() < most
        && let Some(((at, trigger), schedule)) = ahead.pop_first()
    {
        found.push((at, trigger));
        if let Some(next) = schedule.next_after(at).filter(|next| *next <= to) {
            ahead.insert((next, trigger), schedule);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn armed(n: u8, rule: Value, since: &str) -> Armed {
        Armed {
            trigger: WorkflowTriggerId::from_bytes([n; 16]),
            workflow: WorkflowId::from_bytes([n; 16]),
            user: UserId::from_bytes([1; 16]),
            schedule: Schedule::parse(&rule, &Zone::utc()).unwrap(),
            since: at(since),
        }
    }

    fn lines(due: &[Due]) -> Vec<String> {
        due.iter()
            .map(|due| {
                let catch_up = if due.catch_up { " late" } else { "" };
                let n = due.trigger.as_bytes()[0];
                format!("{n} {} {:?}{catch_up}", &due.at.to_string()[11..19], due.decision)
            })
            .collect()
    }

    #[test]
    fn the_earliest_is_next_and_nothing_is_next_where_nothing_is_armed() {
        let mut planner = Planner::default();
        assert_eq!(planner.next(), None);
        let now = at("2026-01-01T00:00:30Z");
        planner.arm(armed(1, json!({"cron": "0 * * * *"}), "2026-01-01T00:00:30Z"), now);
        planner.arm(armed(2, json!({"cron": "*/5 * * * *"}), "2026-01-01T00:00:30Z"), now);
        assert_eq!(planner.next(), Some(at("2026-01-01T00:05:00Z")));
        assert_eq!(lines(&planner.tick(at("2026-01-01T00:05:00.002Z"))), ["2 00:05:00 Fire"]);
        planner.disarm(WorkflowTriggerId::from_bytes([2; 16]));
        assert_eq!(planner.next(), Some(at("2026-01-01T01:00:00Z")));
        assert_eq!(planner.tick(at("2026-01-01T00:30:00Z")), []);
    }

    #[test]
    fn a_busy_moment_is_not_downtime() {
        let mut planner = Planner::default();
        let now = at("2026-01-01T00:00:00Z");
        planner.arm(armed(1, json!({"every": "1s"}), "2026-01-01T00:00:00Z"), now);
        assert_eq!(
            lines(&planner.tick(at("2026-01-01T00:00:03.500Z"))),
            ["1 00:00:01 Fire", "1 00:00:02 Fire", "1 00:00:03 Fire"]
        );
    }

    #[test]
    fn after_downtime_the_misfire_policy_decides() {
        for (misfire, expected) in [
            ("RUN_ONCE", vec!["1 01:00:00 Coalesced late", "1 02:00:00 Fire late"]),
            ("RUN_ALL", vec!["1 01:00:00 Fire late", "1 02:00:00 Fire late"]),
        ] {
            let mut planner = Planner::default();
            let now = at("2026-01-01T02:30:00Z");
            let rule = json!({"cron": "0 * * * *", "misfire": misfire});
            planner.arm(armed(1, rule, "2026-01-01T00:30:00Z"), now);
            assert_eq!(lines(&planner.tick(now)), expected, "{misfire}");
            assert_eq!(planner.next(), Some(at("2026-01-01T03:00:00Z")));
        }
    }

    #[test]
    fn a_clock_set_forward_is_downtime_and_one_set_back_is_planned_anew() {
        let mut planner = Planner::default();
        let now = at("2026-01-01T00:00:30Z");
        planner.arm(armed(1, json!({"cron": "0 * * * *"}), "2026-01-01T00:00:30Z"), now);
        planner.tick(now);
        assert_eq!(
            lines(&planner.tick(at("2026-01-01T02:30:00Z"))),
            ["1 01:00:00 Coalesced late", "1 02:00:00 Fire late"]
        );
        // Back at half past midnight: 01:00 comes again, and the ledger refuses it.
        planner.tick(at("2026-01-01T00:31:00Z"));
        assert_eq!(planner.next(), Some(at("2026-01-01T01:00:00Z")));
    }

    #[test]
    fn jitter_puts_every_start_off_by_the_same_part() {
        let mut planner = Planner::default();
        let now = at("2026-01-01T00:00:00Z");
        let rule = json!({"cron": "0 * * * *", "jitter": "10m"});
        planner.arm(armed(1, rule, "2026-01-01T00:00:00Z"), now);
        let first = planner.next().unwrap();
        let off = first.since(at("2026-01-01T01:00:00Z"));
        assert!(off > Duration::ZERO && off <= Duration::from_secs(600), "{off:?}");
        assert_eq!(planner.tick(first.minus(Duration::from_millis(1))), []);
        assert_eq!(lines(&planner.tick(first)), ["1 01:00:00 Fire"]);
        assert_eq!(planner.next(), Some(at("2026-01-01T02:00:00Z").plus(off)));
    }

    #[test]
    fn what_is_due_is_merged_in_order() {
        let a = armed(1, json!({"cron": "0 * * * *"}), "2026-01-01T00:00:00Z");
        let b = armed(2, json!({"cron": "30 * * * *"}), "2026-01-01T00:00:00Z");
        let due = upcoming(
            [(a.trigger, &a.schedule), (b.trigger, &b.schedule)],
            at("2026-01-01T00:00:00Z"),
            at("2026-01-01T02:00:00Z"),
            3,
        );
        let minutes: Vec<String> =
            due.iter().map(|(at, _)| at.to_string()[11..16].to_owned()).collect();
        assert_eq!(minutes, ["00:30", "01:00", "01:30"]);
    }
}
