//! executionMetrics: what was measured in an execution, and the roll-ups per minute.
//!
//! An execution's values are packed rows of some dozens each, so that what a step adds costs the same
//! however many there are; the roll-ups are changed in the commit that ends it (see `tally`). A roll-up keeps a histogram in steps of a quarter octave, so that percentiles over
//! any range are one scan.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use a2n_proto::execution::ExecutionMetric;
use a2n_proto::{ExecutionId, Timestamp, WorkflowId};
use serde::{Deserialize, Serialize};

use super::history::{Kind, month_at, rollups};
use super::keys::{Key, KeyRange, KeyReader};
use super::rows::{self, Stored};
use super::schema::{self, EXECUTION_METRICS, EXECUTION_METRICS_MORE, Table};
use super::{Error, Read, Tx, codec};

/// Measured values joined over a time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rollup {
    /// How many.
    pub count: u64,
    /// Together.
    pub sum: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// Values by quarter octave: bucket n holds those from 2^((n-256)/4) up; 0 holds what is not
    /// positive.
    pub buckets: BTreeMap<u16, u64>,
}

/// A roll-up as it is kept. In history it may have several parts: what moved there first, and what
/// was added to the same minute after that.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The commit in which the row came to be in state; tells a later row for the same minute from
    /// the one that was copied.
    pub(crate) born: u64,
    /// Its values.
    pub(crate) values: Rollup,
    /// Those of the rows before it, which are in history only.
    pub(crate) before: Rollup,
}

impl Stored for Kept {
    const TABLE: Table = schema::ROLLUP;
    const VERSION: u8 = 2;
    const ENTITY: &'static str = "executionMetrics";

    fn read(version: u8, body: &[u8]) -> Option<Self> {
        match version {
            // Without parts, from before there was a history of them.
            1 => codec::body(body).ok().map(|values| Self { values, ..Self::default() }),
            2 => codec::body(body).ok(),
            _ => None,
        }
    }
}

impl Kept {
    /// Everything in it.
    fn all(&self) -> Rollup {
        let mut all = self.before.clone();
        all.join(&self.values);
        all
    }

    /// This one in history, and a row of state that comes to it: the same one as it is now, or a
    /// later one.
    pub(crate) fn followed_by(self, live: &Self) -> Self {
        let before = if self.born == live.born { self.before } else { self.all() };
        Self { born: live.born, values: live.values.clone(), before }
    }
}

impl Rollup {
    /// Adds a value.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = if self.count == 0 { value } else { self.max.max(value) };
        self.count += 1;
        self.sum += value;
        *self.buckets.entry(bucket(value)).or_default() += 1;
    }

    /// Adds all values of another.
    pub fn join(&mut self, more: &Self) {
        if more.count == 0 {
            return;
        }
        self.min = if self.count == 0 { more.min } else { self.min.min(more.min) };
        self.max = if self.count == 0 { more.max } else { self.max.max(more.max) };
        self.count += more.count;
        self.sum += more.sum;
        for (bucket, n) in &more.buckets {
            *self.buckets.entry(*bucket).or_default() += n;
        }
    }

    /// The mean; none without values.
    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The value that this share (0 to 1) of all values does not exceed, to within a fifth; none
    /// without values.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank within the count"
    )]
    pub fn percentile(&self, share: f64) -> Option<f64> {
        let rank = (share.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, n) in &self.buckets {
            seen += n;
            if seen >= rank {
                let upper = if *bucket == 0 { 0.0 } else { exponent(*bucket + 1).exp2() };
                return Some(upper.clamp(self.min, self.max));
            }
        }
        None
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of buckets"
)]
fn bucket(value: f64) -> u16 {
    if value <= 0.0 { 0 } else { (value.log2() * 4.0 + 256.0).floor().clamp(1.0, 600.0) as u16 }
}

fn exponent(bucket: u16) -> f64 {
    (f64::from(bucket) - 256.0) / 4.0
}

/// The minute that a moment lies in.
pub(crate) fn minute_of(at: Timestamp) -> i64 {
    at.as_unix_ms().div_euclid(60_000)
}

/// When a minute begins.
pub(crate) fn time_of(minute: i64) -> Timestamp {
    Timestamp::from_unix_ms(minute.saturating_mul(60_000))
}

/// The key of a minute's roll-up; without a workflow it is that of everything together.
pub(crate) fn rollup_key(metric: &str, scope: Option<WorkflowId>, minute: i64) -> Key {
    rollup_prefix(metric, scope).i64(minute)
}

