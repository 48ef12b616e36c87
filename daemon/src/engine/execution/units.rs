//! The units of work of a node, and where they stand. A node may have a hundred thousand of them of
//! which a few are under way: a step looks at those, not at all.

use std::collections::BTreeSet;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Phase, UnitState};

/// Units by their numbers. Changed by `with` only, so that it is always known where they
/// stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Units {
    all: Vec<UnitState>,
    ready: BTreeSet<u32>,
    under_way: BTreeSet<u32>,
    failed: BTreeSet<u32>,
    cancelled: usize,
    retries: u32,
}

impl Units {
    /// So many that may be started.
    pub(super) fn ready(n: u32) -> Self {
        let unit = UnitState { phase: Phase::Ready, attempts: Vec::new(), carried: false };
        Self { all: vec![unit; n as usize], ready: (0..n).collect(), ..Self::default() }
    }
    /// The first that may be started from a number on.
    pub fn next_ready(&self, from: u32) -> Option<u32> {
        self.ready.range(from..).next().copied()
    }
    /// How many may be started.
    pub fn n_ready(&self) -> usize {
        self.ready.len()
    }
    /// Those that are neither over nor ready to be started, in their order.
    pub fn under_way(&self) -> impl Iterator<Item = (u32, &UnitState)> {
        self.numbered(&self.under_way)
    }
    /// Those that are not over, in their order.
    pub fn open(&self) -> impl Iterator<Item = (u32, &UnitState)> {
        let mut numbers: Vec<u32> = self.ready.iter().chain(&self.under_way).copied().collect();
        numbers.sort_unstable();
        numbers.into_iter().filter_map(|number| Some((number, self.all.get(number as usize)?)))
    }
    /// Those that failed, in their order.
    pub fn failed(&self) -> impl Iterator<Item = (u32, &UnitState)> {
        self.numbered(&self.failed)
    }
    /// Whether any was stopped before its end.
    pub fn has_cancelled(&self) -> bool {
        self.cancelled > 0
    }
    /// Whether nothing more happens with any.
    pub fn are_over(&self) -> bool {
        self.ready.is_empty() && self.under_way.is_empty()
    }
    /// Attempts after the first, over all units.
    pub fn retries(&self) -> u32 {
        self.retries
    }
    /// Changes one that is there.
    pub(super) fn with(&mut self, number: usize, change: impl FnOnce(&mut UnitState)) {
        let Some(unit) = self.all.get_mut(number) else { return };
        let Ok(number) = u32::try_from(number) else { return };
        let (before, retried) = (Standing::of(&unit.phase), unit.retries());
        change(unit);
        let (after, retries) = (Standing::of(&unit.phase), unit.retries());
        self.retries = self.retries.saturating_sub(retried).saturating_add(retries);
        if before != after {
            self.leave(number, before);
            self.enter(number, after);
        }
    }
    /// Forgets what units that are done came to.
    pub(super) fn forget_results(&mut self) {
        for unit in &mut self.all {
            if let Phase::Done { output } = &mut unit.phase {
                output.clear();
            }
        }
    }
    fn numbered<'u>(
        &'u self,
        numbers: &'u BTreeSet<u32>,
    ) -> impl Iterator<Item = (u32, &'u UnitState)> {
        numbers.iter().filter_map(|number| Some((*number, self.all.get(*number as usize)?)))
    }
    fn leave(&mut self, number: u32, standing: Standing) {
        match standing {
            Standing::Ready => drop(self.ready.remove(&number)),
            Standing::UnderWay => drop(self.under_way.remove(&number)),
            Standing::Failed => drop(self.failed.remove(&number)),
            Standing::Cancelled => self.cancelled -= 1,
            Standing::Done => {}
        }
    }
    fn enter(&mut self, number: u32, standing: Standing) {
        match standing {
            Standing::Ready => drop(self.ready.insert(number)),
            Standing::UnderWay => drop(self.under_way.insert(number)),
            Standing::Failed => drop(self.failed.insert(number)),
            Standing::Cancelled => self.cancelled += 1,
            Standing::Done => {}
        }
    }
}

/// Where a unit stands, as far as the others are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Ready,
    UnderWay,
    Done,
    Failed,
    Cancelled,
}

impl Standing {
    fn of(phase: &Phase) -> Self {
        match phase {
            Phase::Ready => Self::Ready,
            Phase::Done { .. } => Self::Done,
            Phase::Failed { .. } => Self::Failed,
            Phase::Cancelled => Self::Cancelled,
            _ => Self::UnderWay,
        }
    }
}

impl Deref for Units {
    type Target = [UnitState];
    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl From<Vec<UnitState>> for Units {
    fn from(all: Vec<UnitState>) -> Self {
        let standings: Vec<Standing> = all.iter().map(|unit| Standing::of(&unit.phase)).collect();
        let retries = all.iter().map(UnitState::retries).fold(0, u32::saturating_add);
        let mut units = Self { all, retries, ..Self::default() };
        for (number, standing) in (0..).zip(standings) {
            units.enter(number, standing);
        }
        units
    }
}

impl Serialize for Units {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.all.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Units {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Vec::deserialize(d).map(Self::from)
    }
}
