//! What may happen between two steps. A move names what it is about by a number that is taken modulo
//! what there is, so that a story stays one when moves are left out of it.

use super::chance::Chance;

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Move {
    /// An attempt ends well, with so many items.
    Ok {
        which: usize,
        items: usize,
    },
    /// An attempt fails.
    Fail {
        which: usize,
        kind: &'static str,
    },
    /// An attempt ends without anyone knowing how.
    Doubt {
        which: usize,
    },
    /// A request is answered as it asks.
    Reply {
        which: usize,
    },
    /// A request is refused.
    Refuse {
        which: usize,
    },
    /// Somebody decides what an approval asks.
    Vote {
        which: usize,
        who: u8,
        yes: bool,
    },
    /// So many permits of each lock are with other executions from now on.
    Others {
        permits: u32,
    },
    /// So many attempts of each kind may begin in a step from now on; any where there is no number.
    Tokens {
        each: Option<u32>,
    },
    /// Time passes, and timers that are due fire.
    Tick {
        ms: i64,
    },
    /// Time passes up to the next timer, which fires.
    Next,
    /// A timer fires although it is not due, or although it was cleared.
    Stray {
        which: usize,
    },
    /// An input of before comes once more.
    Again {
        which: usize,
    },
    Cancel,
    Pause,
    Resume,
    /// A person answers what is in doubt.
    Answer {
        which: usize,
        how: &'static str,
        one: bool,
    },
    Progress {
        which: usize,
    },
    /// So many attempts of the execution at once from now on.
    Parallel {
        most: u32,
    },
    /// So many units in one step from now on.
    Budget {
        units: u32,
    },
    /// The wall clock is set.
    Clock {
        ms: i64,
    },
    /// The daemon dies and comes back. What the last step asked for may not have been done yet
    /// (`undone`). With a `reboot` nothing lives on.
    Crash {
        undone: bool,
        reboot: bool,
        survivors: usize,
    },
}

const FAILURES: &[&str] = &["EXIT", "TIMEOUT", "IO", "CONFIG", "PANIC"];

impl Move {
    /// A move of a seed's chance.
    pub(super) fn of(chance: &mut Chance) -> Self {
        let which = chance.below(16);
        match chance.below(120) {
            100..=110 => Self::Reply { which },
            111..=112 => Self::Refuse { which },
            113..=115 => {
                let (who, yes) = (chance.pick(&[1, 2, 3]), chance.percent(75));
                Self::Vote { which, who, yes }
            }
            116..=117 => Self::Others { permits: chance.pick(&[0, 1, 2]) },
            118..=119 => Self::Tokens { each: chance.pick(&[None, Some(0), Some(1), Some(2)]) },
            0..=29 => Self::Ok { which, items: chance.pick(&[0, 1, 1, 1, 2, 3]) },
            30..=44 => Self::Fail { which, kind: chance.pick(FAILURES) },
            45..=49 => Self::Doubt { which },
            50..=52 => Self::Tick { ms: chance.pick(&[1, 50, 1_000, 20_000, 200_000]) },
            53..=61 => Self::Next,
            62..=63 => Self::Stray { which },
            64..=67 => Self::Again { which },
            68..=69 => Self::Cancel,
            70..=73 => Self::Pause,
            74..=78 => Self::Resume,
            79..=83 => Self::Answer {
                which,
                how: chance.pick(&["done", "failed", "again"]),
                one: chance.percent(50),
            },
            84..=85 => Self::Progress { which },
            86..=88 => Self::Parallel { most: chance.pick(&[0, 1, 2, 3, 64]) },
            89..=90 => Self::Budget { units: chance.pick(&[1, 2, 3, 1_000]) },
            91 => Self::Clock { ms: chance.pick(&[-3_600_000, -100, 100, 3_600_000]) },
            _ => Self::Crash {
                undone: chance.percent(50),
                reboot: chance.percent(30),
                survivors: chance.below(64),
            },
        }
    }
}
