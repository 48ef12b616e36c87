//! What a step still has to look at: first everything that goes on, then whatever a fact has made
//! ready. A node stands after its sources, so that one pass carries items as far as they come; what
//! lies behind, such as the next iteration of a loop, has its turn in the next pass.

use std::collections::BTreeSet;

use super::turn::{Site, Turn};
use crate::engine::execution::{NodeKey, below, depth, index};
use crate::engine::fact::Fact;
use crate::engine::plan::Piece;
use crate::engine::regions::RegionKind;

/// What is to be looked at, in its order.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    spots: BTreeSet<Spot>,
    /// The pass and the place where the step is.
    at: (u64, usize),
}

/// One piece in one iteration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pass: u64,
    rank: usize,
    /// Shorter paths first, so that "9" stands before "10".
    length: usize,
    pub(super) path: String,
}

impl Spot {
    pub(super) fn piece(&self) -> Piece {
        Piece::at(self.rank)
    }
}

impl Frontier {
    fn add(&mut self, rank: usize, path: &str) {
        let (pass, here) = self.at;
        let pass = if rank > here { pass } else { pass + 1 };
        self.spots.insert(Spot { pass, rank, length: path.len(), path: path.to_owned() });
    }
    fn next(&mut self) -> Option<Spot> {
        let spot = self.spots.pop_first()?;
        self.at = (spot.pass, spot.rank);
        Some(spot)
    }
}