fn rollup_prefix(metric: &str, scope: Option<WorkflowId>) -> Key {
    let key = Key::new().text(metric);
    match scope {
        Some(workflow) => key.u8(1).id(workflow.as_bytes()),
        None => key.u8(0),
    }
}

/// Values in a row of them; a row that has as many is written no more.
const ROW: usize = 64;

/// Adds measured values to an unended execution's.
pub fn add(tx: &mut Tx<'_>, id: ExecutionId, more: &[ExecutionMetric]) -> Result<(), Error> {
    if more.is_empty() {
        return Ok(());
    }
    let first = Key::of_id(id.as_bytes());
    let mut last = None;
    tx.scan(EXECUTION_METRICS_MORE, &first.clone().under(), true, &mut |key, _| {
        last = number_of(key);
        Ok(ControlFlow::Break(()))
    })?;
    let (table, key) = match last {
        Some(number) => (EXECUTION_METRICS_MORE, first.clone().u32(number)),
        None => (EXECUTION_METRICS, first.clone()),
    };
    let mut all: Vec<ExecutionMetric> =
        rows::get_as(tx, table, key.as_bytes())?.unwrap_or_default();
    if all.len() >= ROW {
        let next = last.map_or(0, |last| last + 1);
        return rows::put_as(tx, EXECUTION_METRICS_MORE, &first.u32(next), more);
    }
    all.extend_from_slice(more);
    rows::put_as(tx, table, &key, &all)
}

/// Everything that was measured in an execution, in order.
pub fn list(read: &impl Read, id: ExecutionId) -> Result<Vec<ExecutionMetric>, Error> {
    let mut all = Vec::new();
    each(read, id, &mut |some| all.extend(some))?;
    if !all.is_empty() {
        return Ok(all);
    }
    if let Some(history) = read.history() {
        for source in history.executions_of(id.unix_ms())? {
            each(&source, id, &mut |some| all.extend(some))?;
            if !all.is_empty() {
                return Ok(all);
            }
        }
    }
    Ok(all)
}

/// Everything that was measured in an execution of this file, in order and some at a time.
pub(crate) fn each(
    read: &impl Read,
    id: ExecutionId,
    see: &mut dyn FnMut(Vec<ExecutionMetric>),
) -> Result<(), Error> {
    let Some(some) = rows::get_as(read, EXECUTION_METRICS, id.as_bytes())? else { return Ok(()) };
    see(some);
    for key in more_keys(read, id)? {
        if let Some(some) = rows::get_as(read, EXECUTION_METRICS_MORE, &key)? {
            see(some);
        }
    }
    Ok(())
}

/// The rows of an execution's values behind the first.
pub(crate) fn more_keys(read: &impl Read, id: ExecutionId) -> Result<Vec<Vec<u8>>, Error> {
    let range = Key::of_id(id.as_bytes()).under();
    rows::some_keys(read, EXECUTION_METRICS_MORE, &range, usize::MAX)
}

/// Removes an execution's values behind the first row.
pub(crate) fn forget_more(tx: &mut Tx<'_>, id: ExecutionId) -> Result<(), Error> {
    for key in more_keys(tx, id)? {
        rows::remove(tx, EXECUTION_METRICS_MORE, &Key::of_bytes(&key))?;
    }
    Ok(())
}

fn number_of(key: &[u8]) -> Option<u32> {
    let mut reader = KeyReader::new(key);
    reader.id()?;
    reader.u32()
}

