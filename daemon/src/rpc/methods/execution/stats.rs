//! `execution.stats`: how executions ended over a time, in buckets.

use std::time::Duration;

use a2n_proto::api::execution::{StatsAnswer, StatsBucket, StatsParams};
use a2n_proto::execution::ExecutionStatus;
use a2n_proto::{ErrorKind, RpcError, Timestamp};

use crate::store::{Paging, View, execution};

const DAY_MS: u64 = 24 * 3_600_000;
/// Buckets in one answer.
const BUCKETS: u64 = 10_000;

pub(super) fn stats(
    view: &View,
    params: &StatsParams,
    now: Timestamp,
) -> Result<StatsAnswer, RpcError> {
    let to = params.to.unwrap_or(now);
    let from = params.from.unwrap_or(to.minus(Duration::from_millis(DAY_MS)));
    let span = u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX);
    let bucket = params.bucket.unwrap_or(span).max(1);
    if span == 0 || span.div_ceil(bucket) > BUCKETS {
        return Err(RpcError::new(ErrorKind::Invalid, "the time range has no or too many buckets")
            .at("bucket")
            .hint(format!("`from` before `to`, and at most {BUCKETS} buckets")));
    }
    let query = execution::Query {
        workflow: params.workflow_id.map(|id| vec![id]),
        from: Some(from),
        to: Some(to),
        ..execution::Query::default()
    };
    let mut all = Vec::new();
    let mut paging = Paging::first(1_000);
    loop {
        let page = view.executions(&query, &paging, &|_| true)?;
        all.extend(
            page.items
                .into_iter()
                .map(|one| (one.start_time.unwrap_or(one.created_at), one.status, one.duration)),
        );
        match page.next_cursor {
            Some(cursor) => paging.cursor = Some(cursor),
            None => break,
        }
    }
    let buckets = (0..span.div_ceil(bucket)).map(|n| {
        let begin = from.plus(Duration::from_millis(n * bucket));
        let end = from.plus(Duration::from_millis((n + 1) * bucket)).min(to);
        count(begin, end, all.iter().filter(|(at, ..)| *at >= begin && *at < end))
    });
    let buckets = if params.bucket.is_some() { buckets.collect() } else { Vec::new() };
    Ok(StatsAnswer { total: count(from, to, all.iter()), buckets })
}

#[expect(clippy::cast_precision_loss, reason = "durations in milliseconds are below 2^53")]
fn count<'a>(
    from: Timestamp,
    to: Timestamp,
    all: impl Iterator<Item = &'a (Timestamp, ExecutionStatus, Option<u64>)>,
) -> StatsBucket {
    let mut bucket = StatsBucket { from, to, ..StatsBucket::default() };
    let mut durations = Vec::new();
    for (_, status, duration) in all {
        bucket.count += 1;
        match status {
            ExecutionStatus::Success => bucket.success += 1,
            ExecutionStatus::Failed => bucket.failed += 1,
            ExecutionStatus::Cancelled => bucket.cancelled += 1,
            ExecutionStatus::Pending | ExecutionStatus::Running | ExecutionStatus::Paused => {
                bucket.unfinished += 1;
            }
        }
        durations.extend(duration.filter(|_| status.is_ended()));
    }
    durations.sort_unstable();
    let at = |share: usize| {
        let last = durations.len().checked_sub(1)?;
        durations.get((last * share).div_ceil(100)).map(|ms| *ms as f64)
    };
    bucket.avg_duration = (!durations.is_empty())
        .then(|| durations.iter().sum::<u64>() as f64 / durations.len() as f64);
    (bucket.p50, bucket.p95, bucket.p99) = (at(50), at(95), at(99));
    bucket.max_duration = durations.last().copied();
    bucket
}
