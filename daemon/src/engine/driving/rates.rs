//! How often a node definition may be used: a token bucket for each definition that has a limit, and
//! who waits for its next token. Pure: time is an argument.
//!
//! A bucket begins full. It lives in memory: a daemon that starts gives each definition its burst
//! again. Invariant: in any stretch of time no more attempts begin than the burst and what the
//! window lets through in that time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use a2n_proto::nodes::RateLimit;
use a2n_proto::{ExecutionId, WorkflowId};

use super::places::Rank;
use super::slots::{Limits, Slots};
use crate::engine::plan::Plan;

/// Who waits for tokens does so by the same order as for slots; there is always a place to wait.
const NO_LIMIT: Limits = Limits { all: usize::MAX, per_workflow: usize::MAX };

/// All definitions that are limited.
#[derive(Debug, Default)]
pub(super) struct Rates {
    of: BTreeMap<String, Bucket>,
    /// As the administrator says.
    said: BTreeMap<String, RateLimit>,
    /// As the definitions say themselves.
    own: BTreeMap<String, RateLimit>,
}

#[derive(Debug)]
struct Bucket {
    limit: RateLimit,
    /// The bucket has as many tokens as intervals fit between this and now, at most its burst. In
    /// nanoseconds, and before the clock began where the machine has just started.
    since: i128,
    waiting: Slots,
}

impl Bucket {
    fn interval(&self) -> Duration {
        let requests = self.limit.requests.max(1);
        (Duration::from_millis(self.limit.window) / requests).max(Duration::from_nanos(1))
    }
    fn burst(&self) -> u32 {
        self.limit.burst.max(1)
    }
    fn fill(&mut self, now: Duration) {
        let full = nanos(self.interval()) * i128::from(self.burst());
        self.since = self.since.max(nanos(now) - full);
    }
    fn tokens(&mut self, now: Duration) -> u32 {
        self.fill(now);
        let age = (nanos(now) - self.since).max(0) / nanos(self.interval());
        u32::try_from(age).unwrap_or(u32::MAX).min(self.burst())
    }
    /// When the next token comes.
    fn next(&self) -> Duration {
        let at = u64::try_from(self.since + nanos(self.interval())).unwrap_or(0);
        Duration::from_nanos(at)
    }
}

fn nanos(of: Duration) -> i128 {
    i128::try_from(of.as_nanos()).unwrap_or(i128::MAX)
}

impl Rates {
    /// Takes in what the administrator says, which counts more than a definition's own word.
    pub(super) fn set(&mut self, said: &BTreeMap<String, RateLimit>) {
        self.said.clone_from(said);
        self.mend();
    }

    /// Takes in what the definitions of a plan say themselves.
    pub(super) fn learn(&mut self, outside: &BTreeMap<String, Option<RateLimit>>) {
        for (name, limit) in outside {
            let Some(limit) = limit else { continue };
            if self.own.get(name) != Some(limit) {
                self.own.insert(name.clone(), limit.clone());
                self.mend();
            }
        }
    }

    /// Brings the buckets up to the limits; one that stays keeps what it has.
    fn mend(&mut self) {
        let mut limits = self.own.clone();
        limits.extend(self.said.clone());
        self.of.retain(|name, bucket| limits.contains_key(name) || bucket.waiting.waiting() > 0);
        for (name, bucket) in &mut self.of {
            if let Some(limit) = limits.get(name) {
                bucket.limit = limit.clone();
                continue;
            }
            // Who still waits is let through at once.
            bucket.limit = RateLimit { requests: u32::MAX, window: 0, burst: u32::MAX };
            bucket.since = i128::MIN;
        }
        for (name, limit) in limits {
            self.of.entry(name).or_insert_with(|| Bucket {
                limit,
                since: i128::MIN,
                waiting: Slots::default(),
            });
        }
    }

    /// Whether no definition is limited.
    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// How many attempts may begin now of each limited definition that a plan uses.
    pub(super) fn of_plan(&mut self, plan: &Plan, now: Duration) -> BTreeMap<String, u32> {
        let used = self.of.iter_mut().filter(|(name, _)| plan.outside().contains_key(*name));
        used.map(|(name, bucket)| (name.clone(), bucket.tokens(now))).collect()
    }

    /// How many attempts of a definition may begin now; none where it is not limited.
    pub(super) fn tokens(&mut self, definition: &str, now: Duration) -> Option<u32> {
        Some(self.of.get_mut(definition)?.tokens(now))
    }

    /// An attempt begins.
    pub(super) fn take(&mut self, definition: &str, workflow: WorkflowId, now: Duration) {
        let Some(bucket) = self.of.get_mut(definition) else { return };
        bucket.fill(now);
        bucket.since += nanos(bucket.interval());
        // Who was served last stands behind others of its kind.
        bucket.waiting.take(workflow);
        bucket.waiting.give(workflow, 1);
    }

