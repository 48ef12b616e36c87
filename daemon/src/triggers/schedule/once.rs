//! A one-off wall-clock time: which instants it means, by the same rule for clock changes as a
//! pattern's (`occur`). Read once, by `parse`, since neither the zone nor the rule changes later.

use a2n_proto::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::AmbiguousOffset;

use super::occur::{clock, joint_before};
use super::rule::{DstFold, DstGap};
use super::zone::Zone;

/// The instants of a one-off schedule.
#[derive(Debug, Clone)]
pub(super) struct Once {
    /// In order; none where it is left out, two where it comes twice.
    pub(super) times: Vec<Timestamp>,
    /// The clock change that it falls into.
    pub(super) change: Option<Change>,
}

/// A clock change, and what becomes of a time that falls into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// The time does not exist; otherwise it comes twice.
    pub(super) is_gap: bool,
    /// For people: date, time and what happens.
    pub(super) text: String,
}

/// What `dstGap: SKIP` makes of a time that does not exist.
const NEVER: &str = "does not exist, so with dstGap SKIP it never comes";

impl Once {
    /// This instant.
    pub(super) fn at(at: Timestamp) -> Self {
        Self { times: vec![at], change: None }
    }

    /// What this time of the zone's wall clock means; none where the calendar ends before it.
    pub(super) fn read(wall: DateTime, zone: &Zone, gap: DstGap, fold: DstFold) -> Option<Self> {
        let (date, time) = (wall.date(), clock(&wall, false));
        let change =
            |is_gap, what: &str| Some(Change { is_gap, text: format!("{date}: {time} {what}") });
        Some(match zone.rules().to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => {
                Self::at(offset.to_timestamp(wall).ok()?.into())
            }
            AmbiguousOffset::Gap { before, .. } => {
                // By the offset before it the time lies a little after the change.
                let joint = joint_before(zone.rules(), before.to_timestamp(wall).ok()?)?;
                match gap {
                    DstGap::FirstValid => {
                        let then = clock(&joint.wall_after(), false);
                        Self {
                            times: vec![joint.at.into()],
                            change: change(true, &format!("does not exist, runs at {then}")),
                        }
                    }
                    DstGap::Skip => Self { times: vec![], change: change(true, NEVER) },
                }
            }
            AmbiguousOffset::Fold { before, after } => {
                let first = before.to_timestamp(wall).ok()?.into();
                match fold {
                    DstFold::First => Self {
                        times: vec![first],
                        change: change(false, "happens twice, runs the first time"),
                    },
                    DstFold::Both => Self {
                        times: vec![first, after.to_timestamp(wall).ok()?.into()],
                        change: change(false, "happens twice, runs both times"),
                    },
                }
            }
        })
    }
}
