//! Which instants a schedule means, by one rule for clock changes that holds for both dialects.
//!
//! The zone's time line is cut into stretches of one offset. Within a stretch the wall clock is
//! plain arithmetic. Only their joints need a decision: a gap (times that do not exist) runs once
//! at its end or not at all, a fold (times that come twice) runs in its first pass or in both.
//! Patterns on elapsed time (minute or hour beginning with `*`) fire at each real instant that
//! matches: no gap rule, both passes.

use std::collections::BTreeMap;

use a2n_proto::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::cron::Cron;
use super::describe;
use super::rule::{DstFold, DstGap, Rule, Schedule};

/// How far a search over clock changes looks.
const HORIZON_MS: i64 = 131 * 366 * 86_400_000;

/// What `executionSchedule.preview` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The next due instants.
    pub times: Vec<Timestamp>,
    /// The rule in words, lower case.
    pub description: String,
    /// What clock changes do to it in the time that the instants span.
    pub warnings: Vec<String>,
}

impl Schedule {
    /// The next `count` instants after `from`, the rule in words, and what clock changes do to it.
    pub fn preview(&self, from: Timestamp, count: usize) -> Preview {
        let times = self.upcoming(from, count);
        let warnings = match (&self.rule, times.last()) {
            (Rule::At(once), Some(_)) => once.change.iter().map(|c| c.text.clone()).collect(),
            (_, Some(last)) => warnings(self, from, *last),
            (_, None) => Vec::new(),
        };
        Preview { times, description: self.describe(), warnings }
    }

    /// The rule in words, lower case, without its zone.
    pub fn describe(&self) -> String {
        describe::words(self)
    }
}

pub(super) fn next_after(schedule: &Schedule, after: Timestamp) -> Option<Timestamp> {
    let after = match schedule.start {
        Some(start) => after.max(Timestamp::from_unix_ms(start.as_unix_ms().saturating_sub(1))),
        None => after,
    };
    let next = match &schedule.rule {
        Rule::At(once) => once.times.iter().find(|at| **at > after).copied(),
        Rule::Every { period_ms } => {
            // Anchored at its start, or at the Unix epoch, so that a restart shifts nothing.
            let anchor = schedule.start.map_or(0, Timestamp::as_unix_ms);
            let gone = after.as_unix_ms().saturating_sub(anchor).div_euclid(*period_ms);
            let next = gone.checked_add(1)?.checked_mul(*period_ms)?.checked_add(anchor)?;
            Some(Timestamp::from_unix_ms(next))
        }
        Rule::Cron(cron) => cron_after(schedule, cron, after),
    }?;
    schedule.end.is_none_or(|end| next <= end).then_some(next)
}

/// A joint of two stretches of the time line.
pub(super) struct Joint {
    pub(super) at: jiff::Timestamp,
    before: Offset,
    after: Offset,
}

impl Joint {
    fn wall_before(&self) -> DateTime {
        self.before.to_datetime(self.at)
    }
    pub(super) fn wall_after(&self) -> DateTime {
        self.after.to_datetime(self.at)
    }
    fn is_gap(&self) -> bool {
        self.after > self.before
    }
    fn is_fold(&self) -> bool {
        self.after < self.before
    }
}

fn joint_after(zone: &TimeZone, at: jiff::Timestamp) -> Option<Joint> {
    let joint = zone.following(at).next()?;
    let before = joint.timestamp().checked_sub(jiff::Span::new().nanoseconds(1)).ok()?;
    Some(Joint { at: joint.timestamp(), before: zone.to_offset(before), after: joint.offset() })
}

pub(super) fn joint_before(zone: &TimeZone, at: jiff::Timestamp) -> Option<Joint> {
    // `preceding` is exclusive: one nanosecond on finds a joint exactly at `at`.
    let joint = zone.preceding(at.checked_add(jiff::Span::new().nanoseconds(1)).ok()?).next()?;
    let before = joint.timestamp().checked_sub(jiff::Span::new().nanoseconds(1)).ok()?;
    Some(Joint { at: joint.timestamp(), before: zone.to_offset(before), after: joint.offset() })
}