/// The roll-ups of a metric in a time range, joined in buckets of `bucket_minutes`; ascending. The
/// time is each bucket's begin.
pub fn query(
    read: &impl Read,
    metric: &str,
    scope: Option<WorkflowId>,
    from: Timestamp,
    to: Timestamp,
    bucket_minutes: u32,
) -> Result<Vec<(Timestamp, Rollup)>, Error> {
    let step = i64::from(bucket_minutes.max(1));
    let end = minute_of(to).saturating_add(i64::from(to.as_unix_ms().rem_euclid(60_000) > 0));
    let range = rollup_prefix(metric, scope)
        .under()
        .starting_at(&rollup_key(metric, scope, minute_of(from)))
        .before(&rollup_key(metric, scope, end));
    // State has the last days only, and what was added late to minutes before them.
    let mut live: BTreeMap<i64, Kept> = BTreeMap::new();
    read.scan(schema::ROLLUP, &range, false, &mut |key, value| {
        match (minute_in(key), rows::decode::<Kept>(read, key, value)) {
            (Some(minute), Ok(kept)) => drop(live.insert(minute, kept)),
            (_, Err(e)) if !matches!(e, Error::Damaged { .. }) => return Err(e),
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let mut found: BTreeMap<i64, Rollup> = BTreeMap::new();
    let mut add = |minute: i64, more: &Rollup| {
        found.entry(minute.div_euclid(step) * step).or_default().join(more);
    };
    let months = month_at(from)..=month_at(to);
    rollups::scan(read, months, &range, &mut |key, past| {
        let Some(minute) = minute_in(key) else { return };
        match live.get(&minute) {
            // Copied, and not yet taken out of state, where it counts.
            Some(live) if live.born == past.born => add(minute, &past.before),
            _ => add(minute, &past.all()),
        }
    })?;
    live.iter().for_each(|(minute, live)| add(*minute, &live.values));
    Ok(found.into_iter().map(|(minute, rollup)| (time_of(minute), rollup)).collect())
}

fn minute_in(key: &[u8]) -> Option<i64> {
    key.last_chunk::<8>().and_then(|part| KeyReader::new(part).i64())
}

/// The names of all metrics that may have roll-ups in a time range.
pub fn names(read: &impl Read, from: Timestamp, to: Timestamp) -> Result<Vec<String>, Error> {
    let mut names: BTreeSet<String> = names_in(read)?.into_iter().collect();
    let months = month_at(from)..=month_at(to);
    if let Some(history) = read.history() {
        let files = history.files_of(Kind::Rollup).into_iter();
        for name in files.filter(|name| months.contains(&name.month)) {
            if let Some(source) = history.source(name)? {
                names.extend(names_in(&source)?);
            }
        }
    }
    Ok(names.into_iter().collect())
}

fn names_in(read: &impl Read) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::new();
    let mut range = KeyRange::all();
    loop {
        let mut next = None;
        read.scan(schema::ROLLUP, &range, false, &mut |key, _| {
            next = KeyReader::new(key).text();
            Ok(ControlFlow::Break(()))
        })?;
        let Some(name) = next else { return Ok(names) };
        // Everything of this name is before the first key above its prefix.
        let above = Key::new().text(&name).u8(u8::MAX);
        range = KeyRange::all().after(&above);
        names.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each attempt of a long loop once wrote anew what all before it had measured.
    #[test]
    fn what_was_measured_is_kept_in_rows_of_bounded_size_and_read_in_order() {
        use crate::store::testing::{World, an_execution, at, execution_id};
        use crate::store::{execution, history::mover};
        use a2n_proto::execution::{ExecutionStatus, MetricType};

        let (world, id) = (World::new(), execution_id(1));
        let value = |n: u32| ExecutionMetric {
            metric_name: "step.cpu_time".into(),
            metric_value: f64::from(n),
            metric_type: MetricType::Gauge,
            unit: "ms".into(),
            tags: a2n_proto::Json::object(),
            timestamp: at(1),
            node_id: None,
            execution_id: id,
        };
        world.write(1, |tx| {
            execution::insert(tx, &an_execution(1, ExecutionStatus::Running), vec![])
        });
        for n in 0..100 {
            let some: Vec<_> = (5 * n..5 * n + 5).map(value).collect();
            world.write(2, move |tx| add(tx, id, &some));
        }
        let numbers = |world: &World| -> Vec<u32> {
            let all = list(&world.read(), id).unwrap();
            all.iter().map(|one| one.metric_value as u32).collect()
        };
        assert!(numbers(&world).into_iter().eq(0..500));
        assert_eq!(more_keys(&world.read(), id).unwrap().len(), 7);
        world
            .write(3, |tx| execution::save(tx, &an_execution(1, ExecutionStatus::Success), vec![]));
        let limits = mover::Limits { keep: 0, batch: 9 };
        mover::move_some(&world.store, &crate::store::Origin::daemon(at(4), "MOVER"), &limits)
            .unwrap();
        assert!(numbers(&world).into_iter().eq(0..500), "moved to history");
    }

    #[test]
    fn percentiles_are_within_a_fifth() {
        let mut rollup = Rollup::default();
        for n in 1..=1000 {
            rollup.add(f64::from(n));
        }
        for (share, exact) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = rollup.percentile(share).unwrap();
            assert!((found / exact - 1.0).abs() < 0.2, "{share}: {found}");
        }
        assert_eq!(rollup.mean(), Some(500.5));
        assert_eq!(Rollup::default().percentile(0.5), None);
    }

    #[test]
    fn joining_is_the_same_as_adding() {
        let (mut one, mut two, mut all) = (Rollup::default(), Rollup::default(), Rollup::default());
        for n in [0.0, 3.0, 0.001, 1e9] {
            one.add(n);
            all.add(n);
        }
        two.add(7.0);
        all.add(7.0);
        one.join(&two);
        assert_eq!(one, all);
    }
}