    /// An execution waits for a token.
    pub(super) fn wait(&mut self, definition: &str, own: WorkflowId, rank: &Rank) {
        if let Some(bucket) = self.of.get_mut(definition) {
            bucket.waiting.wait(own, rank);
        }
    }

    /// It does not any longer.
    pub(super) fn stop_waiting(&mut self, definition: &str, id: ExecutionId) {
        if let Some(bucket) = self.of.get_mut(definition) {
            bucket.waiting.stop_waiting(id);
        }
    }

    /// An execution is gone.
    pub(super) fn forget(&mut self, id: ExecutionId) {
        for bucket in self.of.values_mut() {
            bucket.waiting.stop_waiting(id);
        }
    }

    /// Who gets the next token that is there, those in `passed` apart.
    pub(super) fn next(
        &mut self,
        now: Duration,
        passed: &BTreeSet<ExecutionId>,
    ) -> Option<ExecutionId> {
        self.of
            .values_mut()
            .filter_map(|bucket| {
                let any = bucket.waiting.waiting() > 0 && bucket.tokens(now) > 0;
                any.then(|| bucket.waiting.next(NO_LIMIT, passed))?
            })
            .next()
    }

    /// When a token comes that somebody waits for.
    pub(super) fn due(&self) -> Option<Duration> {
        let waited = self.of.values().filter(|bucket| bucket.waiting.waiting() > 0);
        waited.map(Bucket::next).min()
    }

    /// How many executions wait for a token.
    pub(super) fn waiting(&self) -> usize {
        self.of.values().map(|bucket| bucket.waiting.waiting()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use a2n_proto::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn limit(requests: u32, window: u64, burst: u32) -> BTreeMap<String, RateLimit> {
        BTreeMap::from([("x".to_owned(), RateLimit { requests, window, burst })])
    }

    #[test]
    fn a_bucket_is_full_also_when_the_machine_has_just_started() {
        let mut rates = Rates::default();
        rates.set(&limit(1, 3_600_000, 5));
        assert_eq!(rates.tokens("x", Duration::from_millis(1)), Some(5));
    }

    #[test]
    fn a_burst_and_then_one_token_an_interval() {
        let mut rates = Rates::default();
        rates.set(&limit(2, 1_000, 3));
        let ms = Duration::from_millis;
        let (own, now) = (WorkflowId::from_bytes([1; 16]), ms(50_000));
        assert_eq!(rates.tokens("y", now), None);
        for left in [3, 2, 1] {
            assert_eq!(rates.tokens("x", now), Some(left));
            rates.take("x", own, now);
        }
        let rank = (Reverse(0), Timestamp::default(), ExecutionId::from_bytes([1; 16]));
        rates.wait("x", own, &rank);
        assert_eq!(rates.next(now, &BTreeSet::new()), None);
        assert_eq!(rates.due(), Some(ms(50_500)));
        assert_eq!(rates.next(ms(50_500), &BTreeSet::new()), Some(rank.2));
        // Nobody waits: nothing is due.
        rates.forget(rank.2);
        assert_eq!((rates.due(), rates.waiting()), (None, 0));
        assert_eq!(rates.tokens("x", ms(900_000)), Some(3));
    }

    #[test]
    fn a_limit_that_is_taken_away_lets_those_through_that_wait() {
        let mut rates = Rates::default();
        rates.set(&limit(1, 3_600_000, 1));
        let (own, now) = (WorkflowId::from_bytes([1; 16]), Duration::from_secs(9_000));
        rates.take("x", own, now);
        let rank = (Reverse(0), Timestamp::default(), ExecutionId::from_bytes([1; 16]));
        rates.wait("x", own, &rank);
        rates.set(&BTreeMap::new());
        assert_eq!(rates.next(now, &BTreeSet::new()), Some(rank.2));
        rates.forget(rank.2);
        rates.set(&BTreeMap::new());
        assert!(rates.is_empty());
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_sees_more_than_burst_and_rate(
            requests in 1..9_u32,
            window in 1..5_000_u64,
            burst in 1..9_u32,
            gaps in proptest::collection::vec(0..900_u64, 1..200),
        ) {
            let mut rates = Rates::default();
            rates.set(&limit(requests, window, burst));
            let own = WorkflowId::from_bytes([1; 16]);
            let mut now = Duration::from_secs(100);
            let mut begun: Vec<Duration> = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                while rates.tokens("x", now) > Some(0) {
                    rates.take("x", own, now);
                    begun.push(now);
                }
            }
            let burst = f64::from(burst);
            let rate = f64::from(requests) / (window as f64 / 1_000.0);
            for (n, from) in begun.iter().enumerate() {
                for (m, to) in begun.iter().enumerate().skip(n) {
                    let most = burst + rate * (*to - *from).as_secs_f64();
                    prop_assert!((m - n + 1) as f64 <= most + 1e-6);
                }
            }
        }
    }
}