fn cron_after(schedule: &Schedule, cron: &Cron, after: Timestamp) -> Option<Timestamp> {
    let zone = schedule.zone.rules();
    let elapsed = cron.fields().elapsed;
    let once_in_fold = !elapsed && schedule.dst_fold == DstFold::First;
    let gap_runs = !elapsed && schedule.dst_gap == DstGap::FirstValid;
    let horizon = after.as_unix_ms().saturating_add(HORIZON_MS);
    let mut cursor = after.to_jiff();
    let mut inclusive = false;
    let mut behind = joint_before(zone, cursor);
    let mut search = Search { cron, known: None };
    loop {
        let offset = zone.to_offset(cursor);
        let ahead = joint_after(zone, cursor);
        let mut wall = offset.to_datetime(cursor);
        let mut from_here = inclusive;
        // The second pass of a fold: its times have run, unless both passes count.
        if let Some(fold) = behind.as_ref().filter(|joint| once_in_fold && joint.is_fold())
            && wall < fold.wall_before()
        {
            wall = fold.wall_before();
            from_here = true;
        }
        let found = search.next(wall, from_here);
        if let Some(found) = found
            && let Ok(at) = offset.to_timestamp(found)
            && ahead.as_ref().is_none_or(|joint| at < joint.at)
        {
            return Some(at.into());
        }
        let joint = ahead?;
        // Nothing is found any more on this side; a fold could still repeat some of it, but what
        // it repeats has been found then.
        found?;
        if gap_runs
            && joint.is_gap()
            && search.next(joint.wall_before(), true).is_some_and(|t| t < joint.wall_after())
        {
            return Some(joint.at.into());
        }
        if joint.at.as_millisecond() > horizon {
            return None;
        }
        cursor = joint.at;
        inclusive = true;
        behind = Some(joint);
    }
}

/// Looks for wall-clock times and remembers the last one: where it is far off, every joint before it
/// asks again, and a 29 February on a Monday is many thousand days away.
struct Search<'c> {
    cron: &'c Cron,
    /// Nothing matches after the first and before the second, which does.
    known: Option<(DateTime, DateTime)>,
}

impl Search<'_> {
    fn next(&mut self, from: DateTime, inclusive: bool) -> Option<DateTime> {
        if let Some((low, found)) = self.known
            && low < from
            && (from < found || (inclusive && from == found))
        {
            return Some(found);
        }
        let found = self.cron.next(from, inclusive);
        self.known = found.map(|found| (from, found));
        found
    }
}

/// What clock changes between the two moments do to a pattern of fixed times.
fn warnings(schedule: &Schedule, from: Timestamp, to: Timestamp) -> Vec<String> {
    let Rule::Cron(cron) = &schedule.rule else { return Vec::new() };
    if cron.fields().elapsed {
        return Vec::new();
    }
    let mut told = BTreeMap::new();
    let mut cursor = from.to_jiff();
    while let Some(joint) = joint_after(schedule.zone.rules(), cursor) {
        // A preview spans at most its instants; what comes later is not its business.
        if joint.at > to.to_jiff() || told.len() >= 100 {
            break;
        }
        cursor = joint.at;
        let (low, high) = if joint.is_gap() {
            (joint.wall_before(), joint.wall_after())
        } else {
            (joint.wall_after(), joint.wall_before())
        };
        let hit = times_between(cron, low, high);
        let Some(first) = hit.first() else { continue };
        let shown = |at: &DateTime| clock(at, cron.fields().seconds.iter().any(|s| *s != 0));
        let many = hit.len() > 1;
        let what = match hit.len() {
            1 => shown(first),
            n => format!("{} and {} more", shown(first), n - 1),
        };
        let text = if joint.is_gap() {
            let verb = if many { "do not exist" } else { "does not exist" };
            let then = match schedule.dst_gap {
                DstGap::FirstValid if many => {
                    format!("run once at {}", clock(&high, false))
                }
                DstGap::FirstValid => format!("runs at {}", clock(&high, false)),
                DstGap::Skip if many => "are skipped".to_owned(),
                DstGap::Skip => "is skipped".to_owned(),
            };
            format!("{what} {verb}, {then}")
        } else {
            let verb = if many { "happen twice, run" } else { "happens twice, runs" };
            let then = match schedule.dst_fold {
                DstFold::First => "the first time",
                DstFold::Both => "both times",
            };
            format!("{what} {verb} {then}")
        };
        told.insert(joint.at, format!("{}: {text}", first.date()));
    }
    told.into_values().collect()
}

fn times_between(cron: &Cron, low: DateTime, high: DateTime) -> Vec<DateTime> {
    let mut hit = Vec::new();
    let mut at = cron.next(low, true);
    // At most a few hours of seconds; a day where a zone left one out whole.
    while let Some(time) = at.filter(|time| *time < high && hit.len() < 86_400) {
        hit.push(time);
        at = cron.next(time, false);
    }
    hit
}

pub(super) fn clock(at: &DateTime, with_seconds: bool) -> String {
    if with_seconds || at.second() != 0 {
        format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
    } else {
        format!("{:02}:{:02}", at.hour(), at.minute())
    }
}
