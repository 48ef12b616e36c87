//! Writes that wait for a commit, by whose they are. Those of one lane keep their order; lanes take
//! turns, so that a lane with a thousand writes does not keep others waiting for a commit of them all.
//!
//! While several lanes have been busy lately, each has only a few writes in a commit: a commit is as
//! short then as the quiet ones are used to. A lane that is alone fills its commits.

use std::collections::{BTreeMap, VecDeque};

use super::writer::Write;

/// Whose a write is: a workflow's id. What is nobody's has a lane of its own.
pub(crate) type Lane = Option<[u8; 16]>;

/// Writes of one lane in a commit while others are busy too.
const BESIDE_OTHERS: usize = 4;
/// For how many commits after one of several lanes others count as busy.
const LATELY: u32 = 256;

/// Writes that wait, in their turns.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    waiting: BTreeMap<Lane, VecDeque<Write>>,
    /// Lanes with writes, the next one first.
    turns: VecDeque<Lane>,
    len: usize,
    /// Commits until a lane may fill one again.
    shared_for: u32,
    /// How many writes each lane has had in this commit.
    taken: BTreeMap<Lane, usize>,
}

impl Lanes {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Puts one behind those of its lane.
    pub(crate) fn push(&mut self, write: Write) {
        let lane = write.lane();
        let waiting = self.waiting.entry(lane).or_default();
        if waiting.is_empty() {
            self.turns.push_back(lane);
        }
        waiting.push_back(write);
        self.len += 1;
    }
    /// A commit begins.
    pub(crate) fn begin(&mut self) {
        self.taken.clear();
        let workflows = self.waiting.keys().filter(|lane| lane.is_some()).count();
        self.shared_for = if workflows > 1 { LATELY } else { self.shared_for.saturating_sub(1) };
    }
    /// The next write of this commit; none where no lane may have another one in it.
    pub(crate) fn next(&mut self) -> Option<Write> {
        for _ in 0..self.turns.len() {
            let lane = self.turns.pop_front()?;
            let taken = self.taken.entry(lane).or_default();
            if self.shared_for > 0 && lane.is_some() && *taken >= BESIDE_OTHERS {
                self.turns.push_back(lane);
                continue;
            }
            *taken += 1;
            let waiting = self.waiting.get_mut(&lane)?;
            let write = waiting.pop_front();
            if waiting.is_empty() {
                self.waiting.remove(&lane);
            } else {
                self.turns.push_back(lane);
            }
            self.len -= usize::from(write.is_some());
            return write;
        }
        None
    }
    /// All that wait.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Write> + use<> {
        self.turns.clear();
        self.len = 0;
        std::mem::take(&mut self.waiting).into_values().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Origin;
    use crate::store::testing::at;

    fn write(lane: u8, n: i64) -> Write {
        let write = Write::new(Origin::daemon(at(n), "TEST"), |_| true, |_| ());
        if lane == 0 { write } else { write.in_lane([lane; 16]) }
    }

    fn commit(lanes: &mut Lanes) -> Vec<(u8, i64)> {
        lanes.begin();
        let mut all = Vec::new();
        while let Some(write) = lanes.next() {
            let lane = write.lane().map_or(0, |lane| lane[0]);
            all.push((lane, write.at().as_unix_ms() - at(0).as_unix_ms()));
        }
        all
    }

    #[test]
    fn a_lane_alone_fills_its_commit_in_order() {
        let mut lanes = Lanes::default();
        (0..100).for_each(|n| lanes.push(write(1, n)));
        let all = commit(&mut lanes);
        assert!(all.len() == 100 && all.is_sorted() && lanes.is_empty());
    }

    #[test]
    fn beside_others_each_has_a_few_and_all_keep_their_order() {
        let mut lanes = Lanes::default();
        (0..100).for_each(|n| lanes.push(write(1, n)));
        (0..3).for_each(|n| lanes.push(write(2, n)));
        (0..20).for_each(|n| lanes.push(write(0, n)));
        let first = commit(&mut lanes);
        let of = |lane: u8| -> Vec<i64> {
            first.iter().filter(|(of, _)| *of == lane).map(|(_, n)| *n).collect()
        };
        assert_eq!(of(1), (0..4).collect::<Vec<_>>());
        assert_eq!(of(2), [0, 1, 2]);
        assert_eq!((of(0), lanes.len()), ((0..20).collect(), 96));
        assert!(first[..3].iter().any(|(lane, _)| *lane == 2), "{first:?}");
        let mut rest = Vec::new();
        while !lanes.is_empty() {
            let some = commit(&mut lanes);
            assert_eq!(some.len().min(BESIDE_OTHERS), some.len(), "others were busy just now");
            rest.extend(some);
        }
        assert!(rest.is_sorted() && rest.len() == 96);
    }

    #[test]
    fn a_lane_fills_its_commits_again_when_the_others_have_been_quiet_for_long() {
        let mut lanes = Lanes::default();
        lanes.push(write(1, 0));
        lanes.push(write(2, 0));
        assert_eq!(commit(&mut lanes).len(), 2);
        for n in 0..LATELY {
            lanes.push(write(1, i64::from(n)));
            commit(&mut lanes);
        }
        (0..100).for_each(|n| lanes.push(write(1, n)));
        assert_eq!(commit(&mut lanes).len(), 100);
        (0..100).for_each(|n| lanes.push(write(1, n)));
        assert_eq!(lanes.drain().count(), 100);
        assert!(lanes.is_empty() && commit(&mut lanes).is_empty());
    }
}