impl Turn<'_> {
    /// What is to be looked at next.
    pub(super) fn next_spot(&mut self) -> Option<Spot> {
        self.frontier.next()
    }
    /// Has a piece looked at.
    pub(super) fn queue(&mut self, piece: Piece, path: &str) {
        self.frontier.add(piece.rank(), path);
    }
    /// Has a node looked at: where it is the entry of a loop outside of which `path` stands, that.
    pub(super) fn queue_node(&mut self, number: usize, path: &str) {
        let node = self.node(number);
        match node.heads {
            Some(own) if depth(path) < self.region(own).depth => {
                self.queue(Piece::Loop(node.place), path);
            }
            _ => self.queue(Piece::Node(node.place), path),
        }
    }
    /// Has everything looked at that may go on: of the whole, and of each iteration that goes on.
    pub(super) fn queue_all(&mut self) {
        let plan = self.plan;
        let at_end = self.state.finally.is_some();
        for piece in &plan.regions[0].pieces {
            if self.node(plan.order[piece.place()]).finally == at_end {
                self.queue(*piece, "");
            }
        }
        let open: Vec<(usize, String)> = self
            .state
            .frames
            .iter()
            .filter(|(_, frame)| !frame.ended)
            .filter_map(|(key, frame)| Some((self.loop_of(key)?, key, frame)))
            .flat_map(|(region, key, frame)| {
                frame.open().map(move |index| (region, below(&key.iteration, index)))
            })
            .collect();
        for (region, path) in open {
            for piece in &plan.regions[region].pieces {
                self.queue(*piece, &path);
            }
        }
    }
    /// Has all looked at that works: room for it may have come.
    pub(super) fn queue_running(&mut self) {
        let working = self.state.nodes.working().map(|(key, _)| key.clone());
        let working: Vec<NodeKey> = working.collect();
        for key in working {
            if let Some(number) = self.number(&key.node) {
                self.queue(Piece::Node(self.node(number).place), &key.iteration);
            }
        }
    }
    /// The loop that a frame's key means.
    pub(super) fn loop_of(&self, key: &NodeKey) -> Option<usize> {
        let node = self.node(self.number(&key.node)?);
        node.heads.or(node.gate).filter(|region| self.plan.regions[*region].scope == *region)
    }
    /// Has the loop looked at that a frame's key means: whether it ends, or goes on.
    pub(super) fn queue_loop(&mut self, region: usize, path: &str) {
        let part = self.region(region);
        let place = self.node(part.entry).place;
        let piece = match part.kind {
            RegionKind::Natural => Piece::Loop(place),
            _ => Piece::Node(place),
        };
        self.queue(piece, path);
    }

    /// Has looked at what a fact may have made ready.
    pub(super) fn settled_by(&mut self, fact: &Fact) {
        match fact {
            Fact::NodeEnded { node, .. } | Fact::NodeSkipped { node, .. } => {
                let Some(site) = self.site_of(node) else { return };
                let own = self.region(self.node(site.number).scope).depth;
                // Otherwise it is in a loop that was never come to, which settles as one.
                if depth(site.path()) == own {
                    self.wake_targets(&site);
                    self.count(self.node(site.number).region, site.path());
                }
            }
            Fact::UnitInside { unit, .. } => {
                if let Some(site) = self.site_of(&unit.node) {
                    self.wake_targets(&site);
                }
            }
            Fact::LoopEnded { node } | Fact::LoopSkipped { node, .. } => {
                let Some(region) = self.loop_of(node) else { return };
                let plan = self.plan;
                for exit in &plan.regions[region].exits {
                    let connection = &plan.connections[*exit];
                    if !connection.back && !connection.collects {
                        self.queue_node(connection.target, &node.iteration);
                    }
                }
                let part = &plan.regions[region];
                // A `loop` node settles by itself.
                if part.kind == RegionKind::Natural {
                    self.count(part.parent, &node.iteration);
                }
            }
            _ => {}
        }
    }

    fn wake_targets(&mut self, site: &Site) {
        let plan = self.plan;
        for number in &self.node(site.number).outgoing {
            let connection = &plan.connections[*number];
            let elsewhere = connection.back
                || connection.collects
                || connection.enters
                || connection.leaves.is_some();
            if !elsewhere {
                self.queue_node(connection.target, site.path());
            }
        }
    }

    /// A piece of this part has settled: where it was the last, what the part belongs to goes on.
    fn count(&mut self, mut region: usize, path: &str) {
        while region != 0 {
            if self.count_in(region, path) == 0 {
                let key = self.key_of_region(region, path);
                self.queue_loop(region, &key.iteration);
                if self.region(region).kind != RegionKind::Watched {
                    self.over.entry(key).or_default().insert(index(path));
                }
            }
            if self.region(region).kind != RegionKind::Watched {
                return;
            }
            region = self.region(region).parent;
        }
    }

    fn count_in(&mut self, region: usize, path: &str) -> usize {
        let key = (region, path.to_owned());
        if let Some(left) = self.unsettled.get_mut(&key) {
            *left = left.saturating_sub(1);
            return *left;
        }
        // Counted once in a step; from then on only less.
        let left = self.left_in(region, path);
        self.unsettled.insert(key, left);
        left
    }

    /// The iterations of a loop that go on in the state though all in them has settled.
    pub(super) fn rounds_over(&mut self, region: usize, key: &NodeKey) -> Vec<u32> {
        let Some(frame) = self.state.frames.get(key) else { return Vec::new() };
        let found = self.over.remove(key).unwrap_or_default();
        if !self.scanned.insert(key.clone()) {
            return found
                .into_iter()
                .filter(|i| frame.rounds.get(i).is_some_and(|r| !r.over))
                .collect();
        }
        let is_over = |i: &u32| self.left_in(region, &below(&key.iteration, *i)) == 0;
        frame.open().filter(is_over).collect()
    }

    /// How many pieces of a part have not settled.
    pub(super) fn left_in(&self, region: usize, path: &str) -> usize {
        let pieces = &self.region(region).pieces;
        pieces.iter().filter(|piece| !self.is_piece_settled(**piece, path)).count()
    }

    pub(super) fn is_piece_settled(&self, piece: Piece, path: &str) -> bool {
        let number = self.plan.order[piece.place()];
        if let (Piece::Node(_), "") = (piece, path) {
            let state = self.node_state(&self.node(number).key);
            return state.is_some_and(|state| state.is_settled());
        }
        let key = NodeKey { node: self.node(number).id.clone(), iteration: path.to_owned() };
        match piece {
            Piece::Node(_) => self.node_state(&key).is_some_and(|state| state.is_settled()),
            Piece::Loop(_) => self.state.frames.get(&key).is_some_and(|frame| frame.ended),
        }
    }
}
