//! One rule that says when something is due, with everything that modifies it.

use std::time::Duration;

use a2n_proto::Timestamp;

use super::cron::Cron;
use super::occur;
use super::once::Once;
use super::zone::Zone;

/// When something is due, by one rule.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub(super) rule: Rule,
    pub(super) zone: Zone,
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
    pub(super) dst_gap: DstGap,
    pub(super) dst_fold: DstFold,
    /// Each start is put off by up to this long; its nominal instant stays.
    pub jitter: Duration,
    /// What happens to instants that were missed.
    pub misfire: Misfire,
    /// At most so many missed instants are started by RUN_ALL.
    pub misfire_max: u32,
    /// How late a start may be before it counts as missed.
    pub misfire_grace: Duration,
    /// What happens when the one before still runs.
    pub overlap: Overlap,
}

#[derive(Debug, Clone)]
pub(super) enum Rule {
    Cron(Box<Cron>),
    Every { period_ms: i64 },
    At(Once),
}

/// How a cron expression is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// Unix: five fields, or six with the second first; Sunday is 0 or 7.
    #[default]
    Cron,
    /// Quartz: six fields with the second first, or seven with the year last; Sunday is 1.
    Quartz,
}

/// What happens to instants that were missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Misfire {
    /// Nothing.
    Skip,
    /// The newest is started, the others are coalesced into it.
    #[default]
    RunOnce,
    /// Each is started, oldest first.
    RunAll,
}

/// What happens when the execution before still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// Both run.
    Allow,
    /// The new one waits; one waits at most.
    #[default]
    Queue,
    /// The new one is not started.
    Skip,
    /// The old one is cancelled.
    Replace,
}

/// What happens to a wall-clock time that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DstGap {
    /// Runs at the first moment that does.
    #[default]
    FirstValid,
    /// Does not run that day.
    Skip,
}

/// What happens to a wall-clock time that comes twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DstFold {
    /// Runs the first time.
    #[default]
    First,
    /// Runs both times.
    Both,
}

impl Schedule {
    /// The name of the zone it is evaluated in.
    pub fn zone_name(&self) -> &str {
        self.zone.name()
    }

    /// The first due instant after `after`; none where it never comes again.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        occur::next_after(self, after)
    }

    /// The next `count` due instants after `from`.
    pub fn upcoming(&self, from: Timestamp, count: usize) -> Vec<Timestamp> {
        let mut times = Vec::new();
        let mut last = from;
        while times.len() < count {
            let Some(next) = self.next_after(last) else { break };
            times.push(next);
            last = next;
        }
        times
    }
}

impl Schedule {
    /// Every due instant in (from, to]; only for short spans.
    pub(super) fn upcoming_until(&self, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
        let mut times = Vec::new();
        let mut last = from;
        while let Some(next) = self.next_after(last).filter(|next| *next <= to) {
            times.push(next);
            last = next;
        }
        times
    }
}
